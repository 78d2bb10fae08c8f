/**
 * How a large body is cut into parts, and the digests of the whole and of each part, taken in one reading: a store that is given the
 * parts with these digests holds them to the bytes that were read then, and nobody hashes them again.
 */
import { createHash, type Hash } from 'node:crypto';

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

/** Of a body of `size` bytes, which is given to it front to back, in pieces of any length. */
export class PartDigester {
  readonly #partSize: number;
  readonly #whole: Hash = createHash('sha256');
  readonly #parts: string[] = [];
  #part: Hash = createHash('sha256');
  /** Bytes that the part lacks. */
  #toPart: number;

  constructor(size: number) {
    this.#partSize = partSizeOf(size);
    this.#toPart = this.#partSize;
  }

  update(bytes: Uint8Array): void {
    this.#whole.update(bytes);
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.#toPart);
      this.#part.update(piece);
      at += piece.length;
      this.#toPart -= piece.length;
      if (this.#toPart === 0) this.#endPart();
    }
  }

  digests(): PartDigests {
    if (this.#toPart < this.#partSize) this.#endPart();
    return { sha256: this.#whole.digest('hex'), parts: this.#parts };
  }

  #endPart(): void {
    this.#parts.push(this.#part.digest('hex'));
    this.#part = createHash('sha256');
    this.#toPart = this.#partSize;
  }
}

/** What S3 tells of an object in parts: the digest of their digests (Amazon S3 User Guide, "Composite checksums"), in base64. */
export function compositeSha256(parts: readonly string[]): string {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(Buffer.from(part, 'hex'));
  return digest.digest('base64');
}
