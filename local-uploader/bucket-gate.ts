/**
 * What stands between the uploader and a bucket that takes nothing: the first files find that out with their own tries, the others are not
 * even read. The resident uploader then sends one file at a time, less and less often, until one is taken. Told once, and not for each file.
 */
import { asStorestowError, type ErrorCode, type StorestowError } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import { retry, type RetryOptions } from '../core/retry.ts';
import {
  afterTry,
  atRoundEnd,
  atRoundStart,
  TAKING,
  type BucketState,
  type RoundEnd,
  type Sent,
  type TryEnd,
} from './bucket-state.ts';

/** Milliseconds that a file is tried again where nothing at all is taken: one try may take minutes of time-outs. */
const PATIENCE = 30_000;
/** Milliseconds between two words about an outage that lasts. */
const TOLD_AGAIN = 60 * 60 * 1000;
/** Of the files that were not taken in an outage, the last ones. */
const MOST_DOUBTFUL = 1000;

export interface WaitingFile {
  readonly path: string;
  /** Takes long: the bucket is asked with another one, if there is one. */
  readonly large: boolean;
}

export class BucketGate {
  readonly #log: Log;
  readonly #now: () => Date;
  #bucket: BucketState = TAKING;
  #refusal: StorestowError | undefined;
  readonly #taken: Record<Sent, number> = { instance: 0, manifest: 0 };
  #toldAt = new Date(0);
  /** Since when the bucket had been out, while what waited is sent. */
  #catchingUpSince: Date | undefined;
  #takenBefore = 0;
  /** Files that the bucket did not take in this outage: others are tried first. */
  readonly #triedFiles = new Set<string>();
  /** Files of earlier outages, which were not taken since. */
  readonly #doubtful = new Set<string>();
  #largeToo = false;
  #refused = 0;
  #round: RoundEnd = { taken: false };
  /** What a doubtful file failed with. */
  #doubt: StorestowError | undefined;

  constructor({ log, now }: { readonly log: Log; readonly now: () => Date }) {
    this.#log = log;
    this.#now = now;
  }

  get bucket(): BucketState {
    return this.#bucket;
  }

  /** Why the file is not to be tried now; `undefined` where it is. */
  refusal({ path, large }: WaitingFile): StorestowError | undefined {
    const passes = this.#passes(path, large);
    if (passes) return undefined;
    this.#refused += 1;
    return this.#refusal;
  }

