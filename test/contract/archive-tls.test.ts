/** The client over TLS with a private authority, both sides with certificates, against a real TLS server before the embedded archive. */
import { spawn } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { archiveSchema, type ArchiveTls } from '../../core/config/schema.ts';
import { openAnnouncer } from '../../core/stow/announce.ts';
import { openConnection } from '../../core/stow/dicomweb.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { openHttp } from '../../core/stow/http.ts';
import type { Outcome } from '../../core/stow/outcome.ts';
import { secureContextOf } from '../../core/stow/tls-files.ts';
import { openWorklistConnection } from '../../core/stow/worklist.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { createAuthority, opensslAvailable, type Authority, type IssuedCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { startTlsFront, type TlsFront, type TlsFrontOptions } from '../support/tls-front.ts';
import { waitUntil } from '../support/wait-until.ts';
import { outgoing } from './archive-instances.ts';

const PASSPHRASE = 'correct horse';

describe.skipIf(requirePeer('openssl', opensslAvailable()))('an archive behind TLS', () => {
  let folder: TemporaryFolder;
  let embedded: EmbeddedArchive;
  let hospital: Authority;
  let stranger: Authority;
  let server: IssuedCertificate;
  let own: IssuedCertificate;
  let studies = 0;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder('tls');
    hospital = await createAuthority(folder.path, 'hospital');
    stranger = await createAuthority(folder.path, 'stranger');
    server = await hospital.issue('archive', { usage: 'serverAuth' });
    own = await hospital.issue('storestow', { usage: 'clientAuth' });
    embedded = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  afterAll(async () => {
    await embedded.close();
    await folder.remove();
  });

  async function front(options: Partial<TlsFrontOptions> = {}): Promise<TlsFront> {
    const started = await startTlsFront({ port: embedded.port, certificate: server, ...options });
    closing.push(() => started.close());
    return started;
  }

  async function store(port: number, tls: ArchiveTls, { host = '127.0.0.1', confirm = true } = {}): Promise<Outcome | undefined> {
    const url = embedded.url.replace(/^http:\/\/[^/]+/, `https://${host}:${String(port)}`);
    const archive = createArchive({ config: archiveSchema.parse({ url, tls, confirm }), source: { aet: 'CT1', site: 'test' } });
    closing.push(() => archive.close());
    studies += 1;
    const [outcome] = await archive.store([outgoing(`1.2.826.80.${String(studies)}`, 1)]);
    return outcome;
  }
  const arrived = (): number => embedded.faults.arrivals(`1.2.826.80.${String(studies)}.1.1`);

  describe('that shows a certificate', () => {
    it.each(['127.0.0.1', 'localhost'])('is trusted by the authority that archive.tls.ca names (%s)', async (host) => {
      const { port } = await front();
      expect(await store(port, { ca: hospital.ca }, { host })).toMatchObject({ kind: 'stored' });
    });

    it('is trusted by one of several authorities', async () => {
      const { port } = await front();
      expect(await store(port, { ca: ['default', stranger.ca, hospital.ca] })).toMatchObject({ kind: 'stored' });
    });

    it('has its authorities parsed once, whatever the number of connections', async () => {
      const { port, clients: connections } = await front();
      let parsed = 0;
      const ca = new Proxy([await readFile(hospital.ca, 'utf8')], {
        get(list, name, receiver): unknown {
          if (name === '0') parsed += 1;
          return Reflect.get(list, name, receiver);
        },
      });
      secureContextOf({ ca });
      const ofOne = parsed;
      const material = { ca };
      const tls = (): { ca: string[] } => material;
      const origin = `https://127.0.0.1:${String(port)}`;
      const clients = [openHttp(origin, { connections: 3, timeout: 10, tls }), openAnnouncer(origin, { timeout: 10, tls })];
      const ask = { method: 'GET', path: '/', headers: {}, maxBytes: 1e6 } as const;
      const [http, announcer] = clients;
      const answers = await Promise.all([http, http, http, announcer].map(async (client) => client?.request(ask)));
      for (const client of clients) await client.close();
      expect(answers).toMatchObject(answers.map(() => ({ kind: 'answered' })));
      expect(connections).toHaveLength(4);
      expect(parsed).toBe(2 * ofOne);
    });

    const never: [string, ArchiveTls | 'stranger', Partial<{ days: number; names: string }>, RegExp][] = [
      ['of an authority that only the hospital knows', {}, {}, /archive\.tls\.ca/],
      ['of another authority than archive.tls.ca', 'stranger', {}, /archive\.tls\.ca/],
      ['of another authority than the system has', { ca: 'system' }, {}, /archive\.tls\.ca/],
    ];
    it.each(never)('%s is not trusted, and nothing is sent', async (_, tls, __, advice) => {
      const { port } = await front();
      const outcome = await store(port, tls === 'stranger' ? { ca: stranger.ca } : tls);
      expect(outcome).toMatchObject({
        kind: 'retryable',
        code: 'TLS_UNTRUSTED',
        message: expect.stringMatching(advice) as string,
      });
      expect(arrived()).toBe(0);
    });

    it.each([
      ['that has expired', { days: -1 }, /expired/],
      ['for another host', { names: 'DNS:elsewhere.example' }, /another host name/],
    ])('%s is not trusted, and nothing is sent', async (_, changes, advice) => {
      const certificate = await hospital.issue(`unsound-${String(studies)}`, { usage: 'serverAuth', ...changes });
      const { port } = await front({ certificate });
      const outcome = await store(port, { ca: hospital.ca });
      expect(outcome).toMatchObject({
        kind: 'retryable',
        code: 'TLS_UNTRUSTED',
        message: expect.stringMatching(advice) as string,
      });
      expect(arrived()).toBe(0);
    });

    it('where no TLS is spoken: said so', async () => {
      expect(await store(embedded.port, { ca: hospital.ca })).toMatchObject({
        kind: 'retryable',
        code: 'ARCHIVE_UNAVAILABLE',
        message: expect.stringMatching(/no TLS/) as string,
      });
    });
  });

  it.each([
    ['is not shown to a worklist on another server', {}, []],
    ['is shown to one where that is set', { auth: 'archive' }, ['storestow']],
  ] as const)('its client certificate %s, whose certificate is trusted by archive.tls.ca', async (_name, auth, shown) => {
    const { port, clients } = await front({ clientAuthority: hospital.ca });
    const url = embedded.url.replace(/^http:\/\/[^/]+/, `https://127.0.0.1:${String(port)}`).replace('{aet}', 'WORKLIST');
    const archive = archiveSchema.parse({ url: 'https://archive.example/rs/studies', tls: { ...own, ca: hospital.ca } });
    const connection = openWorklistConnection({ url: url.replace(/studies$/, 'mwlitems'), ...auth }, archive);
    closing.push(() => connection.close());
    const result = await connection.http.request({ method: 'GET', path: new URL(url).pathname, headers: {}, maxBytes: 1e6 });
    expect(result.kind).toBe(shown.length > 0 ? 'answered' : 'failed');
    if (result.kind === 'failed') expect(result.cause).toMatchObject({ code: 'TLS_REFUSED' });
    expect(clients).toEqual(shown);
  });

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('that demands a client certificate (%s)', (maxVersion) => {
    it('takes the one of archive.tls.cert', async () => {
      const { port, clients } = await front({ clientAuthority: hospital.ca, maxVersion });
      expect(await store(port, { ca: hospital.ca, ...own })).toMatchObject({ kind: 'stored' });
      expect(new Set(clients)).toEqual(new Set(['storestow']));
    });

    it.each([true, false])('refuses a client without one, which is told what to set (asked first: %s)', async (confirm) => {
      const { port } = await front({ clientAuthority: hospital.ca, maxVersion });
      expect(await store(port, { ca: hospital.ca }, { confirm })).toMatchObject({
        kind: 'retryable',
        code: 'TLS_REFUSED',
        message: expect.stringMatching(/archive\.tls\.cert/) as string,
      });
      expect(arrived()).toBe(0);
    });

    it('refuses one of another authority, even where it says nothing; nothing arrives, nothing is quarantined', async () => {
      const { port, clients } = await front({ clientAuthority: hospital.ca, maxVersion });
      const other = await stranger.issue('storestow', { usage: 'clientAuth' });
      expect(await store(port, { ca: hospital.ca, ...other })).toMatchObject({ kind: 'retryable' });
      expect(arrived()).toBe(0);
      expect(clients).toEqual([]);
    });
  });

  it('shows the client certificate that was renewed while it ran', async () => {
    const proxy = await front({ clientAuthority: hospital.ca });
    const renewed = await hospital.issue('renewed', { usage: 'clientAuth' });
    const files = { cert: join(folder.path, 'own.pem'), key: join(folder.path, 'own.key') };
    await copyFile(own.cert, files.cert);
    await copyFile(own.key, files.key);
    const config = archiveSchema.parse({
      url: embedded.url.replace(/^http:\/\/[^/]+/, `https://127.0.0.1:${String(proxy.port)}`),
      tls: { ca: hospital.ca, ...files },
    });
    const connection = openConnection(config);
    closing.push(() => connection.close());
    const shown = async (): Promise<string | undefined> => {
      proxy.disconnect();
      for (const client of [connection.http, connection.announcer]) {
        expect(await client.request({ method: 'GET', path: '/', headers: {}, maxBytes: 1e6 })).toMatchObject({
          kind: 'answered',
        });
      }
      const [last, before] = proxy.clients.toReversed();
      return last === before ? last : undefined;
    };
    expect(await shown()).toBe('storestow');
    await copyFile(renewed.cert, files.cert);
    await copyFile(renewed.key, files.key);
    await waitUntil('the renewed one is shown', async () => (await shown()) === 'renewed', { interval: 50 });
  });

  it.each(['passphrase', 'passphraseFile'] as const)('takes a key that is encrypted, by its %s', async (setting) => {
    const { port } = await front({ clientAuthority: hospital.ca });
    const encrypted = await hospital.issue('encrypted', { usage: 'clientAuth', passphrase: PASSPHRASE });
    const file = join(folder.path, 'passphrase');
    await writeFile(file, `${PASSPHRASE}\n`);
    const value = setting === 'passphrase' ? PASSPHRASE : file;
    expect(await store(port, { ca: hospital.ca, ...encrypted, [setting]: value })).toMatchObject({ kind: 'stored' });
  });

  describe('of OpenSSL, which says why it refuses a client certificate', () => {
    /** Resolves when it listens. */
    async function opensslServer(): Promise<number> {
      const port = await freePort();
      const demands = ['-CAfile', hospital.ca, '-Verify', '1', '-verify_return_error'];
      const child = spawn(
        'openssl',
        ['s_server', '-accept', `127.0.0.1:${String(port)}`, ...demands, '-cert', server.cert, '-key', server.key, '-www'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      closing.push(async () => child.kill());
      await waitUntil('openssl s_server accepts', () => output.includes('ACCEPT'), { interval: 20 });
      return port;
    }

    it.each([
      ['none', undefined, /wants a client certificate/],
      ['one of another authority', { by: 'stranger', days: 30 }, /does not trust that certificate's authority/],
      ['an expired one', { by: 'hospital', days: -1 }, /expired/],
    ] as const)('%s: the reason is told', async (_, given, advice) => {
      const port = await opensslServer();
      const authority = given?.by === 'stranger' ? stranger : hospital;
      const client = given === undefined ? {} : await authority.issue('refused', { usage: 'clientAuth', days: given.days });
      expect(await store(port, { ca: hospital.ca, ...client })).toMatchObject({
        kind: 'retryable',
        code: 'TLS_REFUSED',
        message: expect.stringMatching(advice) as string,
      });
    });
  });

  describe('with files that will not do', () => {
    const absent = '/nowhere/x.pem';
    it.each<[string, () => Promise<ArchiveTls>, RegExp]>([
      ['an authority that is not there', async () => ({ ca: absent }), /cannot read \/nowhere/],
      ['an authority that is no certificate', async () => ({ ca: own.key }), /no certificate in PEM/],
      ['a certificate that is not there', async () => ({ ...own, cert: absent }), /archive\.tls\.cert/],
      ['a certificate that is a key', async () => ({ ...own, cert: own.key }), /no certificate in PEM/],
      ['a key that is not there', async () => ({ ...own, key: absent }), /archive\.tls\.key/],
      ['a key that is a certificate', async () => ({ ...own, key: own.cert }), /no private key/],
      ['the key of another certificate', async () => ({ ...own, key: server.key }), /not the key of/],
      [
        'a pass phrase that is missing',
        async () => hospital.issue('locked', { usage: 'clientAuth', passphrase: PASSPHRASE }),
        /pass phrase/,
      ],
      [
        'another pass phrase',
        async () => ({
          ...(await hospital.issue('locked', { usage: 'clientAuth', passphrase: PASSPHRASE })),
          passphrase: 'wrong one',
        }),
        /pass phrase/,
      ],
      [
        'a pass phrase file that is empty',
        async () => {
          const passphraseFile = join(folder.path, 'empty');
          await writeFile(passphraseFile, '\n');
          return { ...own, passphraseFile };
        },
        /passphraseFile is empty/,
      ],
      ['a key too short for OpenSSL', async () => hospital.issue('short', { usage: 'clientAuth', rsa: 1024 }), /too short/],
      ['a pass phrase file that is not there', async () => ({ ...own, passphraseFile: absent }), /passphraseFile/],
      [
        'a damaged certificate',
        async () => {
          const cert = join(folder.path, 'damaged.pem');
          await writeFile(cert, '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n');
          return { ...own, cert };
        },
        /cannot be read/,
      ],
    ])('%s: said at the start', async (_, tls, advice) => {
      await expect(store(1, await tls())).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(advice) as string,
      });
    });
  });
});
