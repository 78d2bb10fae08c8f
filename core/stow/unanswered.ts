/**
 * Instances whose last request got no answer in time. The archive may still be at them, so they are not sent again at once; but the next
 * time they come in requests a quarter as large, and behind the others: of a request of 20, one that hangs the archive stands alone in
 * the fourth try, which is within those of the queue.
 */
export interface Unanswered {
  /** Instances that a request with this one may have. */
  limitOf(sopInstanceUID: string): number;
  /** No answer came to a request of so many instances; of these the archive has nothing. */
  noAnswer(requestSize: number, missing: readonly string[]): void;
  answered(sopInstanceUIDs: readonly string[]): void;
}

/** `max`: instances that are remembered. */
export function createUnanswered(max = 10_000): Unanswered {
  const limits = new Map<string, number>();
  return {
    limitOf: (uid) => limits.get(uid) ?? Infinity,
    noAnswer(requestSize, missing) {
      if (limits.size > max) limits.clear();
      for (const uid of missing) limits.set(uid, Math.ceil(requestSize / 4));
    },
    answered(uids) {
      for (const uid of uids) limits.delete(uid);
    },
  };
}
