/** Length and MD5 of the original pixel data: what an auditor compares with the pixels that the archive gives back. */
import { createHash } from 'node:crypto';
import type { Part10 } from '../dicom/data-set.ts';
import type { PixelDescription } from '../dicom/describe-pixels.ts';

export interface PixelDigest {
  /** Bytes. */
  readonly pixelLength: number;
  /** Lower-case hexadecimal. */
  readonly pixelMd5: string;
}

/**
 * Of native pixel data (Float and Double Float Pixel Data too): of the value as received, in the byte order of the file,
 * without the byte that pads it to even length (PS3.5 8.1.1); of a value that is not as long as its attributes say, of all
 * of it. Of encapsulated pixel data: of its fragments one behind another, their padding included, without the Basic Offset
 * Table (PS3.5 A.4).
 */
export function digestPixels({ body }: Part10, { element, pixelLength }: PixelDescription): PixelDigest {
  const padded = element.length % 2 === 0 && pixelLength === element.length - 1;
  const pieces = element.fragments?.slice(1) ?? [{ ...element, length: padded ? element.length - 1 : element.length }];
  const md5 = createHash('md5');
  let length = 0;
  for (const piece of pieces) {
    md5.update(body.subarray(piece.valueOffset, piece.valueOffset + piece.length));
    length += piece.length;
  }
  return { pixelLength: length, pixelMd5: md5.digest('hex') };
}
