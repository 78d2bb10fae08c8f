/** The S3 adapter against a server that misbehaves on purpose. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { createS3Client, describeS3, isAws, type S3Config } from '../../../core/store/s3-client.ts';
import { inspectObject } from '../../../functions/ingest/candidate.ts';
import { writeOutcome } from '../../../functions/ingest/object-outcome.ts';
import { decodeListedKey, openS3Store, taggingHeader } from '../../../core/store/s3-store.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const config: S3Config = {
  kind: 's3',
  bucket: 'bucket',
  region: 'eu-central-1',
  multipartThreshold: 16 * 1024 * 1024,
  accessKeyId: 'id',
  secretAccessKey: 'a-secret',
};
const body = Buffer.from('the bytes');
const sha256 = createHash('sha256').update(body).digest();

describe('the S3 adapter', () => {
  let server: Server;
  let store: ObjectStore;
  let answers: Answer[];
  let requests: IncomingMessage[];
  const printed = vi.fn();

  beforeEach(async () => {
    answers = [];
    requests = [];
    server = createServer((request, response) => {
      requests.push(request);
      request.resume().once('end', () => (answers.length > 1 ? answers.shift() : answers[0])?.(request, response));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    store = openS3Store({ ...config, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    printed.mockReset();
    for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, method).mockImplementation(printed);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await store.close();
    server.closeAllConnections();
    server.close();
    expect(printed).not.toHaveBeenCalled();
  });

  const error =
    (status: number, code: string): Answer =>
    (_, response) =>
      response
        .writeHead(status, { 'content-type': 'application/xml' })
        .end(`<Error><Code>${code}</Code><Message>m</Message></Error>`);
  const content =
    (headers: Record<string, string>, bytes: Uint8Array = body): Answer =>
    (_, response) =>
      response.writeHead(200, { etag: '"e"', 'content-length': bytes.length, ...headers }).end(bytes);

  it('signs a PUT over its SHA-256, and lets the server verify it', async () => {
    answers = [(_, response) => response.writeHead(200, { etag: '"e"' }).end()];
    await expect(store.put('a key', body, { ifAbsent: true, tags: { a: 'b c' } })).resolves.toEqual({ etag: 'e' });
    expect(requests[0]?.url).toBe('/bucket/a%20key?x-id=PutObject');
    expect(requests[0]?.headers).toMatchObject({
      'if-none-match': '*',
      'x-amz-tagging': 'a=b%20c',
      'x-amz-checksum-sha256': sha256.toString('base64'),
      'x-amz-content-sha256': sha256.toString('hex'),
    });
  });

  it('writes an outcome beside tags that a site set in its own script, as S3 lets it', async () => {
    const sent: Buffer[] = [];
    server.prependListener('request', (request: IncomingMessage) => request.on('data', (chunk: Buffer) => sent.push(chunk)));
    const there = '<Tagging><TagSet><Tag><Key>Abteilung</Key><Value>Röntgen Süd</Value></Tag></TagSet></Tagging>';
    answers = [
      (_, response) => response.writeHead(200, { 'content-type': 'application/xml' }).end(there),
      (_, response) => response.writeHead(200).end(),
    ];
    await writeOutcome(store, 'key', { status: { kind: 'stowed' } }, createLog({ level: 'silent' }));
    const written = Buffer.concat(sent).toString('utf8');
    expect(written).toContain('<Key>Abteilung</Key><Value>Röntgen Süd</Value>');
    expect(written).toContain('<Key>status</Key><Value>stowed</Value>');
    await expect(store.putTags('key', { a: 'b;c' })).rejects.toMatchObject({ code: 'STORE_INVALID' });
    await expect(store.put('key', body, { tags: { a: 'ö' } })).rejects.toMatchObject({ code: 'STORE_INVALID' });
    expect(requests).toHaveLength(2);
  });

  describe('a listing', () => {
    const page =
      (more: string, ...keys: string[]): Answer =>
      (_, response) => {
        const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`).join('');
        response
          .writeHead(200, { 'content-type': 'application/xml' })
          .end(`<ListBucketResult>${contents}${more}</ListBucketResult>`);
      };
    const listed = async (): Promise<string[]> => (await Array.fromAsync(store.list())).map(({ key }) => key);

    it('has its keys decoded where the server says that it encoded them', async () => {
      answers = [page('<EncodingType>url</EncodingType>', 'incoming/CT%25201%40%2500/1.dcm', 'a+b')];
      expect(await listed()).toEqual(['incoming/CT%201@%00/1.dcm', 'a b']);
    });

    it('has its keys as they are where the server did not encode them, though it was asked to', async () => {
      answers = [page('', 'incoming/CT%201@%00/1.dcm', 'a+b')];
      expect(await listed()).toEqual(['incoming/CT%201@%00/1.dcm', 'a+b']);
    });

    it('that goes on is followed to its end', async () => {
      answers = [
        page('<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>', 'a'),
        page('<IsTruncated>false</IsTruncated>', 'b'),
      ];
      expect((await Array.fromAsync(store.list())).map(({ key }) => key)).toEqual(['a', 'b']);
      expect(requests[1]?.url).toContain('continuation-token=t');
    });

    it('that goes on does not pass for its first page where the server does not say how', async () => {
      answers = [page('<IsTruncated>true</IsTruncated><NextMarker>a</NextMarker>', 'a')];
      await expect(Array.fromAsync(store.list())).rejects.toMatchObject({ code: 'STORE_INVALID' });
    });
  });

  it.each(['NoSuchTagSet', 'NoSuchTagSetError'])('takes %s for no tags: the object is there, and pending', async (code) => {
    answers = [
      error(404, code),
      content({ 'last-modified': 'Tue, 24 Nov 2026 10:00:00 GMT' }),
      error(404, code),
      error(404, 'NoSuchKey'),
    ];
    await expect(store.getTags('key')).resolves.toEqual({});
    const inspected = await inspectObject(store, 'incoming/key', 'north');
    expect(inspected).toMatchObject({ key: 'incoming/key', size: body.length });
    await expect(store.getTags('key')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });

  it('leaves the body out of the signature once the server has told that it takes the digest itself', async () => {
    const plain: Answer = (_, response) => response.writeHead(200, { etag: '"e"' }).end();
    const telling: Answer = (_, response) =>
      response.writeHead(200, { etag: '"e"', 'x-amz-checksum-sha256': sha256.toString('base64') }).end();
    answers = [plain, telling, telling, plain, plain];
    const told: unknown[] = [];
    for (let puts = 0; puts < 5; puts++) told.push((await store.put('key', body)).sha256);
    const digest = sha256.toString('hex');
    expect(told).toEqual([undefined, digest, digest, undefined, undefined]);
    expect(requests.map(({ headers }) => headers['x-amz-content-sha256'])).toEqual([
      digest,
      digest,
      'UNSIGNED-PAYLOAD',
      'UNSIGNED-PAYLOAD',
      digest,
    ]);
    for (const { headers } of requests) expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-checksum-sha256/);
  });

  describe('at a bucket whose policy insists on signed bodies', () => {
    const unsigned = ({ headers }: IncomingMessage): boolean => headers['x-amz-content-sha256'] === 'UNSIGNED-PAYLOAD';
    const puts = (): boolean[] => requests.filter(({ method }) => method === 'PUT').map((request) => unsigned(request));
    const insisting =
      (taken: Answer): Answer =>
      (request, response) =>
        (request.method === 'PUT' && unsigned(request) ? error(403, 'AccessDenied') : taken)(request, response);
    const telling: Answer = (_, response) =>
      response.writeHead(200, { etag: '"e"', 'x-amz-checksum-sha256': sha256.toString('base64') }).end();

    it('sends a PUT that is denied once more, signed, and each later one so', async () => {
      answers = [insisting(telling)];
      for (let times = 0; times < 4; times++)
        expect(await store.put('key', body, { ifAbsent: true })).toEqual({ etag: 'e', sha256: sha256.toString('hex') });
      expect(puts()).toEqual([false, true, false, false, false]);
    });

    it('so with parts', async () => {
      const xml: Answer = (request, response) => {
        const created = request.url?.includes('uploads') === true;
        response
          .writeHead(200, { 'content-type': 'application/xml', etag: '"p"', 'x-amz-checksum-algorithm': 'SHA256' })
          .end(
            created
              ? '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>'
              : '<CompleteMultipartUploadResult><ETag>"e-3"</ETag></CompleteMultipartUploadResult>',
          );
      };
      answers = [insisting(xml)];
      const large = Buffer.alloc(17 * 1024 * 1024, 7);
      for (let times = 0; times < 2; times++) expect(await store.put('key', large)).toEqual({ etag: 'e-3' });
      expect(puts()[0]).toBe(true);
      expect(puts().filter((left) => !left)).toHaveLength(6);
      expect(puts().slice(-3)).toEqual([false, false, false]);
      expect(requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    });

    it('takes a denial of the signed one too for what it is, and no other failure for a denial', async () => {
      answers = [telling, error(403, 'AccessDenied')];
      await store.put('key', body);
      await expect(store.put('key', body)).rejects.toMatchObject({ code: 'STORE_DENIED' });
      expect(puts()).toEqual([false, true, false]);
      answers = [error(412, 'PreconditionFailed')];
      await expect(store.put('key', body, { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
      expect(puts()).toEqual([false, true, false, true]);
    });
  });

  it.each([
    ['one that holds them to their digest', { 'x-amz-checksum-algorithm': 'SHA256' }, 'UNSIGNED-PAYLOAD'],
    ['one that does not', {}, undefined],
  ])('signs parts for a server, %s', async (_, told, signed) => {
    const large = Buffer.alloc(17 * 1024 * 1024, 7);
    const xml =
      (name: string, content: string): Answer =>
      (_request, response) =>
        response.writeHead(200, { 'content-type': 'application/xml', etag: '"p"' }).end(`<${name}>${content}</${name}>`);
    answers = [
      (_request, response) =>
        response
          .writeHead(200, { 'content-type': 'application/xml', ...told })
          .end(`<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`),
      ...Array.from({ length: 3 }, () => xml('Nothing', '')),
      xml('CompleteMultipartUploadResult', '<ETag>"e-3"</ETag>'),
    ];
    expect(await store.put('key', large)).toEqual({ etag: 'e-3' });
    const parts = requests.filter(({ method }) => method === 'PUT');
    expect(parts.map(({ url }) => new URL(url ?? '', 'http://x').searchParams.get('partNumber')).sort()).toEqual(['1', '2', '3']);
    for (const { headers } of parts) {
      const digest = String(headers['x-amz-checksum-sha256']);
      expect(headers['x-amz-content-sha256']).toBe(signed ?? Buffer.from(digest, 'base64').toString('hex'));
      expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-checksum-sha256/);
    }
    const first = createHash('sha256').update(large.subarray(0, 8 * 1024 * 1024));
    expect(parts.find(({ url }) => url?.includes('partNumber=1') === true)?.headers['x-amz-checksum-sha256']).toBe(
      first.digest('base64'),
    );
  });

  it('tries again where the server is busy', async () => {
    answers = [
      error(503, 'SlowDown'),
      error(500, 'InternalError'),
      (_, response) => response.writeHead(200, { etag: '"e"' }).end(),
    ];
    await store.put('key', body);
    expect(requests).toHaveLength(3);
  });

  it.each([
    [503, 'SlowDown', 'STORE_UNAVAILABLE', 3],
    [403, 'AccessDenied', 'STORE_DENIED', 1],
    [409, 'ConditionalRequestConflict', 'STORE_UNAVAILABLE', 1],
    [412, 'PreconditionFailed', 'PRECONDITION_FAILED', 1],
    [400, 'BadDigest', 'CHECKSUM_MISMATCH', 1],
    [404, 'NoSuchBucket', 'STORE_INVALID', 1],
  ])('%d %s → %s after %d tries', async (status, name, code, tries) => {
    answers = [error(status, name)];
    await expect(store.put('key', body)).rejects.toMatchObject({ code });
    expect(requests).toHaveLength(tries);
  });

  it('counts an answer that is not S3’s as no answer', async () => {
    answers = [(_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Proxy login</html')];
    await expect(store.getTags('key')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  it('refuses bytes other than those that the store’s checksum names', async () => {
    answers = [content({ 'x-amz-checksum-sha256': createHash('sha256').update('others').digest('base64') })];
    await expect((await store.get('key')).bytes()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    const streamed = (await store.get('key')).stream();
    await expect(streamed.toArray()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    expect(requests[0]?.headers['x-amz-checksum-mode']).toBe('ENABLED');
  });

  it('takes bytes without a checksum, or with one of parts, as they are', async () => {
    for (const headers of [{}, { 'x-amz-checksum-sha256': `${sha256.toString('base64')}-2` }] as Record<string, string>[]) {
      answers = [content(headers)];
      const object = await store.get('key');
      expect(object.head).not.toHaveProperty('sha256');
      expect(Buffer.from(await object.bytes())).toEqual(body);
    }
  });

  it('fails on a body that is cut', async () => {
    answers = [
      (_, response) => {
        response.writeHead(200, { etag: '"e"', 'content-length': '1000' }).write(body);
        setImmediate(() => response.destroy());
      },
    ];
    const object = await store.get('key');
    await expect(object.bytes()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  it('fails on a range that the server ignores', async () => {
    answers = [content({})];
    await expect((await store.get('key', { start: 1, end: 2 })).bytes()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  it('says that nobody answers', async () => {
    server.close();
    await expect(store.head('key')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  it('takes a missing object for a failed If-Match, but no missing bucket', async () => {
    answers = [error(404, 'NoSuchKey')];
    await expect(store.put('key', body, { ifMatch: 'e' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(requests[0]?.headers['if-match']).toBe('"e"');
    answers = [error(404, 'NoSuchBucket')];
    await expect(store.put('key', body, { ifMatch: 'e' })).rejects.toMatchObject({ code: 'STORE_INVALID' });
  });

  it('deletes under a condition, and tells where it does not hold', async () => {
    answers = [error(412, 'PreconditionFailed')];
    await expect(store.delete('key', { ifMatch: 'e' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(requests[0]?.headers['if-match']).toBe('"e"');
    answers = [error(404, 'NoSuchKey')];
    await expect(store.delete('key', { ifMatch: 'e' })).resolves.toBeUndefined();
    answers = [error(404, 'NoSuchBucket')];
    await expect(store.delete('key')).rejects.toMatchObject({ code: 'STORE_INVALID' });
  });

  it("tells the server's time, not this machine's", async () => {
    const times = { date: 'Tue, 01 Jan 2030 00:05:00 GMT', 'last-modified': 'Tue, 01 Jan 2030 00:00:00 GMT' };
    answers = [content({ ...times, etag: '"e"' }, Buffer.alloc(0))];
    expect(await store.head('key')).toMatchObject({
      lastModified: new Date('2030-01-01T00:00:00Z'),
      asOf: new Date('2030-01-01T00:05:00Z'),
    });
  });
});

describe('the address of an object', () => {
  it.each([
    [{}, 'bucket.s3.eu-central-1.amazonaws.com', '/key'],
    [{ forcePathStyle: true }, 's3.eu-central-1.amazonaws.com', '/bucket/key'],
    [{ endpoint: 'https://minio.example:9000' }, 'minio.example', '/bucket/key'],
    [{ endpoint: 'https://minio.example:9000', forcePathStyle: false }, 'bucket.minio.example', '/key'],
  ])('%j', async (settings, hostname, path) => {
    const client = createS3Client({ ...config, ...settings });
    let seen: unknown;
    client.middlewareStack.add(
      () => async (args) => {
        seen = args.request;
        throw new Error('not sent');
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    await expect(client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'key' }))).rejects.toThrow('not sent');
    expect(seen).toMatchObject({ hostname, path });
    client.destroy();
  });

  it('is described without credentials', () => {
    expect(describeS3({ ...config, endpoint: 'https://user:password@minio.example:9000/' })).toBe(
      's3://bucket at https://minio.example:9000',
    );
    expect(describeS3(config)).toBe('s3://bucket at AWS eu-central-1');
  });
});

describe('encodings', () => {
  it('writes tags as a query', () => {
    expect(taggingHeader({ 'a b': 'c=d&e', f: '' })).toBe('a%20b=c%3Dd%26e&f=');
  });
  it('reads the keys of a listing', () => {
    expect(decodeListedKey('a+b%2Bc%20d/%C3%A9%01')).toBe('a b+c d/é\u0001');
  });
});

describe('isAws', () => {
  it.each([
    [undefined, true],
    ['https://s3.eu-central-1.amazonaws.com', true],
    ['https://bucket.vpce-1a2b3c4d.s3.eu-central-1.vpce.amazonaws.com', true],
    ['https://s3.cn-north-1.amazonaws.com.cn', true],
    ['https://amazonaws.com.example', false],
    ['https://notamazonaws.com', false],
    ['http://127.0.0.1:9000', false],
  ])('%s: %s', (endpoint, expected) => {
    expect(isAws({ ...config, ...(endpoint === undefined ? {} : { endpoint }) })).toBe(expected);
  });
});
