/**
 * Bytes that are read where they are needed: of a file on disk, of an object in a bucket. What is too large for memory goes
 * through these.
 */

/** The port. */
export interface ByteSource {
  /** Bytes. */
  readonly length: number;
  /** Exactly the bytes from `start` to `end`, in memory of their own. Rejects where they cannot be had, or have changed. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A part of a source, in place of its bytes. */
export interface SourceRange {
  readonly source: ByteSource;
  /** Of its first byte in the source. */
  readonly start: number;
  readonly length: number;
}

/** A piece of a file: bytes in memory, or where they are to be read. */
export type Segment = Uint8Array | SourceRange;

/** Bytes read at once; a request to a bucket costs about what reading this much does. */
const BLOCK = 4 * 1024 * 1024;

/** The bytes of a segment in their order, in blocks of a few MiB. Rejects as its source does. */
export async function* segmentBytes(segment: Segment): AsyncGenerator<Uint8Array> {
  if (segment instanceof Uint8Array) {
    yield segment;
    return;
  }
  const { source, start, length } = segment;
  for (let at = 0; at < length; at += BLOCK) yield await source.read(start + at, start + Math.min(length, at + BLOCK));
}

/** From so many bytes on, what lies between two places is not read: another request costs less. */
const FAR = 1024 * 1024;

/**
 * Small pieces at rising places: where they lie close together they come of blocks of a few MiB, so that a hundred thousand of them are
 * no hundred thousand requests; where they lie far apart each is read alone.
 */
export class PieceReader {
  readonly #source: ByteSource;
  #start: number;
  #block: Uint8Array;
  #last: number;

  /** `block`: what is known already, the bytes of the source from `start` on. */
  constructor(source: ByteSource, block: Uint8Array, start = 0) {
    this.#source = source;
    this.#block = block;
    this.#start = start;
    this.#last = start + block.length;
  }

  /** Rejects as the source does. */
  async read(start: number, end: number): Promise<Uint8Array> {
    if (end > this.#start + this.#block.length) {
      const wanted = start - this.#last < FAR ? Math.max(end, Math.min(start + BLOCK, this.#source.length)) : end;
      this.#block = await this.#source.read(start, wanted);
      this.#start = start;
    }
    this.#last = end;
    return this.#block.subarray(start - this.#start, end - this.#start);
  }
}

/** Segments that are known to lie in memory. Throws where one does not. */
export function inMemory(segments: readonly Segment[]): Uint8Array[] {
  return segments.map((segment) => {
    if (segment instanceof Uint8Array) return segment;
    throw new TypeError('a segment of a large object is not in memory; stream it');
  });
}

/**
 * Reads a range front to back in pieces of any size, with few and large reads of the source. `taken` sees every byte once,
 * in order.
 */
export class SequentialReader {
  readonly #range: SourceRange;
  readonly #taken: (bytes: Uint8Array) => void;
  #block: Uint8Array = new Uint8Array(0);
  /** Of the first byte that is not in the block. */
  #at = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(range: SourceRange, taken: (bytes: Uint8Array) => void) {
    this.#range = range;
    this.#taken = taken;
  }

  /** The next `length` bytes, fewer at the end. Calls are answered in their order. */
  async next(length: number): Promise<Uint8Array> {
    const turn = this.#turn.then(() => this.#next(length));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Lets `taken` see what is left. */
  async drain(): Promise<void> {
    while ((await this.next(BLOCK)).length > 0);
  }

  async #next(wanted: number): Promise<Uint8Array> {
    const { source, start, length } = this.#range;
    const missing = wanted - this.#block.length;
    if (missing > 0 && this.#at < length) {
      const end = Math.min(length, this.#at + Math.max(missing, BLOCK));
      const read = await source.read(start + this.#at, start + end);
      this.#taken(read);
      this.#at = end;
      this.#block = this.#block.length === 0 ? read : Buffer.concat([this.#block, read]);
    }
    const piece = this.#block.subarray(0, wanted);
    this.#block = this.#block.subarray(wanted);
    return piece;
  }
}
