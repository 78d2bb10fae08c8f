/**
 * A folder of the spool into the bucket. Every file ends with an outcome; one that fails does not stop the others. Nothing is removed
 * that the bucket does not hold verified, so a run may be killed at any point and started again.
 */
import { lstat, rmdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLimit, mapConcurrently, type Limit } from '../core/concurrency.ts';
import { asStorestowError, StorestowError, type ErrorCode } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import type { RetryOptions } from '../core/retry.ts';
import { stateFolder } from '../core/spool-layout.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { forgetAnnouncements, type Sender } from './announced-senders.ts';
import { arrivalObject, type ArrivalSource } from './arrival-object.ts';
import { BucketGate } from './bucket-gate.ts';
import { decideFile, type FileDecision } from './decide-file.ts';
import { sameFile, modifiedAt, type FileIdentity } from './file-identity.ts';
import { isMissing, listFolder, type FolderListing, type ListedFile } from './list-files.ts';
import { moveFile, removeFile, syncFolder, type MoveTarget } from './put-away.ts';
import { OldestFirst } from './oldest-first.ts';
import { IN_MEMORY_LIMIT, readArrival, type Arrival } from './read-arrival.ts';
import { oneAtATime } from './study-lock.ts';
import { RoundManifests, type UploadedObject } from './study-manifests.ts';
import { uploadFile, type Tries } from './upload-file.ts';
import { passStep, type ReachStep } from './upload-step.ts';
import type { FileReport, UploadReport } from './upload-report.ts';

export interface UploadPorts {
  readonly store: ObjectStore;
  readonly log: Log;
  readonly now: () => Date;
  /** Of an uploader that makes more than one round; otherwise each has its own. */
  readonly gate?: BucketGate;
  /** Called when a file has got an outcome; one that waited, or that could not be finished, may get another one. */
  readonly onProgress?: (file: FileReport) => void;
  /** Called when a file sets out for the bucket. */
  readonly onSending?: (file: { readonly path: string; readonly studyInstanceUID: string }) => void;
  /** Called when a round is done with a file, which is put away then or stays. */
  readonly onEnded?: (file: FileReport) => void;
  /** Awaited between any two steps; tests put faults there. */
  readonly onStep?: ReachStep;
}

export interface UploadOptions extends ArrivalSource {
  /** What becomes of a file that the bucket holds verified. `keep` needs no mark: a later run asks the bucket, which has it. */
  readonly after: 'remove' | 'keep' | 'move';
  /** For `after: 'move'`; files keep their place relative to the folder's parent. */
  readonly moveTo?: string;
  /** Files under way at once. */
  readonly concurrency: number;
  /** Seconds without a write until a file counts as complete. */
  readonly settle: number;
  /** Seconds that a run stays for files that are still being written. Default 10. */
  readonly patience?: number;
  /** Where locks lie. Default `.storestow` beside the folder. */
  readonly state?: string;
  /** Sub-folders too. Default true. */
  readonly recursive?: boolean;
  /**
   * Seconds since the newest write seen from which an emptied folder is removed. Default 0: at once, as the end of the study is
   * known. storescp makes a study's folder once and does not look again, so while it may be at it the folder must stay.
   */
  readonly folderQuiet?: number;
  /** Of one upload. */
  readonly retries?: RetryOptions;
  /** Whether a manifest of what was uploaded is written to the bucket. Default true. */
  readonly manifests?: boolean;
  /** Of a whole spool: seconds that a study's folder is left alone after a change for who may say who sent it. Default 0. */
  readonly announcedWithin?: number;
  /** Who sent what was written last at that moment; `undefined`: it waits to be told. Absent: `callingIP`, `callingAET` hold for all. */
  readonly senderOf?: (written: Date) => Sender | undefined;
  /** Milliseconds that a file waits at most to share a manifest with others of its round. Default 5 s. */
  readonly manifestsGather?: number;
}

/** Shared by the folders of a spool. */
export interface UploadLimits {
  readonly gate: BucketGate;
  readonly files: OldestFirst;
  /** Files above `IN_MEMORY_LIMIT`, one at a time: each takes the disk for itself, and small ones need not wait behind several. */
  readonly largeFiles: OldestFirst;
  /** Files that the bucket holds and that go: they need not wait behind those that are still to be sent. */
  readonly puttingAway: Limit;
}

export function uploadLimits(concurrency: number, ports: UploadPorts): UploadLimits {
  const { gate = new BucketGate(ports) } = ports;
  return {
    gate,
    files: new OldestFirst(() => gate.width(concurrency)),
    largeFiles: new OldestFirst(() => 1),
    puttingAway: createLimit(concurrency),
  };
}

