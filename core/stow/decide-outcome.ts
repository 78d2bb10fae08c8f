/** What was answered and what QIDO-RS lists → what became of the instance. Pure. */
import type { Outcome } from './outcome.ts';
import type { Verdict } from './read-answer.ts';

/** Of the instance, under its study. `unanswered`: the archive was asked and did not say. `unasked`: `archive.confirm` is off. */
export type Listing = 'listed' | 'absent' | 'unanswered' | 'unasked';

/** Whether what QIDO-RS lists can change what becomes of it. */
export function needsListing(verdict: Verdict): boolean {
  return verdict.kind !== 'refused' && verdict.kind !== 'rejected';
}

/**
 * | verdict   | listed                      | absent                    | unanswered                  | unasked                     |
 * |-----------|-----------------------------|---------------------------|-----------------------------|-----------------------------|
 * | stored    | stored, listed              | retryable, NOT_IN_ARCHIVE | retryable, ARCHIVE_AMBIGUOUS | stored, answered           |
 * | warned    | warned, listed              | retryable, NOT_IN_ARCHIVE | retryable, ARCHIVE_AMBIGUOUS | warned, answered           |
 * | duplicate | stored, listed, was there   | permanent, CONFLICT       | retryable, ARCHIVE_AMBIGUOUS | stored, answered, was there |
 * | unknown   | stored, listed              | retryable, its code       | retryable, its code         | retryable, its code         |
 * | refused   | permanent, its code, whatever is listed (an earlier content may be) ||||
 * | rejected  | retryable, its code: the request was wrong, not the instance ||||
 *
 * What may be under way at the archive stays so where it is not listed.
 *
 * Retryable is bounded: the queue has so many tries, each one asks first, and after the last one the object is `failed` with the code.
 * That is the bounded retry of a processing failure (0110) and its like.
 */
export function decideOutcome(verdict: Verdict, listing: Listing): Outcome {
  switch (verdict.kind) {
    case 'refused':
      return failed('permanent', verdict);
    case 'rejected':
      return failed('retryable', verdict);
    case 'unknown':
      return listing === 'listed' ? { kind: 'stored', proof: 'listed', alreadyThere: false } : failed('retryable', verdict);
    case 'stored':
    case 'warned':
    case 'duplicate':
      return decideStored(verdict, listing);
  }
}

function decideStored(verdict: Extract<Verdict, { kind: 'stored' | 'warned' | 'duplicate' }>, listing: Listing): Outcome {
  switch (listing) {
    case 'listed':
    case 'unasked': {
      const proof = listing === 'listed' ? 'listed' : 'answered';
      return verdict.kind === 'warned'
        ? { kind: 'warned', proof, alreadyThere: false, reason: verdict.reason }
        : { kind: 'stored', proof, alreadyThere: verdict.kind === 'duplicate' };
    }
    case 'absent':
      return verdict.kind === 'duplicate'
        ? {
            kind: 'permanent',
            code: 'CONFLICT',
            reason: verdict.reason,
            message: `${verdict.message}; and it is not in this study`,
          }
        : {
            kind: 'retryable',
            code: 'NOT_IN_ARCHIVE',
            message:
              'the archive answered that it stored it, but does not list it under its study; if that stays, it has the SOP Instance UID elsewhere',
          };
    case 'unanswered':
      return {
        kind: 'retryable',
        code: 'ARCHIVE_AMBIGUOUS',
        message:
          'the archive answered that it has it, but QIDO-RS could not confirm it; where it has no QIDO-RS, set archive.confirm to false',
      };
  }
}

function failed(
  kind: 'retryable' | 'permanent',
  verdict: Extract<Verdict, { kind: 'refused' | 'rejected' | 'unknown' }>,
): Outcome {
  const { code, message } = verdict;
  return {
    kind,
    code,
    message,
    ...('reason' in verdict ? { reason: verdict.reason } : {}),
    ...('underWay' in verdict ? { underWay: verdict.underWay } : {}),
  };
}
