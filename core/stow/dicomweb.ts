/** The DICOMweb services of one archive for one source: its addresses, its headers, its answers as bytes. */
import { createLimit, type Limit } from '../concurrency.ts';
import type { ArchiveConfig } from '../config/schema.ts';
import { StorestowError, type ErrorCode } from '../errors.ts';
import { openAnnouncer } from './announce.ts';
import { archiveOrigin, archiveUrl, type UrlSource } from './archive-url.ts';
import { openCredentials } from './open-credentials.ts';
import { authorize } from './credentials.ts';
import { openTlsFiles } from './current-tls-files.ts';
import { openHttp, type BodySink, type HttpAnswer, type HttpClient, type HttpRequest, type HttpResult } from './http.ts';
import { newBoundary, multipartType, type MultipartBody } from './multipart-body.ts';
import { askLength, type LengthTaken } from './request-length.ts';

/** Seconds until an archive that knows no `Expect` has said nothing for long enough. */
const ANNOUNCE_TIMEOUT = 5;

/** What all sources of one archive share: its connections, its credentials, and the bound on requests under way. */
export interface Connection {
  /** Sends each request with the credentials. */
  readonly http: HttpClient;
  /** Sends the heads of requests, with the credentials. */
  readonly announcer: HttpClient;
  readonly limit: Limit;
  close(): Promise<void>;
}

/** `origin` where it is not the archive's own. Throws `CONFIG_INVALID` for the address, and for what `archive.auth` and `archive.tls` name. */
export function openConnection(config: ArchiveConfig, origin: string = archiveOrigin(config.url)): Connection {
  const tls = openTlsFiles(config.tls ?? {});
  const credentials = openCredentials(config.auth, tls);
  const http = openHttp(origin, { connections: config.connections, timeout: config.timeout, tls });
  const announcer = openAnnouncer(origin, { timeout: Math.min(config.timeout, ANNOUNCE_TIMEOUT), tls });
  return {
    http: authorize(http, credentials),
    announcer: authorize(announcer, credentials),
    limit: createLimit(config.connections),
    close: async () => {
      await Promise.all([http.close(), announcer.close(), credentials.close()]);
    },
  };
}

export interface GetOptions {
  readonly accept: string;
  /** Bytes of the answer that are read at most. */
  readonly maxBytes: number;
  /** Takes the body of a 200. */
  readonly sink?: BodySink;
  readonly signal?: AbortSignal | undefined;
}

export interface PostOptions extends GetOptions {
  readonly text?: string;
}

export interface DicomWeb {
  /** STOW-RS address, without credentials. */
  readonly url: string;
  /** Of the STOW-RS address: ends in `/studies`. */
  readonly path: string;
  /** `resource` is appended to the address: empty, or `/{StudyInstanceUID}/…`. Throws `ARCHIVE_UNAVAILABLE` without an answer. */
  get(resource: string, options: GetOptions): Promise<HttpAnswer>;
  /** The same of another path of the archive's origin. */
  getPath(path: string, options: GetOptions): Promise<HttpAnswer>;
  /** A question that the archive's own services take as a POST; it must change nothing there. */
  postPath(path: string, options: PostOptions): Promise<HttpAnswer>;
  store(body: MultipartBody, maxBytes: number, signal: AbortSignal | undefined): Promise<HttpResult>;
  /** Whether it takes a STOW-RS request of so many bytes; asked by the request's head alone. */
  takes(length: number, signal?: AbortSignal): Promise<LengthTaken>;
}

export function createDicomWeb(config: ArchiveConfig, source: UrlSource, { http, announcer }: Connection): DicomWeb {
  const url = archiveUrl(config.url, source);
  const path = new URL(url).pathname;
  const ask = async (request: HttpRequest): Promise<HttpAnswer> => {
    const result = await http.request(request);
    if (result.kind === 'answered') return result;
    if (result.failure !== 'aborted' && result.cause instanceof StorestowError) throw result.cause;
    const why =
      result.failure === 'aborted'
        ? 'the question was stopped before the archive answered'
        : 'the archive does not answer; check that it runs and that archive.url is right';
    throw new StorestowError('ARCHIVE_UNAVAILABLE', why, { object: url, cause: result.cause });
  };
  const getPath = async (resource: string, { accept, ...options }: GetOptions): Promise<HttpAnswer> =>
    ask({ method: 'GET', path: resource, headers: { accept }, ...options });
  return {
    url,
    path,
    get: async (resource, options) => getPath(`${path}${resource}`, options),
    getPath,
    postPath: async (resource, { accept, text = '', ...options }) => {
      const bytes = new TextEncoder().encode(text);
      const body = { length: bytes.length, chunks: () => [bytes] };
      return ask({ method: 'POST', path: resource, headers: { accept, 'content-type': 'text/plain' }, body, ...options });
    },
    store: async (body, maxBytes, signal) =>
      http.request({
        method: 'POST',
        path,
        headers: { 'content-type': body.contentType, accept: 'application/dicom+json' },
        body,
        maxBytes,
        signal,
      }),
    takes: async (length, signal) =>
      askLength(
        async (announced) =>
          announcer.request({
            method: 'POST',
            path,
            headers: { 'content-type': multipartType(newBoundary()), accept: 'application/dicom+json' },
            body: { length: announced, chunks: () => [] },
            maxBytes: 0,
            signal,
          }),
        length,
      ),
  };
}

export function isUid(text: string): boolean {
  return /^(?=.{1,64}$)\.*[0-9][0-9.]*$/.test(text);
}

/** What `identify` takes as a UID, and so what may stand in an address: digits and dots, one digit at least. Throws `INVALID_UID`. */
export function uidSegment(uid: string): string {
  if (isUid(uid)) return uid;
  throw new StorestowError('INVALID_UID', 'a UID that is not of digits and dots, 64 at most, cannot be asked for');
}

/**
 * An answer to a question (QIDO-RS, WADO-RS) that is not the result. Configuration mistakes are retryable: nothing is wrong with the
 * instances.
 */
export function answerError(status: number, service: string, url: string): StorestowError {
  const [code, advice] = adviceFor(status);
  return new StorestowError(code, `the archive answered ${String(status)} to ${service}${advice}`, {
    object: url,
    retryable: true,
  });
}

function adviceFor(status: number): readonly [ErrorCode, string] {
  switch (status) {
    case 401:
      return ['ARCHIVE_UNAUTHORIZED', ': it does not accept the credentials; correct archive.auth'];
    case 403:
      return ['ARCHIVE_FORBIDDEN', ': these credentials may not ask; give their account the right'];
    case 404:
    case 405:
      return ['ARCHIVE_NOT_FOUND', ': correct archive.url, its AE title above all'];
    default:
      if (status >= 300 && status < 400) {
        return [
          'ARCHIVE_REDIRECTED',
          ', a redirect, which is not followed; set archive.url to the address itself, or archive.auth where it is a login page',
        ];
      }
      return status === 429 || status >= 500
        ? ['ARCHIVE_UNAVAILABLE', '; its log may say why']
        : ['ARCHIVE_REFUSED', '; its log may say why'];
  }
}
