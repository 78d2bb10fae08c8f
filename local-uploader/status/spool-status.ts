/**
 * The state of a site in numbers: a function of what lies in the spool, what the uploaders noted, the disk, and the time. The files are
 * counted one after the other, and none is held that is not listed: after an outage of days there are hundreds of thousands.
 */
import type { DiskThresholds } from '../../core/config/schema.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Aside } from '../spool/decide-set-aside.ts';
import { shortagesOf, type Disk } from './decide-disk.ts';

export interface SpoolFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
  /** storescp may still be writing it. */
  readonly receiving: boolean;
  /** An uploader has put it out of the way. */
  readonly aside?: Aside;
}

/** The last outcome of a file that stayed. */
export interface NotedFile {
  readonly outcome: 'kept' | 'uploaded' | 'present' | 'foreign' | 'damaged' | 'failed';
  readonly study?: string;
  readonly code?: ErrorCode;
  readonly retryable: boolean;
  readonly at: Date;
}

/** Of one minute. */
export interface NotedMinute {
  readonly at: Date;
  readonly instances: number;
  readonly bytes: number;
  readonly freeBytes?: number;
  readonly freeFiles?: number;
}

/** Of no file. */
export interface SpoolNotes {
  readonly today: Count;
  readonly minutes: readonly NotedMinute[];
}

export interface Count {
  readonly studies: number;
  readonly instances: number;
  readonly bytes: number;
}

export interface Trouble {
  readonly path: string;
  readonly code?: ErrorCode;
}

export interface SpoolStatus {
  readonly at: Date;
  /** `studiesKnown` is false where not every file was looked into: there may be more studies. */
  readonly waiting: Count & { readonly studiesKnown: boolean; readonly oldest?: Date };
  readonly receiving: { readonly instances: number; readonly bytes: number };
  readonly uploading: { readonly studies: number; readonly instances: number };
  readonly doneToday: Count;
  /** Will not go by itself. */
  readonly failed: readonly Trouble[];
  /** Not DICOM, or no file: left where it is. */
  readonly foreign: readonly Trouble[];
  /** Below `set-aside/`, until a person looks. */
  readonly setAside: Readonly<Record<Aside, readonly string[]>>;
  /** Why the last try left what waits, with how many files each. */
  readonly reasons: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Of what waits or failed, and was not written since. */
  readonly lastError?: { readonly code: ErrorCode; readonly at: Date };
  /** Of the last ten minutes. */
  readonly rate: { readonly instancesPerMinute: number; readonly bytesPerSecond: number };
  /** `fullInSeconds`: at the present rate; absent where it does not fill. */
  readonly disk: Disk & { readonly fullInSeconds?: number };
}

const MINUTE = 60_000;
const RATE_WINDOW = 10 * MINUTE;
/** Milliseconds that a rate of the disk is told by at most; no older minute counts. */
export const FILL_WINDOW: number = 60 * MINUTE;
/** Two looks at the disk that are closer say more of chance than of a rate. */
const LEAST_FILL_WINDOW = 5 * MINUTE;

/**
 * What a file of the spool counts as:
 *
 * | being received | being sent | noted, not written since      | counts as |
 * |----------------|------------|-------------------------------|-----------|
 * | set aside      | any        | any                           | set aside |
 * | yes            | any        | any                           | receiving |
 * | no             | yes        | any                           | uploading |
 * | no             | no         | no                            | waiting   |
 * | no             | no         | kept                          | kept      |
 * | no             | no         | foreign                       | foreign   |
 * | no             | no         | failed, and retryable         | waiting   |
 * | no             | no         | damaged, failed, not put away | failed    |
 */
export type FileState = 'aside' | 'receiving' | 'uploading' | 'waiting' | 'kept' | 'foreign' | 'failed';

export function stateOf(file: SpoolFile, noted: NotedFile | undefined, sending: boolean): FileState {
  if (file.aside !== undefined) return 'aside';
  if (file.receiving) return 'receiving';
  if (sending) return 'uploading';
  if (noted === undefined || file.modified > noted.at) return 'waiting';
  if (noted.outcome === 'kept' || noted.outcome === 'foreign') return noted.outcome;
  return noted.outcome === 'failed' && noted.retryable ? 'waiting' : 'failed';
}

