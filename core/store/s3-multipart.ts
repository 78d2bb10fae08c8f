/** Large bodies in parts, each with its own SHA-256 (lib-storage). */
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { bodyChunks } from './object-body.ts';
import type { ObjectBody } from './object-store.ts';
import { checksumMismatch } from './store-errors.ts';

/** S3's own bounds: parts of at least 5 MiB, at most 10,000 of them. */
const MIN_PART = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;

export interface LargeBody {
  readonly key: string;
  readonly body: ObjectBody;
  /** Bytes. */
  readonly size: number;
  /** 64 hex digits. */
  readonly sha256?: string | undefined;
}

/**
 * `input` is the PUT without its body. The object appears only with the last request, which is not sent where the body is not
 * what was promised; the parts are removed then.
 */
export async function putInParts(client: S3Client, input: PutObjectCommandInput, large: LargeBody): Promise<string | undefined> {
  const upload = new Upload({
    client,
    params: { ...input, ChecksumAlgorithm: 'SHA256', Body: Readable.from(promisedChunks(large), { objectMode: false }) },
    partSize: Math.max(MIN_PART, Math.ceil(large.size / MAX_PARTS)),
  });
  return (await upload.done()).ETag;
}

/** Fails before the last chunk's end is seen where the digest is another one. Chunks are copied: the uploader keeps several. */
async function* promisedChunks({ key, body, sha256 }: LargeBody): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256');
  for await (const chunk of bodyChunks(key, body)) {
    digest.update(chunk);
    yield Buffer.from(chunk);
  }
  if (sha256 !== undefined && digest.digest('hex') !== sha256) throw checksumMismatch(key);
}
