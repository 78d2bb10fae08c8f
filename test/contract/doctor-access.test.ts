/** What `storestow doctor` says of credentials, of TLS, and of the client certificate. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { checkCredentials } from '../../cli/check-credentials.ts';
import { checkClientCertificate, checkServerCertificate, validity } from '../../cli/check-tls.ts';
import { archiveSchema, type ArchiveConfig } from '../../core/config/schema.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { createAuthority, opensslAvailable, type Authority, type IssuedCertificate } from '../support/certificates.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { startTlsFront } from '../support/tls-front.ts';
import { startTokenServer, type TokenServer } from '../support/token-server.ts';

const TOKEN = 'the.access.token';
const SECRET = 'the-secret';

let folder: TemporaryFolder;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  folder = await temporaryFolder('doctor');
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
afterAll(async () => folder.remove());

const archive = (changes: object): ArchiveConfig => archiveSchema.parse({ url: 'https://archive.example/studies', ...changes });

describe('credentials', () => {
  let tokens: TokenServer;
  beforeAll(async () => {
    tokens = await startTokenServer({ body: { access_token: TOKEN, token_type: 'Bearer', expires_in: 300 } });
  });
  afterAll(async () => tokens.close());

  it.each([
    [{ kind: 'none' }, /none are sent/],
    [{ kind: 'basic', username: 'u', password: SECRET }, /^basic, user u, password from the configuration/],
    [{ kind: 'bearer', token: SECRET }, /^bearer, token from the configuration/],
  ])('%j', async (auth, told) => {
    const text = await checkCredentials(archive({ auth }));
    expect(text).toMatch(told);
    expect(text).not.toContain(SECRET);
  });

  it('a token in a file: which', async () => {
    const tokenFile = join(folder.path, 'token');
    await writeFile(tokenFile, SECRET);
    expect(await checkCredentials(archive({ auth: { kind: 'bearer', tokenFile } }))).toBe(`bearer, token from ${tokenFile}`);
    await expect(checkCredentials(archive({ auth: { kind: 'bearer', tokenFile: `${tokenFile}.absent` } }))).rejects.toMatchObject(
      {
        code: 'CONFIG_INVALID',
      },
    );
  });

  it('oauth2: a token was fetched and how long it lives; never the token', async () => {
    const auth = { kind: 'oauth2', tokenUrl: tokens.tokenUrl, clientId: 'storestow', clientSecret: SECRET };
    const text = await checkCredentials(archive({ auth }));
    expect(text).toMatch(/^oauth2, client storestow: a token that lives 300 s from http:.*unencrypted/);
    for (const secret of [TOKEN, SECRET]) expect(text).not.toContain(secret);
    tokens.answer = { status: 401, body: { error: 'invalid_client' } };
    await expect(checkCredentials(archive({ auth }))).rejects.toMatchObject({ code: 'ARCHIVE_UNAUTHORIZED' });
  });
});

describe('validity', () => {
  const now = new Date('2026-11-01T12:00:00Z');
  it.each([
    ['2027-11-01T00:00:00Z', 'valid until 2027-11-01'],
    ['2026-11-05T00:00:00Z', 'valid until 2026-11-05 (3 days left: have it renewed)'],
  ])('%s → %s', (end, text) => {
    expect(validity(new Date(end), now)).toBe(text);
  });
});

describe.skipIf(requirePeer('openssl', opensslAvailable()))('TLS', () => {
  let embedded: EmbeddedArchive;
  let hospital: Authority;
  let server: IssuedCertificate;
  let own: IssuedCertificate;
  beforeAll(async () => {
    const path = join(folder.path, 'certificates');
    await mkdir(path);
    embedded = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
    hospital = await createAuthority(path, 'hospital');
    server = await hospital.issue('archive', { usage: 'serverAuth', days: 90 });
    own = await hospital.issue('storestow', { usage: 'clientAuth', days: 90 });
  });
  afterAll(async () => embedded.close());

  async function behindTls(demanding: boolean): Promise<string> {
    const demands = demanding ? { clientAuthority: hospital.ca } : {};
    const front = await startTlsFront({ port: embedded.port, certificate: server, ...demands });
    closing.push(() => front.close());
    return `https://localhost:${String(front.port)}/dcm4chee-arc/aets/{aet}/rs/studies`;
  }

  it('the certificate of the archive is trusted, and until when', async () => {
    const url = await behindTls(false);
    expect(await checkServerCertificate(archive({ url, tls: { ca: hospital.ca } }))).toMatch(
      /^TLSv1\.3, its certificate is trusted and valid until \d{4}-\d\d-\d\d$/,
    );
    await expect(checkServerCertificate(archive({ url }))).rejects.toMatchObject({ code: 'TLS_UNTRUSTED' });
  });

  it('the client certificate is missing', async () => {
    const url = await behindTls(true);
    await expect(checkServerCertificate(archive({ url, tls: { ca: hospital.ca } }))).rejects.toMatchObject({
      code: 'TLS_REFUSED',
      message: expect.stringMatching(/archive\.tls\.cert/) as string,
    });
  });

  it.each([
    [true, /^storestow, valid until \d{4}-\d\d-\d\d, accepted/],
    [false, /^storestow, valid until \d{4}-\d\d-\d\d, but .* without it/],
  ])('the client certificate is accepted (demanded: %s)', async (demanded, told) => {
    const tls = { ca: hospital.ca, ...own };
    expect(await checkClientCertificate(archive({ url: await behindTls(demanded), tls }))).toMatch(told);
  });

  it('the client certificate is of an authority that the archive does not trust', async () => {
    const stranger = await createAuthority(join(folder.path, 'certificates'), 'stranger');
    const tls = { ca: hospital.ca, ...(await stranger.issue('storestow', { usage: 'clientAuth' })) };
    await expect(checkClientCertificate(archive({ url: await behindTls(true), tls }))).rejects.toMatchObject({
      code: 'TLS_REFUSED',
    });
  });

  it('the client certificate has expired', async () => {
    const tls = { ca: hospital.ca, ...(await hospital.issue('old', { usage: 'clientAuth', days: -1 })) };
    await expect(checkClientCertificate(archive({ url: await behindTls(true), tls }))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/ended on \d{4}-\d\d-\d\d/) as string,
    });
  });
});
