/** Reads a stream of bytes up to what it looks for. */
export class DelimitedStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** What was read from the stream and not taken yet. */
  #rest: Buffer;

  /** `before`: bytes that stand before the stream's own. */
  constructor(stream: AsyncIterable<Uint8Array>, before: Uint8Array = new Uint8Array(0)) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#rest = Buffer.from(before);
  }

  async #next(): Promise<Buffer | undefined> {
    if (this.#rest.length > 0) {
      const rest = this.#rest;
      this.#rest = Buffer.alloc(0);
      return rest;
    }
    const next = await this.#chunks.next();
    if (next.done === true) return undefined;
    return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
  }

  /** The bytes before the next `mark`, as they come; the mark is taken too. Returns whether there was one before the end. */
  async *chunksUntil(mark: Uint8Array): AsyncGenerator<Buffer, boolean, void> {
    let tail = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.#next();
      if (chunk === undefined) {
        yield tail;
        return false;
      }
      const window = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
      const at = window.indexOf(mark);
      if (at !== -1) {
        this.#rest = window.subarray(at + mark.length);
        yield window.subarray(0, at);
        return true;
      }
      const sure = Math.max(0, window.length - mark.length + 1);
      yield window.subarray(0, sure);
      tail = Buffer.from(window.subarray(sure));
    }
  }

  /** The same in one piece; `undefined` where the stream ends, or holds `limit` bytes, without the mark. */
  async readUntil(mark: Uint8Array, limit = Infinity): Promise<Buffer | undefined> {
    const taken: Buffer[] = [];
    let length = 0;
    const chunks = this.chunksUntil(mark);
    while (length <= limit) {
      const { done, value } = await chunks.next();
      if (done === true) return value ? Buffer.concat(taken) : undefined;
      taken.push(value);
      length += value.length;
    }
    return undefined;
  }

  /** Exactly so many bytes; `undefined` where the stream ends before. */
  async read(count: number): Promise<Buffer | undefined> {
    let taken = Buffer.alloc(0);
    while (taken.length < count) {
      const chunk = await this.#next();
      if (chunk === undefined) return undefined;
      taken = Buffer.concat([taken, chunk]);
    }
    this.#rest = taken.subarray(count);
    return taken.subarray(0, count);
  }

  putBack(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([bytes, this.#rest]);
  }

  /** Reads on to the end of the stream and forgets it. */
  async drain(): Promise<void> {
    while ((await this.#next()) !== undefined) continue;
  }
}
