/** Whether the archive takes a request of a length: limits on it stand in servers and proxies, and not all of them say so. */
import type { HttpResult } from './http.ts';

/** `unknown`: it does not tell by a request's head. */
export type LengthTaken = 'taken' | 'refused' | 'unknown';

type Reaction = 'continue' | 'refused' | 'turned away' | 'other';

/** A request that any archive takes. */
const SMALL = 1024;

/**
 * | to a head of that length          | to a small one   | the length is |
 * |-----------------------------------|------------------|---------------|
 * | 100                               | not asked        | taken         |
 * | 413 (nginx, Apache)               | not asked        | refused       |
 * | 400 (WildFly), connection dropped | 100              | refused       |
 * | 400, connection dropped           | anything else    | unknown       |
 * | anything else                     | not asked        | unknown       |
 *
 * `announce` sends the head alone.
 */
export async function askLength(announce: (length: number) => Promise<HttpResult>, length: number): Promise<LengthTaken> {
  switch (reactionOf(await announce(length))) {
    case 'continue':
      return 'taken';
    case 'refused':
      return 'refused';
    case 'turned away':
      return reactionOf(await announce(Math.min(SMALL, length))) === 'continue' ? 'refused' : 'unknown';
    case 'other':
      return 'unknown';
  }
}

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
