/**
 * How far a sweep came that had no time left: kept in the bucket, so that the next one goes on there, and what lies at the end is not out of
 * reach for ever.
 */
import { asStorestowError } from '../../core/errors.ts';
import { INCOMING_PREFIX } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';

/** Below `sweep/`: nothing there raises an event, is swept, or counts as received. */
const KEY = 'sweep/position';
/** Bytes of a key, by S3. */
const MAX_LENGTH = 1024;

/** The last key that was looked at; `undefined`: begin at the first. Throws what the store throws. */
export async function readSweepPosition(store: ObjectStore): Promise<string | undefined> {
  try {
    const bytes = await (await store.get(KEY)).bytes();
    const text = new TextDecoder().decode(bytes);
    return bytes.length <= MAX_LENGTH && text.startsWith(INCOMING_PREFIX) ? text : undefined;
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'OBJECT_NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** `before`: what was read. Writes only where that changes. Throws what the store throws. */
export async function keepSweepPosition(store: ObjectStore, before: string | undefined, now: string | undefined): Promise<void> {
  if (before !== now) await store.put(KEY, new TextEncoder().encode(now ?? ''));
}
