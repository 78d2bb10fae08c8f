/**
 * Arrivals in a bucket that announces none: its keys are listed again and again, and those that are new are queued. Tags
 * are not read for that; what an earlier run of this machine did not queue is the sweep's.
 */
import { INCOMING_PREFIX } from '../core/store/object-key.ts';
import type { ObjectStore } from '../core/store/object-store.ts';

/** Milliseconds by which the clocks of bucket and machine may differ, and for which a key is remembered. */
const HORIZON = 60 * 60_000;

export class ListedArrivals {
  /** Key → when the bucket got it. */
  readonly #seen = new Map<string, number>();
  readonly #store: ObjectStore;
  readonly #enqueue: (keys: readonly string[]) => Promise<void>;
  readonly #now: () => number;

  constructor(store: ObjectStore, enqueue: (keys: readonly string[]) => Promise<void>, now: () => number = Date.now) {
    this.#store = store;
    this.#enqueue = enqueue;
    this.#now = now;
  }

  /** Throws what the store and `enqueue` throw; what was not queued is so the next time. */
  async queueNew(): Promise<void> {
    const since = this.#now() - HORIZON;
    const found = new Map<string, number>();
    for await (const { key, lastModified } of this.#store.list({ prefix: INCOMING_PREFIX })) {
      if (lastModified.getTime() >= since && !this.#seen.has(key)) found.set(key, lastModified.getTime());
    }
    if (found.size > 0) await this.#enqueue([...found.keys()]);
    for (const [key, arrived] of found) this.#seen.set(key, arrived);
    for (const [key, arrived] of this.#seen) if (arrived < since) this.#seen.delete(key);
  }
}
