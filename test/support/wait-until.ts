/** Polls until a condition holds; a bounded wait on a fact, never a sleep for luck. */
import { setTimeout as delay } from 'node:timers/promises';

export async function waitUntil<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { timeout = 60_000, interval = 100 }: { readonly timeout?: number; readonly interval?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeout;
  let lastError: unknown;
  while (Date.now() < deadline) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await delay(interval);
  }
  throw new Error(`not within ${timeout} ms: ${what}`, { cause: lastError });
}
