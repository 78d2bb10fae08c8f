/** The client with OAuth2 client credentials, against a token server that gives every answer there is; and that no secret comes out. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveSchema, type ArchiveConfig } from '../../core/config/schema.ts';
import { createLog } from '../../core/logging.ts';
import { openTokenServer } from '../../core/stow/open-credentials.ts';
import type { OAuth2Auth } from '../../core/stow/client-credentials-grant.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import type { Archive } from '../../core/stow/outcome.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { createAuthority, opensslAvailable } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { startTlsFront } from '../support/tls-front.ts';
import { startTokenServer, type TokenAnswer, type TokenServer } from '../support/token-server.ts';
import { outgoing } from './archive-instances.ts';

const SECRET = 'the-client-secret';
const TOKEN = 'the.access.token';
const GOOD: TokenAnswer = { body: { access_token: TOKEN, token_type: 'Bearer', expires_in: 300 } };

let folder: TemporaryFolder;
let server: TokenServer;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  folder = await temporaryFolder('oauth2');
});
beforeEach(async () => {
  server = await startTokenServer(GOOD);
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await server.close();
});
afterAll(async () => folder.remove());

function authOf(changes: Partial<OAuth2Auth> = {}): OAuth2Auth {
  const { auth } = archiveSchema.parse({
    url: 'http://archive/studies',
    auth: { kind: 'oauth2', tokenUrl: server.tokenUrl, clientId: 'store:stow', clientSecret: SECRET, ...changes },
  });
  return auth as OAuth2Auth;
}

async function request(changes: Partial<OAuth2Auth> = {}): ReturnType<ReturnType<typeof openTokenServer>['request']> {
  const opened = openTokenServer(authOf(changes));
  closing.push(() => opened.close());
  return opened.request();
}

describe('a token by client credentials', () => {
  it('is asked for with client and secret in the header, form-encoded (RFC 6749 2.3.1)', async () => {
    expect(await request({ clientSecret: 'a b%&+ß' })).toMatchObject({ value: TOKEN, life: 300 });
    const [asked] = server.requests;
    expect(asked?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from('store%3Astow:a+b%25%26%2B%C3%9F').toString('base64')}`,
      'content-type': expect.stringMatching(/^application\/x-www-form-urlencoded/) as string,
    });
    expect(asked?.body).toBe('grant_type=client_credentials');
  });

  it('or in the body, with a scope', async () => {
    await request({ clientAuthentication: 'post', scope: 'dicom store' });
    const [asked] = server.requests;
    expect(asked?.headers).not.toHaveProperty('authorization');
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
      grant_type: 'client_credentials',
      client_id: 'store:stow',
      client_secret: SECRET,
      scope: 'dicom store',
    });
  });

  it('takes the secret from a file, as it is at the moment', async () => {
    const clientSecretFile = join(folder.path, 'secret');
    await writeFile(clientSecretFile, `${SECRET}\n`);
    const auth = { ...authOf({ clientSecretFile, clientSecret: undefined }), clientAuthentication: 'post' as const };
    const opened = openTokenServer(auth);
    closing.push(() => opened.close());
    await opened.request();
    await writeFile(clientSecretFile, 'rotated');
    await opened.request();
    expect(server.requests.map(({ body }) => new URLSearchParams(body).get('client_secret'))).toEqual([SECRET, 'rotated']);
  });

  it('may not say how long it lives', async () => {
    server.answer = { body: { access_token: TOKEN, token_type: 'bearer' } };
    expect(await request()).toMatchObject({ value: TOKEN, life: undefined });
  });

  it.each<[string, TokenAnswer, string, number]>([
    ['invalid_client', { status: 401, body: { error: 'invalid_client' } }, 'ARCHIVE_UNAUTHORIZED', 1],
    ['unauthorized_client', { status: 400, body: { error: 'unauthorized_client' } }, 'ARCHIVE_UNAUTHORIZED', 1],
    ['invalid_scope', { status: 400, body: { error: 'invalid_scope' } }, 'ARCHIVE_UNAUTHORIZED', 1],
    ['another error', { status: 404, body: { error: 'Realm does not exist' } }, 'TOKEN_UNAVAILABLE', 1],
    ['500', { status: 500, body: '' }, 'TOKEN_UNAVAILABLE', 3],
    ['503', { status: 503, body: '<html></html>' }, 'TOKEN_UNAVAILABLE', 3],
    ['429', { status: 429, body: '' }, 'TOKEN_UNAVAILABLE', 3],
    ['a redirect', { status: 302, headers: { location: '/login' }, body: '' }, 'TOKEN_UNAVAILABLE', 1],
    ['a login page', { headers: { 'content-type': 'text/html' }, body: '<html></html>' }, 'TOKEN_UNAVAILABLE', 1],
    ['no JSON', { body: '{' }, 'TOKEN_UNAVAILABLE', 1],
    ['no token', { body: { token_type: 'bearer' } }, 'TOKEN_UNAVAILABLE', 1],
    ['a token of another type', { body: { access_token: TOKEN, token_type: 'mac' } }, 'TOKEN_UNAVAILABLE', 1],
    ['a token bound to a key', { body: { access_token: TOKEN, token_type: 'DPoP' } }, 'TOKEN_UNAVAILABLE', 1],
    ['a token that is no header', { body: { access_token: 'a\r\nX: y', token_type: 'bearer' } }, 'TOKEN_UNAVAILABLE', 1],
    ['a token of a megabyte', { body: { access_token: 'x'.repeat(1_000_000), token_type: 'bearer' } }, 'TOKEN_UNAVAILABLE', 3],
    ['a life that is no number', { body: { ...(GOOD.body as object), expires_in: 'soon' } }, 'TOKEN_UNAVAILABLE', 1],
  ])('%s: retryable, and says what to do', async (_, answer, code, requests) => {
    server.answer = answer;
    await expect(request()).rejects.toMatchObject({ code, retryable: true, object: server.tokenUrl });
    expect(server.requests).toHaveLength(requests);
  });

  it('bridges a connection that breaks', async () => {
    server.answer = undefined;
    const asked = request();
    while (server.requests.length === 0) await new Promise(setImmediate);
    server.answer = GOOD;
    expect(await asked).toMatchObject({ value: TOKEN });
  });

  it('waits once for a token server that does not answer', { timeout: 30_000 }, async () => {
    server.answer = 'never';
    await expect(request()).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE', retryable: true });
    expect(server.requests).toHaveLength(1);
  });

  it('retryable where nobody listens', async () => {
    const tokenUrl = `http://127.0.0.1:${String(await freePort())}/token`;
    await expect(request({ tokenUrl })).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE', retryable: true });
  });
});

describe('an archive with OAuth2', () => {
  let embedded: EmbeddedArchive;
  let studies = 0;
  beforeAll(async () => {
    embedded = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
  });
  afterAll(async () => embedded.close());

  function client(changes: Partial<ArchiveConfig> = {}, logFile?: string): Archive {
    const archive = createArchive({
      config: { ...archiveSchema.parse({ url: embedded.url }), auth: authOf(), ...changes },
      source: { aet: 'CT1', site: 'test' },
      ...(logFile === undefined ? {} : { log: createLog({ level: 'trace', to: logFile }) }),
    });
    closing.push(() => archive.close());
    return archive;
  }
  const instance = (): ReturnType<typeof outgoing> => outgoing(`1.2.826.81.${String((studies += 1))}`, 1);

  it('asks for one token for all requests of all studies', async () => {
    const archive = client();
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => archive.store([instance()])));
    expect(outcomes.flat().map(({ kind }) => kind)).toEqual(Array.from({ length: 12 }, () => 'stored'));
    expect(server.requests).toHaveLength(1);
  });

  it('renews the token after a 401 and sends the request again, once', async () => {
    const archive = client();
    const instances = [instance(), instance()];
    await archive.store(instances.slice(0, 1));
    server.answer = { body: { ...(GOOD.body as object), access_token: 'another.one' } };
    embedded.faults.next('stow', { kind: 'answer', status: 401 });
    expect(await archive.store(instances.slice(1))).toMatchObject([{ kind: 'stored' }]);
    expect(server.requests).toHaveLength(2);
    expect(instances.map(({ sopInstanceUID }) => embedded.faults.arrivals(sopInstanceUID))).toEqual([1, 1]);
  });

  it('is retryable where the new token is refused too', async () => {
    const archive = client();
    server.answer = { body: { ...(GOOD.body as object), access_token: 'first' } };
    await archive.find('1.2.3', ['1.2.4']);
    server.answer = GOOD;
    const unauthorized = { kind: 'answer', status: 401 } as const;
    embedded.faults.next('stow', unauthorized, unauthorized);
    expect(await archive.store([instance()])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_UNAUTHORIZED' }]);
    embedded.faults.clear();
  });

  it.each<[string, TokenAnswer | undefined]>([
    ['hangs up', undefined],
    ['is overloaded', { status: 503, body: '' }],
    ['refuses the client', { status: 401, body: { error: 'invalid_client', error_description: `not ${SECRET}` } }],
    ['gives what is no token', { body: { access_token: TOKEN, token_type: 'unknown' } }],
  ])('sends nothing while the token server %s, and stores it by the next call; no secret comes out', async (_, answer) => {
    const logFile = join(folder.path, `log-${String(studies)}`);
    const log = createLog({ level: 'trace', to: logFile });
    const archive = client({}, logFile);
    const sent = instance();
    server.answer = answer;
    const outcomes = await archive.store([sent]);
    expect(outcomes).toMatchObject([{ kind: 'retryable' }]);
    const thrown: unknown = await archive.find('1.2.3', ['1.2.4']).catch((error: unknown) => error);
    log.error({ err: thrown, auth: authOf(), headers: { authorization: `Bearer ${TOKEN}` } }, 'as a caller may log it');
    server.answer = GOOD;
    expect(await archive.store([sent])).toMatchObject([{ kind: 'stored' }]);
    expect(embedded.faults.arrivals(sent.sopInstanceUID)).toBe(1);

    const told = [
      JSON.stringify(outcomes),
      inspect(thrown, { depth: Infinity, showHidden: true }),
      await readFile(logFile, 'utf8'),
    ];
    expect(told[2]).toContain('as a caller may log it');
    for (const text of told) for (const secret of [SECRET, TOKEN]) expect(text).not.toContain(secret);
  });

  it.skipIf(requirePeer('openssl', opensslAvailable()))(
    'trusts a token server by archive.tls, and shows it the client certificate',
    async () => {
      const authority = await createAuthority(folder.path, 'hospital');
      const certificate = await authority.issue('tokens', { usage: 'serverAuth' });
      const own = await authority.issue('storestow', { usage: 'clientAuth' });
      const front = await startTlsFront({ port: server.port, certificate, clientAuthority: authority.ca });
      closing.push(() => front.close());
      const auth = authOf({ tokenUrl: `https://localhost:${String(front.port)}/token` });
      expect(await client({ auth, tls: { ca: authority.ca, ...own } }).store([instance()])).toMatchObject([{ kind: 'stored' }]);
      expect(front.clients).toEqual(['storestow']);
      expect(await client({ auth }).store([instance()])).toMatchObject([
        { kind: 'retryable', code: 'TOKEN_UNAVAILABLE', message: expect.stringMatching(/archive\.tls\.ca/) as string },
      ]);
    },
  );
});
