/**
 * A client that sends the head of a request alone, with `Expect: 100-continue` (RFC 9110 10.1.1), and hangs up at the answer: what would
 * become of the request is learned, and nothing of it is carried out. undici cannot do that.
 */
import { request as plainRequest, type ClientRequest } from 'node:http';
import { request as tlsRequest, type RequestOptions } from 'node:https';
import { explainConnection } from './connection-failure.ts';
import type { HttpAnswer, HttpClient, HttpResult } from './http.ts';
import { NO_TLS_FILES, type CurrentTls } from './current-tls-files.ts';
import { secureContextOf } from './tls-files.ts';

export interface AnnounceOptions {
  /** Seconds until an answer; an archive that knows no `Expect` waits for the body. */
  readonly timeout: number;
  /** Of an https origin. */
  readonly tls?: CurrentTls;
}

/** `answered` with status 100: the body may come. A body without end is not read. */
export function openAnnouncer(origin: string, { timeout, tls = NO_TLS_FILES }: AnnounceOptions): HttpClient {
  const { protocol, hostname, port } = new URL(origin);
  const send = protocol === 'https:' ? tlsRequest : plainRequest;
  const address: RequestOptions = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? undefined : port };
  const underWay = new Set<ClientRequest>();
  return {
    async request({ method, path, headers, body, signal }): Promise<HttpResult> {
      const { promise, resolve } = Promise.withResolvers<HttpResult>();
      const sending = send({
        ...address,
        ...(protocol === 'https:' ? { secureContext: secureContextOf(tls()) } : {}),
        method,
        path,
        agent: false,
        headers: {
          'user-agent': 'storestow',
          ...headers,
          connection: 'close',
          expect: '100-continue',
          'content-length': String(body?.length ?? 0),
        },
        signal,
      });
      underWay.add(sending);
      let connected = false;
      const connection = protocol === 'https:' ? 'secureConnect' : 'connect';
      sending.on('socket', (socket) => void socket.once(connection, () => (connected = true)));
      sending.on('continue', () => resolve(answered(100)));
      sending.on('response', ({ statusCode = 0 }) => resolve(answered(statusCode)));
      sending.on('error', (cause) => {
        const explained = explainConnection(cause, origin);
        const reached = connected && explained === undefined;
        const failure = signal?.aborted === true ? 'aborted' : reached ? 'interrupted' : 'unreachable';
        resolve({ kind: 'failed', failure, cause: explained ?? cause });
      });
      const timer = setTimeout(() => resolve({ kind: 'failed', failure: 'timeout', cause: undefined }), timeout * 1000);
      sending.flushHeaders();
      const result = await promise;
      clearTimeout(timer);
      sending.destroy();
      underWay.delete(sending);
      return result;
    },
    async close() {
      for (const sending of underWay) sending.destroy();
      return Promise.resolve();
    },
  };
}

function answered(status: number): HttpAnswer {
  return { kind: 'answered', status, contentType: '', retryAfter: '', body: new Uint8Array(0), complete: false };
}
