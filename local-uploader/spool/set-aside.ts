/**
 * Puts a file that is not uploaded out of the way of those that are: below `set-aside/`, under its path in the spool. Nothing of it is
 * changed or removed, and who has mended it moves it back.
 */
import { lstat, mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { setAsideFolder } from '../../core/spool-layout.ts';
import type { Aside } from './decide-set-aside.ts';
import { identityOf, sameFile, type FileIdentity } from './file-identity.ts';
import { isTaken } from './is-taken.ts';
import { isMissing } from './list-files.ts';
import { isNoRoom, noRoom } from './no-room.ts';
import { suffixed, syncFolder, uniqueDigits } from './put-away.ts';

/**
 * In one step, and never over another file: only who has the lock of the folder that a file lies in sets it aside, and where its name is
 * taken in `set-aside/` it gets digits that no other has. Resolves with its new path. Where it cannot be moved it stays, and is
 * listed where it is. Throws `FILE_CHANGED` where the path has another file than was judged, `SPOOL_FULL`, `SPOOL_INVALID`.
 */
export async function setAside(path: string, judged: FileIdentity, spool: string, aside: Aside): Promise<string> {
  try {
    const named = join(setAsideFolder(spool), aside, relative(spool, path));
    await makeFolder(spool, dirname(named));
    const target = (await isTaken(named)) ? withDigits(named) : named;
    await rename(path, target);
    await syncFolder(dirname(target));
    if (sameFile(judged, identityOf(await lstat(target, { bigint: true })))) return target;
    // Whatever took its place is to be looked at like any other file, under any name.
    await rename(target, withDigits(path));
  } catch (error) {
    if (isMissing(error)) throw changed(path, error);
    if (error instanceof StorestowError) throw error;
    if (isNoRoom(error)) throw noRoom(setAsideFolder(spool), error);
    throw new StorestowError(
      'SPOOL_INVALID',
      `${path} cannot be moved to ${setAsideFolder(spool)}; see that both may be written, and are on one file system`,
      { object: path, cause: error },
    );
  }
  throw changed(path);
}

function withDigits(path: string): string {
  return join(dirname(path), suffixed(basename(path), `~${uniqueDigits()}`));
}

/** One level after the other: through a link in the place of any of them nothing is moved. On the disk before anything is. */
async function makeFolder(spool: string, folder: string): Promise<void> {
  let current = spool;
  for (const name of relative(spool, folder).split(sep)) {
    current = join(current, name);
    await mkdir(current, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    if (!(await lstat(current)).isDirectory()) throw notAFolder(current);
    await syncFolder(dirname(current));
  }
}

function notAFolder(path: string): StorestowError {
  return new StorestowError('SPOOL_INVALID', `${path} is a link, or something else that no uploader puts there; remove it`, {
    object: path,
  });
}

function changed(path: string, cause?: unknown): StorestowError {
  return new StorestowError('FILE_CHANGED', `${path} changed after it was read; it is looked at again`, {
    object: path,
    ...(cause === undefined ? {} : { cause }),
  });
}
