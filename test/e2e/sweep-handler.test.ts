/**
 * The sweep's Lambda handler, on MinIO, with a queue that speaks SQS's protocol and notes what it is sent; and a redrive that knows no queue
 * and asks it to look at all.
 */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readNotification } from '../../core/store/object-event.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { openS3Store } from '../../core/store/s3-store.ts';
import { handler } from '../../functions/sweep/handler.ts';
import { readSweepPosition } from '../../functions/sweep/sweep-position.ts';
import { startFaultyProxy } from '../support/faulty-proxy.ts';
import { fakeObject } from '../support/ingest-double.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

describe.skipIf(requirePeer('MinIO', await minioAvailable()))('the sweep on a schedule', () => {
  let minio: TestMinio;
  let store: ObjectStore;
  let server: Server;
  let folder: TemporaryFolder;
  let queued: string[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder('sweep-handler');
    minio = await startTestMinio();
    store = openS3Store(minio.bucket);
    server = createServer((request, response) => {
      void text(request).then((body) => {
        const { Entries } = JSON.parse(body) as {
          readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
        };
        queued.push(...Entries.flatMap(({ MessageBody }) => readNotification(JSON.parse(MessageBody)).keys));
        const Successful = Entries.map(({ Id, MessageBody }) => ({
          Id,
          MessageId: Id,
          MD5OfMessageBody: hash('md5', MessageBody),
        }));
        response.setHeader('content-type', 'application/x-amz-json-1.0').end(JSON.stringify({ Successful }));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  }, 60_000);

  afterAll(async () => {
    server?.closeAllConnections();
    server?.close();
    await store?.close();
    await minio?.close();
    await folder?.remove();
  });

  async function swept(): Promise<{ readonly number: number | undefined; readonly queued: readonly string[] }> {
    const { accessKeyId = '', secretAccessKey = '' } = minio.bucket;
    const queue = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const env = {
      STORESTOW_CONFIG: JSON.stringify({ bucket: minio.bucket }),
      STORESTOW_QUEUE_URL: `${queue}/123456789012/arrivals`,
      STORESTOW_SWEEP_PENDING_AFTER: '0',
      AWS_ENDPOINT_URL_SQS: queue,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    queued = [];
    // Not longer: a redrive would take the queue from there.
    const report = await handler({}, { getRemainingTimeInMillis: () => 60_000 }).finally(() => vi.unstubAllEnvs());
    expect(report).toMatchObject({ complete: true, pending: queued.length });
    return { number: (await readSweepPosition(store)).round?.number, queued };
  }

  async function redrive(endpoint: string, ...args: string[]): Promise<Finished> {
    const { bucket, accessKeyId = '', secretAccessKey = '' } = minio.bucket;
    const address = `${endpoint.replace('//', `//${accessKeyId}:${secretAccessKey}@`)}/${bucket}`;
    return runStorestow(['redrive', '--all', '--bucket', address, '--data', folder.path, ...args]);
  }

  it('goes on with its rounds; a redrive without a queue has the next one begin anew', async () => {
    const { endpoint = '' } = minio.bucket;
    const { key, file } = fakeObject({ sop: '1.2.3' });
    await store.put(key, file, { tags: { status: 'quarantined/UNKNOWN_SOURCE' } });
    expect(await swept()).toEqual({ number: 1, queued: [] });
    expect(await swept()).toEqual({ number: 2, queued: [] });

    const dry = await redrive(endpoint, '--dry-run');
    expect(dry, dry.stderr).toMatchObject({ code: 0 });
    expect((await readSweepPosition(store)).round?.number).toBe(2);

    const real = await redrive(endpoint);
    expect(real, real.stderr).toMatchObject({ code: 0 });
    expect(real.stdout).toMatch(/1 objects have no outcome now; the sweep queues them/);
    expect((await readSweepPosition(store)).round).toBeUndefined();
    expect(await swept()).toEqual({ number: 1, queued: [key] });
    await store.delete(key);
  });

  it('a redrive that may not ask for that is done all the same, and says what becomes of old objects', async () => {
    const { key, file } = fakeObject({ sop: '1.2.4' });
    await store.put(key, file, { tags: { status: 'failed/INTERNAL' } });
    const { number } = await swept();
    const proxy = await startFaultyProxy(minio.bucket.endpoint ?? '');
    proxy.faultOf = ({ method, url }) =>
      method === 'PUT' && url.includes('/sweep/') ? { status: 403, code: 'AccessDenied' } : undefined;
    try {
      const { code, stderr } = await redrive(proxy.origin);
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/cannot ask for a sweep of all objects \(STORE_DENIED\): the old ones are found within a day/);
    } finally {
      await proxy.stop();
    }
    expect((await readSweepPosition(store)).round?.number).toBe(number);
    expect((await swept()).queued).toEqual([key]);
  });
});