const DEFAULT_PATIENCE = 10;
const DEFAULT_RETRIES: RetryOptions = { retries: 4, firstDelay: 250, maxDelay: 8000 };
/** Seconds between two looks at a file that changes while it is read. */
const SHORTEST_PAUSE = 0.1;

/**
 * For a study's folder; `uploadSpool` is for a spool. Throws `SPOOL_INVALID` where the folder is missing, cannot be listed or locked,
 * `CONFIG_INVALID` for `move` without a place to move to. A folder that is missing where an uploader has been counts as done: a second
 * exec comes after the first one has emptied it.
 */
export async function uploadStudy(
  folder: string,
  ports: UploadPorts,
  options: UploadOptions,
  limits: UploadLimits = uploadLimits(options.concurrency, ports),
): Promise<UploadReport> {
  if (options.after === 'move' && options.moveTo === undefined)
    throw new StorestowError('CONFIG_INVALID', 'upload.after is "move", but upload.moveTo names no folder; set it');
  const root = resolve(folder);
  const state = options.state ?? stateFolder(dirname(root));
  // Where it is gone and an uploader has been, that one may have died before it was done with its lock.
  if (!(await isThere(root)) && !(await isThere(state)))
    throw new StorestowError('SPOOL_INVALID', `there is no folder ${root}; check the path`, { object: root });
  const run = new FolderRun(root, ports, options, limits);
  const work = async (): Promise<void> => {
    await run.untilQuiet();
    if (!(await isThere(root))) await forgetAnnouncements(root, state);
  };
  const ours = await oneAtATime(root, state, work, ports.onStep);
  return { folder: root, files: run.reports(), leftToOther: !ours };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw new StorestowError('SPOOL_INVALID', `cannot look at ${path}; check its owner and permissions`, {
      object: path,
      cause: error,
    });
  }
}

/** Without the file's bytes: it may wait for its manifest beside a thousand others. */
interface Uploaded {
  readonly outcome: 'uploaded' | 'present';
  readonly identity: FileIdentity;
  readonly object: UploadedObject;
}

function aboutUploaded({ outcome, object: { key, size, parts } }: Uploaded): Omit<FileReport, 'path'> {
  return { outcome, key, studyInstanceUID: parts.studyInstanceUID, size };
}

function isUploaded(processed: Omit<FileReport, 'path'> | Uploaded): processed is Uploaded {
  return 'object' in processed;
}

interface Handled {
  readonly identity: FileIdentity | undefined;
  readonly report: FileReport;
}

/** One process's work on one folder: rounds over its listing, each file once unless it changes. */
class FolderRun {
  readonly #root: string;
  readonly #ports: UploadPorts;
  readonly #options: UploadOptions;
  readonly #limits: UploadLimits;
  readonly #reached: ReachStep;
  readonly #handled = new Map<string, Handled>();

  constructor(root: string, ports: UploadPorts, options: UploadOptions, limits: UploadLimits) {
    this.#root = root;
    this.#ports = ports;
    this.#options = options;
    this.#limits = limits;
    this.#reached = ports.onStep ?? passStep;
  }

