/** Days without the bucket, and a disk that is full meanwhile: real storescp, storescu and MinIO, the resident uploader as a process. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { openStore } from '../../core/store/open-store.ts';
import type { S3Config } from '../../core/store/s3-client.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { gatedPort, type GatedPort } from '../support/gated-port.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { requireLeave, requirePeer } from '../support/peers.ts';
import { canMount } from '../support/small-disk.ts';
import { runStorestow, startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const dcmtk = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);
const noMinio = requirePeer('MinIO', await minioAvailable());
const noDcmtk = requirePeer("DCMTK's storescp and storescu", dcmtk);

const CONCURRENCY = 4;
/**
 * For eleven images of 512 × 512 and a rest of 20 pages of 4 KiB. DCMTK 3.6.7 answers A700 where a write fails and more of the data set is to
 * come; where it fails with the last of it, storescp waits for more until the sender gives up. Either way nothing is acknowledged.
 */
const TMPFS_SIZE = 6_000_000;
/** About: the spool's folders, locks and journal have some of them. */
const TMPFS_INODES = 48;

interface Status {
  readonly waiting: { readonly instances: number };
  readonly failed: readonly unknown[];
  readonly reasons: Readonly<Record<string, number>>;
  readonly disk: { readonly freeBytes: number };
}