export interface CountOptions {
  readonly now: Date;
  /** Files of no known study that are kept, to be looked into. Default 0. */
  readonly lookedInto?: number;
}

/** Each file of the spool is added once. */
export class SpoolCount {
  readonly #now: Date;
  readonly #sums: Readonly<Record<'waiting' | 'receiving' | 'uploading' | 'arrived', Sum>>;
  readonly #studies = { waiting: new Set<string>(), uploading: new Set<string>() };
  readonly #unknown: Oldest;
  readonly #failed: Trouble[] = [];
  readonly #foreign: Trouble[] = [];
  readonly #others: Trouble[] = [];
  readonly #aside: Record<Aside, string[]> = { foreign: [], damaged: [] };
  readonly #reasons: Partial<Record<ErrorCode, number>> = {};
  #unknownFiles = 0;
  #oldest: Date | undefined;
  #lastError: SpoolStatus['lastError'];

  constructor({ now, lookedInto = 0 }: CountOptions) {
    this.#now = now;
    this.#sums = { waiting: new Sum(), receiving: new Sum(), uploading: new Sum(), arrived: new Sum() };
    this.#unknown = new Oldest(lookedInto);
  }

  /** `sending`: the study of a file that an uploader is sending. */
  add(file: SpoolFile, noted: NotedFile | undefined, sending: string | undefined): void {
    const state = stateOf(file, noted, sending !== undefined);
    switch (state) {
      case 'aside':
        if (file.aside !== undefined) this.#aside[file.aside].push(file.path);
        break;
      case 'receiving':
        this.#sums.receiving.add(file);
        break;
      case 'uploading':
        this.#sums.uploading.add(file);
        if (sending !== undefined) this.#studies.uploading.add(sending);
        break;
      case 'waiting':
        this.#addWaiting(file, noted);
        break;
      case 'failed':
        this.#failed.push(troubleOf(file, noted));
        this.#noteError(file, noted);
        break;
      case 'foreign':
        this.#foreign.push(troubleOf(file, noted));
        break;
      case 'kept':
    }
  }

  /** What is no file. */
  addOther(path: string): void {
    this.#others.push({ path });
  }

