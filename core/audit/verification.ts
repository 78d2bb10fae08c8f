/** What came of holding an archive's instances against the tags. Pure. */
import type { ErrorCode } from '../errors.ts';
import type { AuditRow } from './query.ts';
import type { Status } from './record.ts';

/**
 * | verdict        | what it means                                                                     |
 * |----------------|-----------------------------------------------------------------------------------|
 * | `equal`        | the archive has what was sent; `by` says how that was seen                        |
 * | `different`    | it has something else under this SOP Instance UID; `differences` says what        |
 * | `missing`      | it does not have it under its study, or can no longer give it back                |
 * | `unverifiable` | nobody can tell: `code` says why, and `temporary` whether to ask again            |
 */
export type Verification =
  | { readonly verdict: 'equal'; readonly by: 'digest' }
  | { readonly verdict: 'equal'; readonly by: 'retrieved'; readonly coercedByArchive: readonly string[] }
  | { readonly verdict: 'different'; readonly differences: readonly string[] }
  /** `listed` is absent where the archive could not list the study. */
  | { readonly verdict: 'missing'; readonly listed?: boolean }
  | { readonly verdict: 'unverifiable'; readonly code: UnverifiableCode; readonly temporary: boolean; readonly why: string };

export type Verdict = Verification['verdict'];

/** An error's, or `INCOMPARABLE`: what the archive gives back has a form that cannot be compared. */
export type UnverifiableCode = ErrorCode | 'INCOMPARABLE';

export interface VerifiedInstance {
  readonly row: AuditRow;
  readonly verification: Verification;
}

/** What has no `stowed` to be verified. */
export type Unstowed = Exclude<Status['kind'], 'stowed'> | 'pending';

export interface VerificationCounts {
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Of the equal ones. */
  readonly byDigest: number;
  /** Of the unverifiable ones, those to ask for again. */
  readonly temporary: number;
  readonly unstowed: Readonly<Record<Unstowed, number>>;
}

export class VerificationTally {
  readonly #verdicts = { equal: 0, different: 0, missing: 0, unverifiable: 0 };
  readonly #unstowed = { pending: 0, quarantined: 0, failed: 0 };
  #byDigest = 0;
  #temporary = 0;

  verified(verification: Verification): void {
    this.#verdicts[verification.verdict] += 1;
    if (verification.verdict === 'equal' && verification.by === 'digest') this.#byDigest += 1;
    if (verification.verdict === 'unverifiable' && verification.temporary) this.#temporary += 1;
  }

  /** Whether the row is one to verify; another one is counted. */
  admits({ record }: AuditRow): boolean {
    const kind = record?.status.kind ?? 'pending';
    if (kind === 'stowed') return true;
    this.#unstowed[kind] += 1;
    return false;
  }

  counts(): VerificationCounts {
    return {
      verdicts: { ...this.#verdicts },
      byDigest: this.#byDigest,
      temporary: this.#temporary,
      unstowed: { ...this.#unstowed },
    };
  }
}

/**
 * | different or missing | unverifiable, to ask again | unverifiable for good | conclusion |
 * |----------------------|----------------------------|-----------------------|------------|
 * | some                 |                            |                       | `failed`    |
 * | none                 | some                       |                       | `temporary` |
 * | none                 | none                       | some                  | `failed`: not all could be proved |
 * | none                 | none                       | none                  | `proved`    |
 */
export function conclude({ verdicts, temporary }: VerificationCounts): 'proved' | 'failed' | 'temporary' {
  if (verdicts.different + verdicts.missing > 0) return 'failed';
  if (temporary > 0) return 'temporary';
  return verdicts.unverifiable > 0 ? 'failed' : 'proved';
}