  #passes(path: string, large: boolean): boolean {
    switch (this.#bucket.state) {
      case 'taking':
        return true;
      case 'probing':
        return !this.#bucket.tried && !this.#triedFiles.has(path) && (this.#largeToo || !large);
      case 'out':
      case 'back':
        return false;
    }
  }

  /** Files at once, of so many at most. */
  width(most: number): number {
    return this.#bucket.state === 'taking' ? most : 1;
  }

  /** Whether a failure was told already, as one of the bucket's. */
  covers(code: ErrorCode): boolean {
    return this.#bucket.state !== 'taking' && this.#bucket.outage.code === code;
  }

  /** `work` with its tries: as many as `retries` says while the bucket takes others, and no more than that finds out where it does not. */
  async attempt<Result>(
    { sent, path }: { readonly sent: Sent; readonly path?: string },
    work: () => Promise<Result>,
    retries: RetryOptions,
  ): Promise<Result> {
    const before = this.#taken[sent];
    const begun = performance.now();
    const doubtful = path !== undefined && this.#doubtful.has(path);
    const othersTaken = (): boolean => this.#taken[sent] > before;
    const again = (): boolean =>
      this.#bucket.state === 'taking' && !doubtful && (othersTaken() || performance.now() - begun < PATIENCE);
    try {
      const result = await retry(work, { ...retries, again });
      this.#taken[sent] += 1;
      if (path !== undefined) this.#doubtful.delete(path);
      this.#end(sent, { taken: true });
      return result;
    } catch (thrown) {
      const error = asStorestowError(thrown);
      this.#end(sent, { taken: false, code: error.code, othersTaken: othersTaken(), doubtful }, error);
      if (this.#bucket.state !== 'taking' && path !== undefined) this.#triedFiles.add(path);
      throw thrown;
    }
  }

  #end(sent: Sent, end: TryEnd, error?: StorestowError): void {
    if (end.taken) this.#round = { ...this.#round, taken: true };
    else if (end.doubtful) {
      this.#round = { ...this.#round, doubtful: { sent, code: end.code } };
      this.#doubt = error;
    }
    this.#become(afterTry(this.#bucket, sent, end, this.#now()), error);
  }

  #become(bucket: BucketState, why: StorestowError | undefined): void {
    const before = this.#bucket;
    this.#bucket = bucket;
    if (bucket.state !== 'out' || bucket === before) return;
    this.#refusal = why;
    if (before.state === 'taking') this.#tellBegin();
  }

  #tellBegin(): void {
    this.#toldAt = this.#now();
    this.#catchingUpSince = undefined;
    this.#log.warn({ err: this.#refusal }, 'the bucket takes nothing; what waits stays in the spool, and is sent when it does');
  }

  beginRound(): void {
    this.#bucket = atRoundStart(this.#bucket);
    this.#refused = 0;
    this.#round = { taken: false };
  }

  /** `whole`: the round met all that waits; nothing was left to another uploader. */
  endRound({ whole }: { readonly whole: boolean }): void {
    const now = this.#now();
    this.#become(atRoundEnd(this.#bucket, this.#round, now), this.#doubt);
    const bucket = this.#bucket;
    if (bucket.state === 'taking') {
      this.#tellEnd(now);
      return;
    }
    const outage = { code: bucket.outage.code, seconds: secondsBetween(bucket.outage.since, now) };
    if (bucket.state === 'back') {
      this.#remember();
      this.#clear();
      this.#catchingUpSince = bucket.outage.since;
      this.#takenBefore = this.#taken.instance - 1;
      this.#log.warn(outage, 'the bucket takes files again; what waits is sent, the oldest first');
    } else if (bucket.state === 'probing') {
      this.#endUnanswered(bucket, whole);
    } else if (now.getTime() - this.#toldAt.getTime() >= TOLD_AGAIN) {
      this.#toldAt = now;
      this.#log.warn({ ...outage, files: this.#refused, err: this.#refusal }, 'the bucket still takes nothing');
    }
  }

  /** No file that could be tried was left, or its end says nothing of the bucket. */
  #endUnanswered({ outage, tried }: Extract<BucketState, { state: 'probing' }>, whole: boolean): void {
    const othersWait = this.#refused > 0;
    this.#clear();
    if (tried || !whole) this.#bucket = { state: 'out', outage: { ...outage, probes: outage.probes + 1 } };
    else if (othersWait) this.#largeToo = true;
    else {
      this.#bucket = TAKING;
      this.#log.warn({ code: outage.code }, 'nothing waits any more for the bucket that took nothing');
    }
  }

  /** Which files were not taken. */
  #remember(): void {
    for (const path of this.#triedFiles) this.#doubtful.add(path);
    for (const path of this.#doubtful) {
      if (this.#doubtful.size <= MOST_DOUBTFUL) break;
      this.#doubtful.delete(path);
    }
  }

  #clear(): void {
    this.#triedFiles.clear();
    this.#largeToo = false;
  }

  #tellEnd(now: Date): void {
    if (this.#catchingUpSince === undefined) return;
    const sent = { files: this.#taken.instance - this.#takenBefore, seconds: secondsBetween(this.#catchingUpSince, now) };
    this.#catchingUpSince = undefined;
    this.#log.warn(sent, 'what waited for the bucket is sent');
  }
}

function secondsBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / 1000);
}
