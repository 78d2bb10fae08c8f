/**
 * One uploader a folder at a time, over all processes of the machine; who comes second leaves word and goes.
 *
 * The lock is an exclusive transaction on an empty SQLite file: SQLite holds it as a lock of the kernel (fcntl), which ends with the
 * process however that ends, kill -9 included. A file with a process number in it would have to be judged stale, and process numbers
 * come back; flock(1) is not on every system; Node itself has no file locks. The spool must lie on a local file system, as storescp's does.
 *
 * No word is lost, whichever way two processes interleave:
 * - word is left *before* the lock is tried, and taken by the holder *before* each round of work;
 * - the holder looks for word once more *after* it has let the lock go.
 * Who found the lock taken left word before the holder let go, so that last look sees it. Only a holder that is killed leaves word
 * unheard; the next uploader (the sweep at start, a timer, the next arrival) begins with it.
 *
 * A disk that is full must not keep the uploader from emptying it. Where it has no room for another file, the lock is a name in the kernel
 * (`lockInKernel`), and no word is left: who finds it taken goes, and the next look of the timer finds its files.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorestowError } from '../../core/errors.ts';
import { isBusy } from '../../core/shared-database.ts';
import { isMissing } from './list-files.ts';
import { isNoRoom } from './no-room.ts';
import { passStep, type ReachStep } from './upload-step.ts';

/** Tries to lock a file that others remove at the same moment; each try fails only when another process has got on. */
const MAX_TRIES = 1000;

/**
 * Runs `work` for `folder` until no word is left, and resolves `true`; or leaves word with the process that is at it, and resolves
 * `false`. `state` is where lock and word lie (made where absent), outside of what is uploaded. Throws what `work` throws, and
 * `SPOOL_INVALID` where the state folder cannot be written.
 */
export async function oneAtATime(
  folder: string,
  state: string,
  work: () => Promise<void>,
  reached: ReachStep = passStep,
): Promise<boolean> {
  const name = await lockName(folder);
  const lockPath = join(state, `${name}.lock`);
  const wordPath = join(state, `${name}.again`);
  const room = (await prepare(state)) && (await leaveWord(wordPath));
  let asked = !room;
  await reached('wordLeft', folder);
  do {
    const lock = await tryLock(lockPath, name, room);
    if (lock === undefined) return false;
    try {
      await reached('locked', folder);
      while ((await takeWord(wordPath)) || asked) {
        asked = false;
        await reached('wordTaken', folder);
        await work();
      }
      await reached('quiet', folder);
    } finally {
      await lock.release(() => reached('unnamed', folder));
    }
    await reached('released', folder);
  } while (await isWordLeft(wordPath));
  return true;
}

/**
 * Removes what killed uploaders have left in `state`, of folders too that no uploader comes to again. Word that somebody has just left is
 * taken with it, so all folders are to be looked at afterwards.
 */
export async function collectLeftLocks(state: string): Promise<void> {
  const left = await readdir(state).catch(() => []);
  for (const name of new Set(left.flatMap((file) => LEFT.exec(file)?.[1] ?? []))) {
    // One that cannot be locked is told of by who comes to its folder.
    const lock = await tryLock(join(state, `${name}.lock`), name, true).catch(() => undefined);
    if (lock === undefined) continue;
    try {
      await takeWord(join(state, `${name}.again`));
    } finally {
      await lock.release(() => undefined);
    }
  }
}

const LEFT = /^([0-9a-f]{24})\.(?:lock|again)$/;

/** The same for every way to write the path. The folder itself may be gone already: who had the lock before has emptied it. */
async function lockName(folder: string): Promise<string> {
  const path = join(await realpath(dirname(folder)), basename(folder));
  return createHash('sha256').update(path).digest('hex').slice(0, 24);
}

