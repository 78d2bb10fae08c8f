/**
 * The embedded archive: STOW-RS, QIDO-RS and WADO-RS over a folder, answering as dcm4chee-arc-light 5.34 does. The default archive of a
 * machine that has none, and the double of the contract tests.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { StorestowError } from '../../core/errors.ts';
import { emptyAnswer, type Answer } from './answer.ts';
import { Faults, type Fault, type LimitManner } from './faults.ts';
import { InstanceStore } from './instance-store.ts';
import { answerRequest, refuseHead, serviceOf, type ArchiveServices } from './router.ts';

export interface EmbeddedArchiveOptions {
  /** Where instances and their index lie; created where absent, taken up again where not. */
  readonly folder: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** AE titles that exist; others answer 404, as dcm4chee's. Default: all exist. */
  readonly aets?: readonly string[];
  readonly faults?: Faults;
}

export interface EmbeddedArchive {
  /** STOW-RS address, a template: ends in `/dcm4chee-arc/aets/{aet}/rs/studies`. */
  readonly url: string;
  readonly port: number;
  readonly faults: Faults;
  close(): Promise<void>;
}

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'origin, content-type, accept, authorization',
  'Access-Control-Allow-Credentials': 'true',
  'Access-Control-Expose-Headers': 'content-type, warning, location, content-location',
  'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE, OPTIONS, HEAD',
};

