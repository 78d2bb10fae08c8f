/** What happens to a file that the bucket holds verified. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StorestowError } from '../core/errors.ts';
import { identityOf, sameFile, type FileIdentity } from './file-identity.ts';
import { isMissing } from './list-files.ts';

/**
 * Behind the name of a file that is about to go, with digits that no other has: a file that is there already under such a name may not have been uploaded. A run
 * that died here leaves the file so, and the next one finds it like any other.
 */
const CLAIM = /~[0-9a-f]{16}\.uploaded$/;
/** Bytes of a name, on every file system that is used here. */
const MAX_NAME = 255;

/** Throws `FILE_CHANGED` where the path has another file, or other content, than was uploaded; that file stays. */
export async function removeFile(path: string, uploaded: FileIdentity): Promise<void> {
  await unlink(await claim(path, uploaded));
}

/** Into `folder` (made where absent), under its name, or with the digest behind it where that is taken by another content. */
export async function moveFile(path: string, uploaded: FileIdentity, folder: string, sha256: string): Promise<void> {
  const claimed = await claim(path, uploaded);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = basename(path).replace(CLAIM, '');
  if (!(await place(claimed, join(folder, name)))) await place(claimed, join(folder, suffixed(name, `~${sha256.slice(0, 12)}`)));
  await syncFolder(folder);
  await unlink(claimed);
}

/**
 * The file under a name that no writer knows, so that nobody can put another one in its place between the look at it and its
 * removal. Whoever wrote into it meanwhile gets it back.
 */
async function claim(path: string, uploaded: FileIdentity): Promise<string> {
  const claimed = CLAIM.test(path) ? path : join(dirname(path), suffixed(basename(path), `~${uniqueDigits()}.uploaded`));
  try {
    if (claimed !== path) await rename(path, claimed);
    if (sameFile(uploaded, identityOf(await lstat(claimed, { bigint: true })))) return claimed;
  } catch (error) {
    if (isMissing(error)) throw changed(path, error);
    throw error;
  }
  if (claimed !== path) await giveBack(claimed, path);
  throw changed(path);
}

/** The name with the suffix, as much of it as there is room for. */
function suffixed(name: string, suffix: string): string {
  const room = MAX_NAME - suffix.length;
  return (
    (Buffer.byteLength(name) <= room
      ? name
      : Buffer.from(name)
          .subarray(0, room)
          .toString()
          .replace(/\ufffd+$/, '')) + suffix
  );
}

function uniqueDigits(): string {
  return randomBytes(8).toString('hex');
}

/** Where the name has been taken again, the file keeps the other one; the next run uploads both. */
async function giveBack(claimed: string, path: string): Promise<void> {
  try {
    await link(claimed, path);
    await unlink(claimed);
  } catch (error) {
    if (!isMissing(error) && (error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A second name for the file, or a synced copy on another file system. False where the name is taken. */
async function place(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'ENOTSUP') throw error;
  }
  return copyDurably(from, to);
}

/** Under a name of its own first: neither another file nor what a link points to is written over. */
async function copyDurably(from: string, to: string): Promise<boolean> {
  if (await exists(to)) return false;
  const partial = join(dirname(to), suffixed(basename(to), `~${uniqueDigits()}.partial`));
  await copyFile(from, partial, constants.COPYFILE_EXCL);
  const handle = await open(partial, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(partial, to);
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The folder's entries to disk, so that a removal or a new name survives a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function changed(path: string, cause?: unknown): StorestowError {
  return new StorestowError('FILE_CHANGED', `${path} changed after it was uploaded; it stays, and is uploaded again`, {
    object: path,
    ...(cause === undefined ? {} : { cause }),
  });
}
