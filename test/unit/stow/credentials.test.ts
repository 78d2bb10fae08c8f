import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { authorize, type Credentials } from '../../../core/stow/credentials.ts';
import type { HttpClient, HttpRequest, HttpResult } from '../../../core/stow/http.ts';

const REQUEST: HttpRequest = { method: 'GET', path: '/x', headers: { accept: 'a/b' }, maxBytes: 1 };

/** Accepts the headers of `accepted`, and keeps all that came. */
function server(...accepted: readonly (string | undefined)[]): HttpClient & { readonly seen: (string | undefined)[] } {
  const seen: (string | undefined)[] = [];
  return {
    seen,
    request: async ({ headers }): Promise<HttpResult> => {
      seen.push(headers['authorization']);
      const status = accepted.includes(headers['authorization']) ? 200 : 401;
      return { kind: 'answered', status, contentType: '', retryAfter: '', body: new Uint8Array(), complete: true };
    },
    close: async () => undefined,
  };
}

/** Each renewal gives the next header, until there is none. */
function sequence(...headers: readonly string[]): Credentials & { readonly renewals: (string | undefined)[] } {
  const renewals: (string | undefined)[] = [];
  return {
    renewals,
    header: async () => headers[renewals.length],
    renew: async (refused) => renewals.push(refused) < headers.length,
  };
}

const unavailable = new StorestowError('ARCHIVE_UNAVAILABLE', 'the token server does not answer');

describe('authorize', () => {
  it('sends the header of the moment beside the others', async () => {
    const http = server('A');
    const heads: unknown[] = [];
    const kept: HttpClient = { ...http, request: async (request) => (heads.push(request.headers), http.request(request)) };
    expect(await authorize(kept, sequence('A')).request(REQUEST)).toMatchObject({ status: 200 });
    expect(heads).toEqual([{ accept: 'a/b', authorization: 'A' }]);
  });

  it('sends none where there is none', async () => {
    const http = server(undefined);
    await authorize(http, { header: async () => undefined, renew: async () => false }).request(REQUEST);
    expect(http.seen).toEqual([undefined]);
  });

  it('renews once on 401 and repeats once', async () => {
    const http = server('B');
    const credentials = sequence('A', 'B', 'C');
    expect(await authorize(http, credentials).request(REQUEST)).toMatchObject({ status: 200 });
    expect([http.seen, credentials.renewals]).toEqual([['A', 'B'], ['A']]);
  });

  it('answers 401 where the second header is refused too', async () => {
    const http = server('C');
    const credentials = sequence('A', 'B', 'C');
    expect(await authorize(http, credentials).request(REQUEST)).toMatchObject({ status: 401 });
    expect([http.seen, credentials.renewals]).toEqual([['A', 'B'], ['A']]);
  });

  it('answers 401 where there is nothing to renew', async () => {
    const http = server('B');
    expect(await authorize(http, sequence('A')).request(REQUEST)).toMatchObject({ status: 401 });
    expect(http.seen).toEqual(['A']);
  });

  it.each<[string, Partial<Credentials>, number]>([
    ['has no header', { header: () => Promise.reject(unavailable) }, 0],
    ['cannot renew it', { renew: () => Promise.reject(unavailable) }, 1],
  ])('says why it sends nothing where it %s', async (_, broken, sent) => {
    const http = server('B');
    const result = await authorize(http, { ...sequence('A'), ...broken }).request(REQUEST);
    expect(result).toEqual({ kind: 'failed', failure: 'unauthorized', cause: unavailable });
    expect(http.seen).toHaveLength(sent);
  });

  it.each([true, false])('does not wait for a header once it is stopped (before: %s)', async (before) => {
    const stop = new AbortController();
    if (before) stop.abort();
    const http = server('A');
    const never: Credentials = { ...sequence(), header: () => new Promise(() => undefined) };
    const asked = authorize(http, never).request({ ...REQUEST, signal: stop.signal });
    stop.abort();
    expect(await asked).toMatchObject({ kind: 'failed', failure: 'aborted' });
    expect(http.seen).toEqual([]);
  });
});
