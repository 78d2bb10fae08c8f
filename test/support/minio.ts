/** MinIO for tests: in a folder of its own, gone with it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { S3Config } from '../../core/store/s3-client.ts';
import { ensureBucket } from '../../core/store/s3-bucket-setup.ts';
import { findMinio, startMinio, type Minio, type MinioWebhook } from '../../local-cloud/minio.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface TestMinio extends Minio {
  /** Of a bucket that exists. */
  readonly bucket: S3Config;
}

export async function minioAvailable(): Promise<boolean> {
  return (await findMinio()) !== undefined;
}

export interface TestMinioOptions {
  readonly webhook?: Omit<MinioWebhook, 'queueFolder'>;
  /** Bytes; default 16 MiB. */
  readonly multipartThreshold?: number;
}

export async function startTestMinio({
  webhook,
  multipartThreshold = 16 * 1024 * 1024,
}: TestMinioOptions = {}): Promise<TestMinio> {
  const folder = await temporaryFolder('minio');
  const credentials = { accessKeyId: 'storestow', secretAccessKey: randomBytes(16).toString('hex') };
  const minio = await startMinio({
    dataFolder: join(folder.path, 'data'),
    credentials,
    ...(webhook === undefined ? {} : { webhook: { ...webhook, queueFolder: join(folder.path, 'events') } }),
  });
  const { endpoint } = minio;
  const bucket: S3Config = {
    kind: 's3',
    bucket: 'incoming-instances',
    endpoint,
    region: 'us-east-1',
    multipartThreshold,
    ...credentials,
  };
  await ensureBucket(bucket);
  const close = async (): Promise<void> => {
    await minio.close();
    await folder.remove();
  };
  return { ...minio, bucket, close };
}
