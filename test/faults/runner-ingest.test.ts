import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveSchema } from '../../core/config/schema.ts';
import { createLog } from '../../core/logging.ts';
import { DATABASE_NAME } from '../../core/store/bucket-database.ts';
import { objectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { openStore } from '../../core/store/open-store.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';
import { FunctionRunner, INGEST_HANDLER, type FunctionResult } from '../../local-cloud/function-runner.ts';
import { buildImage } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const STUDY = '1.2.826.0.1.3680043.10.1.1';

describe('the ingest function in its process, from the embedded bucket to the embedded archive', () => {
  let folder: TemporaryFolder;
  let store: ObjectStore;
  let archive: EmbeddedArchive;
  let queue: ArrivalsQueue;
  let runner: FunctionRunner;
  let results: FunctionResult[];

  beforeEach(async () => {
    folder = await temporaryFolder('runner-ingest');
    const bucket = { kind: 'folder' as const, path: join(folder.path, 'bucket') };
    store = await openStore(bucket);
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
    queue = new ArrivalsQueue({ path: join(bucket.path, DATABASE_NAME), firstDelay: 10 });
    results = [];
    runner = new FunctionRunner({
      queue,
      handler: INGEST_HANDLER,
      env: {
        STORESTOW_CONFIG: JSON.stringify({ bucket, archive: { url: archive.url, timeout: 3 } }),
        STORESTOW_LOG_LEVEL: 'warn',
      },
      bucket: 'folder',
      log: createLog({ level: 'silent' }),
      onResult: (result) => results.push(result),
    });
  });
  afterEach(async () => {
    await runner.stop({ grace: 0 });
    queue.close();
    await archive.close();
    await store.close();
    await folder.remove();
  });

  async function arrive(count: number, from = 0): Promise<readonly string[]> {
    const sops = Array.from({ length: count }, (_, index) => `1.2.826.0.1.3680043.10.1.3.${from + index + 1}`);
    for (const sopUID of sops) {
      const file = buildImage({ sopUID, rows: 128, columns: 128, callingAET: 'CT1' });
      const sha256 = createHash('sha256').update(file).digest('hex');
      const key = objectKey({
        site: 'default',
        callingAET: 'CT1',
        callingIP: '10.0.0.7',
        studyInstanceUID: STUDY,
        seriesInstanceUID: '1.2.826.0.1.3680043.10.1.2',
        sopInstanceUID: sopUID,
        digest: sha256,
      });
      await store.put(key, file, { metadata: { 'calling-aet': 'CT1', 'calling-ip': '10.0.0.7', site: 'default', sha256 } });
    }
    return sops;
  }
  async function statuses(): Promise<readonly (string | undefined)[]> {
    const tags: (string | undefined)[] = [];
    for await (const { key } of store.list({ prefix: 'incoming/' })) tags.push((await store.getTags(key))['status']);
    return tags;
  }
  async function archived(sops: readonly string[]): Promise<readonly string[]> {
    const client = createArchive({
      config: archiveSchema.parse({ url: archive.url }),
      source: { aet: 'CT1', site: 'default' },
    });
    const found = await client.find(STUDY, sops);
    await client.close();
    return [...found.keys()].sort();
  }

  it('stores a study, each object with its tags', async () => {
    const sops = await arrive(10);
    await runner.start();
    await runner.drained();
    expect(await statuses()).toEqual(Array<string>(10).fill('stowed'));
    expect(await archived(sops)).toEqual([...sops].sort());
    expect(results.every(({ state }) => state === 'stowed')).toBe(true);
    const rules: string[] = [];
    for await (const { key } of store.list({ prefix: 'rules/' })) rules.push(key);
    expect(rules).toHaveLength(1);
  });

  it('kill -9 in the middle: everything arrives', async () => {
    const sops = await arrive(60);
    await runner.start();
    const drained = runner.drained();
    await waitUntil('the first to be stowed', () => results.length > 0, { interval: 1 });
    const [pid] = runner.processes;
    expect(results.length).toBeLessThan(sops.length);
    process.kill(pid ?? 0, 'SIGKILL');
    await drained;
    expect(runner.processes).not.toContain(pid);
    expect(await statuses()).toEqual(Array<string>(60).fill('stowed'));
    expect(await archived(sops)).toEqual([...sops].sort());
  });
});
