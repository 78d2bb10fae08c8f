/** A gate before the frame pool: bounds how many frames, and how many bytes of them, are copied and under way at once. */

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
  readonly refuse: (reason: unknown) => void;
}

export interface AdmissionLimits {
  readonly frames: number;
  readonly bytes: number;
}

/** First come, first served. A frame larger than the limit goes alone. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #waiting: Waiting[] = [];
  #frames = 0;
  #bytes = 0;
  #refusal: { readonly reason: unknown } | undefined;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Resolves when there is room; `leave` must follow. Rejects once the gate is shut. */
  async enter(bytes: number): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal.reason;
    if (this.#waiting.length === 0 && this.#hasRoom(bytes)) {
      this.#take(bytes);
      return;
    }
    await new Promise<void>((admit, refuse) => {
      this.#waiting.push({ bytes, admit, refuse });
    });
  }

  leave(bytes: number): void {
    this.#frames -= 1;
    this.#bytes -= bytes;
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#take(next.bytes);
      next.admit();
    }
  }

  /** Rejects those who wait and whoever comes. */
  shut(reason: unknown): void {
    this.#refusal = { reason };
    for (const { refuse } of this.#waiting.splice(0)) refuse(reason);
  }

  #hasRoom(bytes: number): boolean {
    return this.#frames === 0 || (this.#frames < this.#limits.frames && this.#bytes + bytes <= this.#limits.bytes);
  }

  #take(bytes: number): void {
    this.#frames += 1;
    this.#bytes += bytes;
  }
}
