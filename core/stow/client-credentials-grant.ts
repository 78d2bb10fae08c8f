/**
 * An access token by OAuth2 client credentials (RFC 6749 4.4), by oauth4webapi: the only file that imports it. Its errors may hold
 * the token server's answer and so a token, hence none of them is kept as a cause.
 */
import * as oauth from 'oauth4webapi';
import type { ArchiveAuth } from '../config/schema.ts';
import { StorestowError } from '../errors.ts';
import { retry } from '../retry.ts';
import type { HttpAnswer, HttpClient, HttpResult } from './http.ts';
import type { Token } from './kept-token.ts';
import { readSecret } from './secret.ts';

export type OAuth2Auth = Extract<ArchiveAuth, { kind: 'oauth2' }>;

const MAX_ANSWER_BYTES = 256 * 1024;
/** Bridges a connection that was kept too long and a moment of overload; an outage is the caller's to wait for. */
const RETRY = { retries: 2, firstDelay: 100, maxDelay: 500 };

/** `http` is a client of the token server's origin. Throws `TOKEN_UNAVAILABLE` and `ARCHIVE_UNAUTHORIZED`, both retryable, and what `readSecret` throws. */
export async function requestToken(auth: OAuth2Auth, http: HttpClient, now: () => number = Date.now): Promise<Token> {
  const { tokenUrl, clientId: client_id, scope } = auth;
  const server: oauth.AuthorizationServer = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl };
  const client: oauth.Client = { client_id };
  const secret = await readSecret({
    value: auth.clientSecret,
    file: auth.clientSecretFile,
    setting: 'archive.auth.clientSecret',
    environment: 'STORESTOW_ARCHIVE_CLIENT_SECRET',
  });
  const proof = auth.clientAuthentication === 'post' ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
  const asked = now();
  try {
    const answer = await oauth.clientCredentialsGrantRequest(server, client, proof, scope === undefined ? {} : { scope }, {
      [oauth.customFetch]: async (url, { body, headers }) => ask(http, new URL(url), headers, String(body)),
      [oauth.allowInsecureRequests]: tokenUrl.startsWith('http:'),
    });
    const {
      access_token: value,
      expires_in: life,
      token_type: type,
    } = await oauth.processClientCredentialsResponse(server, client, answer);
    // RFC 6750 2.1: what may stand in the header.
    if (type === 'bearer' && /^[\w.~+/-]+=*$/.test(value)) return { value, asked, life };
    throw unusable(tokenUrl);
  } catch (thrown) {
    throw tokenError(thrown, tokenUrl);
  }
}

async function ask(
  http: HttpClient,
  { pathname, search }: URL,
  headers: Record<string, string>,
  body: string,
): Promise<Response> {
  const bytes = Buffer.from(body, 'utf8');
  const {
    status,
    contentType,
    body: answer,
  } = await retry(
    async () =>
      received(
        await http.request({
          method: 'POST',
          path: `${pathname}${search}`,
          headers,
          body: { length: bytes.length, chunks: () => [bytes] },
          maxBytes: MAX_ANSWER_BYTES,
        }),
      ),
    RETRY,
  );
  return new Response(answer.slice(), { status, headers: { 'content-type': contentType } });
}

/** Throws `TOKEN_UNAVAILABLE`, here retryable where another try can help at once. */
function received(result: HttpResult): HttpAnswer {
  if (result.kind === 'failed') {
    const why = result.cause instanceof StorestowError ? result.cause.message : 'it does not answer; check that it runs';
    throw new StorestowError('TOKEN_UNAVAILABLE', `no token: ${why}`, {
      cause: result.cause,
      retryable: result.failure === 'interrupted',
    });
  }
  const { status, complete } = result;
  if (complete && status < 500 && status !== 429) return result;
  throw new StorestowError('TOKEN_UNAVAILABLE', `no token: the token server answered ${String(status)}; its log may say why`);
}

/** Error codes of RFC 6749 5.2 that a person corrects. */
const ADVICE: ReadonlyMap<string, string> = new Map([
  ['invalid_client', 'it does not know the client or its secret; correct archive.auth.clientId and its secret'],
  ['unauthorized_client', 'the client may not use client credentials; allow it there (Keycloak: service accounts)'],
  ['unsupported_grant_type', 'it knows no client credentials; allow them there'],
  ['invalid_scope', 'it does not give this scope; correct archive.auth.scope'],
]);

function tokenError(thrown: unknown, tokenUrl: string): StorestowError {
  const options = { object: tokenUrl, retryable: true };
  if (thrown instanceof StorestowError) {
    const { code, message, cause } = thrown;
    return new StorestowError(code, message, { ...options, ...(cause === undefined ? {} : { cause }) });
  }
  if (!(thrown instanceof oauth.ResponseBodyError)) return unusable(tokenUrl);
  const advice = ADVICE.get(thrown.error);
  if (advice !== undefined) {
    return new StorestowError('ARCHIVE_UNAUTHORIZED', `the token server ${tokenUrl} gives no token: ${advice}`, options);
  }
  const status = String(thrown.status);
  return new StorestowError(
    'TOKEN_UNAVAILABLE',
    `the token server ${tokenUrl} answered ${status}; check archive.auth.tokenUrl`,
    options,
  );
}

function unusable(tokenUrl: string): StorestowError {
  return new StorestowError(
    'TOKEN_UNAVAILABLE',
    `what ${tokenUrl} answers is no bearer token (RFC 6749 5.1); correct archive.auth.tokenUrl`,
    { object: tokenUrl },
  );
}
