/** Whether the bucket takes files at all: what each try's end says of it. Pure. */
import type { ErrorCode } from '../../core/errors.ts';

/** What is put there for a file: it must be taken as an object and be named in a manifest. */
export type Sent = 'instance' | 'manifest';

export interface Outage {
  readonly since: Date;
  readonly code: ErrorCode;
  readonly sent: Sent;
  /** Files tried one by one since, in vain. */
  readonly probes: number;
}

export type BucketState =
  /** `failures`: in sequence, for the bucket's sake. */
  | { readonly state: 'taking'; readonly failures: Readonly<Record<Sent, number>> }
  /** Nothing more is tried in this round. */
  | { readonly state: 'out'; readonly outage: Outage }
  /** A round of one file; `tried`: it had an answer. */
  | { readonly state: 'probing'; readonly outage: Outage; readonly tried: boolean }
  /** The one file was taken; the rest goes with the next round, in its order. */
  | { readonly state: 'back'; readonly outage: Outage };

export type TryEnd =
  | { readonly taken: true }
  /**
   * After all of its tries. `othersTaken`: the bucket took others since its first one. `doubtful`: the file was not taken in an outage
   * that another one ended, so it may be at fault itself.
   */
  | { readonly taken: false; readonly code: ErrorCode; readonly othersTaken: boolean; readonly doubtful: boolean };

export const TAKING: BucketState = { state: 'taking', failures: { instance: 0, manifest: 0 } };

/**
 * How many files in sequence must fail so, and none be taken in between, until it is the bucket that does not take any. One that is tried
 * again for a while tells by itself. What is refused at once may be this file's fault: a key that the server does not like has the
 * code of a bucket that is not there. Of `--direct` the archive is the bucket.
 */
const IN_SEQUENCE: Partial<Record<ErrorCode, number>> = {
  STORE_UNAVAILABLE: 1,
  STORE_FULL: 1,
  STORE_CLOCK_WRONG: 1,
  STORE_DENIED: 3,
  STORE_INVALID: 20,
  ARCHIVE_UNAVAILABLE: 1,
  ARCHIVE_UNAUTHORIZED: 1,
  ARCHIVE_FORBIDDEN: 3,
  TOKEN_UNAVAILABLE: 1,
  TLS_UNTRUSTED: 1,
  TLS_REFUSED: 1,
};

/** Whether the code alone may mean the bucket. */
export function isOfBucket(code: ErrorCode): boolean {
  return IN_SEQUENCE[code] !== undefined;
}

/** Of the file alone, and of a bucket that answers. */
const ANSWERS: ReadonlySet<ErrorCode> = new Set(['CONFLICT', 'CHECKSUM_MISMATCH']);

/**
 * | state           | the try ended                                              | then                          |
 * |-----------------|------------------------------------------------------------|-------------------------------|
 * | taking          | taken, or with an answer about the file alone              | taking, no failures           |
 * | taking          | for the bucket's sake, of a doubtful file                  | as it was; see `atRoundEnd`   |
 * | taking          | for the bucket's sake, while others were taken             | as it was                     |
 * | taking          | for the bucket's sake, fewer than `IN_SEQUENCE`            | taking, a failure more        |
 * | taking          | for the bucket's sake, as many                             | out                           |
 * | out, probing    | taken (or answered), of what the bucket did not take       | back                          |
 * | probing         | taken (or answered), of the other kind                     | probing, tried                |
 * | probing         | for the bucket's sake                                      | out, a probe more             |
 * | out, back       | for the bucket's sake                                      | as it was                     |
 * | any             | for another reason (the file was written, …)               | as it was                     |
 */
export function afterTry(state: BucketState, sent: Sent, end: TryEnd, now: Date): BucketState {
  if (end.taken || ANSWERS.has(end.code)) return afterAnswer(state, sent);
  const least = IN_SEQUENCE[end.code];
  if (least === undefined) return state;
  const { code } = end;
  switch (state.state) {
    case 'taking': {
      if (end.othersTaken || end.doubtful) return state;
      const failures = state.failures[sent] + 1;
      return failures < least
        ? { state: 'taking', failures: { ...state.failures, [sent]: failures } }
        : { state: 'out', outage: { since: now, code, sent, probes: 0 } };
    }
    case 'probing':
      return { state: 'out', outage: { ...state.outage, code, sent, probes: state.outage.probes + 1 } };
    case 'out':
    case 'back':
      return state;
  }
}

function afterAnswer(state: BucketState, sent: Sent): BucketState {
  switch (state.state) {
    case 'taking':
      return { state: 'taking', failures: { ...state.failures, [sent]: 0 } };
    case 'back':
      return state;
    case 'out':
    case 'probing':
      if (sent === state.outage.sent) return { state: 'back', outage: state.outage };
      return state.state === 'out' ? state : { ...state, tried: true };
  }
}

/** An outage is met with one file, an end of it with all of them. */
export function atRoundStart(state: BucketState): BucketState {
  switch (state.state) {
    case 'taking':
    case 'probing':
      return state;
    case 'out':
      return { state: 'probing', outage: state.outage, tried: false };
    case 'back':
      return TAKING;
  }
}

export interface RoundEnd {
  /** Whether the bucket took anything in it. */
  readonly taken: boolean;
  /** What the last doubtful file that failed failed with. */
  readonly doubtful?: { readonly sent: Sent; readonly code: ErrorCode };
}

/** A round of nothing but doubtful files, in vain, is an outage: they are tried less and less often, too. */
export function atRoundEnd(state: BucketState, { taken, doubtful }: RoundEnd, now: Date): BucketState {
  if (state.state !== 'taking' || taken || doubtful === undefined) return state;
  return { state: 'out', outage: { since: now, ...doubtful, probes: 0 } };
}
