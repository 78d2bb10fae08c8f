/** The whole spool: what `upload --all`, the exec of storescp and the sweep at start do. */
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { access, lstat, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLimit, type Limit } from '../../core/concurrency.ts';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import {
  NOT_STUDIES,
  RECEIVED_FOLDER,
  RECEIVING_ABANDONED_AFTER,
  RECEIVING_FOLDER,
  receivedFolder,
  receivingFolder,
  sourceAddress,
  stateFolder,
} from '../../core/spool-layout.ts';
import { decideSender, readAnnouncements } from '../spool/announced-senders.ts';
import { HandledFiles } from '../spool/handled-files.ts';
import { isMissing } from '../spool/list-files.ts';
import { mustMoveElsewhere } from '../spool/move-elsewhere.ts';
import { collectLeftLocks } from '../spool/study-lock.ts';
import { prepareUpload, type Senders, type StudyUpload, type UploadOptions, type UploadPorts } from './upload-study.ts';
import { uploadLimits } from './upload-limits.ts';
import { listedRoom, type UploadReport } from './upload-report.ts';

/** Folders locked and worked off side by side; the files in them stand in one line, the oldest first. */
const FOLDERS_AT_ONCE = 128;
/** Milliseconds that the first file waits at most until all of these are listed, and it is known to be the oldest. */
const LISTING_PATIENCE = 2000;
/** Milliseconds until the folders that are done are looked at again where another takes longer: an hour's upload holds none of them up. */
const RELOOK = 5000;
/** Seconds without an arrival until the folder of a study may go. Folders that are no study's stay. */
const STUDY_QUIET = 60;
const STAYS = Infinity;
/** Of the spool's disk, where it has one of its own: what its check found lies there, as a rule for root alone. */
const LOST_AND_FOUND = 'lost+found';

interface Part {
  readonly folder: string;
  readonly options: Partial<UploadOptions>;
  /** What waits here is not listed: storescp is at it. */
  readonly quiet?: boolean;
}

/**
 * Every folder of the spool and the files beside them, one report each, in that order. A folder that cannot be worked on (locked
 * out, unreadable) does not stop the others: the first such error is thrown when all are done. Throws `SPOOL_INVALID`, and
 * `CONFIG_INVALID` where files would move to a place where they are uploaded again.
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
  const state = options.state ?? stateFolder(root);
  if (options.after === 'move' && options.moveTo !== undefined) await mustMoveElsewhere(root, resolve(options.moveTo));
  await collectLeftLocks(state);
  const limits = uploadLimits(options.concurrency, ports, { held: true });
  const begin = (): void => {
    limits.files.begin();
    limits.largeFiles.begin();
  };
  const timer = setTimeout(begin, LISTING_PATIENCE).unref();
  const uploads = new Map<string, PartUpload>();
  const underWay = new Map<string, Promise<void>>();
  const side = createLimit(FOLDERS_AT_ONCE);
  const { listed = listedRoom() } = options;
  do {
    const { announcedWithin = 0, settle } = options;
    const parts = await partsOf(root, { state, now: ports.now, announcedWithin, settle });
    handled.keepOnly(parts.map(({ folder }) => folder));
    const resting = parts.filter(({ folder }) => !underWay.has(folder));
    const unlisted = new Set(resting.slice(0, FOLDERS_AT_ONCE));
    for (const part of await longestQuietFirst(resting)) {
      const { folder } = part;
      const lined = (): void => {
        unlisted.delete(part);
        if (unlisted.size === 0) begin();
      };
      const partOptions = { ...options, state, setAsideIn: root, ...part.options, handled: handled.folder(folder), listed };
      const prepare = (onlyLarge: () => void): StudyUpload =>
        prepareUpload(folder, ports, partOptions, { ...limits, lined, onlyLarge });
      const upload = uploads.get(folder) ?? new PartUpload(part, prepare);
      uploads.set(folder, upload);
      underWay.set(
        folder,
        upload.run(ports.log, side).finally(() => {
          underWay.delete(folder);
          lined();
        }),
      );
    }
    do await Promise.race([Promise.all(underWay.values()), delay(RELOOK, undefined, { ref: false })]);
    while (underWay.size > 0 && limits.gate.isClosed);
  } while (underWay.size > 0 && options.ending?.aborted !== true);
  await Promise.all(underWay.values());
  clearTimeout(timer);
  const done = [...uploads.values()];
  const failed = done.find(({ failure }) => failure !== undefined);
  if (failed !== undefined) throw failed.failure as Error;
  return done.map((upload) => upload.report());
}

class PartUpload {
  readonly #part: Part;
  readonly #upload: StudyUpload;
  failure: StorestowError | undefined;

  #onlyLarge = Promise.withResolvers<void>();

  constructor(part: Part, prepare: (onlyLarge: () => void) => StudyUpload) {
    this.#part = part;
    this.#upload = prepare(() => this.#onlyLarge.resolve());
  }

  /** Beside so many others, until only large files are left of it: those have a line of their own, and hold up no other folder. */
  async run(log: Log, side: Limit): Promise<void> {
    let done: Promise<void> | undefined;
    await side(async () => {
      this.#onlyLarge = Promise.withResolvers<void>();
      done = this.#run(log);
      await Promise.race([done, this.#onlyLarge.promise]);
    });
    await done;
  }

  async #run(log: Log): Promise<void> {
    const { folder } = this.#part;
    this.failure = undefined;
    try {
      await this.#upload.run();
    } catch (error) {
      log.error({ folder, err: error }, 'a folder of the spool was not uploaded');
      this.failure = asStorestowError(error, folder);
    }
  }

  report(): UploadReport {
    const report = this.#upload.report();
    return this.#part.quiet === true ? withoutWaiting(report) : report;
  }
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
  // What waits to be announced must not hold the round up; what was announced has settled by then.
  const untold = announcing.announcedWithin > 0 ? { patience: announcing.settle } : {};
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
  const isLostClosed = names.includes(LOST_AND_FOUND) && !(await mayEnter(join(root, LOST_AND_FOUND)));
  const studies = names
    .filter((name) => !NOT_STUDIES.has(name) && !(name === LOST_AND_FOUND && isLostClosed))
    .map((name): Part => {
      const folder = join(root, name);
      const folderQuiet = name === LOST_AND_FOUND ? STAYS : STUDY_QUIET;
      return { folder, options: { folderQuiet, senders: () => sendersOf(folder, announcing), ...untold } };
    });
  const withoutSender: Part = {
    folder: receivedFolder(root),
    options: { place: 'received', recursive: false, folderQuiet: STAYS },
  };
  return [
    ...received,
    ...(names.includes(RECEIVED_FOLDER) ? [withoutSender] : []),
    ...studies,
    ...(names.includes(RECEIVING_FOLDER) ? [receiving] : []),
    loose,
  ];
}

interface Announcing {
  readonly state: string;
  readonly now: () => Date;
  readonly announcedWithin: number;
  readonly settle: number;
}

/** While who receives a study may still say who sent it, what nobody has announced waits. */
async function sendersOf(folder: string, { state, now, announcedWithin }: Announcing): Promise<Senders> {
  const announcements = await readAnnouncements(folder, state);
  const changed = await stat(folder).catch(() => undefined);
  const age = changed === undefined ? Infinity : (now().getTime() - changed.mtimeMs) / 1000;
  return (written) => decideSender(announcements, written, { age, within: announcedWithin });
}

async function mayEnter(folder: string): Promise<boolean> {
  return access(folder, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
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
