/** Whether the archive itself is to be suspected, and not one of the instances that it is sent: over all calls and studies. */
export interface Suspicion {
  /** So many requests in a row, the last one a short while ago, brought no answer that concerns an instance. */
  readonly grave: boolean;
  /** A request that is not divided further brought none. */
  failed(): void;
  /** A request brought one. */
  answered(): void;
}

export interface SuspicionOptions {
  /** Requests in a row. */
  readonly limit: number;
  /** Milliseconds after which a failure says nothing of now. */
  readonly memory: number;
  readonly now: () => number;
}

export function createSuspicion({ limit, memory, now }: SuspicionOptions): Suspicion {
  let failures = 0;
  let last = -Infinity;
  const isFresh = (): boolean => now() - last <= memory;
  return {
    get grave() {
      return failures >= limit && isFresh();
    },
    failed() {
      failures = isFresh() ? failures + 1 : 1;
      last = now();
    },
    answered() {
      failures = 0;
    },
  };
}
