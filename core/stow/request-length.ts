/** Whether the archive takes a request of a length: limits on it stand in servers and proxies, and not all of them say so. */
import type { HttpResult } from './http.ts';

/** `unknown`: it does not tell by a request's head. */
export type LengthTaken = 'taken' | 'refused' | 'unknown';

type Reaction = 'continue' | 'refused' | 'turned away' | 'other';

/** A request that any archive takes. */
const SMALL = 1024;

/**
 * | to a head of that length          | to a small one   | to that length once more | the length is |
 * |-----------------------------------|------------------|--------------------------|---------------|
 * | 100                               | not asked        | not asked                | taken         |
 * | 413 (nginx, Apache)               | not asked        | not asked                | refused       |
 * | 400 (WildFly), connection dropped | 100              | 100                      | taken: the first time had another cause |
 * | 400, connection dropped           | 100              | 413, 400, dropped        | refused       |
 * | 400, connection dropped           | 100              | anything else            | unknown       |
 * | 400, connection dropped           | anything else    | not asked                | unknown       |
 * | anything else                     | not asked        | not asked                | unknown       |
 *
 * `announce` sends the head alone.
 */
export async function askLength(announce: (length: number) => Promise<HttpResult>, length: number): Promise<LengthTaken> {
  const first = reactionOf(await announce(length));
  if (first !== 'turned away') return LENGTH_TAKEN[first];
  if (reactionOf(await announce(Math.min(SMALL, length))) !== 'continue') return 'unknown';
  const again = reactionOf(await announce(length));
  return again === 'turned away' ? 'refused' : LENGTH_TAKEN[again];
}

const LENGTH_TAKEN = { continue: 'taken', refused: 'refused', other: 'unknown' } as const;

function reactionOf(result: HttpResult): Reaction {
  if (result.kind === 'failed') return result.failure === 'interrupted' ? 'turned away' : 'other';
  switch (result.status) {
    case 100:
      return 'continue';
    case 413:
      return 'refused';
    case 400:
      return 'turned away';
    default:
      return 'other';
  }
}

/** What to do about it; for messages. */
export const RAISE_THE_LIMIT =
  "raise max-post-size of WildFly's undertow listener (10485760 where nothing sets it; HTTP_MAX_POST_SIZE of the dcm4chee image), or the limit of the proxy before it";
