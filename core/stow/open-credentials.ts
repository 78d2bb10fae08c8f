/** The configured way to be allowed: none, basic (RFC 7617), bearer (RFC 6750), or a bearer token by OAuth2 client credentials. */
import type { ArchiveAuth } from '../config/schema.ts';
import { StorestowError } from '../errors.ts';
import { requestToken, type OAuth2Auth } from './client-credentials-grant.ts';
import type { Credentials } from './credentials.ts';
import { NO_TLS_FILES, type CurrentTls } from './current-tls-files.ts';
import { openHttp } from './http.ts';
import { keepToken } from './kept-token.ts';
import { readSecret } from './secret.ts';

/** Seconds until a token server has not answered. */
const TOKEN_TIMEOUT = 10;

export interface OpenCredentials extends Credentials {
  close(): Promise<void>;
}

/** `tls` serves for the token server too. Throws `CONFIG_INVALID` for what no header can carry. */
export function openCredentials(auth: ArchiveAuth, tls: CurrentTls = NO_TLS_FILES): OpenCredentials {
  switch (auth.kind) {
    case 'none':
      return { header: async () => undefined, renew: async () => false, close: async () => undefined };
    case 'basic':
      if (auth.username.includes(':'))
        throw invalid('archive.auth.username has a colon, which basic authentication cannot carry');
      return readAnew(() => basicHeader(auth));
    case 'bearer':
      return readAnew(() => bearerHeader(auth));
    case 'oauth2': {
      const { request, close } = openTokenServer(auth, tls);
      return { ...keepToken(request), close };
    }
  }
}

export function openTokenServer(
  auth: OAuth2Auth,
  tls: CurrentTls = NO_TLS_FILES,
): { readonly request: () => ReturnType<typeof requestToken>; readonly close: () => Promise<void> } {
  const http = openHttp(new URL(auth.tokenUrl).origin, { connections: 1, timeout: TOKEN_TIMEOUT, tls });
  return { request: async () => requestToken(auth, http), close: async () => http.close() };
}

/** A header that is made of a file, perhaps, which may have changed. */
function readAnew(header: () => Promise<string>): OpenCredentials {
  return { header, renew: async (refused) => (await header()) !== refused, close: async () => undefined };
}

async function basicHeader(auth: Extract<ArchiveAuth, { kind: 'basic' }>): Promise<string> {
  const password = await readSecret({
    value: auth.password,
    file: auth.passwordFile,
    setting: 'archive.auth.password',
    environment: 'STORESTOW_ARCHIVE_PASSWORD',
  });
  return `Basic ${Buffer.from(`${auth.username}:${password}`, 'utf8').toString('base64')}`;
}

async function bearerHeader(auth: Extract<ArchiveAuth, { kind: 'bearer' }>): Promise<string> {
  const token = await readSecret({
    value: auth.token,
    file: auth.tokenFile,
    setting: 'archive.auth.token',
    environment: 'STORESTOW_ARCHIVE_TOKEN',
  });
  if (/^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw invalid('archive.auth.token is empty or has characters that no token has; set it again');
}

function invalid(message: string): StorestowError {
  return new StorestowError('CONFIG_INVALID', message, { retryable: true });
}
