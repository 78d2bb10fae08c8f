/** Bounded retries with exponential back-off and jitter (p-retry), for errors of the family that say `retryable`. */
import pRetry from 'p-retry';
import { asStorestowError, type StorestowError } from './errors.ts';

export interface RetryOptions {
  /** Tries after the first one. */
  readonly retries: number;
  /** Milliseconds before the second try; doubles from there. */
  readonly firstDelay: number;
  /** Milliseconds at most between two tries. */
  readonly maxDelay: number;
  readonly signal?: AbortSignal;
  /** Asked after each failure that is retryable: false ends the tries. */
  readonly again?: (failure: StorestowError) => boolean;
}

export async function retry<T>(
  work: () => Promise<T>,
  { retries, firstDelay, maxDelay, signal, again = () => true }: RetryOptions,
): Promise<T> {
  return pRetry(work, {
    retries,
    minTimeout: firstDelay,
    maxTimeout: maxDelay,
    randomize: true,
    ...(signal === undefined ? {} : { signal }),
    shouldRetry({ error }) {
      const failure = asStorestowError(error);
      return failure.retryable && again(failure);
    },
  });
}
