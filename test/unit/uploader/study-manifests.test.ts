import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readManifests, type Manifest } from '../../../core/audit/manifest.ts';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { retry } from '../../../core/retry.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { objectKey } from '../../../core/store/object-key.ts';
import type { ObjectStore, PutOptions, ObjectBody } from '../../../core/store/object-store.ts';
import { RoundManifests, type UploadedObject } from '../../../local-uploader/upload/study-manifests.ts';
import type { Tries } from '../../../local-uploader/upload/upload-file.ts';
import type { UploadReport } from '../../../local-uploader/upload/upload-report.ts';
import { uploadStudy, type UploadOptions } from '../../../local-uploader/upload/upload-study.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const RETRIES = { retries: 2, firstDelay: 1, maxDelay: 2 };
const tries: Tries = (work) => retry(work, RETRIES);
const HOUR_AGO = new Date(Math.floor(Date.now() / 1000 - 3600) * 1000);

async function manifests(store: ObjectStore, study: string): Promise<readonly Manifest[]> {
  const found = await Array.fromAsync(readManifests(store, study));
  for (const each of found) if (each instanceof StorestowError) throw each;
  return found as readonly Manifest[];
}

/** The store, with what is done before a PUT below `manifests/`. */
function before(store: ObjectStore, look: () => Promise<void>): ObjectStore {
  return Object.assign(Object.create(store) as ObjectStore, {
    description: store.description,
    async put(key: string, body: ObjectBody, options?: PutOptions) {
      if (key.startsWith('manifests/')) await look();
      return store.put(key, body, options);
    },
    head: (key: string) => store.head(key),
  });
}

describe('the manifests of an upload', () => {
  let folder: TemporaryFolder;
  let memory: ObjectStore;
  beforeEach(async () => {
    folder = await temporaryFolder('manifests');
    memory = createMemoryStore();
  });
  afterEach(() => folder.remove());

  const at = (...names: string[]): string => join(folder.path, ...names);

  async function lay(path: string, image: Parameters<typeof buildImage>[0]): Promise<void> {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), buildImage(image));
    await utimes(at(path), HOUR_AGO, HOUR_AGO);
  }

  async function upload(store: ObjectStore, options: Partial<UploadOptions> = {}): Promise<UploadReport> {
    return uploadStudy(
      at('study'),
      { store, log: createLog({ level: 'silent' }), now: () => new Date() },
      {
        site: 'north',
        callingIP: '10.0.0.7',
        after: 'remove',
        concurrency: 4,
        settle: 0,
        patience: 0,
        retries: RETRIES,
        ...options,
      },
    );
  }

  const left = async (): Promise<string[]> => ((await readdir(at())).includes('study') ? readdir(at('study')) : []);

  it('name each object once, by study and sender, and no patient', async () => {
    await lay('study/1', { studyUID: '1.1', sopUID: '1.1.1', callingAET: 'CT1' });
    await lay('study/2', { studyUID: '1.1', sopUID: '1.1.2', callingAET: 'CT1' });
    await lay('study/3', { studyUID: '1.1', sopUID: '1.1.3', callingAET: 'CT2' });
    await lay('study/4', { studyUID: '1.2', sopUID: '1.2.1', callingAET: 'CT1' });
    await writeFile(at('study', 'notes.txt'), 'not DICOM');
    await upload(memory);
    const one = await manifests(memory, '1.1');
    expect(
      one.map(({ callingAET, callingIP, site, instances }) => [callingAET, callingIP, site, instances.length]).toSorted(),
    ).toEqual([
      ['CT1', '10.0.0.7', 'north', 2],
      ['CT2', '10.0.0.7', 'north', 1],
    ]);
    expect((await manifests(memory, '1.2')).flatMap(({ instances }) => instances)).toHaveLength(1);
    for (const { instances } of one) {
      for (const { key, size, sha256, receivedAt } of instances) {
        expect(await memory.head(key)).toMatchObject({ size, sha256 });
        expect(receivedAt).toBe(HOUR_AGO.toISOString());
      }
    }
    for await (const { key } of memory.list({ prefix: 'manifests/' })) {
      expect(Buffer.from(await (await memory.get(key)).bytes()).toString()).not.toMatch(/Test\^Patient|TEST-1/);
    }
  });

  it('are in the bucket before a file goes, and after its object came', async () => {
    await lay('study/1', { sopUID: '1.1.1' });
    await lay('study/2', { sopUID: '1.1.2' });
    const seen: { files: number; objects: number }[] = [];
    const store = before(memory, async () => {
      const objects = await Array.fromAsync(memory.list({ prefix: 'incoming/' }));
      seen.push({ files: (await left()).length, objects: objects.length });
    });
    await upload(store);
    expect(seen).toEqual([{ files: 2, objects: 2 }]);
    expect(await left()).toEqual([]);
  });

  it.each([true, false])('do not keep a file while others of its round are still to be sent (manifests: %j)', async (written) => {
    for (let number = 1; number <= 6; number++)
      await lay(`study/${number}`, { studyUID: `1.${number}`, sopUID: `1.${number}.1` });
    const third = Promise.withResolvers<void>();
    let puts = 0;
    const store = Object.assign(Object.create(memory) as ObjectStore, {
      async put(key: string, body: ObjectBody, options?: PutOptions) {
        if (key.startsWith('incoming/') && (puts += 1) === 3) await third.promise;
        return memory.put(key, body, options);
      },
      head: (key: string) => memory.head(key),
    });
    const uploading = upload(store, { concurrency: 1, manifests: written, manifestsGather: 1 });
    await expect.poll(left).toHaveLength(4);
    third.resolve();
    await uploading;
    expect(await left()).toEqual([]);
  });

  it('that cannot be written keep the files, for the next run, which writes them once', async () => {
    await lay('study/1', { studyUID: '1.1', sopUID: '1.1.1' });
    let fails = true;
    const store = before(memory, async () => {
      if (fails) throw new StorestowError('STORE_UNAVAILABLE', 'as the test wants it');
    });
    expect((await upload(store)).files).toMatchObject([{ outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true }]);
    expect(await left()).toEqual(['1']);
    fails = false;
    expect((await upload(store)).files).toMatchObject([{ outcome: 'present', after: 'removed' }]);
    expect(await left()).toEqual([]);
    expect(await manifests(memory, '1.1')).toHaveLength(1);
  });

  it('are the same object when the same files are uploaded again', async () => {
    await lay('study/1', { studyUID: '1.1', sopUID: '1.1.1' });
    for (let run = 0; run < 3; run++) expect((await upload(memory, { after: 'keep' })).files).toMatchObject([{ after: 'kept' }]);
    expect(await manifests(memory, '1.1')).toHaveLength(1);
  });

  it('are not written where they are not wanted', async () => {
    await lay('study/1', { sopUID: '1.1.1' });
    await upload(memory, { manifests: false });
    expect(await Array.fromAsync(memory.list({ prefix: 'manifests/' }))).toEqual([]);
    expect(await left()).toEqual([]);
  });
});

