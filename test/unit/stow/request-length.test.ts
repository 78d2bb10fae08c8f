import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openAnnouncer } from '../../../core/stow/announce.ts';
import type { HttpResult } from '../../../core/stow/http.ts';
import { askLength } from '../../../core/stow/request-length.ts';
import { freePort } from '../../support/free-port.ts';

const answered = (status: number): HttpResult => ({
  kind: 'answered',
  status,
  contentType: '',
  retryAfter: '',
  body: new Uint8Array(0),
  complete: false,
});
const failed = (failure: 'interrupted' | 'timeout' | 'unreachable' | 'unauthorized'): HttpResult => ({
  kind: 'failed',
  failure,
  cause: undefined,
});

describe('askLength', () => {
  const never = failed('unreachable');
  it.each<[string, HttpResult | [HttpResult, HttpResult], HttpResult, string, number]>([
    ['100', answered(100), never, 'taken', 1],
    ['413', answered(413), never, 'refused', 1],
    ['400, and 100 to a small one: WildFly', answered(400), answered(100), 'refused', 3],
    ['a drop, and 100 to a small one', failed('interrupted'), answered(100), 'refused', 3],
    ['a drop, 100 to a small one, then 413', [failed('interrupted'), answered(413)], answered(100), 'refused', 3],
    [
      'a drop, 100 to a small one, then 100: it was another cause',
      [failed('interrupted'), answered(100)],
      answered(100),
      'taken',
      3,
    ],
    ['a drop, 100 to a small one, then silence', [failed('interrupted'), failed('timeout')], answered(100), 'unknown', 3],
    ['400 to both', answered(400), answered(400), 'unknown', 2],
    ['a drop of both', failed('interrupted'), failed('interrupted'), 'unknown', 2],
    ['a drop, and silence to a small one', failed('interrupted'), failed('timeout'), 'unknown', 2],
    ['silence: Orthanc', failed('timeout'), never, 'unknown', 1],
    ['417: no Expect', answered(417), never, 'unknown', 1],
    ['401', answered(401), never, 'unknown', 1],
    ['500', answered(500), never, 'unknown', 1],
    ['200 before the body', answered(200), never, 'unknown', 1],
    ['nobody there', failed('unreachable'), never, 'unknown', 1],
    ['no token to be had', failed('unauthorized'), never, 'unknown', 1],
  ])('%s', async (_, large, small, taken, questions) => {
    const lengths: number[] = [];
    const [first, again = first] = Array.isArray(large) ? large : [large];
    const announce = async (length: number): Promise<HttpResult> => {
      lengths.push(length);
      if (length < 20_000_000) return Promise.resolve(small);
      return Promise.resolve(lengths.length === 1 ? first : again);
    };
    expect(await askLength(announce, 20_000_000)).toBe(taken);
    expect(lengths).toHaveLength(questions);
  });
});

describe('openAnnouncer', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  /** A server that is told what came of each connection, and does what the test says. */
  async function serve(onHead: (head: string, socket: Socket) => void): Promise<{ origin: string; received: () => string }> {
    const sockets: Socket[] = [];
    let received = '';
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        if (received.endsWith('\r\n\r\n')) onHead(received, socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return { origin: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, received: () => received };
  }

  const announce = async (origin: string, signal?: AbortSignal): Promise<HttpResult> => {
    const client = openAnnouncer(origin, { timeout: 0.3 });
    closing.push(() => client.close());
    const body = { length: 20_000_000, chunks: () => [new Uint8Array(1)] };
    return client.request({ method: 'POST', path: '/a/studies', headers: { accept: 'x/y' }, body, maxBytes: 0, signal });
  };

  it('sends the head and nothing else', async () => {
    const { promise: hungUp, resolve } = Promise.withResolvers<undefined>();
    const { origin, received } = await serve((_, socket) => {
      socket.on('close', () => resolve(undefined));
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    });
    expect(await announce(origin)).toMatchObject({ kind: 'answered', status: 100 });
    await hungUp;
    const [line, ...headers] = received().split('\r\n');
    expect(line).toBe('POST /a/studies HTTP/1.1');
    expect(headers.map((header) => header.toLowerCase())).toEqual(
      expect.arrayContaining(['expect: 100-continue', 'content-length: 20000000', 'accept: x/y']),
    );
    expect(headers.slice(-2)).toEqual(['', '']);
  });

  it.each([400, 413])('takes the %i that comes in place of 100', async (status) => {
    const { origin } = await serve((_, socket) => socket.end(`HTTP/1.1 ${String(status)} X\r\nContent-Length: 0\r\n\r\n`));
    expect(await announce(origin)).toMatchObject({ kind: 'answered', status });
  });

  it('is interrupted by a drop', async () => {
    const { origin } = await serve((_, socket) => socket.destroy());
    expect(await announce(origin)).toMatchObject({ kind: 'failed', failure: 'interrupted' });
  });

  it('waits for no answer that does not come', async () => {
    const { origin } = await serve(() => undefined);
    expect(await announce(origin)).toMatchObject({ kind: 'failed', failure: 'timeout' });
  });

  it('is unreachable where nobody listens', async () => {
    expect(await announce(`http://127.0.0.1:${String(await freePort())}`)).toMatchObject({ failure: 'unreachable' });
  });

  it('stops on its signal', async () => {
    const stop = new AbortController();
    const { origin } = await serve(() => stop.abort());
    expect(await announce(origin, stop.signal)).toMatchObject({ kind: 'failed', failure: 'aborted' });
  });
});
