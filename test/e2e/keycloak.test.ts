/** Storing with tokens of a real Keycloak that live three seconds, for a minute, and through an outage of it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../cli/exit-code.ts';
import { archiveSchema, type ArchiveConfig } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import type { Archive, OutgoingInstance, Outcome } from '../../core/stow/outcome.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { outgoing } from '../contract/archive-instances.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { keycloakAvailable, startKeycloak, type Keycloak } from '../support/keycloak.ts';
import { requirePeer } from '../support/peers.ts';
import { startResourceServer, type ResourceServer } from '../support/resource-server.ts';
import { startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const CLIENT = { clientId: 'storestow', clientSecret: 's: e+c%r&e=t ß' };
const TOKEN_LIFE = 3;
/** Milliseconds between two instances: the test waits for tokens to end, it does not measure speed. */
const PACE = 250;
const INSTANCES_A_STUDY = 8;

describe.skipIf(requirePeer('Keycloak', keycloakAvailable()))('an archive behind Keycloak', () => {
  let folder: TemporaryFolder;
  let keycloak: Keycloak;
  let embedded: EmbeddedArchive;
  let resource: ResourceServer;
  let config: ArchiveConfig;
  const open: Archive[] = [];
  let made = 0;
  let ingest: Awaited<ReturnType<typeof startIngest>> | undefined;

  beforeAll(async () => {
    folder = await temporaryFolder('keycloak-archive');
    keycloak = await startKeycloak({ ...CLIENT, tokenLife: TOKEN_LIFE });
    embedded = await startEmbeddedArchive({ folder: folder.path });
    resource = await startResourceServer({ archiveUrl: embedded.url, ...keycloak });
    config = archiveSchema.parse({ url: resource.url, auth: { kind: 'oauth2', tokenUrl: keycloak.tokenUrl, ...CLIENT } });
  });
  afterAll(async () => {
    await ingest?.up.stop();
    await Promise.all(open.map((archive) => archive.close()));
    await resource?.close();
    await embedded?.close();
    await keycloak?.close();
    await folder.remove();
  });

  function client(changes: Partial<ArchiveConfig> = {}): Archive {
    const archive = createArchive({ config: { ...config, ...changes }, source: { aet: 'CT1', site: 'test' } });
    open.push(archive);
    return archive;
  }

  const nextInstance = (): OutgoingInstance => {
    made += 1;
    return outgoing(`1.2.826.79.${String(Math.ceil(made / INSTANCES_A_STUDY))}`, made);
  };

  /** One instance at each beat until `until` resolves; what became of each at its first try. */
  async function storeAtPace(archive: Archive, until: Promise<unknown>): Promise<ReadonlyMap<OutgoingInstance, Outcome>> {
    const outcomes = new Map<OutgoingInstance, Outcome>();
    const storing: Promise<void>[] = [];
    let done = false;
    const ended = until.finally(() => (done = true));
    while (!done) {
      const instance = nextInstance();
      storing.push(archive.store([instance]).then(([outcome]) => void outcomes.set(instance, outcome as Outcome)));
      await Promise.race([ended, sleep(PACE)]);
    }
    await ended;
    await Promise.all(storing);
    return outcomes;
  }

  const failures = (outcomes: ReadonlyMap<OutgoingInstance, Outcome>): Outcome[] =>
    [...outcomes.values()].filter(({ kind }) => kind !== 'stored');

  /** A whole storestow that begins while there is no Keycloak. */
  async function startIngest(): Promise<{ readonly study: CtStudy; readonly up: RunningStorestow }> {
    const study = await writeCtStudy(join(folder.path, 'study'), 6);
    const file = join(folder.path, 'storestow.json');
    await writeFile(file, JSON.stringify({ archive: { url: resource.url, auth: config.auth } }));
    const up = startStorestow(['up', join(folder.path, 'study'), '--data', join(folder.path, 'data'), '--config', file]);
    return { study, up };
  }

  async function outage(): Promise<void> {
    await keycloak.stop();
    ingest = await startIngest();
    await sleep(10_000);
    await keycloak.start();
  }

  it(
    'stores for a minute with tokens of three seconds, and loses nothing by an outage of Keycloak in the middle',
    async () => {
      const archive = client();
      const before = await storeAtPace(archive, sleep(30_000));
      expect(failures(before)).toEqual([]);

      const during = await storeAtPace(archive, outage());
      const missed = failures(during);
      expect(missed.filter(({ kind }) => kind !== 'retryable')).toEqual([]);
      // Of one that was sent just before, the archive could not be asked any more.
      const codes = new Set(missed.map((outcome) => ('code' in outcome ? outcome.code : '')));
      expect(codes).toContain('TOKEN_UNAVAILABLE');
      expect([...codes].filter((code) => code !== 'TOKEN_UNAVAILABLE' && code !== 'ARCHIVE_AMBIGUOUS')).toEqual([]);

      const after = await storeAtPace(archive, sleep(30_000));
      expect(failures(after)).toEqual([]);
      for (const [instance, { kind }] of during) {
        if (kind !== 'stored') expect(await archive.store([instance])).toMatchObject([{ kind: 'stored' }]);
      }
      const { study, up } = ingest as NonNullable<typeof ingest>;
      const { code, stdout, stderr } = await up.finished;
      expect(code, `${stdout}${stderr}`).toBe(EXIT.done);
      expect(`${stdout}${stderr}`).toContain('TOKEN_UNAVAILABLE');
      expect(study.sopInstanceUIDs.map((uid) => embedded.faults.arrivals(uid))).toEqual(study.sopInstanceUIDs.map(() => 1));
      expect(`${stdout}${stderr}`).not.toContain(CLIENT.clientSecret);

      const all = [...before.keys(), ...during.keys(), ...after.keys()];
      expect(all.map(({ sopInstanceUID }) => embedded.faults.arrivals(sopInstanceUID))).toEqual(all.map(() => 1));
      // A token serves for less than its life, so that many there must have been at least.
      expect(resource.tokens.size).toBeGreaterThanOrEqual(60 / TOKEN_LIFE);
    },
    10 * 60_000,
  );

  it('takes the secret in the body, too', async () => {
    const auth = { ...config.auth, clientAuthentication: 'post' } as ArchiveConfig['auth'];
    expect(await client({ auth }).store([nextInstance()])).toMatchObject([{ kind: 'stored' }]);
  });

  it.each([
    ['a wrong secret', { clientSecret: 'other' }, 'ARCHIVE_UNAUTHORIZED'],
    ['a realm that is not there', { tokenUrl: 'http://HOST/realms/other/protocol/openid-connect/token' }, 'TOKEN_UNAVAILABLE'],
  ])('gives no token for %s, and nothing is quarantined for that', async (_, changes, code) => {
    const tokenUrl = ('tokenUrl' in changes ? changes.tokenUrl : keycloak.tokenUrl).replace(
      'HOST',
      new URL(keycloak.issuer).host,
    );
    const auth = { ...config.auth, ...changes, tokenUrl } as ArchiveConfig['auth'];
    expect(await client({ auth }).store([nextInstance()])).toMatchObject([{ kind: 'retryable', code }]);
  });

  it('refuses a token that is not of this Keycloak', async () => {
    const auth: ArchiveConfig['auth'] = { kind: 'bearer', token: 'eyJhbGciOiJub25lIn0.e30.' };
    expect(await client({ auth }).store([nextInstance()])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_UNAUTHORIZED' }]);
  });
});
