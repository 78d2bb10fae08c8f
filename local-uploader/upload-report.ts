/** What an upload did, file by file, and the exit code that says it. */
import type { ErrorCode } from '../core/errors.ts';

export type FileOutcome =
  /** The bucket holds it, verified; this run sent it. */
  | 'uploaded'
  /** The bucket held it already, verified. */
  | 'present'
  /** Still being written; for the next run. */
  | 'waiting'
  /** Not DICOM, or no regular file; left where it is. */
  | 'foreign'
  /** DICOM that cannot be read; left where it is. */
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
  readonly after?: 'removed' | 'kept' | 'moved';
}

export interface UploadReport {
  readonly folder: string;
  readonly files: readonly FileReport[];
  /** Another process uploads this folder: it was told that there may be more, and does that. */
  readonly leftToOther: boolean;
}

/**
 * | files                                      | code |
 * |--------------------------------------------|------|
 * | any waiting, or failed and retryable       | 75   |
 * | otherwise any damaged or failed            | 1    |
 * | otherwise (foreign files are only listed)  | 0    |
 */
export function uploadExitCode(reports: readonly UploadReport[]): 0 | 1 | 75 {
  const files = reports.flatMap((report) => report.files);
  if (files.some(({ outcome, retryable }) => outcome === 'waiting' || retryable === true)) return 75;
  return files.some(
    ({ outcome, code }) => outcome === 'damaged' || outcome === 'failed' || (code !== undefined && outcome !== 'foreign'),
  )
    ? 1
    : 0;
}
