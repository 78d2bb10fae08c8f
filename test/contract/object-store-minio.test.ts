/** What only a real S3 server shows: objects in parts, events, and MinIO's own life. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { createS3Client } from '../../core/store/s3-client.ts';
import { ensureBucket, subscribeToEvents } from '../../core/store/s3-bucket-setup.ts';
import { openS3Store } from '../../core/store/s3-store.ts';
import { PartDigester, partSizeOf } from '../../core/store/part-digests.ts';
import { findMinio, startMinio, webhookArn } from '../../local-cloud/minio.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const skip = requirePeer('MinIO', await minioAvailable());
const MIB = 1024 * 1024;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe.skipIf(skip)('S3: an object in parts', () => {
  let minio: TestMinio;
  let store: ObjectStore;
  let folder: TemporaryFolder;
  const size = 20 * MIB + 17;
  const body = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) body.writeUInt32LE((at * 2654435761) >>> 0, at);
  const sha256 = createHash('sha256').update(body).digest('hex');

  beforeAll(async () => {
    folder = await temporaryFolder('multipart');
    minio = await startTestMinio({ multipartThreshold: 5 * MIB });
    store = openS3Store(minio.bucket);
    await writeFile(join(folder.path, 'body'), body);
  });
  afterAll(async () => {
    await store.close();
    await minio.close();
    await folder.remove();
  });

  const cases = [
    ['a file', () => ({ path: join(folder.path, 'body'), size })],
    ['bytes in memory', () => body],
  ] as const;
  it.each(cases)('keeps bytes, metadata and tags of %s', async (name, given) => {
    const { etag, ...told } = await store.put(name, given(), {
      sha256,
      metadata: { site: 'a' },
      tags: { status: 'x y' },
      ifAbsent: true,
    });
    // The ETag of an object in parts ends in their number.
    expect(etag).toMatch(/-3$/);
    expect(told).toEqual({ sha256 });
    expect(await store.head(name)).toMatchObject({ size, etag, metadata: { site: 'a' } });
    expect(await store.head(name)).not.toHaveProperty('sha256');
    expect(await store.getTags(name)).toEqual({ status: 'x y' });
    expect(
      createHash('sha256')
        .update(await (await store.get(name)).bytes())
        .digest('hex'),
    ).toBe(sha256);
    const edge = await (await store.get(name, { start: 5 * MIB - 2, end: 5 * MIB + 1 })).bytes();
    expect(Buffer.from(edge)).toEqual(body.subarray(5 * MIB - 2, 5 * MIB + 2));
  });

  it('stores nothing where the bytes are not those that were promised', async () => {
    const path = join(folder.path, 'body');
    const promised = { sha256: '0'.repeat(64) };
    await expect(store.put('wrong', { path, size }, promised)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await expect(store.put('wrong', body, promised)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await expect(store.put('wrong', { path, size: size - 1 })).rejects.toMatchObject({ code: 'FILE_CHANGED' });
    expect(await store.head('wrong')).toBeUndefined();
  });

  it('has each part held to the digest that was taken when the file was read', async () => {
    const path = join(folder.path, 'body');
    const digester = new PartDigester(size);
    digester.update(body);
    const { parts } = digester.digests();
    const { etag, ...told } = await store.put('given', { path, size, parts }, { sha256 });
    expect(etag).toMatch(/-3$/);
    expect(told).toEqual({ sha256 });
    const changed = join(folder.path, 'changed');
    const bytes = Buffer.from(body);
    bytes.writeUInt8((bytes.readUInt8(partSizeOf(size) + 1) + 1) % 256, partSizeOf(size) + 1);
    await writeFile(changed, bytes);
    await expect(store.put('changed', { path: changed, size, parts }, { sha256 })).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
    });
    expect(await store.head('changed')).toBeUndefined();
    const client = createS3Client(minio.bucket);
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: minio.bucket.bucket, Prefix: 'changed' }),
    );
    client.destroy();
    expect(Uploads).toEqual([]);
  });

  it('keeps the conditions', async () => {
    const large = (fill: number): Uint8Array => Buffer.alloc(6 * MIB, fill);
    const outcomes = await Promise.allSettled([1, 2, 3].map((fill) => store.put('raced', large(fill), { ifAbsent: true })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(store.put('raced', large(4), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    const etag = (await store.head('raced'))?.etag ?? '';
    await store.put('raced', large(5), { ifMatch: etag });
    await expect(store.put('raced', large(6), { ifMatch: etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await expect(store.put('never', large(7), { ifMatch: etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });
});

interface PostedEvent {
  readonly EventName: string;
  readonly Key: string;
}

describe.skipIf(skip)('MinIO: events', () => {
  let server: Server;
  let minio: TestMinio;
  let store: ObjectStore;
  const events: PostedEvent[] = [];
  const authorizations = new Set<string | undefined>();

  beforeAll(async () => {
    server = createServer((request, response) => {
      void readBody(request).then((received) => {
        if (received.length > 0) {
          authorizations.add(request.headers.authorization);
          events.push(JSON.parse(received.toString()) as PostedEvent);
        }
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
    minio = await startTestMinio({
      webhook: { id: 'storestow', endpoint, authToken: 'secret-token' },
      multipartThreshold: 5 * MIB,
    });
    await subscribeToEvents(minio.bucket, { arn: webhookArn('storestow'), prefix: 'incoming/' });
    store = openS3Store(minio.bucket);
  });
  afterAll(async () => {
    await store.close();
    await minio.close();
    server.close();
  });

  it('come for each object that is put under the prefix, and not for its tags', async () => {
    await store.put('incoming/a b+ü', text('a'));
    await store.put('rules/other', text('other'));
    await store.putTags('incoming/a b+ü', { status: 'stowed' });
    await store.put('incoming/parts', Buffer.alloc(6 * MIB));
    await store.put('incoming/last', text('last'));
    await waitUntil('all events', () => events.length >= 3);
    expect(events.map(({ EventName, Key }) => `${EventName} ${Key}`).sort()).toEqual([
      's3:ObjectCreated:CompleteMultipartUpload incoming-instances/incoming/parts',
      's3:ObjectCreated:Put incoming-instances/incoming/a b+ü',
      's3:ObjectCreated:Put incoming-instances/incoming/last',
    ]);
    expect(authorizations).toEqual(new Set(['Bearer secret-token']));
  });
});

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('MinIO: its life', () => {
  const credentials = { accessKeyId: 'storestow', secretAccessKey: 'only-for-this-test' };

  it('is looked for in MINIO_BIN alone where that is set, else on the PATH', async () => {
    const folder = await temporaryFolder('path');
    const binary = join(folder.path, 'minio');
    await writeFile(binary, '', { mode: 0o755 });
    expect(await findMinio({ PATH: `/nowhere:${folder.path}` })).toBe(binary);
    expect(await findMinio({ PATH: folder.path, MINIO_BIN: '/nowhere/minio' })).toBeUndefined();
    expect(await findMinio({ MINIO_BIN: binary })).toBe(binary);
    expect(await findMinio({ PATH: '' })).toBeUndefined();
    await folder.remove();
  });

  it('says when the program does not start, or ends at once', async () => {
    const folder = await temporaryFolder('no-minio');
    const options = { dataFolder: folder.path, credentials };
    await expect(startMinio({ ...options, binary: join(folder.path, 'nothing') })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
    });
    await expect(startMinio({ ...options, binary: '/bin/false' })).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
    await folder.remove();
  });

  it.skipIf(skip)('refuses a port that another server has', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const folder = await temporaryFolder('second');
    const { port } = server.address() as AddressInfo;
    await expect(startMinio({ dataFolder: folder.path, credentials, port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    server.close();
    await folder.remove();
  });

  it.skipIf(skip)('keeps its objects over a restart, and ends one that was left behind', async () => {
    const folder = await temporaryFolder('restart');
    const options = { dataFolder: folder.path, credentials };
    const first = await startMinio(options);
    const bucket = { kind: 's3', bucket: 'kept', region: 'us-east-1', multipartThreshold: 5 * MIB, ...credentials } as const;
    await ensureBucket({ ...bucket, endpoint: first.endpoint });
    await ensureBucket({ ...bucket, endpoint: first.endpoint });
    const before = openS3Store({ ...bucket, endpoint: first.endpoint });
    await before.put('key', text('kept'));
    await before.close();

    const { pid } = JSON.parse(await readFile(join(folder.path, 'running.json'), 'utf8')) as { pid: number };
    const second = await startMinio(options);
    await waitUntil('the first one to end', () => !isRunning(pid));
    const after = openS3Store({ ...bucket, endpoint: second.endpoint });
    expect(Buffer.from(await (await after.get('key')).bytes()).toString()).toBe('kept');
    await after.close();
    await first.close();
    await second.close();
    await expect(stat(join(folder.path, 'running.json'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fetch(second.endpoint)).rejects.toThrow();
    await folder.remove();
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
