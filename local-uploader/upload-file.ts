/** One file of the spool into the bucket, verified there. */
import { StorestowError } from '../core/errors.ts';
import type { ObjectBody, ObjectStore } from '../core/store/object-store.ts';
import type { ArrivalObject } from './arrival-object.ts';
import type { Arrival } from './read-arrival.ts';
import { passStep, type ReachStep } from './upload-step.ts';

/** Runs work on the bucket as often as may help; throws what the last try threw. */
export type Tries = <Result>(work: () => Promise<Result>) => Promise<Result>;

/**
 * Resolves when the bucket holds these bytes under the key and says so: `uploaded` now, or `present` before. It says so in its answer
 * to the PUT, with the digest that it found in the bytes that it got and keeps; where the answer tells none (objects in parts of some
 * stores, other S3 servers) or there was none, it is asked. To ask in any case would show nothing more: what it keeps of the object
 * is what it would answer from. A file is removed on its word alone. An answer that got lost on the way is settled by the next try, which finds the object. Throws `CONFLICT` where the key has other bytes, and the
 * store's errors after the last try.
 */
export async function uploadFile(
  path: string,
  arrival: Arrival,
  { key, metadata }: ArrivalObject,
  store: ObjectStore,
  tries: Tries,
  reached: ReachStep = passStep,
): Promise<'uploaded' | 'present'> {
  const { size, sha256, parts } = arrival;
  const body: ObjectBody = arrival.bytes ?? { path, size, ...(parts === undefined ? {} : { parts }) };
  return tries(async () => {
    const { outcome, told } = await putIfAbsent(store, key, body, { metadata, sha256 });
    await reached('put', path);
    if (told !== sha256) await verify(store, key, size, sha256, outcome);
    // All of it has arrived there; after any other answer it may still be under way.
    else arrival.release();
    await reached('verified', path);
    return outcome;
  });
}

async function putIfAbsent(
  store: ObjectStore,
  key: string,
  body: ObjectBody,
  { metadata, sha256 }: { readonly metadata: Readonly<Record<string, string>>; readonly sha256: string },
): Promise<{ readonly outcome: 'uploaded' | 'present'; readonly told?: string | undefined }> {
  try {
    const answer = await store.put(key, body, { metadata, sha256, contentType: 'application/dicom', ifAbsent: true });
    return { outcome: 'uploaded', told: answer.sha256 };
  } catch (error) {
    if (error instanceof StorestowError && error.code === 'PRECONDITION_FAILED') return { outcome: 'present' };
    throw error;
  }
}

/** Asks the bucket what it has. */
async function verify(
  store: ObjectStore,
  key: string,
  size: number,
  sha256: string,
  outcome: 'uploaded' | 'present',
): Promise<void> {
  const head = await store.head(key);
  if (head === undefined) {
    throw new StorestowError(
      'STORE_UNAVAILABLE',
      `${store.description} took ${key} and does not have it; see what removes objects there`,
      {
        object: key,
      },
    );
  }
  const digest = head.sha256 ?? head.metadata['sha256'];
  if (head.size === size && digest === sha256) return;
  throw outcome === 'uploaded'
    ? new StorestowError('CHECKSUM_MISMATCH', `${store.description} does not hold ${key} as it was sent`, { object: key })
    : new StorestowError('CONFLICT', `${store.description} has other bytes under ${key}; see who else writes there`, {
        object: key,
      });
}
