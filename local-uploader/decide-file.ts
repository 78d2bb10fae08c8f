/** What becomes of a file of the spool: a function of its age and of what reading it to the end gave. */
import type { ErrorCode } from '../core/errors.ts';

export type FileDecision =
  /** Not now: something may still be writing it. */
  | 'wait'
  /** Read it to the end. */
  | 'read'
  | 'upload'
  /** Not DICOM: left where it is and listed. */
  | 'foreign'
  /** DICOM that no archive would take: left where it is and listed. */
  | 'damaged'
  /** Could not be read now. */
  | 'retry';

export interface FileState {
  /** Seconds since its last write; negative where the writer's clock is ahead. */
  readonly age: number;
  /** Seconds without a write until a file counts as complete. */
  readonly settle: number;
  /** Absent: not read yet. */
  readonly read?: 'whole' | ErrorCode;
}

const DAMAGED: ReadonlySet<ErrorCode> = new Set([
  'TRUNCATED',
  'MALFORMED',
  'UNSUPPORTED_TRANSFER_SYNTAX',
  'MISSING_UID',
  'INVALID_UID',
]);

/**
 * | last write                       | read                                               | decision |
 * |----------------------------------|----------------------------------------------------|----------|
 * | less than `settle` seconds ago   | any                                                | wait     |
 * | before, or ahead of us by more   | not yet                                            | read     |
 * |                                  | whole                                              | upload   |
 * |                                  | FILE_CHANGED                                       | wait     |
 * |                                  | NOT_PART10                                         | foreign  |
 * |                                  | TRUNCATED, MALFORMED, another of `DAMAGED`         | damaged  |
 * |                                  | any other error                                    | retry    |
 *
 * A file cut where one element ends and the next begins reads as whole, so a young file waits whatever it reads as. Ahead by more than
 * `settle` means a wrong clock, not a write to come: such a file must not wait for ever.
 */
export function decideFile({ age, settle, read }: FileState): FileDecision {
  if (Math.abs(age) < settle) return 'wait';
  if (read === undefined) return 'read';
  if (read === 'whole') return 'upload';
  if (read === 'FILE_CHANGED') return 'wait';
  if (read === 'NOT_PART10') return 'foreign';
  return DAMAGED.has(read) ? 'damaged' : 'retry';
}
