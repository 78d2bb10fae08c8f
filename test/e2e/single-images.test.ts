/** Modalities that open an association for each image, twenty at once, through storescp and the resident uploader into MinIO. */
import { spawnSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifests } from '../../core/audit/manifest.ts';
import { StorestowError } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { openStore } from '../../core/store/open-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { originOf, sendEachAlone, writeModalityInstances } from '../support/modalities.ts';
import { requirePeer } from '../support/peers.ts';
import { startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const dcmtk = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);
const noMinio = requirePeer('MinIO', await minioAvailable());
const noDcmtk = requirePeer("DCMTK's storescp and storescu", dcmtk);

const AET = 'STORESTOW';

describe.skipIf(noMinio || noDcmtk)('one association an image', () => {
  let minio: TestMinio;
  let folder: TemporaryFolder;
  let receiver: RunningStorescp;
  let uploader: RunningStorestow;
  let store: ObjectStore;

  beforeAll(async () => {
    minio = await startTestMinio();
    store = await openStore(minio.bucket);
    folder = await temporaryFolder('single-images');
    receiver = await startStorescp({ port: 0, aet: AET, spool: spool(), log: createLog({ level: 'silent' }) });
    const config = join(folder.path, 'config.json');
    await writeFile(config, JSON.stringify({ site: 'edge', bucket: minio.bucket }));
    uploader = startStorestow(['upload', '--watch', '--spool', spool(), '--config', config]);
  });
  afterAll(async () => {
    await uploader.stop();
    await receiver.close();
    await store.close();
    await minio.close();
    await folder.remove();
  });

  const spool = (...names: string[]): string => join(folder.path, 'spool', ...names);

  async function inSpool(): Promise<readonly string[]> {
    const entries = await readdir(spool(), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.filter((path) => !path.startsWith(spool('.storestow')));
  }

  it('all come to the bucket under their keys, each is in a manifest, and nothing stays in the spool', async () => {
    const sent = await writeModalityInstances(join(folder.path, 'send'), { instances: 300, studies: 30, modalities: 20 });
    await sendEachAlone(sent, receiver.port, AET);
    const objects = await waitUntil('all in the bucket', async () => {
      const found = await Array.fromAsync(store.list({ prefix: 'incoming/edge/' }));
      return found.length >= sent.length && found;
    });
    await waitUntil('the spool is empty', async () => (await inSpool()).length === 0);
    const parts = objects.map(({ key }) => parseObjectKey(key));
    expect(parts.map((found) => found && originOf(found)).toSorted()).toEqual(sent.map(originOf).toSorted());
    expect(new Set(parts.map((found) => found?.callingIP))).toEqual(new Set(['127.0.0.1']));

    const named: string[] = [];
    let manifests = 0;
    for (const study of new Set(sent.map(({ studyInstanceUID }) => studyInstanceUID))) {
      for await (const manifest of readManifests(store, study)) {
        if (manifest instanceof StorestowError) throw manifest;
        manifests += 1;
        named.push(...manifest.instances.map(({ key }) => key));
      }
    }
    expect(named.toSorted()).toEqual(objects.map(({ key }) => key).toSorted());
    expect(manifests).toBeLessThan(sent.length);
    const { code, stderr } = await uploader.stop();
    expect([code, stderr]).toEqual([0, '']);
  });
});
