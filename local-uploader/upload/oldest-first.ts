/** The files of all folders in one line (p-queue): the oldest goes next, whatever folder it lies in. */
import PQueue from 'p-queue';

export class OldestFirst {
  readonly #queue: PQueue;
  readonly #width: () => number;

  /** `width`: how many may be under way now; asked each time that one begins or ends. `held`: none, until `begin`. */
  constructor(width: () => number, { held = false }: { readonly held?: boolean } = {}) {
    this.#width = width;
    this.#queue = new PQueue({ concurrency: width(), autoStart: !held });
  }

  begin(): void {
    this.#queue.start();
  }

  /** `received`: milliseconds since 1970. */
  async run<Result>(received: number, work: () => Promise<Result>): Promise<Result> {
    this.#adapt();
    return this.#queue.add(
      async () => {
        try {
          return await work();
        } finally {
          this.#adapt();
        }
      },
      { priority: -received },
    );
  }

  #adapt(): void {
    const width = this.#width();
    if (this.#queue.concurrency !== width) this.#queue.concurrency = width;
  }
}