  #addWaiting(file: SpoolFile, noted: NotedFile | undefined): void {
    const { modified } = file;
    this.#sums.waiting.add(file);
    if (this.#now.getTime() - modified.getTime() <= FILL_WINDOW) this.#sums.arrived.add(file);
    if (this.#oldest === undefined || modified < this.#oldest) this.#oldest = modified;
    if (noted?.study === undefined) {
      this.#unknownFiles += 1;
      this.#unknown.add(file);
    } else this.#studies.waiting.add(noted.study);
    if (noted?.code !== undefined && modified <= noted.at) this.#reasons[noted.code] = (this.#reasons[noted.code] ?? 0) + 1;
    this.#noteError(file, noted);
  }

  #noteError({ modified }: SpoolFile, { code, at }: Partial<NotedFile> = {}): void {
    if (code === undefined || at === undefined || modified > at) return;
    if (this.#lastError === undefined || at > this.#lastError.at) this.#lastError = { code, at };
  }

  /** Of those that wait and whose study is not known, the oldest. */
  unknown(): readonly string[] {
    return this.#unknown.paths();
  }

  /** The study of one of these. */
  addStudy(study: string): void {
    this.#unknownFiles -= 1;
    this.#studies.waiting.add(study);
  }

  status({ today, minutes }: SpoolNotes, disk: Disk): SpoolStatus {
    const { waiting, receiving, uploading, arrived } = this.#sums;
    const { instances, bytes } = uploadedWithin(RATE_WINDOW, minutes, this.#now);
    const fullInSeconds = secondsUntilFull(minutes, disk, arrived, this.#now);
    return {
      at: this.#now,
      waiting: {
        studies: this.#studies.waiting.size,
        studiesKnown: this.#unknownFiles === 0,
        ...waiting.value,
        ...(this.#oldest === undefined ? {} : { oldest: this.#oldest }),
      },
      receiving: receiving.value,
      uploading: { studies: this.#studies.uploading.size, instances: uploading.value.instances },
      doneToday: today,
      failed: this.#failed,
      foreign: [...this.#foreign, ...this.#others],
      setAside: this.#aside,
      reasons: this.#reasons,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      rate: { instancesPerMinute: instances / (RATE_WINDOW / MINUTE), bytesPerSecond: bytes / (RATE_WINDOW / 1000) },
      disk: { ...disk, ...(fullInSeconds === undefined ? {} : { fullInSeconds }) },
    };
  }
}

class Sum {
  #instances = 0;
  #bytes = 0;

  add({ size }: SpoolFile): void {
    this.#instances += 1;
    this.#bytes += size;
  }

  get value(): { readonly instances: number; readonly bytes: number } {
    return { instances: this.#instances, bytes: this.#bytes };
  }
}

/** So many of the oldest files; never more than twice as many are held. */
class Oldest {
  readonly #most: number;
  #files: SpoolFile[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(file: SpoolFile): void {
    if (this.#most === 0) return;
    this.#files.push(file);
    if (this.#files.length >= 2 * this.#most) this.#shorten();
  }

  paths(): string[] {
    this.#shorten();
    return this.#files.map(({ path }) => path);
  }

  #shorten(): void {
    this.#files = this.#files.sort((a, b) => a.modified.getTime() - b.modified.getTime()).slice(0, this.#most);
  }
}

function troubleOf({ path }: SpoolFile, noted: NotedFile | undefined): Trouble {
  return { path, ...(noted?.code === undefined ? {} : { code: noted.code }) };
}

function uploadedWithin(milliseconds: number, minutes: readonly NotedMinute[], now: Date): Omit<Count, 'studies'> {
  const recent = minutes.filter(({ at }) => now.getTime() - at.getTime() < milliseconds);
  return { instances: sum(recent, ({ instances }) => instances), bytes: sum(recent, ({ bytes }) => bytes) };
}

/**
 * The rate is what the disk itself has lost since the uploaders looked at it, an hour ago at most: everything that fills it counts, and
 * what they took away. Where none of them has looked, what arrived in that hour and still waits.
 */
function secondsUntilFull(minutes: readonly NotedMinute[], disk: Disk, arrived: Sum, now: Date): number | undefined {
  const age = (at: Date): number => now.getTime() - at.getTime();
  const looks = minutes.filter(({ at, freeBytes }) => freeBytes !== undefined && age(at) <= FILL_WINDOW);
  const first = looks.reduce<NotedMinute | undefined>((a, b) => (a === undefined || b.at < a.at ? b : a), undefined);
  if (first?.freeBytes !== undefined && age(first.at) >= LEAST_FILL_WINDOW) {
    const seconds = age(first.at) / 1000;
    return least(
      untilGone(disk.freeBytes, (first.freeBytes - disk.freeBytes) / seconds),
      disk.totalFiles === 0 ? undefined : untilGone(disk.freeFiles, ((first.freeFiles ?? 0) - disk.freeFiles) / seconds),
    );
  }
  const { instances, bytes } = arrived.value;
  const seconds = FILL_WINDOW / 1000;
  return least(
    untilGone(disk.freeBytes, bytes / seconds),
    disk.totalFiles === 0 ? undefined : untilGone(disk.freeFiles, instances / seconds),
  );
}

function untilGone(free: number, perSecond: number): number | undefined {
  return perSecond > 0 ? Math.floor(free / perSecond) : undefined;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}

/** Milliseconds that something may wait before it is worth a look. */
const LATE = 15 * MINUTE;
const SOON_FULL = 24 * 60 * 60;

/**
 * | state                                                                      | code |
 * |----------------------------------------------------------------------------|------|
 * | a file that will not go by itself, or that was set aside as damaged        | 1    |
 * | otherwise one that waits after a try, or since a quarter of an hour        | 75   |
 * | otherwise a disk that is full within a day, or has less free than it must  | 75   |
 * | otherwise (foreign files are only listed)                                  | 0    |
 */
export function statusExitCode(
  { at, waiting, failed, setAside, reasons, disk }: SpoolStatus,
  thresholds: DiskThresholds = {},
): 0 | 1 | 75 {
  if (failed.length + setAside.damaged.length > 0) return 1;
  const late = waiting.oldest !== undefined && at.getTime() - waiting.oldest.getTime() > LATE;
  const littleFree = shortagesOf(disk, thresholds).length > 0;
  const soonFull = disk.fullInSeconds !== undefined && disk.fullInSeconds < SOON_FULL;
  return late || Object.keys(reasons).length > 0 || littleFree || soonFull ? 75 : 0;
}
