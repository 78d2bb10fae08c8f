/** What an uploader works with, and how. */
import type { Log } from '../../core/logging.ts';
import type { RetryOptions } from '../../core/retry.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { Sender } from '../spool/announced-senders.ts';
import type { ArrivalSource } from '../arrival/arrival-object.ts';
import type { BucketGate } from '../outage/bucket-gate.ts';
import type { FilePlace } from './decide-file.ts';
import type { HandledFolder } from '../spool/handled-files.ts';
import type { FileReport, ListedRoom } from './upload-report.ts';
import type { ReachStep } from '../spool/upload-step.ts';

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
  /** Of the reports of a whole spool. Absent: the folder has all of it. */
  readonly listed?: ListedRoom;
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
