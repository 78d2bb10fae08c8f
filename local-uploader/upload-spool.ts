/** The whole spool: what `upload --all`, the exec of storescp and the sweep at start do. */
import { isUtf8 } from 'node:buffer';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { forEachConcurrently, mapConcurrently } from '../core/concurrency.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import {
  RECEIVED_FOLDER,
  RECEIVING_ABANDONED_AFTER,
  RECEIVING_FOLDER,
  receivedFolder,
  receivingFolder,
  SET_ASIDE_FOLDER,
  sourceAddress,
  STATE_FOLDER,
  stateFolder,
} from '../core/spool-layout.ts';
import { readAnnouncements, senderOf, type Sender } from './announced-senders.ts';
import { HandledFiles } from './handled-files.ts';
import { isMissing } from './list-files.ts';
import { collectLeftLocks } from './study-lock.ts';
import { uploadLimits, uploadStudy, type UploadOptions, type UploadPorts } from './upload-study.ts';
import type { UploadReport } from './upload-report.ts';

/** Folders locked and worked off side by side; the files in them stand in one line, the oldest first. */
const FOLDERS_AT_ONCE = 128;
/** Milliseconds that the first file waits at most until all of these are listed, and it is known to be the oldest. */
const LISTING_PATIENCE = 2000;
/** Seconds without an arrival until the folder of a study may go. Folders that are no study's stay. */
const STUDY_QUIET = 60;
const STAYS = Infinity;
/** Sub-folders of a spool that are its own. */
const NOT_STUDIES: ReadonlySet<string> = new Set([STATE_FOLDER, RECEIVED_FOLDER, RECEIVING_FOLDER, SET_ASIDE_FOLDER]);

interface Part {
  readonly folder: string;
  readonly options: Partial<UploadOptions>;
  /** What waits here is not listed: storescp is at it. */
  readonly quiet?: boolean;
  /** Why it cannot be worked on. */
  readonly failure?: unknown;
}

/**
 * Every folder of the spool and the files beside them, one report each, in that order. A folder that cannot be worked on (locked
 * out, unreadable) does not stop the others: the first such error is thrown when all are done. Throws `SPOOL_INVALID`.
 *
 * `handled` is kept from one call to the next by an uploader that stays: what it has is not read again.
 */
export async function uploadSpool(
  spool: string,
  ports: UploadPorts,
  options: UploadOptions,
  handled: HandledFiles = new HandledFiles(),
): Promise<UploadReport[]> {
  const root = resolve(spool);
  const limits = uploadLimits(options.concurrency, ports, { held: true });
  const begin = (): void => {
    limits.files.begin();
    limits.largeFiles.begin();
  };
  const state = options.state ?? stateFolder(root);
  await collectLeftLocks(state);
  const parts = await partsOf(root, {
    state,
    now: ports.now(),
    announcedWithin: options.announcedWithin ?? 0,
    settle: options.settle,
  });
  handled.keepOnly(parts.map(({ folder }) => folder));
  const inTurn = await longestQuietFirst(parts);
  const unlisted = new Set(inTurn.slice(0, FOLDERS_AT_ONCE));
  const results = new Map<Part, UploadReport | Error>();
  const timer = setTimeout(begin, LISTING_PATIENCE);
  await forEachConcurrently(inTurn, FOLDERS_AT_ONCE, async (part) => {
    const { folder, options: own, quiet = false, failure } = part;
    const lined = (): void => {
      unlisted.delete(part);
      if (unlisted.size === 0) begin();
    };
    try {
      if (failure !== undefined) throw asStorestowError(failure, folder);
      const partOptions = { ...options, state, setAsideIn: root, ...own, handled: handled.folder(folder) };
      const report = await uploadStudy(folder, ports, partOptions, { ...limits, lined });
      results.set(part, quiet ? withoutWaiting(report) : report);
    } catch (error) {
      ports.log.error({ folder, err: error }, 'a folder of the spool was not uploaded');
      results.set(part, asStorestowError(error, folder));
    } finally {
      lined();
    }
  });
  clearTimeout(timer);
  const inOrder = parts.map((part) => results.get(part));
  const failed = inOrder.find((result) => result instanceof Error);
  if (failed !== undefined) throw failed;
  return inOrder as UploadReport[];
}

