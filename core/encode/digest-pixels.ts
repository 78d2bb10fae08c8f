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

interface Piece {
  readonly valueOffset: number;
  readonly length: number;
}

/**
 * Of native pixel data (Float and Double Float Pixel Data too): the value as received, in the byte order of the file,
 * without the byte that pads it to even length (PS3.5 8.1.1); of a value that is not as long as its attributes say, all
 * of it. Of encapsulated pixel data: its fragments one behind another, their padding included, without the Basic Offset
 * Table (PS3.5 A.4).
 */
function piecesOf({ element, pixelLength }: PixelDescription): readonly Piece[] {
  const padded = element.length % 2 === 0 && pixelLength === element.length - 1;
  return element.fragments?.slice(1) ?? [{ ...element, length: padded ? element.length - 1 : element.length }];
}

/** Of pixel data in memory. */
export function digestPixels({ body }: Part10, description: PixelDescription): PixelDigest {
  const md5 = createHash('md5');
  let length = 0;
  for (const piece of piecesOf(description)) {
    md5.update(body.subarray(piece.valueOffset, piece.valueOffset + piece.length));
    length += piece.length;
  }
  return { pixelLength: length, pixelMd5: md5.digest('hex') };
}

/** Of pixel data that passes by: the whole value, with all that lies between fragments, in order. */
export class StreamedPixelDigest {
  readonly #pieces: readonly Piece[];
  readonly #md5 = createHash('md5');
  /** Where the bytes to come begin. */
  #at: number;
  /** The first piece that is not behind. */
  #next = 0;

  constructor(description: PixelDescription) {
    this.#pieces = piecesOf(description);
    this.#at = description.element.valueOffset;
  }

  update(bytes: Uint8Array): void {
    const end = this.#at + bytes.length;
    for (let piece = this.#pieces[this.#next]; piece !== undefined; piece = this.#pieces[++this.#next]) {
      const from = Math.max(piece.valueOffset, this.#at);
      const to = Math.min(piece.valueOffset + piece.length, end);
      if (from < to) this.#md5.update(bytes.subarray(from - this.#at, to - this.#at));
      if (piece.valueOffset + piece.length > end) break;
    }
    this.#at = end;
  }

  /** Once, when the whole value has passed. */
  digest(): PixelDigest {
    const pixelLength = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    return { pixelLength, pixelMd5: this.#md5.digest('hex') };
  }
}