  /** In the order of the paths. */
  reports(): FileReport[] {
    return [...this.#handled.values()].map(({ report }) => report).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Until a round finds nothing new; for files that are still being written it stays as long as its patience lasts. */
  async untilQuiet(): Promise<void> {
    const { settle, patience = DEFAULT_PATIENCE, recursive = true } = this.#options;
    let waited = 0;
    for (;;) {
      const listing = await listFolder(this.#root, { recursive });
      await this.#reached('listed', this.#root);
      this.#listOthers(listing);
      this.#forgetGone(listing);
      const pending = listing.files.filter((file) => !this.#isDone(file)).sort(oldestFirst);
      const manifests = this.#manifestsOf(pending.length);
      const outcomes = await mapConcurrently(pending, pending.length || 1, (file) => this.#handle(file, manifests));
      await this.#clearUp(listing, outcomes);
      const waiting = outcomes.filter(({ outcome }) => outcome === 'waiting').length;
      if (outcomes.length === waiting) {
        if (waiting === 0 || waited >= patience) return;
        const pause = Math.min(Math.max(settle, SHORTEST_PAUSE), patience - waited);
        await delay(pause * 1000);
        waited += pause;
      }
    }
  }

  #isDone({ path, identity }: ListedFile): boolean {
    const handled = this.#handled.get(path);
    if (handled === undefined || handled.report.outcome === 'waiting') return false;
    return handled.identity !== undefined && sameFile(handled.identity, identity);
  }

  #listOthers({ others }: FolderListing): void {
    for (const path of others) {
      if (!this.#handled.has(path)) this.#settle(path, undefined, { outcome: 'foreign', code: 'SPOOL_INVALID' });
    }
  }

  /** What waited and is gone: storescp has dropped it, or moved it to where it belongs. */
  #forgetGone({ files }: FolderListing): void {
    const present = new Set(files.map(({ path }) => path));
    for (const [path, { report }] of this.#handled) {
      if (report.outcome === 'waiting' && !present.has(path)) this.#handled.delete(path);
    }
  }

  #settle(path: string, identity: FileIdentity | undefined, result: Omit<FileReport, 'path'>): FileReport {
    const report = { path, ...result };
    this.#handled.set(path, { identity, report });
    this.#ports.onProgress?.(report);
    return report;
  }

  #manifestsOf(files: number): RoundManifests | undefined {
    const { manifests = true, manifestsGather: gather } = this.#options;
    if (!manifests) return undefined;
    const tries: Tries = (work) => this.#limits.gate.attempt({ sent: 'manifest' }, work, this.#retries());
    return new RoundManifests({ store: this.#ports.store, tries, files, ...(gather === undefined ? {} : { gather }) });
  }

  #retries(): RetryOptions {
    return this.#options.retries ?? DEFAULT_RETRIES;
  }

  async #handle(file: ListedFile, manifests: RoundManifests | undefined): Promise<FileReport> {
    const { path, identity } = file;
    const large = identity.size > IN_MEMORY_LIMIT;
    const queue = large ? this.#limits.largeFiles : this.#limits.files;
    const processed = await queue.run(modifiedAt(identity).getTime(), () => this.#process(file, large));
    if (!isUploaded(processed)) {
      manifests?.passed();
      return this.#end(this.#settle(path, identity, processed));
    }
    const uploaded = this.#settle(path, identity, aboutUploaded(processed));
    const finished = { path, ...(await this.#finish(path, processed, manifests)) };
    if (finished.outcome !== uploaded.outcome) return this.#end(this.#settle(path, identity, finished));
    this.#handled.set(path, { identity, report: finished });
    return this.#end(finished);
  }

  #end(report: FileReport): FileReport {
    this.#ports.onEnded?.(report);
    return report;
  }

  /** The manifest is waited for outside of the limits: others of the round must come to it too. */
  async #finish(
    path: string,
    { outcome, object, identity }: Uploaded,
    manifests: RoundManifests | undefined,
  ): Promise<Omit<FileReport, 'path'>> {
    const about = aboutUploaded({ outcome, object, identity });
    try {
      await manifests?.add(object);
      await this.#reached('named', path);
      return { ...about, ...(await this.#limits.puttingAway(() => this.#putAway(path, identity, object.sha256))) };
    } catch (thrown) {
      const error = asStorestowError(thrown, object.key);
      // The file under this name is no longer the one that was read: the next round reads what is there now.
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      const why = 'a file is in the bucket, but its manifest is not; it stays in the spool';
      this.#logFailed({ study: about.studyInstanceUID, file: path, err: error }, why);
      return { ...about, outcome: 'failed', code: error.code, retryable: error.retryable };
    }
  }

  async #process({ path, identity }: ListedFile, large: boolean): Promise<Omit<FileReport, 'path'> | Uploaded> {
    if (this.#senderOf(identity) === undefined || this.#decide(identity) === 'wait') return { outcome: 'waiting' };
    const refusal = this.#limits.gate.refusal({ path, large });
    if (refusal !== undefined) return { outcome: 'failed', code: refusal.code, retryable: refusal.retryable };
    let arrival: Arrival;
    try {
      arrival = await readArrival(path);
    } catch (error) {
      return this.#unread(path, identity, asStorestowError(error, path));
    }
    await this.#reached('read', path);
    if (this.#decide(arrival.identity, 'whole') === 'wait') return { outcome: 'waiting' };
    return this.#send(path, arrival);
  }

  #senderOf(identity: FileIdentity): Sender | undefined {
    const { senderOf = (): Sender => ({}) } = this.#options;
    return senderOf(modifiedAt(identity));
  }

  #decide(identity: FileIdentity, read?: 'whole' | ErrorCode): FileDecision {
    const age = this.#secondsSince(modifiedAt(identity));
    return decideFile({ age, settle: this.#options.settle, ...(read === undefined ? {} : { read }) });
  }

  #unread(path: string, identity: FileIdentity, error: StorestowError): Omit<FileReport, 'path'> {
    const decision = this.#decide(identity, error.code);
    if (decision === 'wait') return { outcome: 'waiting' };
    const { code } = error;
    if (decision === 'foreign') {
      this.#ports.log.info({ file: path, code }, 'not a DICOM file; it is left where it is');
      return { outcome: 'foreign', code };
    }
    this.#ports.log.error({ file: path, err: error }, 'a file of the spool cannot be uploaded; it is left where it is');
    return decision === 'damaged'
      ? { outcome: 'damaged', code, retryable: false }
      : { outcome: 'failed', code, retryable: error.retryable };
  }

  async #send(path: string, arrival: Arrival): Promise<Omit<FileReport, 'path'> | Uploaded> {
    const { store, log } = this.#ports;
    const { studyInstanceUID, size, sha256, identity } = arrival;
    const about = { studyInstanceUID, size };
    let key: string | undefined;
    try {
      const object = arrivalObject(arrival, { ...this.#options, ...this.#senderOf(identity) });
      ({ key } = object);
      this.#ports.onSending?.({ path, studyInstanceUID });
      const tries: Tries = (work) => this.#limits.gate.attempt({ sent: 'instance', path }, work, this.#retries());
      const outcome = await uploadFile(path, arrival, object, store, tries, this.#reached);
      log.debug({ study: studyInstanceUID, key, outcome }, 'uploaded');
      const { parts, receivedAt } = object;
      return { outcome, identity, object: { key, parts, size, sha256, receivedAt } };
    } catch (thrown) {
      const error = asStorestowError(thrown, key ?? path);
      // The file under this name is no longer the one that was read: the next round reads what is there now.
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      this.#logFailed({ study: studyInstanceUID, file: path, err: error }, 'a file is not in the bucket; it stays in the spool');
      return { outcome: 'failed', ...about, ...(key === undefined ? {} : { key }), code: error.code, retryable: error.retryable };
    }
  }

  /** What the bucket does to all files is told once, by its gate. */
  #logFailed(
    about: { readonly study: string | undefined; readonly file: string; readonly err: StorestowError },
    what: string,
  ): void {
    const { log } = this.#ports;
    if (this.#limits.gate.covers(about.err.code)) log.debug(about, what);
    else log.error(about, what);
  }

  async #putAway(
    path: string,
    identity: FileIdentity,
    sha256: string,
  ): Promise<Pick<FileReport, 'after' | 'code' | 'retryable'>> {
    const { after } = this.#options;
    try {
      switch (after) {
        case 'keep':
          return { after: 'kept' };
        case 'remove':
          await removeFile(path, identity, this.#reached);
          return { after: 'removed' };
        case 'move':
          await moveFile(path, identity, this.#moveTarget(path), sha256, this.#reached);
          return { after: 'moved' };
      }
    } catch (thrown) {
      const error = asStorestowError(thrown, path);
      if (error.code === 'FILE_CHANGED') throw error;
      this.#ports.log.error(
        { file: path, err: error },
        'a file is in the bucket, but could not be put away; it stays in the spool',
      );
      return { code: error.code, retryable: error.retryable };
    }
  }

  #moveTarget(path: string): MoveTarget {
    const root = resolve(this.#options.moveTo ?? '');
    return { root, folder: join(root, dirname(relative(dirname(this.#root), path))) };
  }

  /** What was removed is off the disk before its folder goes; a folder that has got something again stays. */
  async #clearUp({ folders }: FolderListing, outcomes: readonly FileReport[]): Promise<void> {
    const gone = outcomes.filter(({ after }) => after === 'removed' || after === 'moved');
    for (const folder of new Set(gone.map(({ path }) => dirname(path)))) {
      await syncFolder(folder);
      await this.#reached('removedForGood', folder);
    }
    const { after, folderQuiet = 0 } = this.#options;
    if (after === 'keep') return;
    if (folderQuiet > 0 && this.#secondsSince(await this.#newestWrite()) < folderQuiet) return;
    for (const folder of [...folders, this.#root]) await removeEmpty(folder);
    await this.#reached('foldersRemoved', this.#root);
  }

  /** Of the files of this run; where there was none, of the folder itself, which has just been made, or lies there since long. */
  async #newestWrite(): Promise<Date> {
    const times = [...this.#handled.values()].flatMap(({ identity }) =>
      identity === undefined ? [] : [modifiedAt(identity).getTime()],
    );
    if (times.length > 0) return new Date(times.reduce((a, b) => Math.max(a, b)));
    return lstat(this.#root).then(
      ({ mtime }) => mtime,
      () => this.#ports.now(),
    );
  }

  #secondsSince(time: Date): number {
    return (this.#ports.now().getTime() - time.getTime()) / 1000;
  }
}

/** By time of receipt. */
function oldestFirst(a: ListedFile, b: ListedFile): number {
  return Number(a.identity.modified - b.identity.modified);
}

/** Empty or not is for the file system to say, in the same moment. */
async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error;
  }
}
