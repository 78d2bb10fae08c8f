/** Bytes on their way out of a store, held to the SHA-256 that was kept when they went in. */
import { createHash, hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { checksumMismatch } from './store-errors.ts';

export interface ExpectedBytes {
  readonly size: number;
  /** 64 hex digits; absent for a range, or where the store keeps none. */
  readonly sha256?: string | undefined;
}

/**
 * `source`, failing at its end with `CHECKSUM_MISMATCH` where its bytes are not as many as expected or have another digest.
 * `translate` makes the source's own errors members of the family.
 */
export function verifiedStream(
  source: Readable,
  key: string,
  expected: ExpectedBytes,
  translate: (error: unknown) => unknown,
): Readable {
  const stream = Readable.from(verifiedChunks(source, key, expected, translate), { objectMode: false });
  // A consumer that gives up before the first read never starts the generator, which therefore cannot release the source.
  stream.once('close', () => source.destroy());
  return stream;
}

async function* verifiedChunks(
  source: Readable,
  key: string,
  { size, sha256 }: ExpectedBytes,
  translate: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array> {
  const digest = sha256 === undefined ? undefined : createHash('sha256');
  let length = 0;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      digest?.update(chunk);
      length += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw translate(error);
  }
  if (length !== size || digest?.digest('hex') !== sha256) throw checksumMismatch(key);
}

/** `bytes`, held to what is expected as `verifiedStream` holds its source. */
export function verifiedBytes(bytes: Uint8Array, key: string, { size, sha256 }: ExpectedBytes): Uint8Array {
  if (bytes.length !== size || (sha256 !== undefined && hash('sha256', bytes, 'hex') !== sha256)) throw checksumMismatch(key);
  return bytes;
}

/** All of a stream's bytes. */
export async function collect(stream: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
