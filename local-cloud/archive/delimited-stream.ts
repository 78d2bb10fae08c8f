/** Reads a stream of bytes up to what it looks for. */
export class ByteSource {
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

  /** The bytes before the next `mark`, which is taken too; `undefined` where the stream ends, or holds `limit` bytes, without it. */
  async readUntil(mark: Uint8Array, limit = Infinity): Promise<Buffer | undefined> {
    const taken: Buffer[] = [];
    let length = 0;
    let tail = Buffer.alloc(0);
    while (length <= limit) {
      const chunk = await this.#next();
      if (chunk === undefined) return undefined;
      const window = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
      const at = window.indexOf(mark);
      if (at !== -1) {
        this.#rest = window.subarray(at + mark.length);
        return Buffer.concat([...taken, window.subarray(0, at)]);
      }
      const kept = Math.max(0, window.length - mark.length + 1);
      taken.push(window.subarray(0, kept));
      length += kept;
      tail = Buffer.from(window.subarray(kept));
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
