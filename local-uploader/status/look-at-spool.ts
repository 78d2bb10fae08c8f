/** Gathers what is known of a spool, without touching it: its folders, what the uploaders noted, its disk. */
import { constants, existsSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mapConcurrently } from '../../core/concurrency.ts';
import { fileSource } from '../../core/dicom/file-source.ts';
import { identify } from '../../core/dicom/identify.ts';
import { readLargePart10 } from '../../core/dicom/read-large.ts';
import { isErrorCode, StorestowError } from '../../core/errors.ts';
import { RECEIVING_ABANDONED_AFTER, RECEIVING_FOLDER, SET_ASIDE_FOLDER } from '../../core/spool-layout.ts';
import { ASIDES } from '../spool/decide-set-aside.ts';
import { modifiedAt } from '../spool/file-identity.ts';
import { listFolder, type ListedFile } from '../spool/list-files.ts';
import { FILL_WINDOW, type NotedFile, type NotedMinute, type SpoolFacts, type SpoolFile } from './spool-status.ts';
import { journalPath, localDay } from '../upload/upload-journal.ts';

/** Files that are opened to see their study, the oldest first; a few thousand a second. */
const LOOKED_INTO = 2000;
const AT_ONCE = 16;
/** Milliseconds since an uploader's last word from which it is not at work any more. */
const SILENT = 10_000;

export interface LookOptions {
  /** Files are looked into for their study, which takes a while where thousands wait. Default true. */
  readonly studies?: boolean;
  /** Called where what the uploaders noted cannot be read: nothing is, then. Absent: it is thrown. */
  readonly onUnread?: (error: StorestowError) => void;
}

/** Throws `SPOOL_INVALID` where there is no spool, or it cannot be read. */
export async function lookAtSpool(spool: string, now: Date, { studies = true, onUnread }: LookOptions = {}): Promise<SpoolFacts> {
  const root = resolve(spool);
  mustBeThere(root);
  const { files, others } = await listFolder(root, { recursive: true });
  const notes = readNotes(existsSync(journalPath(root)) ? journalPath(root) : undefined, now, onUnread);
  const disk = await statfs(root);
  const listed = files.map((file) => spoolFile(file, root, now));
  return {
    files: studies ? await withStudies(listed, notes.noted, notes.sending) : listed,
    others,
    ...notes,
    disk: {
      freeBytes: disk.bavail * disk.bsize,
      totalBytes: disk.blocks * disk.bsize,
      freeFiles: disk.ffree,
      totalFiles: disk.files,
    },
    now,
  };
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

async function withStudies(
  files: readonly SpoolFile[],
  noted: SpoolFacts['noted'],
  sending: SpoolFacts['sending'],
): Promise<SpoolFile[]> {
  const unknown = files.filter(
    ({ path, receiving, aside }) =>
      !receiving && aside === undefined && !sending.has(path) && noted.get(path)?.study === undefined,
  );
  const looked = unknown.toSorted((a, b) => a.modified.getTime() - b.modified.getTime()).slice(0, LOOKED_INTO);
  const studies = new Map(await mapConcurrently(looked, AT_ONCE, async ({ path }) => [path, await studyOf(path)] as const));
  return files.map((file) => {
    const study = studies.get(file.path);
    return study === undefined ? file : { ...file, study };
  });
}

/** Of a file that is gone, or that no uploader could read either, there is none. */
async function studyOf(path: string): Promise<string | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    const tooShort = (): Error => new StorestowError('FILE_CHANGED', `${path} changed while it was read`, { object: path });
    return identify(await readLargePart10(fileSource(handle, size, tooShort))).studyInstanceUID;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

type Notes = Pick<SpoolFacts, 'noted' | 'sending' | 'today' | 'minutes'>;

const NOTHING: Notes = { noted: new Map(), sending: new Map(), today: { studies: 0, instances: 0, bytes: 0 }, minutes: [] };

function readNotes(path: string | undefined, now: Date, onUnread: LookOptions['onUnread']): Notes {
  if (path === undefined) return NOTHING;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    return notesIn(database, now);
  } catch (cause) {
    const error = new StorestowError(
      'SPOOL_INVALID',
      `cannot read ${path}; ask as the user whose spool it is, or as root; a file that is damaged may be removed, it only counts`,
      { object: path, cause },
    );
    if (onUnread === undefined) throw error;
    onUnread(error);
    return NOTHING;
  } finally {
    database?.close();
  }
}

function notesIn(database: DatabaseSync, now: Date): Notes {
  const noted = new Map<string, NotedFile>();
  // One after the other: where a site was cut off for days these are hundreds of thousands.
  for (const row of database.prepare('SELECT * FROM remaining').iterate()) noted.set(String(row['path']), notedFile(row));
  return {
    noted,
    sending: new Map(
      database
        .prepare('SELECT path, study FROM running WHERE abs(at - ?) < ?')
        .all(now.getTime(), SILENT)
        .map(({ path, study }) => [String(path), String(study)]),
    ),
    today: todayOf(database, now),
    minutes: database
      .prepare('SELECT * FROM minutes WHERE minute >= ?')
      .all(Math.floor((now.getTime() - FILL_WINDOW) / 60_000))
      .map(notedMinute),
  };
}

type Row = Readonly<Record<string, unknown>>;

function notedFile({ outcome, study, code, retryable, at }: Row): NotedFile {
  const known = typeof code === 'string' && isErrorCode(code) ? code : undefined;
  return {
    outcome: outcome as NotedFile['outcome'],
    ...(typeof study === 'string' ? { study } : {}),
    ...(known === undefined ? {} : { code: known }),
    retryable: retryable === 1,
    at: new Date(Number(at)),
  };
}

function notedMinute({ minute, instances, bytes, freeBytes, freeFiles }: Row): NotedMinute {
  return {
    at: new Date(Number(minute) * 60_000),
    instances: Number(instances),
    bytes: Number(bytes),
    ...(typeof freeBytes === 'number' ? { freeBytes } : {}),
    ...(typeof freeFiles === 'number' ? { freeFiles } : {}),
  };
}

function todayOf(database: DatabaseSync, now: Date): SpoolFacts['today'] {
  const row = database
    .prepare('SELECT count(*) AS studies, total(instances) AS instances, total(bytes) AS bytes FROM days WHERE day = ?')
    .get(localDay(now));
  return { studies: Number(row?.['studies']), instances: Number(row?.['instances']), bytes: Number(row?.['bytes']) };
}
