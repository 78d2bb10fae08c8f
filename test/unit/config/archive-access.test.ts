import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../../core/config/load.ts';

const URL = 'https://archive.example/studies';
const OAUTH2 = { kind: 'oauth2', tokenUrl: 'https://keycloak.example/token', clientId: 'storestow' };

const load = async (archive: object, env: Record<string, string>): Promise<object | undefined> =>
  (await loadConfig({ env: { ...env, STORESTOW_CONFIG: JSON.stringify({ archive: { url: URL, ...archive } }) } })).archive;

describe('secrets of the archive', () => {
  it.each([
    ['STORESTOW_ARCHIVE_PASSWORD', { kind: 'basic', username: 'u' }, 'password'],
    ['STORESTOW_ARCHIVE_PASSWORD', { kind: 'basic', username: 'u', password: 'file' }, 'password'],
    ['STORESTOW_ARCHIVE_TOKEN', { kind: 'bearer' }, 'token'],
    ['STORESTOW_ARCHIVE_TOKEN', { kind: 'bearer', tokenFile: '/t' }, 'token'],
    ['STORESTOW_ARCHIVE_CLIENT_SECRET', OAUTH2, 'clientSecret'],
    ['STORESTOW_ARCHIVE_CLIENT_SECRET', { ...OAUTH2, clientSecret: 'file' }, 'clientSecret'],
  ])('%s counts for %j', async (variable, auth, setting) => {
    expect(await load({ auth }, { [variable]: 'from-environment' })).toMatchObject({ auth: { [setting]: 'from-environment' } });
  });

  it('STORESTOW_ARCHIVE_TLS_PASSPHRASE counts where there is a key', async () => {
    const env = { STORESTOW_ARCHIVE_TLS_PASSPHRASE: 'from-environment' };
    expect(await load({ tls: { cert: '/c', key: '/k' } }, env)).toMatchObject({ tls: { passphrase: 'from-environment' } });
    expect(await load({ tls: { ca: '/a' } }, env)).toMatchObject({ tls: { ca: '/a' } });
    expect(await load({}, env)).not.toHaveProperty('tls');
  });

  it('stay as they are where the environment has none', async () => {
    const auth = { kind: 'bearer', token: 'file' };
    expect(await load({ auth }, {})).toMatchObject({ auth });
  });
});

describe('a configuration of the archive', () => {
  it.each<[string, object, RegExp]>([
    [
      'a secret twice',
      { auth: { kind: 'basic', username: 'u', password: 'SECRET', passwordFile: '/b' } },
      /passwordFile, not both/,
    ],
    ['a token twice', { auth: { kind: 'bearer', token: 'SECRET', tokenFile: '/b' } }, /tokenFile, not both/],
    [
      'a client secret twice',
      { auth: { ...OAUTH2, clientSecret: 'SECRET', clientSecretFile: '/b' } },
      /clientSecretFile, not both/,
    ],
    [
      'a pass phrase twice',
      { tls: { cert: '/c', key: '/k', passphrase: 'SECRET', passphraseFile: '/b' } },
      /passphraseFile, not both/,
    ],
    ['a certificate without its key', { tls: { cert: '/c' } }, /cert and key go together/],
    ['a key without its certificate', { tls: { key: '/k' } }, /cert and key go together/],
    ['a token server that is no web address', { auth: { ...OAUTH2, tokenUrl: 'ftp://x/token' } }, /tokenUrl/],
    ['credentials in the address', { auth: { ...OAUTH2, tokenUrl: 'https://u:SECRET@x/token' } }, /carries credentials/],
    ['no token server', { auth: { kind: 'oauth2', clientId: 'x' } }, /tokenUrl/],
    ['a kind that there is not', { auth: { kind: 'digest' } }, /kind/],
  ])('is refused with %s, and no secret is in the message', (_, archive, told) => {
    const read = (): unknown => parseConfig({ archive: { url: URL, ...archive } }, 'test');
    expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(told) as string }));
    expect(read).toThrow(expect.objectContaining({ message: expect.not.stringContaining('SECRET') as string }));
  });

  it('may name one authority or several', () => {
    for (const ca of ['/a', ['system', '/a']]) {
      expect(parseConfig({ archive: { url: URL, tls: { ca } } }, 'test').archive?.tls).toEqual({ ca });
    }
  });
});
