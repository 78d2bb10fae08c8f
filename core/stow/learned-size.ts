/** The size of requests that an archive takes, learned from those that were too large for it. */
export interface LearnedSize {
  /** Bytes of a request's body at most; infinite until one was refused. */
  readonly maxBytes: number;
  /** So long a one was refused: half of it is the next guess, so that a limit is found in a few steps and not once in each request. */
  refused(length: number): void;
}

export function createLearnedSize(): LearnedSize {
  let maxBytes = Infinity;
  return {
    get maxBytes() {
      return maxBytes;
    },
    refused(length) {
      maxBytes = Math.max(1, Math.min(maxBytes, Math.floor(length / 2)));
    },
  };
}
