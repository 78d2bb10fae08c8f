/** What became of one instance that was sent to the archive, and the port to the archive. */
import type { Segments } from '../dicom/change.ts';
import type { ErrorCode } from '../errors.ts';

export interface OutgoingInstance extends Segments {
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
  readonly sopClassUID: string;
  /** MD5 of the bytes, 32 lower-case hex digits. */
  readonly md5: string;
}

/** How far it was proved that the archive holds the instance. `answered`: only its STOW answer says so. */
export type Proof = 'answered' | 'listed' | 'digest' | 'retrieved';

interface Proved {
  readonly proof: Proof;
  readonly alreadyThere: boolean;
  /** MD5 that the archive told of the file in which it keeps what was proved, where it is not that of the bytes sent. */
  readonly archivedMd5?: string;
}

/**
 * | kind       | what it means                                              | what the caller does   |
 * |------------|------------------------------------------------------------|------------------------|
 * | stored     | the archive has it, as `proof` says                        | tag `stowed`           |
 * | warned     | the same, with a warning (PS3.18 10.5.3, Bxxx)             | tag `stowed`, keep the reason |
 * | retryable  | not stored, or not known; may succeed later                | back to the queue      |
 * | permanent  | refused; the same bytes will be refused again              | quarantine             |
 */
export type Outcome =
  | ({ readonly kind: 'stored' } & Proved)
  | ({ readonly kind: 'warned'; readonly reason: number } & Proved)
  | {
      readonly kind: 'retryable' | 'permanent';
      readonly code: ErrorCode;
      readonly reason?: number;
      readonly message: string;
      /** The archive may be storing it still: nobody must send it again before `archive.timeout` is over. */
      readonly underWay?: true;
    };

export type Stored = Extract<Outcome, { readonly kind: 'stored' | 'warned' }>;

export function isStored(outcome: Outcome): outcome is Stored {
  return outcome.kind === 'stored' || outcome.kind === 'warned';
}

/** What QIDO-RS tells of an instance under one study. */
export interface ArchivedInstance {
  readonly sopInstanceUID: string;
  readonly seriesInstanceUID?: string;
  /** As dcm4chee tells it: MD5 of the stored file, lower-case hex. */
  readonly storageDigest?: string;
}

/** The archive, for one calling AE title and institution (they may stand in its URL). */
export interface Archive {
  /** For people, without credentials. */
  readonly description: string;
  /**
   * Sends instances of one study, in requests of bounded size, and confirms them by QIDO. One outcome for each
   * instance, in order. Never throws for what the archive answers or fails to answer; `signal` aborts.
   * Two instances with one SOP Instance UID in one call are the caller's error (`INTERNAL`).
   */
  store(instances: readonly OutgoingInstance[], options?: { readonly signal?: AbortSignal }): Promise<readonly Outcome[]>;
  /**
   * Holds what the archive has under the UIDs of the instance against it, and sends nothing: stored, which was there already; permanent, where
   * it has other content or nothing; retryable, where that cannot be told. Never throws for what the archive answers.
   */
  compare(instance: OutgoingInstance, options?: { readonly signal?: AbortSignal }): Promise<Outcome>;
  /** Which of these the archive lists under the study; by SOP Instance UID. Throws `ARCHIVE_…` errors. */
  find(studyInstanceUID: string, sopInstanceUIDs: readonly string[]): Promise<ReadonlyMap<string, ArchivedInstance>>;
  /** Institutions under which the archive holds the study; none where it has no name, or not the study. Throws `ARCHIVE_…` errors. */
  institutions(studyInstanceUID: string, options?: { readonly signal?: AbortSignal }): Promise<ReadonlySet<string>>;
  close(): Promise<void>;
}
