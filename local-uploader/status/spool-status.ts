/** The state of a site in numbers: a function of what lies in the spool, what the uploaders noted, the disk, and the time. */
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
  /** StudyInstanceUID, where somebody has looked. */
  readonly study?: string;
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

export interface SpoolFacts {
  readonly files: readonly SpoolFile[];
  /** Links, sockets, … */
  readonly others: readonly string[];
  readonly noted: ReadonlyMap<string, NotedFile>;
  /** Paths that an uploader is sending now → their study. */
  readonly sending: ReadonlyMap<string, string>;
  readonly today: { readonly studies: number; readonly instances: number; readonly bytes: number };
  readonly minutes: readonly NotedMinute[];
  readonly disk: Disk;
  readonly now: Date;
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

export function spoolStatus(facts: SpoolFacts): SpoolStatus {
  const { noted, sending, minutes, disk, now } = facts;
  const byState = Map.groupBy(facts.files, (file) => stateOf(file, noted.get(file.path), sending.has(file.path)));
  const of = (state: FileState): readonly SpoolFile[] => byState.get(state) ?? [];
  const waiting = of('waiting');
  const studies = waiting.map(({ path, study }) => study ?? noted.get(path)?.study);
  const oldest = waiting
    .map(({ modified }) => modified)
    .reduce<Date | undefined>((a, b) => (a === undefined || b < a ? b : a), undefined);
  const recent = minutes.filter(({ at }) => now.getTime() - at.getTime() < RATE_WINDOW);
  const fullInSeconds = secondsUntilFull(facts, waiting);
  return {
    at: now,
    waiting: {
      studies: new Set(studies.filter((study) => study !== undefined)).size,
      studiesKnown: !studies.includes(undefined),
      instances: waiting.length,
      bytes: sum(waiting, ({ size }) => size),
      ...(oldest === undefined ? {} : { oldest }),
    },
    receiving: { instances: of('receiving').length, bytes: sum(of('receiving'), ({ size }) => size) },
    uploading: { studies: new Set(of('uploading').map(({ path }) => sending.get(path))).size, instances: of('uploading').length },
    doneToday: facts.today,
    failed: of('failed').map((file) => troubleOf(file, noted)),
    foreign: [...of('foreign').map((file) => troubleOf(file, noted)), ...facts.others.map((path) => ({ path }))],
    setAside: { foreign: asideOf(of('aside'), 'foreign'), damaged: asideOf(of('aside'), 'damaged') },
    reasons: reasonsOf(waiting, noted),
    ...lastErrorOf([...waiting, ...of('failed')], noted),
    rate: {
      instancesPerMinute: sum(recent, ({ instances }) => instances) / (RATE_WINDOW / MINUTE),
      bytesPerSecond: sum(recent, ({ bytes }) => bytes) / (RATE_WINDOW / 1000),
    },
    disk: { ...disk, ...(fullInSeconds === undefined ? {} : { fullInSeconds }) },
  };
}

function troubleOf({ path }: SpoolFile, noted: SpoolFacts['noted']): Trouble {
  const code = noted.get(path)?.code;
  return { path, ...(code === undefined ? {} : { code }) };
}

function asideOf(files: readonly SpoolFile[], aside: Aside): string[] {
  return files.filter((file) => file.aside === aside).map(({ path }) => path);
}

function lastErrorOf(files: readonly SpoolFile[], noted: SpoolFacts['noted']): Pick<SpoolStatus, 'lastError'> {
  let last: NonNullable<SpoolStatus['lastError']> | undefined;
  for (const { path, modified } of files) {
    const { code, at } = noted.get(path) ?? {};
    if (code === undefined || at === undefined || modified > at) continue;
    if (last === undefined || at > last.at) last = { code, at };
  }
  return last === undefined ? {} : { lastError: last };
}

function reasonsOf(waiting: readonly SpoolFile[], noted: SpoolFacts['noted']): SpoolStatus['reasons'] {
  const reasons: Partial<Record<ErrorCode, number>> = {};
  for (const { path, modified } of waiting) {
    const last = noted.get(path);
    if (last?.code !== undefined && modified <= last.at) reasons[last.code] = (reasons[last.code] ?? 0) + 1;
  }
  return reasons;
}

/**
 * The rate is what the disk itself has lost since the uploaders looked at it, an hour ago at most: everything that fills it counts, and
 * what they took away. Where none of them has looked, what arrived in that hour and still waits.
 */
function secondsUntilFull({ minutes, disk, now }: SpoolFacts, waiting: readonly SpoolFile[]): number | undefined {
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
  const arrived = waiting.filter(({ modified }) => age(modified) <= FILL_WINDOW);
  const seconds = FILL_WINDOW / 1000;
  return least(
    untilGone(disk.freeBytes, sum(arrived, ({ size }) => size) / seconds),
    disk.totalFiles === 0 ? undefined : untilGone(disk.freeFiles, arrived.length / seconds),
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
