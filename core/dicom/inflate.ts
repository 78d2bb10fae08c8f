/** The deflated data set (PS3.5 A.5: RFC 1951, without a zlib or gzip header). */
import { inflateRawSync } from 'node:zlib';

import { StorestowError } from '../errors.ts';

/** Deflate can grow a thousandfold; a file that grows beyond this is taken for an attack on memory. */
export const MAX_INFLATED_LENGTH = 1024 ** 3;

/**
 * The data set that is deflated from `offset` on. Throws `TRUNCATED` where the stream is cut, `MALFORMED` where it is not
 * deflate, becomes larger than `limit` bytes, or anything but padding follows it.
 */
export function inflateDataSet(file: Uint8Array, offset: number, limit: number): Uint8Array {
  try {
    return inflateRawSync(file.subarray(offset), { maxOutputLength: limit });
  } catch (error) {
    throw inflateError(error, offset, limit);
  }
}

function inflateError(error: unknown, offset: number, limit: number): StorestowError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR') {
    return new StorestowError('TRUNCATED', 'the deflated data set ends too early; have it sent again', { offset, cause: error });
  }
  const what = code === 'ERR_BUFFER_TOO_LARGE' ? `inflates to more than ${limit} bytes` : 'is not a deflate stream';
  return new StorestowError('MALFORMED', `the data set at byte ${offset} ${what}; the sender must correct this`, {
    offset,
    cause: error,
  });
}
