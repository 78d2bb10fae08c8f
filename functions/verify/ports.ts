/** What verifying takes. */
import type { AuditRow } from '../../core/audit/query.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import type { DecodingPool } from '../../core/encode/frame-pool.ts';
import type { ArchiveReader } from '../../core/stow/archive-reader.ts';

export interface VerifyPorts {
  /** The same object for the same address. Throws `UNKNOWN_SOURCE` where the address needs what the row does not have. */
  readonly readerFor: (row: AuditRow) => ArchiveReader;
  /**
   * That of the digest, as the bucket keeps it, with what was taken of a worklist for the object of the key. Throws `OBJECT_NOT_FOUND`,
   * `RULES_INVALID`, `WORKLIST_…` and what the store throws.
   */
  readonly ruleSet: (digest: string, key: string) => Promise<RuleSet>;
  readonly pool: Pick<DecodingPool, 'decodeFrame'>;
  /** Instances retrieved at once, and studies looked at at once. */
  readonly connections: number;
  /** Of retrieved instances in memory at once. */
  readonly maxBytesInFlight: number;
}

export interface VerifyOptions {
  /** Retrieve each instance, also where the archive's own check of its files would do. */
  readonly retrieveAll?: boolean;
  readonly signal?: AbortSignal;
}