function withoutWaiting(report: UploadReport): UploadReport {
  const files = report.files.filter(({ outcome }) => outcome !== 'waiting');
  return { ...report, files, counts: { ...report.counts, waiting: 0 } };
}

/** Where there are more folders than are worked off side by side, those come first in which nothing has arrived since longest. */
async function longestQuietFirst(parts: readonly Part[]): Promise<Part[]> {
  if (parts.length <= FOLDERS_AT_ONCE) return [...parts];
  const changed = new Map<Part, number>();
  for (const part of parts) {
    const time = await lstat(part.folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
    changed.set(part, time);
  }
  return parts.toSorted((a, b) => (changed.get(a) ?? 0) - (changed.get(b) ?? 0));
}

async function partsOf(root: string, announcing: Announcing): Promise<Part[]> {
  const loose: Part = { folder: root, options: { recursive: false, folderQuiet: STAYS } };
  const receiving: Part = {
    folder: receivingFolder(root),
    options: { place: 'receiving', settle: RECEIVING_ABANDONED_AFTER, patience: 0, folderQuiet: STAYS },
    quiet: true,
  };
  const names = await subFolders(root);
  // A link of that name is not followed: it is listed among the loose files.
  const senders = names.includes(RECEIVED_FOLDER) ? await subFolders(receivedFolder(root), { optional: true }) : [];
  const received: Part[] = senders.map((name) => {
    const callingIP = sourceAddress(name);
    // Files come here whole, by one rename: there is nothing to wait for.
    return {
      folder: join(receivedFolder(root), name),
      options: { place: 'received', settle: 0, folderQuiet: STAYS, ...(callingIP === undefined ? {} : { callingIP }) },
    };
  });
  const studies = await mapConcurrently(
    names.filter((name) => !NOT_STUDIES.has(name)),
    FOLDERS_AT_ONCE,
    (name) => studyPart(join(root, name), announcing),
  );
  const withoutSender: Part = {
    folder: receivedFolder(root),
    options: { place: 'received', recursive: false, folderQuiet: STAYS },
  };
  return [
    ...received,
    ...(names.includes(RECEIVED_FOLDER) ? [withoutSender] : []),
    ...studies.filter((part) => part !== undefined),
    ...(names.includes(RECEIVING_FOLDER) ? [receiving] : []),
    loose,
  ];
}

interface Announcing {
  readonly state: string;
  readonly now: Date;
  readonly announcedWithin: number;
  readonly settle: number;
}

/** `undefined` while who receives it may still say who sent it, and has not. */
async function studyPart(folder: string, { state, now, announcedWithin, settle }: Announcing): Promise<Part | undefined> {
  const options = { folderQuiet: STUDY_QUIET };
  try {
    const announcements = await readAnnouncements(folder, state);
    const changed = await stat(folder).catch(() => undefined);
    const open = changed !== undefined && (now.getTime() - changed.mtimeMs) / 1000 < announcedWithin;
    if (open && announcements.length === 0) return undefined;
    const sender = (written: Date): Sender | undefined => senderOf(announcements, written) ?? (open ? undefined : {});
    // What waits to be announced must not hold the round up; what was announced has settled by then.
    return { folder, options: { ...options, senderOf: sender, ...(open ? { patience: settle } : {}) } };
  } catch (failure) {
    return { folder, options, failure };
  }
}

async function subFolders(folder: string, { optional = false }: { readonly optional?: boolean } = {}): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries
      .filter((entry) => entry.isDirectory() && isUtf8(entry.name))
      .map(({ name }) => name.toString())
      .sort();
  } catch (cause) {
    if (optional && isMissing(cause)) return [];
    throw new StorestowError('SPOOL_INVALID', `cannot read the spool ${folder}; check that it exists and may be read`, {
      object: folder,
      cause,
    });
  }
}