/** Throws `PORT_IN_USE`, and what the folder's file system throws. */
export async function startEmbeddedArchive(options: EmbeddedArchiveOptions): Promise<EmbeddedArchive> {
  const { folder, port = 0, host = '127.0.0.1', aets, faults = new Faults() } = options;
  const store = await InstanceStore.open(folder);
  const services: ArchiveServices = { store, faults, aets };
  const underWay = new Set<Promise<void>>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const handled = serve(request, response, services).catch(() => void response.destroy());
    underWay.add(handled);
    void handled.finally(() => underWay.delete(handled));
  };
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, handle);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const tooLong = faults.refusesLength(announcedLength(request)) !== undefined;
    if (!tooLong && refuseHead(headOf(request), aets) === undefined) response.writeContinue();
    handle(request, response);
  });
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    store.close();
    throw listenError(cause, host, port);
  }
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${String(bound)}/dcm4chee-arc/aets/{aet}/rs/studies`,
    port: bound,
    faults,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await Promise.all(underWay);
      store.close();
    },
  };
}

function listenError(cause: unknown, host: string, port: number): unknown {
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'EADDRINUSE') return cause;
  return new StorestowError(
    'PORT_IN_USE',
    `port ${String(port)} of ${host} is in use; stop what listens there or choose another`,
    {
      object: `${host}:${String(port)}`,
      cause,
    },
  );
}

function headOf({ method = 'GET', url = '/', headers }: IncomingMessage): {
  method: string;
  url: string;
  contentType: string;
  accept: string | undefined;
} {
  return { method, url, contentType: headers['content-type'] ?? '', accept: headers.accept };
}

function announcedLength({ headers }: IncomingMessage): number | undefined {
  const announced = headers['content-length'];
  return announced === undefined ? undefined : Number(announced);
}

/** Thrown in the middle of a request that gets no answer. */
class Unanswered extends Error {
  readonly manner: 'drop' | 'hang';

  constructor(manner: 'drop' | 'hang') {
    super('the fault that was asked for');
    this.manner = manner;
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, services: ArchiveServices): Promise<void> {
  const head = headOf(request);
  const { faults } = services;
  const contentLength = announcedLength(request);
  const expectsContinue = request.headers.expect !== undefined;
  const { method, url } = head;
  const underWay = faults.begin({ service: serviceOf(method, url), method, url, contentLength, expectsContinue });
  try {
    const carryOut = async (body: AsyncIterable<Uint8Array> = request as AsyncIterable<Uint8Array>): Promise<Answer> =>
      answerRequest(
        {
          ...head,
          host: request.headers.host ?? 'localhost',
          body,
          arrived: (uid) => {
            const breakage = underWay.arrived(uid);
            if (breakage === 500) throw new Error('the fault that was asked for');
            if (breakage !== undefined) throw new Unanswered(breakage);
          },
        },
        services,
      ).catch((error: unknown) => {
        if (error instanceof Unanswered) throw error;
        return emptyAnswer(500);
      });
    const refusal = faults.refusesLength(contentLength);
    if (refusal !== undefined) await turnAway(refusal, expectsContinue, response);
    else if (underWay.fault === undefined) await send(response, await carryOut());
    else await misbehave(underWay.fault, request, response, carryOut);
    if (!request.readableEnded) request.resume();
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    if (error.manner === 'hang' && !response.destroyed) await once(response, 'close');
    response.destroy();
  } finally {
    underWay.done();
  }
}

/** Measured: Undertow drops the connection, and answers 400 to the head alone. */
async function turnAway(manner: LimitManner, expectsContinue: boolean, response: ServerResponse): Promise<void> {
  if (manner === 'drop' && !expectsContinue) {
    response.destroy();
    return;
  }
  const { status, headers } = emptyAnswer(manner === 'drop' ? 400 : manner, { Connection: 'close' });
  return send(response, { status, ...(headers === undefined ? {} : { headers }) });
}

async function send(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, { ...CORS, ...headers });
  if (body === undefined || typeof body === 'string') {
    response.end(body);
    return;
  }
  await pipeline(Readable.from(body, { objectMode: false }), response);
}

async function misbehave(
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
  carryOut: (body?: AsyncIterable<Uint8Array>) => Promise<Answer>,
): Promise<void> {
  switch (fault.kind) {
    case 'answer':
    case 'answer-after': {
      if (fault.kind === 'answer') await drain(request);
      else await carryOut();
      const { status, headers, body } = fault;
      return send(response, { status, ...(headers === undefined ? {} : { headers }), ...(body === undefined ? {} : { body }) });
    }
    case 'cut-answer':
      return cut(response, await carryOut(), fault.bytes);
    case 'no-answer':
      await (fault.carriedOut ? carryOut() : drain(request));
      if (!response.destroyed) await once(response, 'close');
      return;
    case 'drop':
      if (fault.carriedOut) await carryOut();
      response.destroy();
      return;
    case 'drop-within':
      await carryOut(upTo(request as AsyncIterable<Uint8Array>, fault.bytes));
      response.destroy();
      return;
    case 'endless-answer':
      await carryOut();
      return endless(response);
    case 'delay': {
      const answer = await carryOut();
      await sleep(fault.milliseconds);
      return send(response, answer);
    }
  }
}

async function drain(request: IncomingMessage): Promise<void> {
  request.resume();
  await finished(request).catch(() => undefined);
}

async function* upTo(body: AsyncIterable<Uint8Array>, bytes: number): AsyncIterable<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

/** White space within JSON, for as long as the client reads. */
async function endless(response: ServerResponse): Promise<void> {
  response.writeHead(200, { ...CORS, 'Content-Type': 'application/dicom+json' });
  const filler = Buffer.alloc(64 * 1024, ' ');
  while (!response.destroyed) {
    if (response.writableLength === 0) response.write(filler);
    await sleep(1);
  }
}

/** The announced length is the whole one's, so the client sees that bytes are missing. */
async function cut(response: ServerResponse, { status, headers, body }: Answer, bytes: number): Promise<void> {
  const whole = Buffer.from(typeof body === 'string' ? body : '');
  response.writeHead(status, { ...CORS, ...headers, 'Content-Length': String(whole.length) });
  await new Promise<void>((resolve) => void response.write(whole.subarray(0, Math.max(1, bytes)), () => resolve()));
  response.destroy();
}
