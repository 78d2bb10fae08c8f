/** What a function is told of its invocation: what storestow uses of AWS Lambda's context, and a port for its own runner. */
import type { IngestResult } from './ports.ts';

export interface InvocationContext {
  /** Milliseconds until the invocation is ended from outside. */
  getRemainingTimeInMillis(): number;
  /** The runner's, absent on AWS: takes each result as soon as it stands. */
  readonly report?: (result: IngestResult) => void;
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
  const controllers = { stop: new AbortController(), abort: new AbortController() };
  const timers = [setTimeout(() => controllers.stop.abort(), stop), setTimeout(() => controllers.abort.abort(), abort)];
  return {
    stop: controllers.stop.signal,
    abort: controllers.abort.signal,
    clear: () => timers.forEach((timer) => clearTimeout(timer)),
  };
}
