import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openHttp, type HttpClient, type HttpRequest } from '../../../core/stow/http.ts';
import { freePort } from '../../support/free-port.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

function client(origin: string, { connections = 1, timeout = 30 } = {}): HttpClient {
  const http = openHttp(origin, { connections, timeout });
  closing.push(() => http.close());
  return http;
}

const GET: HttpRequest = { method: 'GET', path: '/x', headers: {}, maxBytes: 1000 };
const CHUNK = new Uint8Array(64 * 1024);
const post = (chunks: number): HttpRequest => ({
  ...GET,
  method: 'POST',
  body: { length: CHUNK.length * chunks, chunks: () => Array.from({ length: chunks }, () => CHUNK) },
});

describe('openHttp', () => {
  it('gives status, content type and body', async () => {
    const origin = await serve((_, response) =>
      response.writeHead(202, { 'content-type': 'a/b', 'retry-after': '5' }).end('hello'),
    );
    expect(await client(origin).request(GET)).toEqual({
      kind: 'answered',
      status: 202,
      contentType: 'a/b',
      retryAfter: '5',
      body: new Uint8Array(Buffer.from('hello')),
      complete: true,
    });
  });

  it('keeps a connection that the server announces to keep for a second, as Orthanc does', async () => {
    const sockets = new Set<Socket>();
    const origin = await serve((request, response) => {
      sockets.add(request.socket);
      response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=1' }).end();
    });
    const http = client(origin);
    for (let request = 0; request < 5; request++) await http.request(GET);
    expect(sockets.size).toBe(1);
  });

  it('hands the body of a 200 to a sink and keeps nothing of it; other answers it keeps', async () => {
    const origin = await serve((request, response) =>
      response.writeHead(request.url === '/x' ? 200 : 401).end('x'.repeat(300_000)),
    );
    const taken: Uint8Array[] = [];
    const sink = async (chunk: Uint8Array): Promise<void> => void taken.push(chunk);
    const http = client(origin);
    const large = { ...GET, maxBytes: 400_000, sink };
    expect(await http.request(large)).toMatchObject({ status: 200, body: new Uint8Array(0), complete: true });
    expect(Buffer.concat(taken).toString()).toBe('x'.repeat(300_000));
    expect(await http.request({ ...large, path: '/y' })).toMatchObject({ status: 401, body: { length: 300_000 } });
    expect(Buffer.concat(taken)).toHaveLength(300_000);
    const broken = { ...large, sink: async () => Promise.reject(new Error('disk full')) };
    expect(await http.request(broken)).toMatchObject({ status: 200, complete: false });
  });

  it('reads a body without end up to the bound', async () => {
    const origin = await serve((_, response) => {
      const fill = (): void => {
        while (response.write('x'.repeat(100))) continue;
      };
      response.writeHead(200).on('drain', fill);
      fill();
    });
    const result = await client(origin).request(GET);
    expect(result).toMatchObject({ kind: 'answered', status: 200, complete: false });
    expect(result.kind === 'answered' ? result.body.length : Infinity).toBeLessThanOrEqual(1000);
  });

  it('ends a body that never does, however steadily it drips', async () => {
    const origin = await serve((_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(drip));
    });
    expect(await client(origin, { timeout: 1 }).request(GET)).toMatchObject({ kind: 'answered', status: 200, complete: false });
  });

  it.each(['content-length', 'transfer-encoding'])('sees that a body was cut (%s)', async (framing) => {
    const origin = await serve((_, response) => {
      response.writeHead(200, framing === 'content-length' ? { 'content-length': '100' } : {});
      response.write('hello', () => response.destroy());
    });
    expect(await client(origin).request(GET)).toMatchObject({ kind: 'answered', status: 200, complete: false });
  });

  it('follows no redirect', async () => {
    const urls: (string | undefined)[] = [];
    const origin = await serve(({ url }, response) => {
      urls.push(url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await client(origin).request(GET)).toMatchObject({ status: 307 });
    expect(urls).toEqual(['/x']);
  });

  it('is unreachable where nobody listens, with or without a body', async () => {
    const http = client(`http://127.0.0.1:${String(await freePort())}`);
    expect(await http.request(post(1))).toMatchObject({ kind: 'failed', failure: 'unreachable' });
  });

  it('is unreachable where TLS does not come about', async () => {
    const origin = await serve((_, response) => response.end());
    expect(await client(origin.replace('http:', 'https:')).request(post(1))).toMatchObject({ failure: 'unreachable' });
  });

  it('is interrupted where the connection breaks after the request', async () => {
    const origin = await serve((request) => void request.resume().on('end', () => request.socket.destroy()));
    expect(await client(origin).request(post(2))).toMatchObject({ kind: 'failed', failure: 'interrupted' });
  });

  it('times out where no answer comes, and sends nothing a second time', async () => {
    let requests = 0;
    const origin = await serve((request) => {
      requests += 1;
      request.resume();
    });
    expect(await client(origin, { timeout: 1 }).request(post(1))).toMatchObject({ kind: 'failed', failure: 'timeout' });
    expect(requests).toBe(1);
  });

  it('stops on its signal', async () => {
    const stop = new AbortController();
    const origin = await serve((request) => void request.resume().on('end', () => stop.abort()));
    expect(await client(origin).request({ ...post(1), signal: stop.signal })).toMatchObject({ failure: 'aborted' });
  });

  it('ends a connection that is being made for what was stopped, and makes another for what comes next', async () => {
    const sockets: Socket[] = [];
    const stop = new AbortController();
    // TLS that never comes about, then none.
    const server = createTcpServer((socket) => {
      if (sockets.push(socket.on('error', () => undefined)) === 1) stop.abort();
      else socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    const http = client(`https://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
    expect(await http.request({ ...GET, signal: stop.signal })).toMatchObject({ failure: 'aborted' });
    expect(await http.request(GET)).toMatchObject({ kind: 'failed' });
    expect(sockets).toHaveLength(2);
  });

  it('takes an answer that comes before the body was sent', async () => {
    const origin = await serve((_: IncomingMessage, response: ServerResponse) => response.writeHead(413).end('too large'));
    const result = await client(origin).request(post(400));
    // The connection may break before the answer was read: both are ambiguous to the caller.
    expect(result.kind === 'answered' ? result.status : result.failure).toSatisfy(
      (what) => what === 413 || what === 'interrupted',
    );
  });

  it('keeps its connections, no more than it may have', async () => {
    const sockets = new Set<Socket>();
    let most = 0;
    let underWay = 0;
    const origin = await serve((request, response) => {
      sockets.add(request.socket);
      most = Math.max(most, (underWay += 1));
      request.resume().on('end', () => {
        underWay -= 1;
        response.end();
      });
    });
    const http = client(origin, { connections: 2 });
    const results = await Promise.all(Array.from({ length: 10 }, async () => http.request(post(2))));
    expect(results.map((result) => result.kind)).toEqual(Array.from({ length: 10 }, () => 'answered'));
    expect(sockets.size).toBe(2);
    expect(most).toBeLessThanOrEqual(2);
  });

  it('is interrupted by what is not HTTP', async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.write('SSH-2.0-x\r\n');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    const http = client(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
    expect(await http.request(GET)).toMatchObject({ kind: 'failed', failure: 'interrupted' });
  });
});
