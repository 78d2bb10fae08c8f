/** Gathers what is known of a spool, without touching it: its folders, what the uploaders noted, its disk. */
import { constants, existsSync, type StatsFs } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { forEachConcurrently } from '../../core/concurrency.ts';
import { fileSource } from '../../core/dicom/file-source.ts';
import { identify } from '../../core/dicom/identify.ts';
import { readAroundPixels } from '../../core/dicom/read-around-pixels.ts';
import { StorestowError } from '../../core/errors.ts';
import { RECEIVING_ABANDONED_AFTER, RECEIVING_FOLDER, SET_ASIDE_FOLDER } from '../../core/spool-layout.ts';
import { ASIDES } from '../spool/decide-set-aside.ts';
import { modifiedAt } from '../spool/file-identity.ts';
import { walkFolder, type ListedFile } from '../spool/list-files.ts';
import type { Disk } from './decide-disk.ts';
import { JournalReader } from './journal-reader.ts';
import { SpoolCount, type SpoolFile, type SpoolStatus } from './spool-status.ts';

/** Files that are opened to see their study, the oldest first; a few thousand a second. */
const LOOKED_INTO = 2000;
const AT_ONCE = 16;

export interface LookOptions {
  /** Files are looked into for their study, which takes a while where thousands wait. Default true. */
  readonly studies?: boolean;
  /** Called where what the uploaders noted cannot be read: nothing more is, then. Absent: it is thrown. */
  readonly onUnread?: (error: StorestowError) => void;
  /** Aborted: the look is given up. */
  readonly signal?: AbortSignal;
}

/** Throws `SPOOL_INVALID` where there is no spool, or it cannot be read. */
export async function lookAtSpool(
  spool: string,
  now: Date,
  { studies = true, onUnread, signal }: LookOptions = {},
): Promise<SpoolStatus> {
  const root = resolve(spool);
  mustBeThere(root);
  const journal = new JournalReader(root, { now, onUnread });
  try {
    const count = new SpoolCount({ now, lookedInto: studies ? LOOKED_INTO : 0 });
    await walkFolder(
      root,
      { recursive: true, signal },
      {
        file: (file) => count.add(spoolFile(file, root, now), journal.noteOf(file.path), journal.sending.get(file.path)),
        other: (path) => count.addOther(path),
      },
    );
    await forEachConcurrently(count.unknown(), AT_ONCE, async (path) => {
      const study = await studyOf(path);
      if (study !== undefined) count.addStudy(study);
    });
    return count.status(journal.notes, diskOf(await statfs(root)));
  } finally {
    journal.close();
  }
}

function diskOf({ bavail, bsize, blocks, ffree, files }: StatsFs): Disk {
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeFiles: ffree, totalFiles: files };
}

function mustBeThere(root: string): void {
  if (existsSync(root)) return;
  throw new StorestowError('SPOOL_INVALID', `there is no spool ${root}; give --spool, or the --data folder of storestow up`, {
    object: root,
  });
}

function spoolFile({ path, identity }: ListedFile, root: string, now: Date): SpoolFile {
  const modified = modifiedAt(identity);
  const [folder = '', inner] = relative(root, path).split(sep);
  const aside = folder === SET_ASIDE_FOLDER ? (ASIDES.find((one) => one === inner) ?? 'foreign') : undefined;
  const young = now.getTime() - modified.getTime() < RECEIVING_ABANDONED_AFTER * 1000;
  return {
    path,
    size: Number(identity.size),
    modified,
    receiving: folder === RECEIVING_FOLDER && young,
    ...(aside === undefined ? {} : { aside }),
  };
}

/** Of a file that is gone, or that no uploader could read either, there is none. */
async function studyOf(path: string): Promise<string | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    const tooShort = (): Error => new StorestowError('FILE_CHANGED', `${path} changed while it was read`, { object: path });
    return identify(await readAroundPixels(fileSource(handle, size, tooShort))).studyInstanceUID;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
