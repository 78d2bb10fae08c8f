/** One process's work on one folder: listed, worked off, listed again, until nothing new is found. */
import { lstat, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { forEachConcurrently } from '../../core/concurrency.ts';
import { isUnsyncable } from '../../core/store/unsyncable-folder.ts';
import { aboutUploaded, FileCarrier, isUploaded, type Uploaded } from './carry-file.ts';
import { modifiedAt } from '../spool/file-identity.ts';
import { HandledFolder, StayingFiles } from '../spool/handled-files.ts';
import { areUnchanged, listFolder, type FolderListing, type ListedFile } from '../spool/list-files.ts';
import type { OldestFirst } from './oldest-first.ts';
import { syncFolder } from '../spool/put-away.ts';
import { IN_MEMORY_LIMIT } from '../arrival/read-arrival.ts';
import { RoundManifests } from './study-manifests.ts';
import type { UploadLimits } from './upload-limits.ts';
import type { UploadOptions, UploadPorts } from './upload-options.ts';
import { UploadTally, type FileReport } from './upload-report.ts';
import { passStep, type ReachStep } from '../spool/upload-step.ts';

const DEFAULT_PATIENCE = 10;
/** Seconds between two looks at a file that changes while it is read. */
const SHORTEST_PAUSE = 0.1;
/** Milliseconds between two looks for what comes while a large file is on its way. */
const RELOOK = 1000;
/** Files of a folder that are in the bucket and not put away: they wait for their manifest, which is written when a thousand do, or after seconds. */
const UNFINISHED = 4096;

/** One listing of a folder, worked off. */
interface Round {
  readonly manifests: RoundManifests | undefined;
  /** Files that the bucket holds, the first of them first; those that are put away are taken out as others come. */
  readonly finishing: Promise<void>[];
  waiting: number;
}

/** Rounds over the folder's listing, each file once unless it changes. */
export class FolderRun {
  readonly #root: string;
  readonly #ports: UploadPorts;
  readonly #options: UploadOptions;
  readonly #limits: UploadLimits;
  readonly #reached: ReachStep;
  readonly #handled: HandledFolder;
  readonly #staying: StayingFiles;
  readonly #carrier: FileCarrier;
  readonly #others = new Set<string>();
  /** Large files in line, or on their way, to when they are done. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Where files were removed. */
  readonly #emptied = new Set<string>();
  /** Of the gate's. */
  #rounds = 0;
  /** Milliseconds since 1970. */
  #newestWrite: number | undefined;
  readonly tally: UploadTally;

  constructor(root: string, ports: UploadPorts, options: UploadOptions, limits: UploadLimits) {
    this.#root = root;
    this.#ports = ports;
    this.#options = options;
    this.#limits = limits;
    this.#reached = ports.onStep ?? passStep;
    this.#handled = options.handled ?? new HandledFolder();
    this.tally = new UploadTally(options.listed);
    this.#staying = new StayingFiles(this.#handled);
    this.#carrier = new FileCarrier({ root, ports, options, limits, staying: this.#staying });
  }

  /** Until a round finds nothing new; for files that are still being written it stays as long as its patience lasts. */
  async untilQuiet(): Promise<void> {
    const { settle, patience = DEFAULT_PATIENCE, recursive = true, ending } = this.#options;
    let waited = 0;
    for (;;) {
      this.#beginRound();
      const now = this.#ports.now();
      this.#carrier.senders = (await this.#options.senders?.()) ?? this.#carrier.senders;
      const listing = await listFolder(this.#root, { recursive });
      await this.#reached('listed', this.#root);
      this.#handled.keepOnly(listing.files);
      this.tally.forgetWaiting();
      this.#listOthers(listing);
      const pending = listing.files.filter((file) => !this.#underWay.has(file.path) && !this.#isDone(file)).sort(oldestFirst);
      if (pending.length > 0) await this.#keepNames();
      const round: Round = { manifests: this.#manifestsOf(pending.length), finishing: [], waiting: 0 };
      await this.#workOff(pending, round);
      if (ending?.aborted === true) await Promise.all(this.#underWay.values());
      const cleared = await this.#clearUp(listing);
      if (ending?.aborted === true) return;
      if (this.#underWay.size > 0) await this.#untilChange(listing, round);
      // However many more come: the bucket is asked again in the next round, which must begin.
      else if (this.#limits.gate.isClosed) return;
      else if (round.waiting === pending.length) {
        if (pending.length === 0) this.#handled.noteQuiet(cleared && this.#isAllHandled(listing) ? listing : undefined, now);
        if (round.waiting === 0 || waited >= patience) return;
        const pause = Math.min(Math.max(settle, SHORTEST_PAUSE), patience - waited);
        await delay(pause * 1000);
        waited += pause;
      }
    }
  }

  /** What was left in the gate's round before is tried again: ours may last much longer. */
  #beginRound(): void {
    const { rounds } = this.#limits.gate;
    if (rounds !== this.#rounds) this.#staying.beginRound();
    this.#rounds = rounds;
  }

  /**
   * That storescp's exec has moved a file to its sender's folder is on no disk before somebody sees to it. Sent and removed before, it
   * could be back in `receiving/` after a loss of power, and would be sent again as from nobody. A file system that syncs no folders promises
   * nothing of names, and is no reason to send nothing.
   */
  async #keepNames(): Promise<void> {
    if (this.#options.place !== 'received') return;
    // The sender's folder may be as new.
    for (const folder of [dirname(this.#root), this.#root])
      await syncFolder(folder).catch((error: unknown) => {
        if (!isUnsyncable(error)) throw error;
      });
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

  /** Until a large file is done, or others may be tried, old ones or such as have come: an hour's upload holds none of them up. */
  async #untilChange({ changed }: FolderListing, { waiting }: Round): Promise<void> {
    const { gate, largeFiles, onlyLarge } = this.#limits;
    onlyLarge?.();
    let done = false;
    const one = Promise.race(this.#underWay.values()).then(() => (done = true));
    do {
      await Promise.race([one, delay(RELOOK, undefined, { ref: false })]);
      // Those in line need not wait for one of those under way to notice what the bucket has become.
      largeFiles.adapt();
    } while (!done && this.#rounds === gate.rounds && (gate.isClosed || (waiting === 0 && (await areUnchanged(changed)))));
  }

  #isDone(file: ListedFile): boolean {
    const judgement = this.#staying.judgementOf(file);
    if (judgement !== undefined && !this.#carrier.isToSetAside(file, judgement)) return true;
    return this.#staying.isLeft(file);
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
    const tries = this.#carrier.triesOf({ sent: 'manifest' });
    return new RoundManifests({ store: this.#ports.store, tries, files, ...(gather === undefined ? {} : { gather }) });
  }

  /** Resolves when the next file may stand in line. */
  async #handle(file: ListedFile, line: OldestFirst, round: Round): Promise<void> {
    const { path, identity } = file;
    const written = modifiedAt(identity).getTime();
    this.#newestWrite = Math.max(written, this.#newestWrite ?? written);
    const processed = await line.run(written, () => this.#carrier.carry(file, line === this.#limits.largeFiles));
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
    else if (after === 'kept') this.#staying.judge(file, { outcome: 'kept' });
    else if (outcome === 'failed' || outcome === 'uploaded' || outcome === 'present') this.#staying.leave(file);
    this.tally.add(report);
    this.#ports.onEnded?.(report);
  }

  /** The manifest is waited for outside of the line: others of the round must come to it too. */
  async #finish(file: ListedFile, uploaded: Uploaded, round: Round): Promise<void> {
    const about = aboutUploaded(uploaded);
    const report = { path: file.path, ...about, ...(await this.#carrier.nameAndPutAway(file.path, uploaded, round.manifests)) };
    if (report.outcome !== about.outcome) this.#ports.onProgress?.(report);
    this.#end(file, report, round);
  }

  /**
   * What was removed is off the disk before its folder goes; a folder that has got something again stays. False where one may still have
   * to go.
   */
  async #clearUp({ folders }: FolderListing): Promise<boolean> {
    for (const folder of this.#emptied) {
      // Before it is synced: what a large file's end adds meanwhile is for the next time.
      this.#emptied.delete(folder);
      await syncFolder(folder);
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

  #secondsSince(time: Date): number {
    return (this.#ports.now().getTime() - time.getTime()) / 1000;
  }
}

/** By time of receipt. */
function oldestFirst(a: ListedFile, b: ListedFile): number {
  return Number(a.identity.modified - b.identity.modified);
}

/** What else keeps a folder that is empty: a disk is mounted there, or the folder around it is another user's. */
const STAYS: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY', 'EACCES', 'EPERM']);

/** Empty or not is for the file system to say, in the same moment. */
async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!STAYS.has((error as NodeJS.ErrnoException).code)) throw error;
  }
}
