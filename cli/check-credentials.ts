/** Check of `storestow doctor`: are the credentials to be had. Whether the archive accepts them, its own check shows. */
import type { ArchiveConfig } from '../core/config/schema.ts';
import { openTlsFiles } from '../core/stow/current-tls-files.ts';
import { openCredentials, openTokenServer } from '../core/stow/open-credentials.ts';

/** Tells of a token how long it lives, never the token. */
export async function checkCredentials({ auth, tls = {} }: ArchiveConfig): Promise<string> {
  switch (auth.kind) {
    case 'none':
      return 'none are sent';
    case 'basic':
      await openCredentials(auth).header();
      return `basic, user ${auth.username}, password ${placeOf(auth.password, auth.passwordFile)}`;
    case 'bearer':
      await openCredentials(auth).header();
      return `bearer, token ${placeOf(auth.token, auth.tokenFile)}`;
    case 'oauth2': {
      const server = openTokenServer(auth, openTlsFiles(tls));
      try {
        const { life } = await server.request();
        const lives = life === undefined ? 'that does not say how long it lives' : `that lives ${String(life)} s`;
        const open = auth.tokenUrl.startsWith('http:') ? '; the secret goes there unencrypted, by http' : '';
        return `oauth2, client ${auth.clientId}: a token ${lives} from ${auth.tokenUrl}${open}`;
      } finally {
        await server.close();
      }
    }
  }
}

function placeOf(value: string | undefined, file: string | undefined): string {
  return value === undefined ? `from ${file ?? ''}` : 'from the configuration or the environment';
}
