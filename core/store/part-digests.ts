/**
 * How a large body is cut into parts, and the digests of the whole and of each part, taken in one reading: a store that is given the
 * parts with these digests holds them to the bytes that were read then, and nobody hashes them again.
 */
import { createHash, webcrypto } from 'node:crypto';

export interface PartDigests {
  /** Of the whole, 64 hex digits. */
  readonly sha256: string;
  /** Of each part, in their order, 64 hex digits. */
  readonly parts: readonly string[];
}

/** S3's own bounds are parts of at least 5 MiB, at most 10,000 of them (Amazon S3 User Guide, "Multipart upload limits"). */
const LEAST_PART = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;

/** Bytes of each part but the last one of a body of `size` bytes. */
export function partSizeOf(size: number): number {
  return Math.max(LEAST_PART, Math.ceil(size / MAX_PARTS));
}

/** Fills the buffer with the bytes from `start` on, as many as it has; the bytes may be others than the buffer's. */
export type ReadBytes = (start: number, buffer: Uint8Array) => Promise<Uint8Array>;

/** Parts whose own digest is still being taken, each in memory of its own. */
const AT_ONCE = 2;

/** The digests of parts are taken by other threads while the whole's goes on in this one. Rejects as `read` does. */
export async function digestParts(size: number, read: ReadBytes): Promise<PartDigests> {
  const partSize = partSizeOf(size);
  const whole = createHash('sha256');
  const parts: Promise<string>[] = [];
  const buffers = [0, 1].map(() => Buffer.allocUnsafeSlow(Math.min(partSize, size)));
  const readPart = (index: number): Promise<Uint8Array> | undefined => {
    const start = index * partSize;
    if (start >= size) return undefined;
    const reading = read(start, (buffers[index % 2] as Buffer).subarray(0, Math.min(partSize, size - start)));
    // A rejection is met where the part is awaited, which may be later.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = readPart(0);
  for (let index = 0; reading !== undefined; index++) {
    const bytes = await reading;
    await parts[index - AT_ONCE];
    // Copies them at once.
    parts.push(sha256Elsewhere(bytes));
    reading = readPart(index + 1);
    whole.update(bytes);
  }
  return { sha256: whole.digest('hex'), parts: await Promise.all(parts) };
}

async function sha256Elsewhere(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

/** What S3 tells of an object in parts: the digest of their digests (Amazon S3 User Guide, "Composite checksums"), in base64. */
export function compositeSha256(parts: readonly string[]): string {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(Buffer.from(part, 'hex'));
  return digest.digest('base64');
}
