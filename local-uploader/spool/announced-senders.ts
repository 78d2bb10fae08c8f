/**
 * Who sent what lies in a study's folder, where the receiver has said so: storescp's `#r` comes with the exec line alone, and is not in
 * the files. It is written beside the locks before anything is uploaded, so that whoever uploads a file in the end (after an outage, a
 * restart, a kill) names the same sender, and the object's key with it.
 *
 * A line says what was there when it was written: a file belongs to the first line that is not older than its last write.
 *
 * | lines                    | file last written | sender |
 * |--------------------------|-------------------|--------|
 * | none                     | whenever          | nobody has said |
 * | 12:00 A, 12:05 B         | 11:59 or 12:00    | A      |
 * |                          | 12:03             | B      |
 * |                          | 12:06             | nobody has said |
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { isMissing } from './list-files.ts';
import { makeOwnFolder } from './own-folder.ts';
import { syncFolder } from './put-away.ts';

export interface Sender {
  readonly callingIP?: string;
  readonly callingAET?: string;
}

export interface Announcement {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly sender: Sender;
}

/** The sender of a file of that last write, if one is announced. */
export function senderOf(announcements: readonly Announcement[], written: Date): Sender | undefined {
  return announcements.find(({ at }) => at >= written.getTime())?.sender;
}

/**
 * Whom a file is uploaded by now; `undefined` where it waits to be told. `age`: seconds since its folder changed.
 *
 * | announced | the folder changed                            | sender           |
 * |-----------|-----------------------------------------------|------------------|
 * | yes       | whenever                                      | who is announced |
 * | no        | less than `within` seconds ago, or ahead of us | waits            |
 * | no        | before, or ahead of us by more, or it is gone | unknown          |
 */
export function decideSender(
  announcements: readonly Announcement[],
  written: Date,
  { age, within }: { readonly age: number; readonly within: number },
): Sender | undefined {
  return senderOf(announcements, written) ?? (Math.abs(age) < within ? undefined : {});
}

/** On the disk when it returns. `state` is the folder of the uploader's locks, made where it is not there. Throws `SPOOL_INVALID`. */
export async function announceSender(folder: string, state: string, { at, sender }: Announcement): Promise<void> {
  const path = await notePath(folder, state);
  try {
    if (!(await makeOwnFolder(state))) throw new Error(`${state} is no folder`);
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(path, flags, 0o600);
    try {
      // All of it, or an error. The first break ends what a power cut may have left of another line.
      await file.writeFile(`\n${JSON.stringify({ at, ...sender })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(state);
  } catch (cause) {
    throw new StorestowError('SPOOL_INVALID', `cannot write ${path}; give its folder to the uploader's user`, {
      object: path,
      cause,
    });
  }
}

/** In the order in which they were made. What is no announcement is passed over. Throws `SPOOL_INVALID` where they cannot be read. */
export async function readAnnouncements(folder: string, state: string): Promise<readonly Announcement[]> {
  const path = await notePath(folder, state);
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return (await file.readFile('utf8')).split('\n').flatMap((line) => parseLine(line) ?? []);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new StorestowError('SPOOL_INVALID', `cannot read ${path}; see what lies there`, { object: path, cause });
  }
}

/** For a folder that is gone. */
export async function forgetAnnouncements(folder: string, state: string): Promise<void> {
  try {
    await unlink(await notePath(folder, state));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function parseLine(line: string): Announcement | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('at' in value) || typeof value.at !== 'number') return undefined;
  const text = (name: string): string | undefined => {
    const found = (value as Readonly<Record<string, unknown>>)[name];
    return typeof found === 'string' ? found : undefined;
  };
  const [callingIP, callingAET] = [text('callingIP'), text('callingAET')];
  return {
    at: value.at,
    sender: { ...(callingIP === undefined ? {} : { callingIP }), ...(callingAET === undefined ? {} : { callingAET }) },
  };
}

/** The same for every way to write the folder's path; the folder itself may be gone. */
async function notePath(folder: string, state: string): Promise<string> {
  const path = join(await realpath(dirname(folder)), basename(folder));
  return join(state, `${createHash('sha256').update(path).digest('hex').slice(0, 24)}.from`);
}
