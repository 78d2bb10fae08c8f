/**
 * A bucket in trouble: MinIO behind a proxy that refuses, is silent, cuts, answers with errors. Files stay in the spool, the exit code says
 * that trying again can help, and when the trouble is over all are in the bucket once; what was cut is never seen half.
 */
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { createS3Client } from '../../core/store/s3-client.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { openS3Store } from '../../core/store/s3-store.ts';
import { uploadExitCode, type UploadReport } from '../../local-uploader/upload/upload-report.ts';
import { uploadStudy } from '../../local-uploader/upload/upload-study.ts';
import { Random } from '../fuzz/random.ts';
import { startFaultyProxy, type Fault, type FaultyProxy, type ProxiedRequest } from '../support/faulty-proxy.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { expectAllArrived, expectFiles, expectNothingLost, layInstances, type LaidSpool } from './laid-spool.ts';
import type { UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const PATHS = ['study/a', 'study/b', 'study/c'];
const HOUR = 3_600_000;
const SEED = 20_261_126;

const skip = requirePeer('MinIO', await minioAvailable());

const isInstance = ({ method, url }: ProxiedRequest): boolean => method === 'PUT' && url.includes('/incoming/');
const isManifest = ({ method, url }: ProxiedRequest): boolean => method === 'PUT' && url.includes('/manifests/');
const isHead = ({ method }: ProxiedRequest): boolean => method === 'HEAD';

/** One spool and its way to the bucket; many of them at once. */
interface Scene {
  readonly laid: LaidSpool;
  /** What happens to requests that concern this spool. */
  fault: (request: ProxiedRequest) => Fault | undefined;
  /** Whether it gives a request up after a second without a byte. */
  impatient: boolean;
  /** Of those, the ones to which something happened. */
  faulted(): number;
  /** In a process of its own, which goes through the proxy. */
  start(plan?: Partial<UploaderPlan>, after?: 'keep'): ChildProcess;
  /** The same, to its end: the exit code, and the codes of the files. */
  upload(plan?: Partial<UploaderPlan>, after?: 'keep'): Promise<{ code: number; codes: (string | undefined)[] }>;
  visible(): Promise<string[]>;
  /** Keys of uploads in parts that were neither completed nor given up. */
  unfinished(): Promise<(string | undefined)[]>;
  /** Without any fault all goes, and everything is as it should be. */
  expectAllWell(): Promise<void>;
}

describe.skipIf(skip)('a bucket in trouble', () => {
  let minio: TestMinio;
  let store: ObjectStore;
  let proxy: FaultyProxy;
  let folder: TemporaryFolder;
  const scenes = new Map<string, Scene>();
  let number = 0;

  beforeAll(async () => {
    folder = await temporaryFolder('bucket-faults');
    minio = await startTestMinio({ multipartThreshold: 5 * 1024 * 1024 });
    store = openS3Store(minio.bucket);
    proxy = await startFaultyProxy(minio.endpoint);
    proxy.faultOf = (request) => scenes.get(siteOf(request))?.fault(request);
  });
  afterAll(async () => {
    await proxy.stop();
    await store.close();
    await minio.close();
    await folder.remove();
  });

  async function begin(paths: readonly string[] = PATHS, side = 64, through: FaultyProxy = proxy): Promise<Scene> {
    number += 1;
    const site = `bucket-${number}`;
    const image = { rows: side, columns: side };
    const laid = await layInstances(join(folder.path, site), { site, paths, image });
    const study = join(laid.folder, 'study');
    const start: Scene['start'] = (plan = {}, after) => {
      const whole: UploaderPlan = {
        bucket: { ...minio.bucket, endpoint: through.origin, ...(scene.impatient ? { timeout: 1 } : {}) },
        uploads: [{ kind: 'study', folder: study, site, ...(after === undefined ? {} : { after }) }],
        retries: { retries: 1, firstDelay: 20, maxDelay: 20 },
        ...plan,
      };
      return spawn(process.execPath, [UPLOADER, JSON.stringify(whole)], { stdio: ['ignore', 'pipe', 'inherit'] });
    };
    const scene: Scene = {
      laid,
      fault: () => undefined,
      impatient: false,
      faulted: () => through.faulted.filter((request) => siteOf(request) === site).length,
      start,
      async upload(plan, after) {
        const child = start(plan, after);
        let stdout = '';
        child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
        const [code] = (await once(child, 'close')) as [number];
        const reports = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as UploadReport[];
        return { code, codes: [...new Set(reports.flatMap(({ files }) => files.map((file) => file.code)))] };
      },
      async visible() {
        const keys: string[] = [];
        for await (const { key } of store.list({ prefix: `incoming/${site}/` })) keys.push(key);
        return keys;
      },
      async unfinished() {
        const client = createS3Client(minio.bucket);
        const list = (Prefix: string) => client.send(new ListMultipartUploadsCommand({ Bucket: minio.bucket.bucket, Prefix }));
        const found = await Promise.all(laid.instances.map(({ key }) => list(key)));
        client.destroy();
        return found.flatMap(({ Uploads = [] }) => Uploads.map(({ Key }) => Key));
      },
      async expectAllWell() {
        scene.fault = () => undefined;
        const ports = { store, log: createLog({ level: 'silent' }), now: () => new Date() };
        await mkdir(join(laid.folder, '.storestow'), { recursive: true });
        const report = await uploadStudy(study, ports, { site, after: 'remove', concurrency: 2, settle: 0 });
        expect(uploadExitCode([report])).toBe(0);
        await expectAllArrived(laid, store);
        await expectFiles(laid.folder, []);
        expect(await scene.unfinished()).toEqual([]);
      },
    };
    scenes.set(site, scene);
    return scene;
  }

  it.concurrent('nobody listens: 75, and all is there when somebody does', async () => {
    const own = await startFaultyProxy(minio.endpoint);
    await own.stop();
    const scene = await begin(PATHS, 64, own);
    expect(await scene.upload()).toEqual({ code: 75, codes: ['STORE_UNAVAILABLE'] });
    await expectNothingLost(scene.laid, store);
    expect(await scene.visible()).toEqual([]);
    await own.start();
    expect((await scene.upload()).code).toBe(0);
    await own.stop();
    await scene.expectAllWell();
  });

  it.concurrent.each<
    readonly [name: string, fault: Fault, where: (request: ProxiedRequest) => boolean, code: string, exit: number]
  >([
    ['says nothing', 'silent', isInstance, 'STORE_UNAVAILABLE', 75],
    ['cuts an instance', 'cut in the body', isInstance, 'STORE_UNAVAILABLE', 75],
    ['cuts a manifest', 'cut in the body', isManifest, 'STORE_UNAVAILABLE', 75],
    ['slows down', { status: 503, code: 'SlowDown' }, isInstance, 'STORE_UNAVAILABLE', 75],
    ['slows down with manifests', { status: 503, code: 'SlowDown' }, isManifest, 'STORE_UNAVAILABLE', 75],
    ['has failed', { status: 500, code: 'InternalError' }, isInstance, 'STORE_UNAVAILABLE', 75],
    ['is full', { status: 507, code: 'XMinioStorageFull' }, isInstance, 'STORE_FULL', 75],
    ['finds the clock wrong', { status: 403, code: 'RequestTimeTooSkewed' }, isInstance, 'STORE_CLOCK_WRONG', 75],
    ['refuses', { status: 403, code: 'AccessDenied' }, isInstance, 'STORE_DENIED', 1],
  ])('it %s: the files stay, and go when it is over', async (_, fault, where, code, exit) => {
    const scene = await begin();
    scene.fault = (request) => (where(request) ? fault : undefined);
    scene.impatient = fault === 'silent';
    expect(await scene.upload()).toEqual({ code: exit, codes: [code] });
    await expectNothingLost(scene.laid, store);
    await expectFiles(scene.laid.folder, scene.laid.instances);
    await scene.expectAllWell();
  });

  it.concurrent.each<readonly [name: string, fault: Fault]>([
    ['says nothing', 'silent'],
    ['cuts the answer', 'cut before the answer'],
    ['has failed', { status: 500, code: 'InternalError' }],
  ])('it has the files, and %s when it is asked for them: they stay until it has said so', async (_, fault) => {
    const scene = await begin();
    expect((await scene.upload({}, 'keep')).code).toBe(0);
    scene.fault = (request) => (isHead(request) ? fault : undefined);
    scene.impatient = fault === 'silent';
    expect(await scene.upload()).toEqual({ code: 75, codes: ['STORE_UNAVAILABLE'] });
    await expectFiles(scene.laid.folder, scene.laid.instances);
    await scene.expectAllWell();
  });

  it.concurrent.each<readonly [Fault, string, (request: ProxiedRequest) => boolean]>([
    ['cut before the answer', 'an instance', isInstance],
    ['cut in the answer', 'an instance', isInstance],
    ['cut before the answer', 'a manifest', isManifest],
    ['cut in the answer', 'a manifest', isManifest],
  ])('%s about %s: what is there is found by the try that follows', async (fault, _, where) => {
    const scene = await begin();
    scene.fault = (request) => (where(request) ? fault : undefined);
    expect([0, 75]).toContain((await scene.upload()).code);
    expect(scene.faulted()).toBeGreaterThan(0);
    await expectNothingLost(scene.laid, store);
    await scene.expectAllWell();
  });

  it.concurrent('it is slow, and not silent: all is taken', async () => {
    const scene = await begin();
    scene.fault = () => 'slow';
    expect((await scene.upload()).code).toBe(0);
    await scene.expectAllWell();
  });

  it.concurrent(
    'each third request has a fault, whichever: nothing is lost at any moment, and in the end all is there once',
    async () => {
      const random = new Random(SEED, 0);
      const faults: readonly Fault[] = [
        ...(['cut in the body', 'cut before the answer', 'cut in the answer', 'slow'] as const),
        ...[
          { status: 503, code: 'SlowDown' },
          { status: 500, code: 'InternalError' },
        ],
      ];
      const scene = await begin(Array.from({ length: 30 }, (_, index) => `study/${index}`));
      scene.fault = () => (random.chance(1 / 3) ? random.pick(faults) : undefined);
      for (let tries = 0; tries < 3; tries++) {
        if ((await scene.upload()).code === 0) break;
        await expectNothingLost(scene.laid, store);
      }
      expect(scene.faulted()).toBeGreaterThan(10);
      await scene.expectAllWell();
    },
  );

  describe('the clock', () => {
    it.concurrent.each([
      ['an hour ahead', HOUR],
      ['an hour behind', -HOUR],
    ])('is %s: the bucket takes the files, and they were received when they were', async (_, clockAhead) => {
      const scene = await begin();
      const received = new Date('2026-11-25T10:20:30.456Z');
      await setModified(scene.laid, received);
      expect(await scene.upload({ clockAhead })).toEqual({ code: 0, codes: [undefined] });
      await scene.expectAllWell();
      await expectReceived(scene.laid, received);
    });

    it.concurrent('was ahead when the files came: they do not wait for it', async () => {
      const scene = await begin();
      const ahead = new Date('2099-01-01T00:00:00.000Z');
      await setModified(scene.laid, ahead);
      await scene.expectAllWell();
      await expectReceived(scene.laid, ahead);
    });

    async function setModified({ folder: root, instances }: LaidSpool, time: Date): Promise<void> {
      for (const { path } of instances) await utimes(join(root, path), time, time);
    }

    async function expectReceived({ instances }: LaidSpool, time: Date): Promise<void> {
      for (const { key } of instances) expect((await store.head(key))?.metadata['received-at']).toBe(time.toISOString());
    }
  });

  describe('an instance in parts', () => {
    /** 18 MB in three parts, none of which is in memory at once with the others. */
    const beginLarge = (): Promise<Scene> => begin(['study/large'], 3000);
    const isPart =
      (number: number) =>
      ({ method, url }: ProxiedRequest): boolean =>
        method === 'PUT' && new URL(url, 'http://bucket').searchParams.get('partNumber') === String(number);
    const isBegin = ({ method, url }: ProxiedRequest): boolean => method === 'POST' && /[?&]uploads(=|&|$)/.test(url);
    const isEnd = ({ method, url }: ProxiedRequest): boolean => method === 'POST' && /[?&]uploadId=/.test(url);

    it.concurrent.each<readonly [name: string, fault: Fault, where: (request: ProxiedRequest) => boolean]>([
      ['is not begun', { status: 500, code: 'InternalError' }, isBegin],
      ...[1, 2, 3].map((number) => [`is cut in part ${number}`, 'cut in the body', isPart(number)] as const),
      ...[1, 2, 3].map((number) => [`has no answer to part ${number}`, 'cut before the answer', isPart(number)] as const),
      ['is refused at its end', { status: 503, code: 'SlowDown' }, isEnd],
      ['is cut at its end', 'cut in the body', isEnd],
    ])('%s: it is not seen until it is whole, and its parts are given up', async (_, fault, where) => {
      const scene = await beginLarge();
      scene.fault = (request) => (where(request) ? fault : undefined);
      expect(await scene.upload()).toEqual({ code: 75, codes: ['STORE_UNAVAILABLE'] });
      expect(await scene.visible()).toEqual([]);
      expect(await scene.unfinished()).toEqual([]);
      await expectNothingLost(scene.laid, store);
      await scene.expectAllWell();
    });

    it.concurrent('the answer to its end is lost: it is found whole', async () => {
      const scene = await beginLarge();
      scene.fault = (request) => (isEnd(request) ? 'cut before the answer' : undefined);
      expect((await scene.upload()).code).toBe(0);
      expect(scene.faulted()).toBeGreaterThan(0);
      await scene.expectAllWell();
    });

    it.concurrent('its uploader is killed: nothing is seen of it, and the next one sends it whole', async () => {
      const scene = await beginLarge();
      scene.fault = (request) => (isPart(3)(request) ? 'silent' : undefined);
      const child = scene.start();
      child.stdout?.resume();
      await waitUntil('the last part is under way', () => scene.faulted() > 0, { interval: 5 });
      child.kill('SIGKILL');
      await once(child, 'close');
      expect(await scene.visible()).toEqual([]);
      // Nobody is left who could give it up: MinIO does after a day, S3 by the bucket's rule (sst.config.ts).
      expect(await scene.unfinished()).toEqual(scene.laid.instances.map(({ key }) => key));
      scene.fault = () => undefined;
      expect((await scene.upload()).code).toBe(0);
      await expectAllArrived(scene.laid, store);
    });
  });
});

/** Of whose key the request is. */
function siteOf({ url }: ProxiedRequest): string {
  return /\/(?:incoming|manifests)\/(bucket-\d+)\//.exec(url)?.[1] ?? '';
}
