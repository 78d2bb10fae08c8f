/** The port of what a request to the archive is allowed by, and the client that sends each request with it. */
import { asStorestowError } from '../errors.ts';
import type { HttpClient } from './http.ts';

export interface Credentials {
  /** The Authorization header of a request that is sent now; undefined: none. Rejects, retryable, where it is not to be had now. */
  header(): Promise<string | undefined>;
  /** After a 401 to `refused`: whether there is another header by now. Calls at the same time share one renewal. */
  renew(refused: string | undefined): Promise<boolean>;
}

/**
 * Every request with the header of its moment. A 401 says that no part was read, so the header is renewed and the request
 * repeated, once. Where there is no header to be had nothing is sent: `unauthorized`, with the reason as its cause.
 */
export function authorize(http: HttpClient, credentials: Credentials): HttpClient {
  return {
    async request(request) {
      const { signal } = request;
      const send = (authorization: string | undefined): ReturnType<HttpClient['request']> =>
        http.request({
          ...request,
          headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }) },
        });
      try {
        const header = await untilAborted(credentials.header(), signal);
        const result = await send(header);
        if (result.kind === 'failed' || result.status !== 401) return result;
        if (!(await untilAborted(credentials.renew(header), signal))) return result;
        return await send(await untilAborted(credentials.header(), signal));
      } catch (thrown) {
        const failure = signal?.aborted === true ? 'aborted' : 'unauthorized';
        return { kind: 'failed', failure, cause: asStorestowError(thrown) };
      }
    },
    close: async () => http.close(),
  };
}

/** What is shared goes on for the others. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
