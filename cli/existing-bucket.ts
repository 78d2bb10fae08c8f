/** The bucket of commands that look at what is there: opening an embedded one would make it, where the folder was misspelt. */
import { stat } from 'node:fs/promises';
import type { BucketConfig } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { openStore } from '../core/store/open-store.ts';

/** Throws `USAGE` where the embedded bucket is not there, and what `openStore` throws. */
export async function openExistingBucket(bucket: BucketConfig): Promise<ObjectStore> {
  if (bucket.kind === 'folder') await requireFolder(bucket.path);
  return openStore(bucket);
}

async function requireFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new StorestowError('USAGE', `there is no bucket in ${path}; give --data or --bucket as storestow up has it`, {
    object: path,
  });
}