describe.skipIf(noMinio || noDcmtk)('without the bucket', () => {
  let minio: TestMinio;
  let folder: TemporaryFolder;
  let gate: GatedPort;
  let config: S3Config;
  let receiver: RunningStorescp | undefined;
  let uploader: RunningStorestow | undefined;
  let studies = 0;

  beforeAll(async () => {
    minio = await startTestMinio();
  });
  afterAll(() => minio.close());
  beforeEach(async () => {
    folder = await temporaryFolder('outage');
    await mkdir(spool());
    gate = await gatedPort(minio.endpoint);
    config = { ...minio.bucket, endpoint: gate.endpoint };
  });
  afterEach(async () => {
    await uploader?.stop();
    await receiver?.close();
    [uploader, receiver] = [undefined, undefined];
    await gate.shut();
    await folder.remove();
  });

  const spool = (...names: string[]): string => join(folder.path, 'spool', ...names);

  async function startAll(): Promise<number> {
    receiver = await startStorescp({ port: 0, aet: 'STORESTOW', spool: spool(), log: createLog({ level: 'silent' }) });
    const path = join(folder.path, 'config.json');
    const upload = { concurrency: CONCURRENCY, settle: 0, heartbeat: 1 };
    await writeFile(path, JSON.stringify({ site: 'edge', bucket: config, upload }));
    uploader = startStorestow(['upload', '--watch', '--spool', spool(), '--config', path]);
    return receiver.port;
  }

  async function study(count: number, rows = 64): Promise<CtStudy> {
    studies += 1;
    const root = `1.2.826.0.1.3680043.10.${process.pid}.${studies}`;
    return writeCtStudy(join(folder.path, `send-${studies}`), count, root, { rows, columns: rows, bitsStored: 12 });
  }

  /** SOP Instance UIDs that were acknowledged, and the other answers. */
  async function send(port: number, { paths, sopInstanceUIDs }: CtStudy): Promise<{ taken: string[]; refused: string[] }> {
    const args = ['-v', '--no-halt', '-aec', 'STORESTOW', '127.0.0.1', String(port), ...paths];
    const { stdout, stderr } = await run('storescu', args).catch((error: unknown) => error as { stdout: string; stderr: string });
    const answers = [...`${stdout}${stderr}`.matchAll(/Received Store Response \((.*)\)/g)].map(([, answer]) => answer ?? '');
    expect(answers).toHaveLength(paths.length);
    return {
      taken: sopInstanceUIDs.filter((_, index) => answers[index] === 'Success'),
      refused: answers.filter((answer) => answer !== 'Success'),
    };
  }

  async function inBucket(...uids: readonly string[]): Promise<readonly string[]> {
    const store = await openStore(minio.bucket);
    try {
      const keys = await Array.fromAsync(store.list({ prefix: 'incoming/edge/' }));
      const found = keys.map(({ key }) => parseObjectKey(key)?.sopInstanceUID ?? key);
      return found.filter((uid) => uids.includes(uid)).toSorted();
    } finally {
      await store.close();
    }
  }

  async function status(): Promise<{ readonly code: number | null; readonly status: Status }> {
    const { code, stdout } = await runStorestow(['status', '--spool', spool(), '--json']);
    return { code, status: JSON.parse(stdout) as Status };
  }

  async function received(): Promise<readonly string[]> {
    const entries = await readdir(spool('received'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  const warnings = (): readonly string[] =>
    (uploader?.output().stderr ?? '').split('\n').filter((line) => /the bucket (?:still )?takes|for the bucket/.test(line));

  it('the receiver goes on; when the bucket comes, all is there, the oldest first, and it was told three times', async () => {
    const port = await startAll();
    const sent: string[] = [];
    for (const count of [10, 15, 5]) {
      const { taken, refused } = await send(port, await study(count));
      expect(refused).toEqual([]);
      sent.push(...taken);
    }
    await waitUntil('all are noted as waiting', async () => {
      const seen = await status();
      return seen.code === 75 && seen.status.reasons['STORE_UNAVAILABLE'] === 30;
    });
    expect(warnings()).toHaveLength(1);
    await gate.open();
    await waitUntil('all are in the bucket', async () => (await inBucket(...sent)).length === sent.length);
    await waitUntil('the spool is empty', async () => (await received()).length === 0);
    const order = gate.puts.map((path) => sent.indexOf(/([0-9.]+)~/.exec(decodeURIComponent(basename(path)))?.[1] ?? ''));
    expect(order.toSorted((a, b) => a - b)).toEqual(sent.map((_, index) => index));
    // The first one is the probe, which is any; those that are under way side by side may overtake each other.
    const rest = order.slice(1);
    const sorted = rest.toSorted((a, b) => a - b);
    for (const [index, place] of rest.entries())
      expect(Math.abs(sorted.indexOf(place) - index)).toBeLessThanOrEqual(2 * CONCURRENCY);
    await waitUntil('it is told', () => warnings().length === 3);
    expect((await status()).code).toBe(0);
    const sites = async (): ReturnType<typeof runStorestow> =>
      runStorestow(['status', '--sites', '--json', '--config', join(folder.path, 'config.json')]);
    await waitUntil('the heartbeat says so', async () => (await sites()).stdout.includes('"doneToday":{"instances":30,'));
    const { code, stdout } = await sites();
    expect(JSON.parse(stdout)).toMatchObject([{ judgement: 'well', heartbeat: { site: 'edge', backlog: { instances: 0 } } }]);
    expect(code).toBe(0);
  });

  it('a bucket that comes and goes gets each instance once', async () => {
    const { sopInstanceUIDs } = await writeCtStudy(spool('received', '10.0.0.1'), 80, `1.2.826.0.1.3680043.12.${process.pid}`);
    await startAll();
    for (const least of [1, 15, 40]) {
      await gate.open();
      await waitUntil(`${least} are there`, async () => (await inBucket(...sopInstanceUIDs)).length >= least, { interval: 5 });
      await gate.shut();
    }
    await gate.open();
    await waitUntil('the spool is empty', async () => (await received()).length === 0);
    expect(await inBucket(...sopInstanceUIDs)).toEqual(sopInstanceUIDs.toSorted());
    await waitUntil('nothing waits', async () => (await status()).code === 0);
  });

  it('one run ends soon, with 75, and has asked no more than a few times', async () => {
    await writeCtStudy(spool('received', '10.0.0.1'), 60, `1.2.826.0.1.3680043.11.${process.pid}`);
    const bucket = `http://a:b@${new URL(gate.endpoint).host}/bucket`;
    const { code, stdout, stderr } = await runStorestow(['upload', '--all', '--here', '--spool', spool(), '--bucket', bucket]);
    expect(code).toBe(75);
    expect(stdout).toContain('60 failed');
    const logged = stderr.split('\n').filter((line) => line.startsWith('{'));
    expect(logged).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? '')).toMatchObject({ level: 40, err: { code: 'STORE_UNAVAILABLE' } });
    expect(await readdir(spool('received', '10.0.0.1'))).toHaveLength(60);
  });

  const noTmpfs = requireLeave('mount a tmpfs', canMount());
  it.skipIf(noTmpfs).each([
    ['bytes', `size=${TMPFS_SIZE}`, 512],
    ['inodes', `nr_inodes=${TMPFS_INODES}`, 16],
  ])(
    'a disk that has no more %s: what is refused is told to the sender, what was taken is not lost, and there is room again',
    async (_, size, rows) => {
      await run('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', spool()]);
      try {
        const port = await startAll();
        const taken: string[] = [];
        const refused: string[] = [];
        for (let round = 0; refused.length === 0 && round < 20; round += 1) {
          const answer = await send(port, await study(5, rows));
          taken.push(...answer.taken);
          refused.push(...answer.refused);
        }
        // A700, PS3.4 B.2.3
        expect(new Set(refused)).toEqual(new Set(['Refused: OutOfResources']));
        expect(taken.length).toBeGreaterThan(5);
        await gate.open();
        await waitUntil('what was taken is in the bucket', async () => (await inBucket(...taken)).length === taken.length);
        await waitUntil('the spool is empty', async () => (await received()).length === 0);
        const again = await send(port, await study(5, rows));
        expect(again.refused).toEqual([]);
        await waitUntil('what comes then, too', async () => (await inBucket(...again.taken)).length === 5);
      } finally {
        await uploader?.stop();
        await receiver?.close();
        [uploader, receiver] = [undefined, undefined];
        await run('umount', [spool()]);
      }
    },
  );

  it('a heartbeat that is none is told by status --sites', async () => {
    const store = await openStore(minio.bucket);
    try {
      await store.put('heartbeats/other.json', new TextEncoder().encode('{}'));
      const path = join(folder.path, 'config.json');
      await writeFile(path, JSON.stringify({ bucket: minio.bucket }));
      const { code, stdout } = await runStorestow(['status', '--sites', '--config', path]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/heartbeats\/other\.json │ unreadable/);
    } finally {
      await store.delete('heartbeats/other.json');
      await store.close();
    }
  });
});
