/**
 * The packed ingest handler under AWS's own Lambda runtime (its interface emulator and runtime client), fed with the event that
 * MinIO emitted for an object: the bundle has all that it needs, and the event's real shape is understood.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromTags } from '../../core/audit/tags.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { objectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { openStore } from '../../core/store/open-store.ts';
import { subscribeToEvents } from '../../core/store/s3-bucket-setup.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { webhookArn } from '../../local-cloud/minio.ts';
import { buildFunctions } from '../../scripts/build-functions.ts';
import { buildImage, imagePixels, J2K_LOSSLESS } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { minioAvailable, startTestMinio, type TestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const RUNTIME_CLIENT = fileURLToPath(new URL('../lambda/node_modules/aws-lambda-ric/index.mjs', import.meta.url));
const EMULATOR = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'aws-lambda-rie'))
  .find((file) => existsSync(file));

const missing = [
  requirePeer('MinIO', await minioAvailable()),
  requirePeer('aws-lambda-rie', EMULATOR !== undefined),
  requirePeer('aws-lambda-ric (test/lambda)', existsSync(RUNTIME_CLIENT.replace('index.mjs', 'rapid-client.node'))),
].includes(true);

const UIDS = { study: '1.2.826.0.1.3680043.10.999.1', series: '1.2.826.0.1.3680043.10.999.1.1' };

interface Invocation {
  readonly status: number;
  readonly body: unknown;
}

/** As Lambda hands over what SQS has. */
function message(messageId: string, event: unknown, receives: string): unknown {
  const attributes = { ApproximateReceiveCount: receives };
  return { Records: [{ messageId, eventSource: 'aws:sqs', body: JSON.stringify(event), attributes }] };
}

