/**
 * What stands between the uploader and a bucket that takes nothing: the first files find that out with their own tries, the others are not
 * even read. The resident uploader then sends one file at a time, less and less often, until one is taken. Told once, and not for each file.
 */
import { asStorestowError, type ErrorCode, type StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import { retry, type RetryOptions } from '../../core/retry.ts';
import {
  afterTry,
  atRoundEnd,
  atRoundStart,
  isOfBucket,
  TAKING,
  type BucketState,
  type RoundEnd,
  type Sent,
  type TryEnd,
} from './bucket-state.ts';
import { pauseOfFile } from './decide-round.ts';

/** Milliseconds that a file is tried again where nothing at all is taken: one try may take minutes of time-outs. */
const PATIENCE = 30_000;
/** Milliseconds between two words about an outage that lasts. */
const TOLD_AGAIN = 60 * 60 * 1000;
/** Of the files that were not taken in an outage, or failed by themselves, the last ones. */
const MOST_REMEMBERED = 10_000;

interface OwnFailure {
  readonly error: StorestowError;
  readonly failures: number;
  /** Milliseconds of this process's clock. */
  readonly until: number;
}

export interface WaitingFile {
  /** Of the file with this content; another content under its path has another. */
  readonly name: string;
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
  /** Files that the bucket refuses while it takes others. */
  readonly #failed = new Map<string, OwnFailure>();
  #largeToo = false;
  #refused = 0;
  /** Whether a file was refused since the round of the spool began. */
  #othersWait = false;
  #rounds = 0;
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

  /** Begun so far. What was refused in one, or failed, may be tried in the next. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Nothing that comes is tried before the next round. */
  get isClosed(): boolean {
    return this.#bucket.state !== 'taking' && !(this.#bucket.state === 'probing' && !this.#bucket.tried);
  }

  /** Why the file is not to be tried now; `undefined` where it is. */
  refusal({ name, large }: WaitingFile): StorestowError | undefined {
    const failed = this.#failed.get(name);
    // What may help may have been the bucket's fault: in an outage it is as good a file to ask with as any.
    const rests = failed !== undefined && (this.#bucket.state === 'taking' || !failed.error.retryable);
    if (rests && performance.now() < failed.until) return failed.error;
    const passes = this.#passes(name, large);
    if (passes) return undefined;
    this.#refused += 1;
    this.#othersWait = true;
    return this.#refusal;
  }

  #passes(name: string, large: boolean): boolean {
    switch (this.#bucket.state) {
      case 'taking':
        return true;
      case 'probing':
        return !this.#bucket.tried && !this.#triedFiles.has(name) && (this.#largeToo || !large);
      case 'out':
      case 'back':
        return false;
    }
  }

  /** Of the outage that lasts, the same object all the time: meanwhile files are tried one by one. */
  get outSince(): Date | undefined {
    return this.#bucket.state === 'taking' ? undefined : this.#bucket.outage.since;
  }

  /** Whether a failure was told already, as one of the bucket's. */
  covers(code: ErrorCode): boolean {
    return this.#bucket.state !== 'taking' && this.#bucket.outage.code === code;
  }

  /** `work` with its tries: as many as `retries` says while the bucket takes others, and no more than that finds out where it does not. */
  async attempt<Result>(
    { sent, name }: { readonly sent: Sent; readonly name?: string },
    work: () => Promise<Result>,
    retries: RetryOptions,
  ): Promise<Result> {
    const before = this.#taken[sent];
    const begun = performance.now();
    const doubtful = name !== undefined && this.#doubtful.has(name);
    const othersTaken = (): boolean => this.#taken[sent] > before;
    const again = (): boolean =>
      this.#bucket.state === 'taking' && !doubtful && (othersTaken() || performance.now() - begun < PATIENCE);
    try {
      const result = await retry(work, { ...retries, again });
      this.#taken[sent] += 1;
      if (name !== undefined) this.#forget(name);
      this.#end(sent, { taken: true });
      return result;
    } catch (thrown) {
      const error = asStorestowError(thrown);
      this.#end(sent, { taken: false, code: error.code, othersTaken: othersTaken(), doubtful }, error);
      if (name !== undefined) this.#remember(name, error, othersTaken());
      throw thrown;
    }
  }

  #remember(name: string, error: StorestowError, othersTaken: boolean): void {
    if (this.#bucket.state !== 'taking') this.#triedFiles.add(name);
    else if (error.code !== 'FILE_CHANGED' && (othersTaken || (!error.retryable && !isOfBucket(error.code)))) {
      const failures = (this.#failed.get(name)?.failures ?? 0) + 1;
      this.#failed.set(name, { error, failures, until: performance.now() + pauseOfFile(failures) });
      forgetFirst(this.#failed);
    }
  }

  #forget(name: string): void {
    this.#doubtful.delete(name);
    this.#failed.delete(name);
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
    this.#othersWait = false;
    this.#begin();
  }

  #begin(): void {
    this.#bucket = atRoundStart(this.#bucket);
    this.#refused = 0;
    this.#rounds += 1;
    this.#round = { taken: false };
  }

  /** Within a round that lasts: another one begins for what waits, or, where what was tried had no answer, the pause before it. */
  goOn(): void {
    const bucket = this.#bucket;
    if (bucket.state === 'probing' && !bucket.tried) {
      // The file may still have to be found: hundreds of thousands are listed for longer. What was tried may be asked with again; so may
      // large files, where any were met that wait.
      this.#triedFiles.clear();
      this.#largeToo ||= this.#refused > 0;
      this.#rounds += 1;
      return;
    }
    if (bucket.state !== 'taking') this.endRound({ whole: false });
    if (bucket.state !== 'probing') this.#begin();
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
      for (const name of this.#triedFiles) this.#doubtful.add(name);
      forgetFirst(this.#doubtful);
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
    const othersWait = this.#othersWait;
    this.#clear();
    this.#largeToo = othersWait && !tried;
    if (tried || !whole) this.#bucket = { state: 'out', outage: { ...outage, probes: outage.probes + 1 } };
    else if (!othersWait) {
      this.#bucket = TAKING;
      this.#log.warn({ code: outage.code }, 'nothing waits any more for the bucket that took nothing');
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

function forgetFirst(names: Map<string, unknown> | Set<string>): void {
  for (const name of names.keys()) {
    if (names.size <= MOST_REMEMBERED) return;
    names.delete(name);
  }
}

function secondsBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / 1000);
}
