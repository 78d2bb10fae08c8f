/** Where MinIO sends its events: an HTTP listener that answers 200 only when the arrivals are in the queue, on the disk. */
import { hash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import { readNotification } from '../core/store/object-event.ts';
import type { NewArrival } from './arrivals-queue.ts';

export interface WebhookOptions {
  /** Durable when it returns. */
  readonly enqueue: (arrivals: readonly NewArrival[]) => void;
  /** `MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{ID}` of MinIO. */
  readonly token: string;
  readonly log: Log;
  /** Default: loopback, a port that is free. */
  readonly host?: string;
  readonly port?: number;
}

export interface WebhookListener {
  /** For `MINIO_NOTIFY_WEBHOOK_ENDPOINT_{ID}`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Bytes; MinIO sends one event of a few KB at a time. */
const MAX_BODY = 1024 * 1024;
/** Milliseconds for a whole request: nobody holds a connection open for ever. */
const REQUEST_TIMEOUT = 30_000;

/** Throws `PORT_IN_USE`. */
export async function listenToWebhook(options: WebhookOptions): Promise<WebhookListener> {
  const { host = '127.0.0.1', port = 0, log } = options;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT }, (request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      log.debug({ err: error }, 'webhook: the request broke off');
      response.destroy();
    });
  });
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new StorestowError(
      'PORT_IN_USE',
      `cannot listen at ${host}:${port} for the bucket's events; free the port or give another one`,
      {
        object: `${host}:${port}`,
        cause,
      },
    );
  }
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host}:${address.port}/`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * | request                            | answer | MinIO                                         |
 * |------------------------------------|--------|-----------------------------------------------|
 * | without the token                  | 401    |                                               |
 * | not POST                           | 405    | takes any answer as a sign of life            |
 * | longer than 1 MiB                  | 413, or cut off where it did not say so before |       |
 * | arrivals, on the disk              | 200    | forgets the event                             |
 * | arrivals, not stored               | 503    | keeps the event and sends it again            |
 * | not understood                     | 200    | forgets it: kept, it would hold up all others |
 */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { enqueue, token, log }: WebhookOptions,
): Promise<void> {
  const respond = (status: number): void => void response.writeHead(status, status >= 400 ? { connection: 'close' } : {}).end();
  if (!isAuthorized(request.headers.authorization, token)) return respond(401);
  if (request.method !== 'POST') return respond(405);
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) return respond(413);
  const body = await readBody(request);
  const { keys, problems } = readNotification(parseJson(body), 'a webhook event');
  for (const err of problems) log.error({ err }, 'event not understood; passed over');
  try {
    if (keys.length > 0) enqueue(keys.map((key) => ({ key })));
  } catch (thrown) {
    log.error({ err: asStorestowError(thrown) }, 'arrivals could not be queued; the bucket sends them again');
    return respond(503);
  }
  respond(200);
}

/** By digests, which have one length, so that the time tells nothing of the token. */
function isAuthorized(given: string | undefined, token: string): boolean {
  const digest = (text: string): Uint8Array => hash('sha256', text, 'buffer');
  return timingSafeEqual(digest(given ?? ''), digest(`Bearer ${token}`));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) throw new StorestowError('EVENT_INVALID', 'a webhook event is longer than 1 MiB; check what sends it');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
