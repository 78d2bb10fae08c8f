/** The whole spool: what `upload --all`, the exec of storescp and the sweep at start do. */
import { isUtf8 } from 'node:buffer';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { mapConcurrently } from '../core/concurrency.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import {
  RECEIVED_FOLDER,
  RECEIVING_ABANDONED_AFTER,
  RECEIVING_FOLDER,
  receivedFolder,
  receivingFolder,
  sourceAddress,
  STATE_FOLDER,
  stateFolder,
} from '../core/spool-layout.ts';
import { readAnnouncements, senderOf, type Sender } from './announced-senders.ts';
import { isMissing } from './list-files.ts';
import { collectLeftLocks } from './study-lock.ts';
import { uploadLimits, uploadStudy, type UploadOptions, type UploadPorts } from './upload-study.ts';
import type { UploadReport } from './upload-report.ts';

/** Folders looked at side by side; the files in them share one limit. */
const FOLDERS_AT_ONCE = 8;
/** Seconds without an arrival until the folder of a study may go. Folders that are no study's stay. */
const STUDY_QUIET = 60;
const STAYS = Infinity;

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
 */
export async function uploadSpool(spool: string, ports: UploadPorts, options: UploadOptions): Promise<UploadReport[]> {
  const root = resolve(spool);
  const limits = uploadLimits(options.concurrency, ports);
  const state = options.state ?? stateFolder(root);
  await collectLeftLocks(state);
  const parts = await partsOf(root, { state, now: ports.now(), announcedWithin: options.announcedWithin ?? 0 });
  const results = await mapConcurrently(parts, FOLDERS_AT_ONCE, async ({ folder, options: own, quiet = false, failure }) => {
    try {
      if (failure !== undefined) throw asStorestowError(failure, folder);
      const report = await uploadStudy(folder, ports, { ...options, state, ...own }, limits);
      return quiet ? { ...report, files: report.files.filter(({ outcome }) => outcome !== 'waiting') } : report;
    } catch (error) {
      ports.log.error({ folder, err: error }, 'a folder of the spool was not uploaded');
      return error;
    }
  });
  const failed = results.find((result) => result instanceof Error);
  if (failed !== undefined) throw failed;
  return results as UploadReport[];
}

async function partsOf(root: string, announcing: Announcing): Promise<Part[]> {
  const loose: Part = { folder: root, options: { recursive: false, folderQuiet: STAYS } };
  const receiving: Part = {
    folder: receivingFolder(root),
    options: { settle: RECEIVING_ABANDONED_AFTER, patience: 0, folderQuiet: STAYS },
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
      options: { settle: 0, folderQuiet: STAYS, ...(callingIP === undefined ? {} : { callingIP }) },
    };
  });
  const studies = await mapConcurrently(
    names.filter((name) => name !== STATE_FOLDER && name !== RECEIVED_FOLDER && name !== RECEIVING_FOLDER),
    FOLDERS_AT_ONCE,
    (name) => studyPart(join(root, name), announcing),
  );
  const withoutSender: Part = { folder: receivedFolder(root), options: { recursive: false, folderQuiet: STAYS } };
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
}

/** `undefined` while who receives it may still say who sent it, and has not. */
async function studyPart(folder: string, { state, now, announcedWithin }: Announcing): Promise<Part | undefined> {
  const options = { folderQuiet: STUDY_QUIET };
  try {
    const announcements = await readAnnouncements(folder, state);
    const changed = await stat(folder).catch(() => undefined);
    const open = changed !== undefined && (now.getTime() - changed.mtimeMs) / 1000 < announcedWithin;
    if (open && announcements.length === 0) return undefined;
    const sender = (written: Date): Sender | undefined => senderOf(announcements, written) ?? (open ? undefined : {});
    return { folder, options: { ...options, senderOf: sender } };
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
