/** What happens to a file that the bucket holds verified. */
import { createHash, randomBytes } from 'node:crypto';
import { constants, lstatSync, renameSync } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, rename, rm, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { isUnsyncable } from '../../core/store/unsyncable-folder.ts';
import { identityOf, sameFile, type FileIdentity } from './file-identity.ts';
import { isTaken } from './is-taken.ts';
import { isMissing } from './list-files.ts';
import { isNoRoom, noRoom } from './no-room.ts';
import { passStep, type ReachStep } from './upload-step.ts';

/**
 * Behind the name of a file that is about to go, with digits that no other has: a file that is there already under such a name may not have been uploaded. A run
 * that died here leaves the file so, and the next one finds it like any other.
 */
const CLAIM = /~[0-9a-f]{16}\.uploaded$/;
/** Bytes of a name, on every file system that is used here. */
const MAX_NAME = 255;

/** Throws `FILE_CHANGED` where the path has another file, or other content, than was uploaded; that file stays. `SPOOL_FULL`, `SPOOL_INVALID`. */
export async function removeFile(path: string, uploaded: FileIdentity, reached: ReachStep = passStep): Promise<void> {
  try {
    const claimed = await claim(path, uploaded);
    await reached('claimed', claimed);
    await unlink(claimed);
  } catch (error) {
    throw asPutAwayError(error, path, dirname(path));
  }
  await reached('removed', path);
}

export interface MoveTarget {
  /** Where all that is moved goes; `folder` is below it, or the same. Both made where absent. */
  readonly root: string;
  readonly folder: string;
}

/**
 * Into the folder, under its name, or with the digest behind it where that is taken by another content. The file goes from the spool
 * when it is on the disk there. Throws as `removeFile` does.
 */
export async function moveFile(
  path: string,
  uploaded: FileIdentity,
  target: MoveTarget,
  sha256: string,
  reached: ReachStep = passStep,
): Promise<void> {
  try {
    const claimed = await claim(path, uploaded);
    await reached('claimed', claimed);
    await makeFolder(target);
    await reached('targetMade', target.folder);
    await place(claimed, join(target.folder, basename(path).replace(CLAIM, '')), sha256, reached);
    await reached('placed', claimed);
    await syncFolder(target.folder);
    await reached('placedForGood', claimed);
    await unlink(claimed);
  } catch (error) {
    throw asPutAwayError(error, path, target.folder);
  }
  await reached('removed', path);
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
export function suffixed(name: string, suffix: string): string {
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

export function uniqueDigits(): string {
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

/** All of the way to it is synced, whoever made it: of several files at once one makes it, and none may leave the spool before it is safe. */
async function makeFolder({ root, folder }: MoveTarget): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  // Both are above the folder, or it: the shorter one is the upper one.
  const top = made !== undefined && made.length < root.length ? made : root;
  for (let current = folder; current.length >= top.length && current !== dirname(current); current = dirname(current))
    await syncFolder(dirname(current)).catch(ignoreDenied);
}

/** What may not be read cannot be synced; whoever made something there could. */
function ignoreDenied(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
}

async function place(claimed: string, named: string, sha256: string, reached: ReachStep): Promise<void> {
  const digest = `~${sha256.slice(0, 12)}`;
  if (await placeAs(claimed, named, sha256, reached)) return;
  if (await placeAs(claimed, join(dirname(named), suffixed(basename(named), digest)), sha256, reached)) return;
  throw new StorestowError(
    'SPOOL_INVALID',
    `${named} is taken by another file, and so is its name with the digest; move them away`,
    {
      object: named,
    },
  );
}

/** A second name for the file, or a copy on another file system; its bytes are on the disk. False where the name is taken by another content. */
async function placeAs(from: string, to: string, sha256: string, reached: ReachStep): Promise<boolean> {
  try {
    await syncFile(from);
    await link(from, to);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return isOnDisk(to, sha256);
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'ENOTSUP') throw error;
  }
  return (await isTaken(to)) ? isOnDisk(to, sha256) : copyDurably(from, to, sha256, reached);
}

/** Whether the file has this content: a run that died had placed it, or it came twice. It is synced then. */
async function isOnDisk(path: string, sha256: string): Promise<boolean> {
  if (!(await lstat(path)).isFile()) return false;
  return withFile(path, async (handle) => {
    const digest = createHash('sha256');
    for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>) digest.update(chunk);
    if (digest.digest('hex') !== sha256) return false;
    await handle.sync();
    return true;
  });
}

/**
 * Under another name first: neither another file nor what a link points to is written over. That name follows from the content, so what a
 * run that died has left of its copy is found by the next one.
 */
async function copyDurably(from: string, to: string, sha256: string, reached: ReachStep): Promise<boolean> {
  const partial = join(dirname(to), suffixed(basename(to), `~${sha256.slice(0, 12)}.partial`));
  await rm(partial, { force: true });
  await copyFile(from, partial, constants.COPYFILE_EXCL);
  await syncFile(partial);
  await reached('copied', partial);
  // In one turn: another file of this uploader may have got the name while this one was copied.
  if (lstatSync(to, { throwIfNoEntry: false }) === undefined) {
    renameSync(partial, to);
    return true;
  }
  await rm(partial, { force: true });
  return isOnDisk(to, sha256);
}

async function syncFile(path: string): Promise<void> {
  await withFile(path, (handle) => handle.sync());
}

async function withFile<Result>(path: string, work: (handle: FileHandle) => Promise<Result>): Promise<Result> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}

/** The folder's entries to disk, so that a removal or a new name survives a loss of power; as far as its file system does that at all. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync().catch((error: unknown) => {
        if (!isUnsyncable(error)) throw error;
      });
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

function asPutAwayError(thrown: unknown, path: string, folder: string): unknown {
  if (thrown instanceof StorestowError) return thrown;
  if (isNoRoom(thrown)) return noRoom(folder, thrown);
  return new StorestowError(
    'SPOOL_INVALID',
    `${path} is in the bucket, but cannot be put away in ${folder}; check owner and permissions`,
    {
      object: path,
      cause: thrown,
    },
  );
}
