/** The sweep of a machine that runs for long: all objects at the start and once a day, between these the younger ones. */
import type { ObjectStore } from '../core/store/object-store.ts';
import type { RepeatedTask } from './function-runner.ts';

export interface SweepTiming {
  /** Minutes after its arrival from which an object without an outcome counts as missed. */
  readonly pendingAfter: number;
  /** Days: older objects are not looked at. Absent: all are, each of which costs a request. */
  readonly maxAge?: number;
}

export type Enqueue = (keys: readonly string[]) => Promise<void>;

/** Queues the objects that events missed. */
export type Sweep = (store: ObjectStore, enqueue: Enqueue, timing: SweepTiming) => Promise<void>;

/** Milliseconds between two sweeps, and between two of all objects. */
const EVERY = 10 * 60_000;
const WHOLE_EVERY = 24 * 60 * 60_000;

const PENDING_AFTER = 5;
/** Days. */
const MAX_AGE = 2;

/**
 * | the last sweep of all objects that succeeded began | this one looks at            |
 * |-----------------------------------------------------|------------------------------|
 * | never, or a day ago, or later than now (a clock was set back) | all objects        |
 * | less than a day ago                                 | those of the last two days   |
 *
 * An old object loses its outcome when it is redriven, and a redrive that is killed before it queues leaves it to the sweep.
 */
export function sweepTiming(lastWhole: number | undefined, now: number): SweepTiming {
  const since = lastWhole === undefined ? WHOLE_EVERY : now - lastWhole;
  const whole = since < 0 || since >= WHOLE_EVERY;
  return { pendingAfter: PENDING_AFTER, ...(whole ? {} : { maxAge: MAX_AGE }) };
}

/** `now`: milliseconds since 1970. */
export function repeatSweep(sweep: Sweep, store: ObjectStore, enqueue: Enqueue, now: () => number = Date.now): RepeatedTask {
  let lastWhole: number | undefined;
  return {
    name: 'the sweep',
    run: async () => {
      const begun = now();
      const timing = sweepTiming(lastWhole, begun);
      await sweep(store, enqueue, timing);
      if (timing.maxAge === undefined) lastWhole = begun;
      return EVERY;
    },
  };
}
