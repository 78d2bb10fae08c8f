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
  checkBehindStream(file.subarray(streamEnd), streamEnd, { length: buffer.length, crc: zlib().crc32(buffer) });
  return buffer;
}

/** Of what was inflated. */
export interface InflatedSum {
  /** Bytes. */
  readonly length: number;
  /** CRC-32. */
  readonly crc: number;
}

/** What follows the stream, from `offset` on: padding alone, or where `sum` is given the stream's own checksum before it. Throws `MALFORMED`. */
export function checkBehindStream(bytes: Uint8Array, offset: number, sum?: InflatedSum): void {
  const skipped = sum !== undefined && isChecksum(bytes, sum) ? CHECKSUM_LENGTH : 0;
  if (bytes.subarray(skipped).some((byte) => byte !== 0))
    throw malformed(offset + skipped, 'something follows the deflated data set');
}

/** Some writers leave the end of a gzip file behind the stream (RFC 1952: CRC-32 and length); it says nothing new. */
const CHECKSUM_LENGTH = 8;

function isChecksum(bytes: Uint8Array, { length, crc }: InflatedSum): boolean {
  if (bytes.length < CHECKSUM_LENGTH) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, CHECKSUM_LENGTH);
  return view.getUint32(4, true) === length % 2 ** 32 && view.getUint32(0, true) === crc;
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

/** What inflating threw, in storestow's words; an error that is none of zlib's stays. */
export function inflateError(error: unknown, offset: number, limit: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR')
    return new StorestowError('TRUNCATED', 'the deflated data set ends too early; have it sent again', { offset, cause: error });
  if (code === 'ERR_BUFFER_TOO_LARGE') return tooLargeInflated(offset, limit, error);
  return code === 'Z_DATA_ERROR' ? malformed(offset, 'this is not a deflate stream', error) : error;
}

export function tooLargeInflated(offset: number, limit: number, cause?: unknown): StorestowError {
  return malformed(offset, `the data set inflates to more than ${limit} bytes`, cause);
}

function malformed(offset: number, what: string, cause?: unknown): StorestowError {
  return new StorestowError('MALFORMED', `at byte ${offset}: ${what}; the sender must correct this`, { offset, cause });
}
