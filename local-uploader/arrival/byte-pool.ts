/**
 * Memory that files are read into, one after the other. New memory for each of thousands has the garbage collector run over everything
 * whenever some dozen MB have come together.
 */
export class BytePool {
  readonly #limit: number;
  readonly #free: Uint8Array[] = [];
  #kept = 0;

  /** `limit`: bytes that are kept for later. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Of that length, with anything in it: of what was given back, where that is not much too large. */
  take(length: number): Uint8Array {
    const fits = this.#free.findIndex((bytes) => bytes.length >= length && bytes.length <= 2 * length + ROUNDED);
    if (fits === -1) return Buffer.allocUnsafeSlow(Math.ceil(length / ROUNDED) * ROUNDED).subarray(0, length);
    const [bytes] = this.#free.splice(fits, 1) as [Uint8Array];
    this.#kept -= bytes.length;
    return bytes.subarray(0, length);
  }

  /** What was taken, when nobody reads it any more. Those that lie here since longest make room. */
  give({ buffer }: Uint8Array): void {
    const bytes = new Uint8Array(buffer);
    if (bytes.length > this.#limit) return;
    this.#free.push(bytes);
    this.#kept += bytes.length;
    while (this.#kept > this.#limit) this.#kept -= this.#free.shift()?.length ?? 0;
  }
}

/** Bytes; files of a series differ by some. */
const ROUNDED = 64 * 1024;
