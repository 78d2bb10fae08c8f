/** What `ingestBatch` takes and gives. */
import type { AuditRecord } from '../../core/audit/record.ts';
import type { Config } from '../../core/config/schema.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import type { LargeFile, PreparedInstance } from '../../core/prepare-instance.ts';
import type { LeasePatience, Leases } from '../../core/store/lease.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { Archive } from '../../core/stow/outcome.ts';
import type { InstanceSource } from './instance-source.ts';

export interface ObjectReference {
  readonly key: string;
}

/** What decides the archive's address. */
export interface ArchiveSource {
  readonly site: string;
  readonly callingAET: string;
  readonly institution: string | undefined;
}

/** The rule set that `prepare` works by, as the bucket keeps it. */
export interface KeptRuleSet {
  /** 12 hex. */
  readonly digest: string;
  /** Canonical JSON. */
  readonly json: string;
}

/** A rule set, and the coercion by it. */
export interface RulesInForce {
  readonly ruleSet: KeptRuleSet;
  /** `prepareInstance`, bound to the rule set and the frame pool. */
  readonly prepare: (file: Uint8Array | LargeFile, source: InstanceSource) => Promise<PreparedInstance>;
}

export interface IngestPorts extends RulesInForce {
  readonly store: ObjectStore;
  /** In a bucket that all function instances share which may send the same study. */
  readonly leases: Leases;
  /** The same object for the same address. Throws `UNKNOWN_SOURCE` where the address needs what the source does not have. */
  readonly archiveFor: (source: ArchiveSource) => Archive;
  /**
   * The institution that the mapping names for a source. `undefined` where it names none, or where a study may be stored although the
   * archive holds it under another one.
   */
  readonly ownInstitution: (source: InstanceSource) => string | undefined;
  /** By which an object that arrived then may have been sent before. Throws what the store throws. */
  readonly earlierRules: (arrived: Date) => AsyncIterable<RulesInForce>;
  readonly config: Pick<Config, 'ingest' | 'site'> & { readonly archive: RequestLimits };
  readonly log: Log;
  readonly now: () => Date;
}

/** Of `ArchiveConfig`. */
export interface RequestLimits {
  readonly maxInstances: number;
  readonly maxBytes: number;
  /** Whether the archive is asked by QIDO-RS what it has. */
  readonly confirm: boolean;
}

export interface IngestOptions {
  /** Aborted: nothing new is begun; what was not begun is `retry`. What is prepared is still sent. */
  readonly stop?: AbortSignal;
  /** Aborted: requests to the archive are given up; their instances are `retry`. */
  readonly abort?: AbortSignal;
  /** How long another function instance is waited for that is at a study of the batch. Default: 3 s, while it lives. */
  readonly patience?: () => LeasePatience;
  /** Called for each object as soon as its result stands. */
  readonly onResult?: (result: IngestResult) => void;
}

/**
 * | state       | tag                  | the message          |
 * |-------------|----------------------|----------------------|
 * | stowed      | `stowed`             | is done              |
 * | quarantined | `quarantined/CODE`   | is done              |
 * | skipped     | as it was            | is done              |
 * | retry       | as it was            | goes back to the queue |
 */
export interface IngestResult {
  readonly key: string;
  readonly state: 'stowed' | 'quarantined' | 'skipped' | 'retry';
  /** Of `quarantined` and `retry`, and of `skipped` where the object is gone. */
  readonly code?: ErrorCode;
  /** Of `retry`: milliseconds before which trying again is of no use. */
  readonly retryAfter?: number;
  /** Of `stowed` and `quarantined`. */
  readonly record?: AuditRecord;
  /** Bytes as sent, of `stowed`. */
  readonly sentLength?: number;
  /** Of `stowed`: the archive listed it before, and it was not sent. */
  readonly alreadyThere?: boolean;
}
