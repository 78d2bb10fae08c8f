/** One file of the spool into the bucket, verified there. */
import { StorestowError } from '../../core/errors.ts';
import type { ObjectBody, ObjectHead, ObjectStore } from '../../core/store/object-store.ts';
import type { ArrivalObject } from '../arrival/arrival-object.ts';
import type { Arrival } from '../arrival/read-arrival.ts';
import { passStep, type ReachStep } from '../spool/upload-step.ts';

/** Runs work on the bucket as often as may help; throws what the last try threw. */
export type Tries = <Result>(work: () => Promise<Result>) => Promise<Result>;

export interface FileUploadOptions {
  /** The bucket is likely to have it: it is asked before the bytes are sent. */
  readonly askFirst?: boolean;
  readonly reached?: ReachStep;
}

/**
 * Resolves when the bucket holds these bytes under the key and says so: `uploaded` now, or `present` before. Throws `CONFLICT` where the
 * key has other bytes, and the store's errors after the last try. An answer that got lost on the way is settled by the next try, which
 * finds the object.
 *
 * A file is removed on the bucket's word alone. Its answer to the PUT is that, where it has the digest that the bucket found in the bytes
 * that it got and keeps; where it tells none, or there was no answer, it is asked. To ask in any case would show nothing more: what it
 * keeps of the object is what it would answer from.
 */
export async function uploadFile(
  path: string,
  arrival: Arrival,
  { key, metadata }: ArrivalObject,
  store: ObjectStore,
  tries: Tries,
  { askFirst = false, reached = passStep }: FileUploadOptions = {},
): Promise<'uploaded' | 'present'> {
  const { size, sha256, parts } = arrival;
  const body: ObjectBody = arrival.bytes ?? { path, size, ...(parts === undefined ? {} : { parts }) };
  return tries(async () => {
    if (askFirst && isSame(await store.head(key), size, sha256)) {
      arrival.release();
      return 'present';
    }
    const { outcome, told } = await putIfAbsent(store, key, body, { metadata, sha256 });
    await reached('put', path);
    if (told !== sha256) await verify(store, key, size, sha256, outcome);
    // All of it has arrived there; after any other answer it may still be under way.
    else arrival.release();
    await reached('verified', path);
    return outcome;
  });
}

function isSame(head: ObjectHead | undefined, size: number, sha256: string): boolean {
  return head?.size === size && (head.sha256 ?? head.metadata['sha256']) === sha256;
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
  if (isSame(head, size, sha256)) return;
  throw outcome === 'uploaded'
    ? new StorestowError('CHECKSUM_MISMATCH', `${store.description} does not hold ${key} as it was sent`, { object: key })
    : new StorestowError('CONFLICT', `${store.description} has other bytes under ${key}; see who else writes there`, {
        object: key,
      });
}
