/** What an upload did, file by file and in numbers, and the exit code that says it. */
import type { ErrorCode } from '../../core/errors.ts';

export type FileOutcome =
  /** The bucket holds it, verified; this run sent it. */
  | 'uploaded'
  /** The bucket held it already, verified. */
  | 'present'
  /** Still being written; for the next run. */
  | 'waiting'
  /** Not DICOM, or no regular file. */
  | 'foreign'
  /** DICOM that no archive would take. */
  | 'damaged'
  /** Not in the bucket; `retryable` says whether the next run can help. */
  | 'failed';

export interface FileReport {
  readonly path: string;
  readonly outcome: FileOutcome;
  readonly key?: string;
  readonly studyInstanceUID?: string;
  /** Bytes. */
  readonly size?: number;
  /** Of `foreign`, `damaged` and `failed`; of `uploaded` and `present` where the file could not be put away. */
  readonly code?: ErrorCode;
  readonly retryable?: boolean;
  /** What became of the file. Absent: it stays where it is. */
  readonly after?: 'removed' | 'kept' | 'moved' | 'set-aside';
}

export interface UploadCounts extends Readonly<Record<FileOutcome, number>> {
  /** Of `failed`, and of those that could not be put away: the next run can help. */
  readonly retryable: number;
  /** Of `uploaded` and `present`: could not be put away. */
  readonly notPutAway: number;
}

export interface UploadReport {
  readonly folder: string;
  readonly counts: UploadCounts;
  /** By path; of those that the bucket holds and of the others, `LISTED` each at most, in all folders of a spool. */
  readonly files: readonly FileReport[];
  /** Another process uploads this folder: it was told that there may be more, and does that. */
  readonly leftToOther: boolean;
}

/** Files that are listed of a kind: a backlog of days is counted, and a person reads no more. */
export const LISTED = 10_000;

/** What the folders of a spool may still list, each from the same room. */
export interface ListedRoom {
  done: number;
  others: number;
}

export function listedRoom(): ListedRoom {
  return { done: LISTED, others: LISTED };
}

/** The files of one run, each with its last outcome. */
export class UploadTally {
  readonly #counts: Record<keyof UploadCounts, number>;
  readonly #listed = { done: new Map<string, FileReport>(), others: new Map<string, FileReport>() };
  readonly #room: ListedRoom;

  constructor(room: ListedRoom = listedRoom()) {
    this.#room = room;
    const files = { uploaded: 0, present: 0, waiting: 0, foreign: 0, damaged: 0, failed: 0 };
    this.#counts = { ...files, retryable: 0, notPutAway: 0 };
  }

  add(report: FileReport): void {
    this.#forget(report.path);
    this.#count(report, 1);
    const kind = isDone(report) ? 'done' : 'others';
    if (this.#room[kind] === 0) return;
    this.#room[kind] -= 1;
    this.#listed[kind].set(report.path, report);
  }

  /** What waited is looked at again, or gone: storescp has dropped it, or moved it to where it belongs. */
  forgetWaiting(): void {
    for (const [path, { outcome }] of this.#listed.others) if (outcome === 'waiting') this.#unlist('others', path);
    this.#counts.waiting = 0;
  }

  report(folder: string, { leftToOther }: { readonly leftToOther: boolean }): UploadReport {
    const files = [...this.#listed.done.values(), ...this.#listed.others.values()];
    return { folder, counts: { ...this.#counts }, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), leftToOther };
  }

  #forget(path: string): void {
    for (const kind of ['done', 'others'] as const) {
      const before = this.#listed[kind].get(path);
      if (before === undefined) continue;
      this.#unlist(kind, path);
      this.#count(before, -1);
    }
  }

  #unlist(kind: keyof ListedRoom, path: string): void {
    this.#listed[kind].delete(path);
    this.#room[kind] += 1;
  }

  #count(report: FileReport, by: 1 | -1): void {
    this.#counts[report.outcome] += by;
    if (report.retryable === true) this.#counts.retryable += by;
    if (isDone(report) && report.code !== undefined) this.#counts.notPutAway += by;
  }
}

function isDone({ outcome }: FileReport): boolean {
  return outcome === 'uploaded' || outcome === 'present';
}

/**
 * | files                                            | code |
 * |--------------------------------------------------|------|
 * | any waiting, or failed and retryable             | 75   |
 * | otherwise any damaged, failed, or not put away   | 1    |
 * | otherwise (foreign files are only listed)        | 0    |
 */
export function uploadExitCode(reports: readonly Pick<UploadReport, 'counts'>[]): 0 | 1 | 75 {
  const any = (...kinds: readonly (keyof UploadCounts)[]): boolean =>
    reports.some(({ counts }) => kinds.some((kind) => counts[kind] > 0));
  if (any('waiting', 'retryable')) return 75;
  return any('damaged', 'failed', 'notPutAway') ? 1 : 0;
}
