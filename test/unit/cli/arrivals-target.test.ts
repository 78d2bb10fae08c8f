import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openArrivals } from '../../../cli/arrivals-target.ts';
import { bucketSchema, type BucketConfig } from '../../../core/config/schema.ts';
import { ArrivalsQueue } from '../../../local-cloud/arrivals-queue.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const MINIO = bucketSchema.parse({ kind: 's3', bucket: 'storestow', endpoint: 'http://127.0.0.1:9000' });
const AWS = bucketSchema.parse({ kind: 's3', bucket: 'storestow' });

describe('where keys are queued', () => {
  let folder: TemporaryFolder;
  let data: string;
  beforeEach(async () => {
    folder = await temporaryFolder('arrivals');
    data = folder.path;
  });
  afterEach(() => folder.remove());

  async function ranOn(bucket: BucketConfig): Promise<void> {
    new ArrivalsQueue({ path: join(data, 'arrivals.sqlite') }).close();
    await writeFile(join(data, 'running.json'), JSON.stringify({ bucket }));
  }

  async function queuedIn(path: string, bucket: BucketConfig): Promise<number> {
    const target = await openArrivals({ bucket, data }, {});
    await target.enqueue?.(['incoming/a', 'incoming/b']);
    target.close();
    const queue = new ArrivalsQueue({ path });
    const { ready } = queue.depth();
    queue.close();
    return ready;
  }

  it('the embedded bucket: its own table', async () => {
    const path = join(data, 'bucket');
    await mkdir(path);
    expect(await queuedIn(join(path, 'bucket.sqlite'), { kind: 'folder', path })).toBe(2);
  });

  it('a bucket that up runs on: the queue beside it', async () => {
    await ranOn(MINIO);
    expect(await queuedIn(join(data, 'arrivals.sqlite'), MINIO)).toBe(2);
  });

  it.each([
    ['a bucket that up does not run on', async () => ranOn(AWS)],
    ['a bucket without up', async () => undefined],
  ])('%s: none', async (_name, prepare) => {
    await prepare();
    const target = await openArrivals({ bucket: MINIO, data }, {});
    expect(target.enqueue).toBeUndefined();
    expect(target.deadLetters()).toEqual([]);
    target.close();
  });

  const URL = 'https://sqs.eu-central-1.amazonaws.com/1/arrivals';
  it.each([
    ['given, whatever runs', MINIO, { given: URL }, true],
    ['given, and one in the environment', AWS, { given: URL, byDefault: 'https://elsewhere.example' }, false],
    ['of the environment, where nothing runs', MINIO, { byDefault: URL }, false],
    ['of the environment, where up runs on another bucket', AWS, { byDefault: URL }, true],
  ] as const)('the address of a queue on AWS, %s', async (_name, bucket, urls, runs) => {
    if (runs) await ranOn(MINIO);
    const target = await openArrivals({ bucket, data }, urls);
    expect(target.description).toBe(URL);
    expect(target.enqueue).toBeDefined();
    target.close();
  });

  it('a queue of the environment is not that of a bucket that up runs on', async () => {
    await ranOn(MINIO);
    const target = await openArrivals({ bucket: MINIO, data }, { byDefault: URL });
    expect(target.description).toBe(join(data, 'arrivals.sqlite'));
    target.close();
  });

  it('no queue can be given to a bucket that is a folder', async () => {
    const bucket = { kind: 'folder', path: join(data, 'bucket') } as const;
    await expect(openArrivals({ bucket, data }, { given: URL })).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('what was given up is told', async () => {
    await ranOn(MINIO);
    const queue = new ArrivalsQueue({ path: join(data, 'arrivals.sqlite'), maxReceives: 1 });
    queue.enqueue([{ key: 'incoming/dead' }]);
    for (const { receipt } of queue.receive({ max: 1, visibilityTimeout: 1000 })) queue.release(receipt, { error: 'INTERNAL' });
    queue.close();
    const target = await openArrivals({ bucket: MINIO, data }, {});
    expect(target.deadLetters()).toMatchObject([{ key: 'incoming/dead', error: 'INTERNAL' }]);
    target.close();
  });
});
