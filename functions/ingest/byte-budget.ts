/** Bounds the bytes that are in memory at once: whoever wants more waits, first come first served. */

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

export class ByteBudget {
  readonly #capacity: number;
  readonly #onBlocked: () => void;
  readonly #waiting: Waiting[] = [];
  #used = 0;

  /** `onBlocked`: called when somebody has to wait, so that those who hold bytes can hurry. */
  constructor(capacity: number, onBlocked: () => void = () => undefined) {
    this.#capacity = capacity;
    this.#onBlocked = onBlocked;
  }

  get blocked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Gives what returns the bytes, to be called once. More than the whole capacity is taken alone. */
  async acquire(bytes: number): Promise<() => void> {
    if (this.blocked || !this.#hasRoom(bytes)) {
      await new Promise<void>((admit) => {
        this.#waiting.push({ bytes, admit });
        this.#onBlocked();
      });
    } else {
      this.#used += bytes;
    }
    return () => this.#release(bytes);
  }

  #release(bytes: number): void {
    this.#used -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used += next.bytes;
      next.admit();
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#capacity;
  }
}
