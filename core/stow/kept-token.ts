/** One access token for all requests: kept for its life, renewed before it ends, fetched once at a time. */
import type { Credentials } from './credentials.ts';

export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch: when it was asked for. */
  readonly asked: number;
  /** Seconds that it lives; undefined: the token server did not say. */
  readonly life: number | undefined;
}

/** Shares of a life and their bounds, in milliseconds, that are left when it is renewed, and when it is not used any more. */
const RENEW = { share: 1 / 3, most: 60_000 };
const REPLACE = { share: 1 / 10, most: 5000 };
/** Milliseconds until a renewal that failed is tried again while the token still serves. */
const PAUSE = 1000;

/**
 * | left of its life           | use it | fetch another      | life 3 s: left | life 300 s: left |
 * |----------------------------|--------|--------------------|----------------|------------------|
 * | more than a third (60 s)   | yes    | no                 | > 0.7 s        | > 60 s           |
 * | more than a tenth (5 s)    | yes    | yes, meanwhile     | > 0.2 s        | > 5 s            |
 * | less                       | no     | yes, wait for it   |                |                  |
 * | not told                   | yes    | only after a 401   |                |                  |
 *
 * Its end stands in it in whole seconds, so it may be up to one second sooner than its life says; that second is not counted.
 */
export function tokenUse({ asked, life }: Pick<Token, 'asked' | 'life'>, now: number): 'keep' | 'renew' | 'replace' {
  if (life === undefined) return 'keep';
  const counted = Math.max(life - 1, life / 2) * 1000;
  const left = asked + counted - now;
  if (left <= Math.min(counted * REPLACE.share, REPLACE.most)) return 'replace';
  return left <= Math.min(counted * RENEW.share, RENEW.most) ? 'renew' : 'keep';
}

export interface KeptTokenOptions {
  readonly now?: () => number;
}

export function keepToken(fetch: () => Promise<Token>, { now = Date.now }: KeptTokenOptions = {}): Credentials {
  let kept: Token | undefined;
  let fetching: Promise<Token> | undefined;
  let pausedUntil = 0;

  async function fetchOnce(): Promise<Token> {
    fetching ??= fetch()
      .then((token) => (kept = token))
      .finally(() => (fetching = undefined));
    return fetching;
  }

  /** Nobody waits for it, and nobody needs it yet: its failure is met when the token has ended. */
  function renewMeanwhile(): void {
    if (fetching !== undefined || now() < pausedUntil) return;
    fetchOnce().catch(() => (pausedUntil = now() + PAUSE));
  }

  return {
    async header() {
      const use = kept === undefined ? 'replace' : tokenUse(kept, now());
      if (use === 'renew') renewMeanwhile();
      return bearer(kept === undefined || use === 'replace' ? await fetchOnce() : kept);
    },
    async renew(refused) {
      if (kept !== undefined && bearer(kept) !== refused) return true;
      return bearer(await fetchOnce()) !== refused;
    },
  };
}

function bearer({ value }: Token): string {
  return `Bearer ${value}`;
}
