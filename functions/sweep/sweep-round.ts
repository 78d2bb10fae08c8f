/**
 * Which objects a sweep looks at. Listing is cheap, a look at an object's tags is a request of its own, and an object that was settled for
 * weeks is settled: so the older one is, the more rarely it is looked at, but each again and again. Tags do not change Last-Modified: one
 * that is redriven after years looks old.
 */
import { hash } from 'node:crypto';
import type { ObjectInfo } from '../../core/store/object-store.ts';

/** A way over all keys, from the first to the last, by one sweep or by several that each went on where the one before had to end. */
export interface SweepRound {
  /** Counts: with each number it is the turn of other old objects, however long nobody swept in between. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly begun: number;
  /** When the last round began that came to the end; absent: none did. What arrived later, no round needs have seen. */
  readonly seen?: number;
  /** The last key that was dealt with; absent: begin at the first. */
  readonly after?: string;
}

const DAY = 24 * 60 * 60_000;

/**
 * Days, and rounds. Each divides the one before it, so that an object that grows older is looked at, whatever its turn, no later than the
 * number that it comes to says.
 */
const APART = [24, 8, 4, 2];

export function firstRound(now: number): SweepRound {
  return { number: 0, begun: now };
}

/** `now`: no later than the next round's first key is listed. */
export function nextRound({ number, begun }: SweepRound, now: number): SweepRound {
  return { number: number + 1, begun: now, seen: begun };
}

/**
 * | the object, when the last round began that came to the end | is looked at          |
 * |-------------------------------------------------------------|-----------------------|
 * | was not there, or no round came to the end                  | in each round         |
 * | had been there for less than 2 days                         | in each round         |
 * | 2 days                                                      | in every 2nd          |
 * | 4 days                                                      | in every 4th          |
 * | 8 days                                                      | in every 8th          |
 * | 24 days or more                                             | in every 24th         |
 *
 * So with a sweep an hour one that is missed waits for no more hours than it is days old, and a day at the most. A beginning that is
 * later than `now` (a clock was set back) counts as now.
 */
export function isTurn({ key, lastModified }: Pick<ObjectInfo, 'key' | 'lastModified'>, round: SweepRound, now: number): boolean {
  if (round.seen === undefined) return true;
  const days = (Math.min(round.seen, now) - lastModified.getTime()) / DAY;
  const apart = APART.find((least) => days >= least) ?? 1;
  return apart === 1 || (round.number + spread(key)) % apart === 0;
}

/** Keys of one study stand together; their turns do not, so that each round has about the same to do. */
function spread(key: string): number {
  return Number.parseInt(hash('sha256', key).slice(0, 8), 16);
}
