/** What becomes of a file of the spool: a function of where it lies, of its age and of what reading it to the end gave. */
import type { ErrorCode } from '../../core/errors.ts';

export type FileDecision =
  /** Not now: something may still be writing it. */
  | 'wait'
  /** Read it to the end. */
  | 'read'
  | 'upload'
  /** Not DICOM: listed, and set aside later. */
  | 'foreign'
  /** DICOM that no archive would take: listed, and set aside later. */
  | 'damaged'
  /** Could not be read now. */
  | 'retry';

/** Who wrote a file, and whether it is known to be whole. */
export type FilePlace =
  /** `receiving/`: storescp was at it when it ended, or its exec never came. */
  | 'receiving'
  /** `received/`: storescp wrote it to its end. */
  | 'received'
  /** Anything else may have put it there. */
  | 'elsewhere';

export type ReadResult =
  | 'whole'
  /** Whole by its elements, but an image without its pixels. */
  | 'pixelless'
  /** No byte but zeros, or none. */
  | 'blank'
  | ErrorCode;

export interface FileState {
  /** Default `elsewhere`. */
  readonly place?: FilePlace;
  /** Seconds since its last write; negative where the writer's clock is ahead. */
  readonly age: number;
  /** Seconds without a write until a file counts as complete. */
  readonly settle: number;
  /** Absent: not read yet. */
  readonly read?: ReadResult;
}

const DAMAGED: ReadonlySet<ReadResult> = new Set<ReadResult>([
  'TRUNCATED',
  'MALFORMED',
  'UNSUPPORTED_TRANSFER_SYNTAX',
  'MISSING_UID',
  'INVALID_UID',
]);

/**
 * | last write                       | read                                               | place                      | decision |
 * |----------------------------------|----------------------------------------------------|----------------------------|----------|
 * | less than `settle` seconds ago   | any                                                | any                        | wait     |
 * | before, or ahead of us by more   | not yet                                            | any                        | read     |
 * |                                  | whole                                              | any                        | upload   |
 * |                                  | pixelless                                          | `receiving/`               | damaged  |
 * |                                  | pixelless                                          | `received/`, elsewhere     | upload   |
 * |                                  | blank                                              | `receiving/`, `received/`  | damaged  |
 * |                                  | blank                                              | elsewhere                  | foreign  |
 * |                                  | FILE_CHANGED                                       | any                        | wait     |
 * |                                  | NOT_PART10                                         | any                        | foreign  |
 * |                                  | TRUNCATED, MALFORMED, another of `DAMAGED`         | any                        | damaged  |
 * |                                  | any other error                                    | any                        | retry    |
 *
 * A file cut where one element ends and the next begins reads as whole, so a young file waits whatever it reads as; and in `receiving/`,
 * where a killed storescp leaves what it had got so far, an image must have its pixels, which come last. Its sender was told no success
 * of it and sends it again: uploaded, half an image would hold the place of the whole one.
 *
 * A loss of power can leave a file with its name and without its bytes. Where only storescp writes, that is an instance lost and no
 * stray file; elsewhere programs leave empty files as marks.
 *
 * Ahead by more than `settle` means a wrong clock, not a write to come: such a file must not wait for ever.
 */
export function decideFile({ place = 'elsewhere', age, settle, read }: FileState): FileDecision {
  if (Math.abs(age) < settle) return 'wait';
  if (read === undefined) return 'read';
  if (read === 'whole') return 'upload';
  if (read === 'pixelless') return place === 'receiving' ? 'damaged' : 'upload';
  if (read === 'blank') return place === 'elsewhere' ? 'foreign' : 'damaged';
  if (read === 'FILE_CHANGED') return 'wait';
  if (read === 'NOT_PART10') return 'foreign';
  return DAMAGED.has(read) ? 'damaged' : 'retry';
}
