/** Whether a name is taken, by whatever: a link is not followed. Throws what keeps it from being looked at. */
import { lstat } from 'node:fs/promises';
import { isMissing } from './list-files.ts';

export async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
