/** An object that is read where it lies in the bucket, range by range. */
import { StorestowError } from '../../core/errors.ts';
import type { LargeFile } from '../../core/prepare-instance.ts';
import type { ObjectHead, ObjectStore } from '../../core/store/object-store.ts';

/** What such an object counts for in memory: its head and tail, frames under way, blocks on their way out. */
export const LARGE_OBJECT_MEMORY: number = 64 * 1024 * 1024;

/** Reads reject with `FILE_CHANGED` where the object was replaced meanwhile, and with what the store throws. */
export function largeObject(store: ObjectStore, { key, size, etag, sha256, metadata }: ObjectHead): LargeFile {
  const promised = metadata['sha256']?.toLowerCase() ?? sha256;
  return {
    length: size,
    async read(start, end) {
      if (end <= start) return new Uint8Array(0);
      const object = await store.get(key, { start, end: end - 1 });
      const bytes = await object.bytes();
      if (object.head.etag !== etag || bytes.length !== end - start) throw changed(key);
      return bytes;
    },
    ...(promised === undefined ? {} : { sha256: promised }),
  };
}

function changed(key: string): StorestowError {
  return new StorestowError('FILE_CHANGED', `${key} was replaced while it was read; it is tried again`, { object: key });
}
