/** The Authorization header: none, basic (RFC 7617), bearer (RFC 6750). */
import type { ArchiveAuth } from '../config/schema.ts';
import { StorestowError } from '../errors.ts';
import type { Credentials } from './credentials.ts';

/** Throws `CONFIG_INVALID` where a credential cannot stand in a header. */
export function authorizationHeader(auth: ArchiveAuth): string | undefined {
  switch (auth.kind) {
    case 'none':
      return undefined;
    case 'basic':
      if (auth.username.includes(':')) {
        throw new StorestowError('CONFIG_INVALID', 'archive.auth.username has a colon, which basic authentication cannot carry');
      }
      return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
    case 'bearer':
      if (!/^[\x21-\x7e]+$/.test(auth.token)) {
        throw new StorestowError(
          'CONFIG_INVALID',
          'archive.auth.token is empty or has characters that no token has; set it again',
        );
      }
      return `Bearer ${auth.token}`;
  }
}

/** Throws what `authorizationHeader` throws. */
export function createCredentials(auth: ArchiveAuth): Credentials {
  const header = authorizationHeader(auth);
  return { header: async () => header, renew: async () => false };
}