describe.skipIf(missing)('the packed ingest handler under the Lambda runtime', () => {
  let folder: TemporaryFolder;
  let minio: TestMinio;
  let store: ObjectStore;
  let archive: EmbeddedArchive;
  let webhook: Server;
  let runtime: ChildProcess;
  let output = '';
  let invoke: (event: unknown) => Promise<Invocation>;
  /** Bodies as MinIO posted them. */
  const events: string[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder('lambda');
    await buildFunctions(join(folder.path, 'functions'));
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
    webhook = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        // MinIO also looks whether anybody listens.
        if (body.includes('"Records"')) events.push(body);
        response.end();
      });
    }).listen(await freePort(), '127.0.0.1');
    await once(webhook, 'listening');
    const { port } = webhook.address() as { readonly port: number };
    minio = await startTestMinio({ webhook: { id: 'lambda', endpoint: `http://127.0.0.1:${String(port)}/` } });
    await subscribeToEvents(minio.bucket, { arn: webhookArn('lambda'), prefix: 'incoming/' });
    store = await openStore(minio.bucket);

    const ports = { emulator: await freePort(), api: await freePort() };
    const task = join(folder.path, 'functions', 'ingest');
    runtime = spawn(
      EMULATOR ?? '',
      [
        ...['--runtime-interface-emulator-address', `127.0.0.1:${String(ports.emulator)}`],
        ...['--runtime-api-address', `127.0.0.1:${String(ports.api)}`],
        ...[process.execPath, RUNTIME_CLIENT, 'index.handler'],
      ],
      {
        cwd: task,
        // As on Lambda: nothing of this process, no access to the repository's node_modules.
        env: {
          PATH: process.env['PATH'],
          HOME: folder.path,
          LAMBDA_TASK_ROOT: task,
          _HANDLER: 'index.handler',
          AWS_LAMBDA_FUNCTION_TIMEOUT: '120',
          AWS_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: minio.accessKeyId,
          AWS_SECRET_ACCESS_KEY: minio.secretAccessKey,
          AWS_SESSION_TOKEN: '',
          STORESTOW_CONFIG: JSON.stringify({
            archive: { url: archive.url },
            bucket: { kind: 's3', bucket: minio.bucket.bucket, endpoint: minio.endpoint, region: 'us-east-1' },
          }),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    runtime.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    runtime.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const address = `http://127.0.0.1:${String(ports.emulator)}/2015-03-31/functions/function/invocations`;
    await waitUntil('the emulator listens', () => fetch(address, { method: 'OPTIONS' }).then(() => true));
    invoke = async (event) => {
      const response = await fetch(address, { method: 'POST', body: JSON.stringify(event) });
      return { status: response.status, body: await response.json() };
    };
  });

  afterAll(async () => {
    if (runtime.exitCode === null && runtime.signalCode === null) {
      const ended = once(runtime, 'exit');
      runtime.kill('SIGTERM');
      await ended;
    }
    await store.close();
    await minio.close();
    webhook.close();
    webhook.closeAllConnections();
    await archive.close();
    await folder.remove();
  });

  /** Puts an instance, and waits for what MinIO says of it. */
  async function arrive(
    instance: number,
    pixels: { readonly rows: number; readonly columns: number },
  ): Promise<[key: string, event: unknown]> {
    const sopInstanceUID = `${UIDS.series}.${String(instance)}`;
    const file = buildImage({
      studyUID: UIDS.study,
      seriesUID: UIDS.series,
      sopUID: sopInstanceUID,
      callingAET: 'CT 1+2',
      ...pixels,
    });
    const sha256 = createHash('sha256').update(file).digest('hex');
    const key = objectKey({
      site: 'default',
      callingAET: 'CT 1+2',
      callingIP: '192.0.2.7',
      studyInstanceUID: UIDS.study,
      seriesInstanceUID: UIDS.series,
      sopInstanceUID,
      digest: sha256,
    });
    await store.put(key, file, { sha256, ifAbsent: true });
    const encodedName = `~${sha256.slice(0, 12)}.dcm`;
    const body = await waitUntil('an event of MinIO', () => events.find((event) => event.includes(encodedName)));
    return [key, JSON.parse(body)];
  }

  it('takes an SQS message with the event: coerced, encoded in its threads, stored, tagged', async () => {
    const [key, event] = await arrive(1, { rows: 64, columns: 48 });
    const answer = await invoke(message('m-1', event, '1'));
    expect(answer, output).toEqual({ status: 200, body: { batchItemFailures: [] } });

    const record = fromTags(await store.getTags(key));
    expect(record?.status).toEqual({ kind: 'stowed' });
    expect(record?.detail?.syntaxSent).toBe(J2K_LOSSLESS);

    const sent = await retrieve(`${UIDS.series}.1`);
    expect(readPart10(sent).transferSyntax.uid).toBe(J2K_LOSSLESS);
    expect(Buffer.from(sent).includes('29991231235959')).toBe(true);
    const pixels = imagePixels({ rows: 64, columns: 48 });
    expect(record).toMatchObject({ pixelLength: pixels.length, pixelMd5: createHash('md5').update(pixels).digest('hex') });
  });

  it('takes the event as MinIO sends it, and skips it when it comes again', async () => {
    const [key, event] = await arrive(2, { rows: 32, columns: 32 });
    expect(await invoke(event), output).toEqual({ status: 200, body: { batchItemFailures: [] } });
    const tags = await store.getTags(key);
    expect(fromTags(tags)?.status).toEqual({ kind: 'stowed' });
    expect(await invoke(event), output).toEqual({ status: 200, body: { batchItemFailures: [] } });
    expect(await store.getTags(key)).toEqual(tags);
  });

  it('gives back the message of an object that the archive cannot take now', async () => {
    const [key, event] = await arrive(3, { rows: 32, columns: 32 });
    await archive.close();
    const answer = await invoke(message('m-3', event, '1'));
    expect(answer, output).toEqual({ status: 200, body: { batchItemFailures: [{ itemIdentifier: 'm-3' }] } });
    expect(fromTags(await store.getTags(key))).toBeUndefined();
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive'), port: archive.port });
    const again = await invoke(message('m-3', event, '2'));
    expect(again, output).toEqual({ status: 200, body: { batchItemFailures: [] } });
    expect(fromTags(await store.getTags(key))?.status).toEqual({ kind: 'stowed' });
  });

  /** The instance by WADO-RS, in the syntax that it was stored in. */
  async function retrieve(sopInstanceUID: string): Promise<Uint8Array> {
    const studies = archive.url.replace('{aet}', 'ANY');
    const response = await fetch(`${studies}/${UIDS.study}/series/${UIDS.series}/instances/${sopInstanceUID}`, {
      headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' },
    });
    expect(response.status).toBe(200);
    const body = Buffer.from(await response.arrayBuffer());
    const boundary = /boundary="?([^";]+)"?/.exec(response.headers.get('content-type') ?? '')?.[1] ?? '';
    const start = body.indexOf('\r\n\r\n') + 4;
    return body.subarray(start, body.lastIndexOf(`\r\n--${boundary}--`));
  }
});
