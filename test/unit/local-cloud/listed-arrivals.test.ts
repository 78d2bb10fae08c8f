import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { ListedArrivals } from '../../../local-cloud/listed-arrivals.ts';

const BYTES = Uint8Array.of(1);
const HOUR = 60 * 60_000;

describe('arrivals in a bucket without events', () => {
  it('queues each new key once, and nothing outside of what is received', async () => {
    const store = createMemoryStore();
    const queued: string[] = [];
    const arrivals = new ListedArrivals(store, async (keys) => void queued.push(...keys));
    await store.put('incoming/a', BYTES);
    await store.put('rules/x.json', BYTES);
    await arrivals.queueNew();
    await store.put('incoming/b', BYTES);
    await arrivals.queueNew();
    await arrivals.queueNew();
    expect(queued).toEqual(['incoming/a', 'incoming/b']);
  });

  it('leaves what arrived long before to the sweep', async () => {
    const store = createMemoryStore();
    await store.put('incoming/old', BYTES);
    const queued: string[] = [];
    const later = Date.now() + HOUR + 1000;
    await new ListedArrivals(
      store,
      async (keys) => void queued.push(...keys),
      () => later,
    ).queueNew();
    expect(queued).toEqual([]);
  });

  it('queues again what could not be queued', async () => {
    const store = createMemoryStore();
    await store.put('incoming/a', BYTES);
    const queued: string[] = [];
    let full = true;
    const arrivals = new ListedArrivals(store, async (keys) => {
      if (full) throw new Error('as the test wants it');
      queued.push(...keys);
    });
    await expect(arrivals.queueNew()).rejects.toThrow();
    full = false;
    await arrivals.queueNew();
    expect(queued).toEqual(['incoming/a']);
  });
});
