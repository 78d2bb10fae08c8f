/** A folder of the uploader's own within the spool. */
import { lstat, mkdir } from 'node:fs/promises';

/** Made for the user alone where it is not there; its parent is not made. Whether it is a folder, and no link to one. */
export async function makeOwnFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return (await lstat(path)).isDirectory();
}