describe('RoundManifests', () => {
  function object(number: number): UploadedObject {
    const parts = {
      site: 'north',
      callingAET: 'CT1',
      callingIP: '',
      studyInstanceUID: '1.1',
      seriesInstanceUID: '1.1.1',
      sopInstanceUID: `1.1.1.${number}`,
      digest: number.toString(16).padStart(12, '0'),
    };
    const sha256 = parts.digest.padEnd(64, '0');
    return { parts, key: objectKey(parts), size: 1, sha256, receivedAt: HOUR_AGO.toISOString() };
  }

  it('splits 20,000 instances of a study, each part written as soon as it is full', async () => {
    const store = createMemoryStore();
    const round = new RoundManifests({ store, tries, files: 20_000 });
    const first = Array.from({ length: 1000 }, (_, index) => round.add(object(index)));
    // The others of the round are still under way.
    await Promise.all(first);
    await Promise.all(Array.from({ length: 19_000 }, (_, index) => round.add(object(1000 + index))));
    const found = await manifests(store, '1.1');
    expect(found).toHaveLength(20);
    expect(new Set(found.flatMap(({ instances }) => instances.map(({ key }) => key))).size).toBe(20_000);
    for await (const { size } of store.list({ prefix: 'manifests/' })) expect(size).toBeLessThan(500_000);
  });

  it('does not wait for ever for a file that takes long', async () => {
    const store = createMemoryStore();
    const round = new RoundManifests({ store, tries, files: 2, gather: 5 });
    await round.add(object(1));
    expect(await manifests(store, '1.1')).toHaveLength(1);
    await round.add(object(2));
    expect(await manifests(store, '1.1')).toHaveLength(2);
  });

  it('waits for all that are under way, and not for those that were passed', async () => {
    const store = createMemoryStore();
    const round = new RoundManifests({ store, tries, files: 3 });
    const added = [round.add(object(1)), round.add(object(2))];
    await new Promise(setImmediate);
    expect(await manifests(store, '1.1')).toEqual([]);
    round.passed();
    await Promise.all(added);
    expect((await manifests(store, '1.1')).map(({ instances }) => instances.length)).toEqual([2]);
  });
});
