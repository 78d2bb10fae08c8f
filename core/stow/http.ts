/**
 * HTTP to one origin (undici): at most `connections` requests under way, kept alive, no redirect followed, nothing sent twice.
 * What went wrong comes back as a value, for the caller decides what it means.
 */
import { Readable } from 'node:stream';
import { buildConnector, Pool } from 'undici';
import { codeOf, explainConnection } from './connection-failure.ts';
import { NO_TLS_FILES, type CurrentTls } from './current-tls-files.ts';
import { secureContextOf, type TlsMaterial } from './tls-files.ts';

export interface HttpOptions {
  readonly connections: number;
  /** Seconds until the first byte of an answer, and from there until its last. */
  readonly timeout: number;
  /** Of an https origin, asked at each new connection; default: the authorities that Node brings, no client certificate. */
  readonly tls?: CurrentTls;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: { readonly length: number; chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array> };
  /** Bytes of the answer's body that are read at most. */
  readonly maxBytes: number;
  /** Takes the body of a 200 piece by piece, so that it need not fit into memory; `body` is empty then. */
  readonly sink?: BodySink | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where it rejects, the body counts as cut. */
export type BodySink = (chunk: Uint8Array) => Promise<void>;

/**
 * | failure        | the request                                      |
 * |----------------|--------------------------------------------------|
 * | `unreachable`  | was not sent: no connection, no TLS              |
 * | `unauthorized` | was not sent: no credentials to be had (`authorize`) |
 * | `timeout`      | was sent; no answer in time                      |
 * | `interrupted`  | was sent, in part at least; the connection broke |
 * | `aborted`      | was stopped by the caller's signal               |
 */
export type HttpFailure = 'unreachable' | 'unauthorized' | 'timeout' | 'interrupted' | 'aborted';

export interface HttpAnswer {
  readonly kind: 'answered';
  readonly status: number;
  readonly contentType: string;
  /** The header Retry-After as it came; empty where there is none. */
  readonly retryAfter: string;
  readonly body: Uint8Array;
  /** False where the body was cut, stalled, or longer than `maxBytes`. */
  readonly complete: boolean;
}

export interface HttpFailed {
  readonly kind: 'failed';
  readonly failure: HttpFailure;
  /** A `StorestowError` where it says what to do. */
  readonly cause: unknown;
}

export type HttpResult = HttpAnswer | HttpFailed;

export interface HttpClient {
  request(request: HttpRequest): Promise<HttpResult>;
  /** Ends the connections; requests under way fail as `interrupted`. */
  close(): Promise<void>;
}

function failureOf(error: unknown, sent: boolean, signal: AbortSignal | undefined): HttpFailure {
  if (signal?.aborted === true) return 'aborted';
  if (!sent) return 'unreachable';
  return codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' ? 'timeout' : 'interrupted';
}

function headerText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}

/**
 * A TLS alert that comes with the end of the connection says why a client certificate is refused. undici would report the end alone,
 * unless the alert ends the socket first.
 *
 * What is returned is the socket (its type does not say so): through that alone undici ends an attempt for which no request waits any more.
 */
function createConnector(tls: CurrentTls): buildConnector.connector {
  let built: { readonly of: TlsMaterial; readonly connect: buildConnector.connector } | undefined;
  return (options, callback) => {
    const material = tls();
    // A new one takes up no TLS session that was opened with another certificate.
    if (built?.of !== material) {
      const secureContext = options.protocol === 'https:' ? { secureContext: secureContextOf(material) } : {};
      built = { of: material, connect: buildConnector({ ...secureContext, allowH2: false }) };
    }
    return built.connect(options, (...result) => {
      const [, socket] = result;
      socket?.once('error', (alert: Error) => socket.destroy(alert));
      callback(...result);
    });
  };
}

/**
 * Milliseconds before the end that a server announces of an idle connection, from when on it is not used. By default undici has two
 * seconds; Orthanc keeps a connection for one.
 */
const KEEP_ALIVE_MARGIN = 500;

export function openHttp(origin: string, { connections, timeout, tls = NO_TLS_FILES }: HttpOptions): HttpClient {
  const milliseconds = timeout * 1000;
  const pool = new Pool(origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: milliseconds,
    bodyTimeout: milliseconds,
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN,
    connect: createConnector(tls),
  });

  async function readBody(
    stream: AsyncIterable<Buffer>,
    maxBytes: number,
    deadline: AbortController,
    sink: BodySink | undefined,
  ): Promise<Pick<HttpAnswer, 'body' | 'complete'>> {
    const timer = setTimeout(() => deadline.abort(), milliseconds);
    const chunks: Buffer[] = [];
    let length = 0;
    let complete = true;
    try {
      for await (const chunk of stream) {
        length += chunk.length;
        if (length > maxBytes) {
          complete = false;
          break;
        }
        if (sink === undefined) chunks.push(chunk);
        else await sink(chunk);
      }
    } catch {
      complete = false;
    } finally {
      clearTimeout(timer);
    }
    return { body: new Uint8Array(Buffer.concat(chunks)), complete };
  }

  return {
    async request({ method, path, headers, body, maxBytes, sink, signal }) {
      let sent = body === undefined;
      const deadline = new AbortController();
      async function* chunks(): AsyncIterable<Uint8Array> {
        sent = true;
        if (body !== undefined) yield* body.chunks();
      }
      try {
        const answer = await pool.request({
          method,
          path,
          headers: {
            'accept-encoding': 'identity',
            'user-agent': 'storestow',
            ...headers,
            ...(body === undefined ? {} : { 'content-length': String(body.length) }),
          },
          body: body === undefined ? null : Readable.from(chunks(), { objectMode: false }),
          signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
        });
        return {
          kind: 'answered',
          status: answer.statusCode,
          contentType: headerText(answer.headers['content-type']),
          retryAfter: headerText(answer.headers['retry-after']),
          ...(await readBody(answer.body, maxBytes, deadline, answer.statusCode === 200 ? sink : undefined)),
        };
      } catch (cause) {
        const explained = signal?.aborted === true ? undefined : explainConnection(cause, origin);
        return { kind: 'failed', failure: failureOf(cause, sent && explained === undefined, signal), cause: explained ?? cause };
      }
    },
    close: async () => pool.destroy(),
  };
}
