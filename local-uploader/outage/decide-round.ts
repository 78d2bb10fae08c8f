/** When the resident uploader tries again: all of the spool, by how the bucket is, and a file that failed by itself. */
import type { BucketState } from './bucket-state.ts';

export interface NextRound {
  /** Milliseconds; absent: when something arrives, or with the timer. */
  readonly after?: number;
}

/** Milliseconds before the first probe; doubles from there. */
const FIRST = 1000;
/** Milliseconds between two probes at most. */
const LONGEST = 60_000;

/** Milliseconds within a round after which what failed in it is tried again. */
const TRIED_AGAIN = 60_000;
/** Milliseconds within a round in which a file is found that is tried alone. */
const PROBE_FOUND = 10_000;

/** Milliseconds before a file that failed for its own sake is tried again; doubles from there. */
const FIRST_OF_FILE = 60_000;
/** Milliseconds between two of its tries at most. */
const LONGEST_OF_FILE = 60 * 60_000;

/** Milliseconds after its nth failure. It may be tried for ever: what refuses it can be mended where nobody tells us. */
export function pauseOfFile(failures: number): number {
  return Math.min(FIRST_OF_FILE * 2 ** (failures - 1), LONGEST_OF_FILE);
}

/**
 * | the bucket, after the round                                | next round                                        |
 * |------------------------------------------------------------|---------------------------------------------------|
 * | took what there was                                        | when something arrives, or with the timer         |
 * | is back: it took one file                                  | at once, with all                                 |
 * | was not asked: what is left had been tried, or is large    | at once, with these                               |
 * | is out, after n probes                                     | half to all of 1 s × 2ⁿ, of a minute at most; an arrival wakes nobody |
 *
 * `random` is one of 0 to 1: many sites that lost the same bucket do not come back to it in the same second.
 */
export function decideRound(bucket: BucketState, random: number): NextRound {
  switch (bucket.state) {
    case 'taking':
      return {};
    case 'back':
    case 'probing':
      return { after: 0 };
    case 'out':
      return { after: Math.min(FIRST * 2 ** bucket.outage.probes, LONGEST) * (0.5 + random / 2) };
  }
}

/**
 * Milliseconds until what a round would be the start of is done within one that lasts: a large file may be on its way for an hour, or
 * others arrive all the time.
 *
 * | the bucket                       | after                                                        |
 * |----------------------------------|--------------------------------------------------------------|
 * | takes what there is              | a minute: what failed is tried again                         |
 * | is back, or out                  | as between two rounds                                        |
 * | is to be probed                  | ten seconds: what was tried in vain, and what is large, may be asked with |
 */
export function pauseWithinRound(bucket: BucketState, random: number): number {
  switch (bucket.state) {
    case 'taking':
      return TRIED_AGAIN;
    case 'probing':
      return PROBE_FOUND;
    case 'back':
    case 'out':
      return decideRound(bucket, random).after ?? 0;
  }
}
