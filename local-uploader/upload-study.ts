/**
 * A folder of the spool into the bucket. Every file ends with an outcome; one that fails does not stop the others. Nothing is removed
 * that the bucket does not hold verified, so a run may be killed at any point and started again.
 */
import { lstat, rmdir } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLimit, forEachConcurrently, type Limit } from '../core/concurrency.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import type { RetryOptions } from '../core/retry.ts';
import { stateFolder } from '../core/spool-layout.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { forgetAnnouncements, type Sender } from './announced-senders.ts';
import { arrivalObject, type ArrivalSource } from './arrival-object.ts';
import { BucketGate } from './bucket-gate.ts';
import { decideFile, type FileDecision, type FilePlace, type ReadResult } from './decide-file.ts';
import { decideSetAside } from './decide-set-aside.ts';
import { modifiedAt, type FileIdentity } from './file-identity.ts';
import { HandledFolder, nameOf, type Judgement } from './handled-files.ts';
import { isBlank } from './is-blank.ts';
import { areUnchanged, isMissing, listFolder, type FolderListing, type ListedFile } from './list-files.ts';
import { moveFile, removeFile, syncFolder, type MoveTarget } from './put-away.ts';
import { OldestFirst } from './oldest-first.ts';
import { IN_MEMORY_LIMIT, readArrival, type Arrival } from './read-arrival.ts';
import { setAside } from './set-aside.ts';
import { oneAtATime } from './study-lock.ts';
import { RoundManifests, type UploadedObject } from './study-manifests.ts';
import { uploadFile, type Tries } from './upload-file.ts';
import { passStep, type ReachStep } from './upload-step.ts';
import { UploadTally, type FileReport, type UploadReport } from './upload-report.ts';

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
  /** Default `elsewhere`. */
  readonly place?: FilePlace;
  /** The spool below whose `set-aside/` foreign and damaged files come when they are old. Absent: they stay where they are. */
  readonly setAsideIn?: string;
  /** What earlier rounds found in the folder. Absent: this is the only one. */
  readonly handled?: HandledFolder;
  /** Aborted: no file is begun any more. */
  readonly ending?: AbortSignal;
  /** Of one upload. */
  readonly retries?: RetryOptions;
  /** Whether a manifest of what was uploaded is written to the bucket. Default true. */
  readonly manifests?: boolean;
  /** Of a whole spool: seconds that a study's folder is left alone after a change for who may say who sent it. Default 0. */
  readonly announcedWithin?: number;
  /** Asked before each look at the folder. Absent: `callingIP` and `callingAET` hold for all that is in it. */
  readonly senders?: () => Promise<Senders>;
  /** Milliseconds that a file waits at most to share a manifest with others of its round. Default 5 s. */
  readonly manifestsGather?: number;
}

/** Who sent what was written last at that moment; `undefined`: it waits to be told. */
export type Senders = (written: Date) => Sender | undefined;

/** Shared by the folders of a spool. */
export interface UploadLimits {
  readonly gate: BucketGate;
  readonly files: OldestFirst;
  /** Files above `IN_MEMORY_LIMIT`, two at a time: one is read while another is sent, and small ones need not wait behind several. */
  readonly largeFiles: OldestFirst;
  /** Files that the bucket holds and that go: they need not wait behind those that are still to be sent. */
  readonly puttingAway: Limit;
  /** Called when the first files of a folder stand in line. */
  readonly lined?: () => void;
}

export interface LimitOptions {
  /** Nothing begins until `files` and `largeFiles` are told to. */
  readonly held?: boolean;
}

export function uploadLimits(concurrency: number, ports: UploadPorts, options: LimitOptions = {}): UploadLimits {
  const { gate = new BucketGate(ports) } = ports;
  return {
    gate,
    files: new OldestFirst(() => gate.width(concurrency), options),
    largeFiles: new OldestFirst(() => Math.min(LARGE_AT_ONCE, gate.width(concurrency)), options),
    puttingAway: createLimit(concurrency),
  };
}

