/** The deflated data set (PS3.5 A.5: RFC 1951, without a zlib or gzip header). */

import { StorestowError } from '../errors.ts';
import { zlib } from './zlib.ts';

/** Deflate can grow a thousandfold; a file that grows beyond this is taken for an attack on memory. */
export const MAX_INFLATED_LENGTH = 1024 ** 3;

/**
 * The data set that is deflated from `offset` on. Throws `TRUNCATED` where the stream is cut, `MALFORMED` where it is not
 * deflate, becomes larger than `limit` bytes, or anything but padding or its own checksum follows it.
 */
export function inflateDataSet(file: Uint8Array, offset: number, limit: number): Uint8Array {
  let inflated: Inflated;
  try {
    inflated = inflateWithInfo(file.subarray(offset), limit);
  } catch (error) {
    throw inflateError(error, offset, limit);
  }
  const { buffer } = inflated;
  const streamEnd = offset + inflated.engine.bytesWritten;
  const end = streamEnd + (isChecksum(file.subarray(streamEnd), buffer) ? CHECKSUM_LENGTH : 0);
  if (file.subarray(end).some((byte) => byte !== 0)) throw malformed(end, 'something follows the deflated data set');
  return buffer;
}

/** Some writers leave the end of a gzip file behind the stream (RFC 1952: CRC-32 and length); it says nothing new. */
const CHECKSUM_LENGTH = 8;

function isChecksum(bytes: Uint8Array, inflated: Uint8Array): boolean {
  if (bytes.length < CHECKSUM_LENGTH) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, CHECKSUM_LENGTH);
  return view.getUint32(4, true) === inflated.length % 2 ** 32 && view.getUint32(0, true) === zlib().crc32(inflated);
}

/** What zlib gives where `info` is set, which its types leave out. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** `bytesWritten`: of the input, how much the stream took. */
  readonly engine: { readonly bytesWritten: number };
}

function inflateWithInfo(deflated: Uint8Array, limit: number): Inflated {
  return zlib().inflateRawSync(deflated, { maxOutputLength: limit, info: true }) as unknown as Inflated;
}

function inflateError(error: unknown, offset: number, limit: number): StorestowError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR') {
    return new StorestowError('TRUNCATED', 'the deflated data set ends too early; have it sent again', { offset, cause: error });
  }
  const isLarge = code === 'ERR_BUFFER_TOO_LARGE';
  return malformed(offset, isLarge ? `the data set inflates to more than ${limit} bytes` : 'this is not a deflate stream', error);
}

function malformed(offset: number, what: string, cause?: unknown): StorestowError {
  return new StorestowError('MALFORMED', `at byte ${offset}: ${what}; the sender must correct this`, { offset, cause });
}