/** False where the disk has no room for it. */
async function prepare(state: string): Promise<boolean> {
  try {
    await mkdir(state, { recursive: true, mode: 0o700 });
    if ((await lstat(state)).isDirectory()) return true;
  } catch (cause) {
    if (isNoRoom(cause)) return false;
    throw unusable(state, cause);
  }
  throw notOurs(state);
}

/** Through no link: what it points to would be written. False where the disk has no room for it. */
async function leaveWord(path: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
    await file.close();
    return true;
  } catch (cause) {
    if (isNoRoom(cause)) return false;
    throw unusable(path, cause);
  }
}

interface Lock {
  /** `unnamed` is awaited between its two steps. */
  release(unnamed: () => void | Promise<void>): Promise<void>;
}

/** `undefined` where another process, or another call in this one, has it. */
async function tryLock(path: string, name: string, room: boolean): Promise<Lock | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (!create(path, room)) return lockInKernel(name);
    const before = await inodeOf(path);
    const database = begin(path);
    if (database === undefined) return undefined;
    // A holder removes the file as it lets go: what was locked must be the file that the path names, or it locks nobody out. While
    // it is open its inode number cannot come back for another file.
    if (before !== undefined && before === (await inodeOf(path)))
      return { release: (unnamed) => release(path, database, unnamed) };
    database.close();
  }
  throw new StorestowError('LOCKED', `${path} cannot be locked; see what else writes in its folder`, { object: path });
}

/**
 * Whether the file is there now; false where the disk has no room for it. In one turn, and never one that is there already: closing a
 * descriptor of a file that another call has locked would end that lock.
 */
function create(path: string, room: boolean): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600));
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return true;
    // Without room for it, its folder is not there either.
    if (isNoRoom(cause) || (!room && isMissing(cause))) return false;
    throw unusable(path, cause);
  }
}

/**
 * A name that no disk has, and that goes with its process like any lock: an abstract socket of Linux. Another user can have it
 * first, and then this folder waits. Systems without such names lock nobody out: two uploaders at one folder send some files twice,
 * and lose none.
 */
async function lockInKernel(name: string): Promise<Lock | undefined> {
  if (process.platform !== 'linux') return { release: async (unnamed) => unnamed() };
  const server = createServer((connection) => connection.destroy());
  try {
    server.listen(`\0storestow-${name}`);
    await once(server, 'listening');
    // Of who calls, and cannot be taken: nobody has a reason to.
    server.on('error', () => undefined);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  return {
    release: async (unnamed) => {
      await unnamed();
      server.close();
    },
  };
}

function begin(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // Without a journal file: making one looks for the database by its path, which a holder that lets go has just removed.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (cause) {
    database?.close();
    if (isBusy(cause)) return undefined;
    throw unusable(path, cause);
  }
}

/** Removed while it is still locked, so that locks do not pile up, one for each study. */
async function release(path: string, database: DatabaseSync, unnamed: () => void | Promise<void>): Promise<void> {
  try {
    await remove(path);
    await unnamed();
  } finally {
    database.close();
  }
}

/**
 * By `lstat`, never by opening: closing any descriptor of the file would end this process's lock on it (POSIX fcntl). A link in its
 * place is refused: SQLite would follow it.
 */
async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    const stats = await lstat(path, { bigint: true });
    if (stats.isFile()) return stats.ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  throw notOurs(path);
}

async function isWordLeft(path: string): Promise<boolean> {
  return (await inodeOf(path)) !== undefined;
}

async function takeWord(path: string): Promise<boolean> {
  return remove(path);
}

/** Whether it was there. */
async function remove(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function notOurs(path: string): StorestowError {
  return new StorestowError('SPOOL_INVALID', `${path} is a link, or something else that no uploader puts there; remove it`, {
    object: path,
  });
}

function unusable(path: string, cause: unknown): StorestowError {
  return new StorestowError('SPOOL_INVALID', `cannot write ${path}; name a folder for the uploader's locks that it may write`, {
    object: path,
    cause,
  });
}