const LARGE_AT_ONCE = 2;
const DEFAULT_PATIENCE = 10;
const DEFAULT_RETRIES: RetryOptions = { retries: 4, firstDelay: 250, maxDelay: 8000 };
/** Seconds between two looks at a file that changes while it is read. */
const SHORTEST_PAUSE = 0.1;
/** Milliseconds between two looks for what comes while a large file is on its way. */
const RELOOK = 1000;
/** Files of a folder that are in the bucket and not put away: they wait for their manifest, which is written when a thousand do, or after seconds. */
const UNFINISHED = 4096;

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
  const upload = prepareUpload(folder, ports, options, limits);
  await upload.run();
  return upload.report();
}

export interface StudyUpload {
  /** As `uploadStudy`; again, too: what failed the first time is not tried again. */
  readonly run: () => Promise<void>;
  /** Of all runs. */
  readonly report: () => UploadReport;
}

export function prepareUpload(folder: string, ports: UploadPorts, options: UploadOptions, limits: UploadLimits): StudyUpload {
  if (options.after === 'move' && options.moveTo === undefined)
    throw new StorestowError('CONFIG_INVALID', 'upload.after is "move", but upload.moveTo names no folder; set it');
  const root = resolve(folder);
  const state = options.state ?? stateFolder(dirname(root));
  const run = new FolderRun(root, ports, options, limits);
  let leftToOther = false;
  const work = async (): Promise<void> => {
    await run.untilQuiet();
    if (!(await isThere(root))) await forgetAnnouncements(root, state);
  };
  return {
    report: () => run.tally.report(root, { leftToOther }),
    run: async () => {
      // Where it is gone and an uploader has been, that one may have died before it was done with its lock.
      if (!(await isThere(root)) && !(await isThere(state)))
        throw new StorestowError('SPOOL_INVALID', `there is no folder ${root}; check the path`, { object: root });
      if ((await options.handled?.isQuiet(ports.now())) === true) return;
      leftToOther = !(await oneAtATime(root, state, work, ports.onStep));
    },
  };
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

/** One listing of a folder, worked off. */
interface Round {
  readonly manifests: RoundManifests | undefined;
  /** Files that the bucket holds, the first of them first; those that are put away are taken out as others come. */
  readonly finishing: Promise<void>[];
  waiting: number;
}

/** One process's work on one folder: rounds over its listing, each file once unless it changes. */
class FolderRun {
  readonly #root: string;
  readonly #ports: UploadPorts;
  readonly #options: UploadOptions;
  readonly #limits: UploadLimits;
  readonly #reached: ReachStep;
  readonly #handled: HandledFolder;
  /** Files that stay, of which `#handled` does not know, or is not to: not looked at again in this run. */
  readonly #left = new Set<string>();
  readonly #others = new Set<string>();
  /** Large files in line, or on their way, to when they are done. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Where files were removed. */
  readonly #emptied = new Set<string>();
  /** Milliseconds since 1970. */
  #newestWrite: number | undefined;
  readonly tally = new UploadTally();

  #senders: Senders = () => ({});

  constructor(root: string, ports: UploadPorts, options: UploadOptions, limits: UploadLimits) {
    this.#root = root;
    this.#ports = ports;
    this.#options = options;
    this.#limits = limits;
    this.#reached = ports.onStep ?? passStep;
    this.#handled = options.handled ?? new HandledFolder();
  }

  /** Until a round finds nothing new; for files that are still being written it stays as long as its patience lasts. */
  async untilQuiet(): Promise<void> {
    const { settle, patience = DEFAULT_PATIENCE, recursive = true, ending } = this.#options;
    let waited = 0;
    for (;;) {
      const now = this.#ports.now();
      this.#senders = (await this.#options.senders?.()) ?? this.#senders;
      const listing = await listFolder(this.#root, { recursive });
      await this.#reached('listed', this.#root);
      this.#handled.keepOnly(listing.files);
      this.tally.forgetWaiting();
      this.#listOthers(listing);
      const pending = listing.files.filter((file) => !this.#underWay.has(file.path) && !this.#isDone(file)).sort(oldestFirst);
      const round: Round = { manifests: this.#manifestsOf(pending.length), finishing: [], waiting: 0 };
      await this.#workOff(pending, round);
      if (ending?.aborted === true) await Promise.all(this.#underWay.values());
      const cleared = await this.#clearUp(listing);
      if (ending?.aborted === true) return;
      if (this.#underWay.size > 0) await this.#untilChange(listing, round);
      else if (round.waiting === pending.length) {
        if (pending.length === 0) this.#handled.noteQuiet(cleared && this.#isAllHandled(listing) ? listing : undefined, now);
        if (round.waiting === 0 || waited >= patience) return;
        const pause = Math.min(Math.max(settle, SHORTEST_PAUSE), patience - waited);
        await delay(pause * 1000);
        waited += pause;
      }
    }
  }

  /**
   * Until all but the large ones are done. Twice as many stand in line as may be under way: the oldest that wait are there when one of
   * those ends, however many others there are.
   */
  async #workOff(pending: readonly ListedFile[], round: Round): Promise<void> {
    const { files, largeFiles, lined } = this.#limits;
    const isLarge = ({ identity }: ListedFile): boolean => identity.size > IN_MEMORY_LIMIT;
    const large = pending.filter(isLarge);
    const small = large.length === 0 ? pending : pending.filter((file) => !isLarge(file));
    for (const file of large) {
      const done = this.#handle(file, largeFiles, round).then(() => Promise.all(round.finishing));
      this.#underWay.set(
        file.path,
        done.then(() => void this.#underWay.delete(file.path)),
      );
    }
    const done = forEachConcurrently(small, 2 * this.#options.concurrency, (file) => this.#handle(file, files, round));
    lined?.();
    await done;
    await Promise.all(round.finishing);
  }

  /** Until a large file is done, or others have come: an hour's upload holds none of them up. */
  async #untilChange({ changed }: FolderListing, { waiting }: Round): Promise<void> {
    let done = false;
    const one = Promise.race(this.#underWay.values()).then(() => (done = true));
    do await Promise.race([one, delay(RELOOK, undefined, { ref: false })]);
    while (!done && waiting === 0 && (await areUnchanged(changed)));
  }

  #isDone(file: ListedFile): boolean {
    const judgement = this.#handled.judgementOf(file);
    if (judgement !== undefined && !this.#isToSetAside(file, judgement)) return true;
    return this.#left.size > 0 && this.#left.has(nameOf(file));
  }

  #isToSetAside({ identity }: ListedFile, { outcome, stays = false }: Judgement): boolean {
    return (
      !stays && this.#options.setAsideIn !== undefined && decideSetAside({ outcome, age: this.#ageOf(identity) }) !== undefined
    );
  }

  /** Nothing in it changes with time alone. */
  #isAllHandled({ files }: FolderListing): boolean {
    return files.every((file) => {
      const judgement = this.#handled.judgementOf(file);
      return judgement?.outcome === 'kept' || judgement?.stays === true;
    });
  }

  #listOthers({ others }: FolderListing): void {
    for (const path of others) {
      if (this.#others.has(path)) continue;
      this.#others.add(path);
      const report: FileReport = { path, outcome: 'foreign', code: 'SPOOL_INVALID' };
      this.tally.add(report);
      this.#ports.onProgress?.(report);
    }
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

  /** Resolves when the next file may stand in line. */
  async #handle(file: ListedFile, line: OldestFirst, round: Round): Promise<void> {
    const { path, identity } = file;
    const written = modifiedAt(identity).getTime();
    this.#newestWrite = Math.max(written, this.#newestWrite ?? written);
    const processed = await line.run(written, () => this.#process(file, line === this.#limits.largeFiles));
    if (!isUploaded(processed)) {
      round.manifests?.passed();
      const report = { path, ...processed };
      this.#ports.onProgress?.(report);
      this.#end(file, report, round);
      return;
    }
    this.#ports.onProgress?.({ path, ...aboutUploaded(processed) });
    if (round.finishing.length >= UNFINISHED) await round.finishing.shift();
    round.finishing.push(this.#finish(file, processed, round));
  }

  #end(file: ListedFile, report: FileReport, round: Round): void {
    const { path, outcome, after } = report;
    if (outcome === 'waiting') round.waiting += 1;
    else if (after === 'removed' || after === 'moved') this.#emptied.add(dirname(path));
    else if (after === 'kept') this.#judge(file, { outcome: 'kept' });
    else if (outcome === 'failed' || outcome === 'uploaded' || outcome === 'present') this.#left.add(nameOf(file));
    this.tally.add(report);
    this.#ports.onEnded?.(report);
  }

  #judge(file: ListedFile, judgement: Judgement): void {
    if (!this.#handled.judge(file, judgement)) this.#left.add(nameOf(file));
  }

  /** The manifest is waited for outside of the line: others of the round must come to it too. */
  async #finish(file: ListedFile, uploaded: Uploaded, round: Round): Promise<void> {
    const about = aboutUploaded(uploaded);
    const report = { path: file.path, ...about, ...(await this.#nameAndPutAway(file.path, uploaded, round.manifests)) };
    if (report.outcome !== about.outcome) this.#ports.onProgress?.(report);
    this.#end(file, report, round);
  }

  async #nameAndPutAway(
    path: string,
    { object, identity }: Uploaded,
    manifests: RoundManifests | undefined,
  ): Promise<Partial<FileReport>> {
    try {
      await manifests?.add(object);
      await this.#reached('named', path);
      return await this.#limits.puttingAway(() => this.#putAway(path, identity, object.sha256));
    } catch (thrown) {
      const error = asStorestowError(thrown, object.key);
      // The file under this name is no longer the one that was read: the next round reads what is there now.
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      const why = 'a file is in the bucket, but its manifest is not; it stays in the spool';
      this.#logFailed({ study: object.parts.studyInstanceUID, file: path, err: error }, why);
      return { outcome: 'failed', code: error.code, retryable: error.retryable };
    }
  }

  async #process(file: ListedFile, large: boolean): Promise<Omit<FileReport, 'path'> | Uploaded> {
    const { path, identity } = file;
    if (this.#options.ending?.aborted === true) return { outcome: 'waiting' };
    const judgement = this.#handled.judgementOf(file);
    if (judgement !== undefined) return this.#passOver(file, judgement);
    if (this.#senderOf(identity) === undefined || this.#decide(identity) === 'wait') return { outcome: 'waiting' };
    const refusal = this.#limits.gate.refusal({ name: nameOf(file), large });
    if (refusal !== undefined) return { outcome: 'failed', code: refusal.code, retryable: refusal.retryable };
    let arrival: Arrival;
    try {
      arrival = await readArrival(path);
    } catch (error) {
      return this.#unread(file, asStorestowError(error, path));
    }
    await this.#reached('read', path);
    const decision = this.#decide(arrival.identity, arrival.pixelless ? 'pixelless' : 'whole');
    if (decision === 'wait') return { outcome: 'waiting' };
    if (decision === 'upload') return this.#send(path, arrival);
    const error = cutBeforePixels(path);
    this.#ports.log.error({ file: path, err: error }, 'a file of the spool cannot be uploaded');
    return this.#passOver(file, { outcome: 'damaged', code: error.code });
  }

  #senderOf(identity: FileIdentity): Sender | undefined {
    return this.#senders(modifiedAt(identity));
  }

  #decide(identity: FileIdentity, read?: ReadResult): FileDecision {
    const { settle, place } = this.#options;
    return decideFile({
      age: this.#ageOf(identity),
      settle,
      ...(place === undefined ? {} : { place }),
      ...(read === undefined ? {} : { read }),
    });
  }

  async #unread(file: ListedFile, thrown: StorestowError): Promise<Omit<FileReport, 'path'>> {
    const { path, identity } = file;
    const blank = thrown.code === 'NOT_PART10' && (await isBlank(path));
    const decision = this.#decide(identity, blank ? 'blank' : thrown.code);
    if (decision === 'wait') return { outcome: 'waiting' };
    if (decision === 'foreign') {
      this.#ports.log.info({ file: path, code: thrown.code }, 'not a DICOM file; it is not uploaded');
      return this.#passOver(file, { outcome: 'foreign', code: thrown.code });
    }
    const error = blank ? lostBytes(path) : thrown;
    const { code, retryable } = error;
    this.#ports.log.error({ file: path, err: error }, 'a file of the spool cannot be uploaded');
    return decision === 'damaged' ? this.#passOver(file, { outcome: 'damaged', code }) : { outcome: 'failed', code, retryable };
  }

  /** Not read again until it changes; when it is old, it does not stay among those that are. */
  async #passOver(file: ListedFile, judgement: Judgement): Promise<Omit<FileReport, 'path'>> {
    const { outcome, code } = judgement;
    this.#judge(file, judgement);
    if (outcome === 'kept') return { outcome: 'present', after: 'kept' };
    const report = { outcome, ...(code === undefined ? {} : { code }), ...(outcome === 'damaged' ? { retryable: false } : {}) };
    const { setAsideIn: spool } = this.#options;
    if (spool === undefined || !this.#isToSetAside(file, judgement)) return report;
    const { path, identity } = file;
    try {
      const to = await setAside(path, identity, spool, outcome);
      await this.#reached('setAside', to);
      this.#ports.log.warn({ file: path, to, code }, 'a file that cannot be uploaded is set aside');
      return { ...report, after: 'set-aside' };
    } catch (thrown) {
      const error = asStorestowError(thrown, path);
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      this.#ports.log.error({ file: path, err: error }, 'a file cannot be set aside; it stays where it is');
      if (error.retryable) this.#left.add(nameOf(file));
      else this.#judge(file, { ...judgement, stays: true });
      return report;
    }
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
      const name = nameOf({ path, identity });
      const tries: Tries = (work) => this.#limits.gate.attempt({ sent: 'instance', name }, work, this.#retries());
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

  /**
   * What was removed is off the disk before its folder goes; a folder that has got something again stays. False where one may still have
   * to go.
   */
  async #clearUp({ folders }: FolderListing): Promise<boolean> {
    for (const folder of this.#emptied) {
      await syncFolder(folder);
      this.#emptied.delete(folder);
      await this.#reached('removedForGood', folder);
    }
    const { after, folderQuiet = 0 } = this.#options;
    if (after === 'keep' || folderQuiet === Infinity) return true;
    if (folderQuiet > 0 && this.#secondsSince(await this.#lastWrite()) < folderQuiet) return false;
    for (const folder of [...folders, this.#root]) await removeEmpty(folder);
    await this.#reached('foldersRemoved', this.#root);
    return true;
  }

  /** Of the files of this run; where there was none, of the folder itself, which has just been made, or lies there since long. */
  async #lastWrite(): Promise<Date> {
    if (this.#newestWrite !== undefined) return new Date(this.#newestWrite);
    return lstat(this.#root).then(
      ({ mtime }) => mtime,
      () => this.#ports.now(),
    );
  }

  #ageOf(identity: FileIdentity): number {
    return this.#secondsSince(modifiedAt(identity));
  }

  #secondsSince(time: Date): number {
    return (this.#ports.now().getTime() - time.getTime()) / 1000;
  }
}

function cutBeforePixels(path: string): StorestowError {
  return new StorestowError(
    'TRUNCATED',
    `${path} is an image without its pixels, which storescp did not finish; its sender was told no success and sends it again`,
    { object: path },
  );
}

function lostBytes(path: string): StorestowError {
  return new StorestowError(
    'TRUNCATED',
    `${path} has no byte but zeros, as after a loss of power: the instance is lost here; send it again from its source`,
    { object: path },
  );
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
