/** A proxy before an S3 server that does to requests what networks, proxies and servers in trouble do to them. */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

export type Fault =
  /** All of the request is read, and nothing is ever said. */
  | 'silent'
  /** Half of the body is passed on; then both connections are cut. */
  | 'cut in the body'
  /** The server has answered; the connection is cut before the client hears of it. */
  | 'cut before the answer'
  /** The answer's head, and at most half of its body. */
  | 'cut in the answer'
  /** In small pieces, with pauses. */
  | 'slow'
  /** An answer of the kind that S3 gives, and nothing is passed on. */
  | { readonly status: number; readonly code: string };

export interface ProxiedRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
}

export interface FaultyProxy {
  readonly origin: string;
  /** What is to happen to a request; `undefined`: it passes. */
  faultOf: (request: ProxiedRequest) => Fault | undefined;
  /** Requests that had a fault. */
  readonly faulted: readonly ProxiedRequest[];
  /** Nobody listens any more, and all connections are cut. */
  stop(): Promise<void>;
  /** Again, under the same address. */
  start(): Promise<void>;
}

/** Milliseconds. */
const PAUSE = 20;

export async function startFaultyProxy(upstream: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(upstream);
  const faulted: ProxiedRequest[] = [];
  let server: Server | undefined;
  let listeningPort = 0;

  function forward({ method, url, headers }: IncomingMessage): ReturnType<typeof httpRequest> {
    const forwarded = httpRequest({ hostname, port, method, path: url, headers });
    // Who waits for the answer is told by its absence.
    forwarded.on('error', () => undefined);
    return forwarded;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request that is over has none any more.
    const { socket } = request;
    const asked = { method: request.method ?? '', url: request.url ?? '' };
    const fault = proxy.faultOf(asked);
    if (fault !== undefined) faulted.push(asked);
    if (typeof fault === 'object') {
      request.resume();
      await once(request, 'end');
      const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>${fault.code}</Message></Error>`;
      response.writeHead(fault.status, { 'content-type': 'application/xml' }).end(asked.method === 'HEAD' ? undefined : body);
      return;
    }
    if (fault === 'silent') {
      request.resume();
      return;
    }
    const forwarded = forward(request);
    if (fault === 'cut in the body') {
      await passHalf(request, forwarded);
      forwarded.destroy();
      socket.destroy();
      return;
    }
    const answered = once(forwarded, 'response') as Promise<[IncomingMessage]>;
    // Met below, unless the client has gone before all of its request was there.
    answered.catch(() => undefined);
    await pass(request, forwarded, fault === 'slow');
    const [answer] = await answered;
    if (fault === 'cut before the answer') {
      answer.resume();
      await once(answer, 'end');
      socket.destroy();
      return;
    }
    if (fault === 'cut in the answer') {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const headers: typeof answer.headers = { ...answer.headers, 'content-length': String(body.length + 1) };
      delete headers['transfer-encoding'];
      response.writeHead(answer.statusCode ?? 502, headers);
      response.write(body.subarray(0, body.length / 2), () => socket.destroy());
      response.flushHeaders();
      return;
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    await pipeline(answer, response);
  }

  const proxy: FaultyProxy & { origin: string } = {
    origin: '',
    faultOf: () => undefined,
    faulted,
    async start() {
      server = createServer((request, response) => {
        const { socket } = request;
        handle(request, response).catch(() => socket.destroy());
      });
      server.listen(listeningPort, '127.0.0.1');
      await once(server, 'listening');
      listeningPort = (server.address() as AddressInfo).port;
      proxy.origin = `http://127.0.0.1:${listeningPort}`;
    },
    async stop() {
      if (server === undefined) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      server = undefined;
    },
  };
  await proxy.start();
  return proxy;
}

async function pass(from: IncomingMessage, to: ReturnType<typeof httpRequest>, slowly: boolean): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (!slowly) to.write(chunk);
      else
        for (let at = 0; at < chunk.length; at += 1024) {
          to.write(chunk.subarray(at, at + 1024));
          await delay(PAUSE);
        }
    }
  } catch (error) {
    to.destroy();
    throw error;
  }
  to.end();
}

async function passHalf(from: IncomingMessage, to: ReturnType<typeof httpRequest>): Promise<void> {
  let left = Number(from.headers['content-length'] ?? 0) / 2;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    to.write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
}
