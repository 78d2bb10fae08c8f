/** A file that is there whole or not at all: under another name first, then renamed. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { segmentBytes } from '../../core/dicom/byte-source.ts';
import type { Segments } from '../../core/dicom/change.ts';
import { StorestowError } from '../../core/errors.ts';

/** Makes the folder where it is absent. Throws `STORE_UNAVAILABLE`. */
export async function writeWhole(path: string, { segments }: Segments): Promise<void> {
  // Not longer by the name of the file: that may be as long as names may be.
  const partial = join(dirname(path), `${randomUUID()}.part`);
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(partial, 'wx');
    try {
      for (const segment of segments) await handle.writeFile(segmentBytes(segment));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (cause) {
    // The reason why it could not be written counts, not that what is not there cannot be removed.
    await rm(partial, { force: true }).catch(() => undefined);
    throw new StorestowError('STORE_UNAVAILABLE', `cannot write ${path}; check space and permissions`, { object: path, cause });
  }
}
