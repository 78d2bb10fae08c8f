/** The files of all folders in one line (p-queue): the oldest goes next, whatever folder it lies in. */
import PQueue from 'p-queue';

export interface LineOptions {
  /** Files at once. */
  readonly most: number;
  /**
   * Why files go one at a time now, as something that is the same for as long; `undefined`: they do not. What began before that does not
   * count: a large file may be on its way for an hour, and is no answer until it is done.
   */
  readonly singly?: () => object | undefined;
  /** None, until `begin`. */
  readonly held?: boolean;
}

export class OldestFirst {
  readonly #queue: PQueue;
  readonly #most: number;
  readonly #singly: () => object | undefined;
  /** For each file under way, what was the reason to go singly when it began. */
  readonly #underWay = new Set<{ readonly singly: object | undefined }>();

  constructor({ most, singly = () => undefined, held = false }: LineOptions) {
    this.#most = most;
    this.#singly = singly;
    this.#queue = new PQueue({ concurrency: this.#width(), autoStart: !held });
  }

  begin(): void {
    this.#queue.start();
  }

  /** `received`: milliseconds since 1970. */
  async run<Result>(received: number, work: () => Promise<Result>): Promise<Result> {
    this.adapt();
    return this.#queue.add(
      async () => {
        const own = { singly: this.#singly() };
        this.#underWay.add(own);
        try {
          return await work();
        } finally {
          this.#underWay.delete(own);
          this.adapt();
        }
      },
      { priority: -received },
    );
  }

  /** To whether it goes singly now. Called where none may begin or end that would do so. */
  adapt(): void {
    const width = this.#width();
    if (this.#queue.concurrency !== width) this.#queue.concurrency = width;
  }

  #width(): number {
    const singly = this.#singly();
    if (singly === undefined) return this.#most;
    return 1 + [...this.#underWay].filter((file) => file.singly !== singly).length;
  }
}
