/**
 * Large bodies in parts. Each part is sent with the SHA-256 that was taken when the whole body was read, so the server itself refuses
 * bytes that are not those; nothing is hashed for the sending, and the parts are read where they are needed, several at once.
 *
 * lib-storage does it otherwise: it reads front to back, copies, and has the digest of each part taken anew, twice where it is signed.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { BodySigning } from './body-signing.ts';
import { bodyChunks, openBody, type OpenBody } from './object-body.ts';
import type { ObjectBody, PutAnswer } from './object-store.ts';
import { BEFORE_SIGNING, withoutBodySigned } from './s3-client.ts';
import { compositeSha256, PartDigester, partSizeOf, type PartDigests } from './part-digests.ts';
import { checksumMismatch } from './store-errors.ts';

/** Each has a part in memory. */
const PARTS_AT_ONCE = 4;

export interface LargeBody {
  readonly key: string;
  readonly body: ObjectBody;
  /** Bytes. */
  readonly size: number;
  /** 64 hex digits. */
  readonly sha256?: string | undefined;
  readonly signing: BodySigning;
}

/**
 * `input` is the PUT without its body. The object appears only with the last request, which is not sent where the body is not
 * what was promised; the parts are removed then.
 */
export async function putInParts(client: S3Client, input: PutObjectCommandInput, large: LargeBody): Promise<PutAnswer> {
  const { key, size } = large;
  const body = await openBody(key, large.body);
  try {
    const { sha256, parts } = await digestsOf(large);
    const { Bucket, Key, IfMatch, IfNoneMatch, ...described } = input;
    const created = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ...described, ChecksumAlgorithm: 'SHA256' }),
    );
    const upload = { Bucket, Key, UploadId: created.UploadId };
    try {
      // One that keeps the digest holds each part to it; the signature is over the header that tells it.
      const keepsDigests = created.ChecksumAlgorithm === 'SHA256';
      const sent = await sendParts(client, upload, { body, size, parts, keepsDigests, signing: large.signing });
      const completed = await client.send(
        new CompleteMultipartUploadCommand({
          ...upload,
          MultipartUpload: { Parts: sent },
          ...(IfMatch === undefined ? {} : { IfMatch }),
          ...(IfNoneMatch === undefined ? {} : { IfNoneMatch }),
        }),
      );
      const told = completed.ChecksumSHA256?.replace(/-\d+$/, '') === compositeSha256(parts);
      return { etag: completed.ETag ?? '', ...(told ? { sha256 } : {}) };
    } catch (error) {
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
      throw error;
    }
  } finally {
    await body.close();
  }
}

/** Those that whoever read the body has taken; else it is read once more, and held to what was promised. */
async function digestsOf({ key, body, size, sha256: promised }: LargeBody): Promise<PartDigests> {
  if (promised !== undefined && 'parts' in body && body.parts !== undefined) return { sha256: promised, parts: body.parts };
  const digester = new PartDigester(size);
  for await (const chunk of bodyChunks(key, body)) digester.update(chunk);
  const digests = digester.digests();
  if (promised !== undefined && digests.sha256 !== promised) throw checksumMismatch(key);
  return digests;
}

interface Upload {
  readonly Bucket: string | undefined;
  readonly Key: string | undefined;
  readonly UploadId: string | undefined;
}

interface Parts {
  readonly body: OpenBody;
  readonly size: number;
  /** SHA-256 of each, 64 hex digits. */
  readonly parts: readonly string[];
  readonly keepsDigests: boolean;
  readonly signing: BodySigning;
}

/** When one fails the others are given up; nothing is under way any more when this rejects. */
async function sendParts(client: S3Client, upload: Upload, toSend: Parts): Promise<CompletedPart[]> {
  const { body, size, parts, keepsDigests, signing } = toSend;
  const partSize = partSizeOf(size);
  const sent: CompletedPart[] = [];
  const failed = new AbortController();
  let next = 0;
  const sendSome = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(partSize);
    while (next < parts.length && !failed.signal.aborted) {
      const index = next++;
      const start = index * partSize;
      const Body = await body.read(start, buffer.subarray(0, Math.min(partSize, size - start)));
      const PartNumber = index + 1;
      const ChecksumSHA256 = Buffer.from(parts[index] ?? '', 'hex').toString('base64');
      const { ETag } = await signing.send(keepsDigests, (signed) => {
        const command = new UploadPartCommand({ ...upload, PartNumber, Body, ChecksumSHA256 });
        if (!signed) command.middlewareStack.add(withoutBodySigned, BEFORE_SIGNING);
        return client.send(command, { abortSignal: failed.signal });
      });
      sent[index] = { PartNumber, ChecksumSHA256, ...(ETag === undefined ? {} : { ETag }) };
    }
  };
  const giveUp = (error: unknown): never => {
    failed.abort(error);
    throw error;
  };
  await Promise.allSettled(Array.from({ length: PARTS_AT_ONCE }, () => sendSome().catch(giveUp)));
  failed.signal.throwIfAborted();
  return sent;
}
