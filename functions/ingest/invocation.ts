/** What a function is told of its invocation: what storestow uses of AWS Lambda's context, and a port for its own runner. */
import type { IngestResult } from './ports.ts';

export interface InvocationContext {
  /** Milliseconds until the invocation is ended from outside. */
  getRemainingTimeInMillis(): number;
  /** The runner's, absent on AWS: takes each result as soon as it stands. */
  readonly report?: (result: IngestResult) => void;
  /** The runner's, absent on AWS: a message that another instance holds up costs no try, and comes when it is told to. */
  readonly comesBackFree?: true;
}

export interface Deadlines {
  /** Milliseconds from now until nothing new is begun. */
  readonly stop: number;
  /** Milliseconds from now until requests to the archive are given up. */
  readonly abort: number;
}

/**
 * The last third of the time is for what is begun already; the last tenth, at most 10 s, for writing down what became of
 * it and for the answer.
 */
export function deadlines(remaining: number): Deadlines {
  return {
    stop: Math.max(0, Math.floor((remaining * 2) / 3)),
    abort: Math.max(0, remaining - Math.min(10_000, Math.floor(remaining / 10))),
  };
}

/** Signals that fall due at the deadlines; `clear` ends the timers. */
export function deadlineSignals({ stop, abort }: Deadlines): {
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  readonly clear: () => void;
} {
  const timers: NodeJS.Timeout[] = [];
  const due = (milliseconds: number): AbortSignal => {
    if (milliseconds === 0) return AbortSignal.abort();
    const controller = new AbortController();
    timers.push(setTimeout(() => controller.abort(), milliseconds));
    return controller.signal;
  };
  return { stop: due(stop), abort: due(abort), clear: () => timers.forEach((timer) => clearTimeout(timer)) };
}
