/**
 * A lease: one object of the bucket, held by whoever wrote it last. Taken with `If-None-Match: *`, renewed and taken over with
 * `If-Match`, deleted at the end: two small requests where nobody else wants it.
 *
 * Why so: conditional writes are what AWS S3, MinIO and the embedded bucket have in common, and the bucket is the one thing that
 * all function instances share anyway. A lock table (DynamoDB) would be a second thing that must survive, and MinIO and a folder have
 * none. A FIFO queue (SQS) keeps messages of a group in order, but S3 cannot notify one, and it does not know that a receiver which
 * died may still have a request under way. A lease for each SOP Instance UID would cost two requests an instance.
 *
 * What its holder has begun may go on without it: an archive that has received a request carries it out although the sender died.
 * So a lease runs out in two steps:
 *
 *     written ──── term ────▶ the holder has stopped by itself ──── grace ────▶ what it had begun has ended: another may take it
 *
 * The holder renews within the term, and stops, by its own clocks, before the term is over. The times of two machines are never
 * compared: the lease's age is told by the store's clock alone, and who takes it over has seen it unchanged for a whole term by its
 * own monotonic clock, in which a holder that lives would have renewed it, whatever any clock jumped to.
 *
 * A holder that is stopped (SIGSTOP, a suspended machine) for longer than both, and goes on, looks at its clocks before each request;
 * bytes that the kernel had by then are out of its hands. Only the archive could refuse those.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { asStorestowError } from '../errors.ts';
import type { ObjectHead, ObjectStore } from './object-store.ts';

export type LeaseStore = Pick<ObjectStore, 'put' | 'head' | 'delete'>;

/** Milliseconds. */
export interface LeaseTimes {
  /** In which the holder must renew. */
  readonly term: number;
  /** Behind the term: as long as what the holder had begun may go on without it. */
  readonly grace: number;
}

/** Milliseconds that a waiting caller waits at most. */
export interface LeasePatience {
  /** While the holder renews it. */
  readonly alive: number;
  /** For a lease to run out whose holder is gone: begun only where it runs out within this time. */
  readonly gone: number;
}

export interface Lease {
  readonly kind: 'lease';
  /** Whether another had it while this one was waited for: what is known from before may no longer hold. */
  readonly contended: boolean;
  /** Aborted as soon as the lease can no longer be relied upon. */
  readonly signal: AbortSignal;
  /** Looks at the clocks: false, and `signal` aborted, where the term is over. To be asked before each thing that is begun. */
  check(): boolean;
  /** Whatever was begun has ended. Never rejects: what cannot be deleted runs out. */
  release(): Promise<void>;
  /** Something may still be under way: the lease is left to run out. */
  abandon(): void;
}

/** The lease was not got. */
export interface LeaseHeld {
  readonly kind: 'held';
  /** Milliseconds until it runs out, if it is not renewed. */
  readonly rest: number;
  /** `gone`: it was not renewed within its term. */
  readonly holder: 'alive' | 'gone';
}

/** Somebody else's lease, as it is seen; milliseconds. */
export interface LeaseView extends LeaseTimes {
  /** Since it was written, by the store's clock; absent where the store does not tell its time. */
  readonly age: number | undefined;
  /** For which this process has seen it unchanged, by its own monotonic clock. */
  readonly watched: number;
}

/**
 * `unchanged`: the longer of `age` and `watched`.
 *
 * | unchanged for              | watched for | then                                                                 |
 * |----------------------------|-------------|----------------------------------------------------------------------|
 * | less than the term         |             | wait, the holder is alive                                            |
 * | less than term and grace   |             | wait for the rest, the holder is gone                                |
 * | term and grace             | less than the term | wait for the rest of the term: an age alone may be a clock that jumped |
 * | term and grace             | the term    | steal                                                                |
 */
export function decideLease({ age = 0, watched, term, grace }: LeaseView): { readonly kind: 'steal' } | LeaseHeld {
  const unchanged = Math.max(age, watched);
  const rest = Math.max(term + grace - unchanged, term - watched);
  if (rest <= 0) return { kind: 'steal' };
  return { kind: 'held', rest, holder: unchanged < term ? 'alive' : 'gone' };
}

/** Of the term: renewed after the first, tried again after the second where that failed, relied upon until the third. */
const RENEW_AFTER = 1 / 3;
const RETRY_AFTER = 1 / 12;
const RELY_UNTIL = 5 / 6;
/** HTTP tells times in whole seconds: a difference of two may be too large by one. */
const SECOND = 1000;
/** Milliseconds between two looks at a lease that is waited for. */
const FIRST_LOOK = 50;
const MAX_LOOK = 1000;
/** Whoever has it that cannot be seen. */
const FASTER: LeaseHeld = { kind: 'held', rest: MAX_LOOK, holder: 'alive' };
/** Leases of others that are remembered; they are few, for whoever waits for many waits for one machine that died. */
const MAX_WATCHED = 1000;
/** Milliseconds that another's lease may claim at most; a longer one is no lease of storestow's. */
const MAX_CLAIM = 24 * 60 * 60_000;

const ID = 'lease';
const TERM = 'lease-term';
const GRACE = 'lease-grace';

interface Watched {
  readonly etag: string;
  /** Of the monotonic clock. */
  readonly since: number;
}

/** A lease that was written: `id` is in its metadata and its body, so that each writing has an ETag of its own. */
interface Written {
  readonly etag: string;
  /** When its writing began. */
  readonly at: Moment;
}

/** On both clocks: the monotonic one may stand while a machine sleeps, the other one may be set back. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export class Leases {
  readonly #store: LeaseStore;
  readonly #times: LeaseTimes;
  readonly #watched = new Map<string, Watched>();

  constructor(store: LeaseStore, times: LeaseTimes) {
    this.#store = store;
    this.#times = times;
  }

  /** Waits for another's lease with `patience`, and until `signal` aborts. Throws what the store throws. */
  async acquire(key: string, patience: LeasePatience, signal?: AbortSignal): Promise<Lease | LeaseHeld> {
    const free = await this.#put(key, { ifAbsent: true });
    if (free !== undefined) return this.#hold(key, free, false);
    const begun = performance.now();
    let inVain = 0;
    for (let pause = FIRST_LOOK; ; pause = Math.min(MAX_LOOK, pause * 2)) {
      const view = await this.#look(key);
      let decision = view === undefined ? undefined : decideLease(view);
      if (decision?.kind !== 'held') {
        const taken = await this.#put(key, view === undefined ? { ifAbsent: true } : { ifMatch: view.etag });
        if (taken !== undefined) return this.#hold(key, taken, true);
        inVain += 1;
        // Another was faster, which the next look shows; unless what the store shows is stale.
        if (inVain === 1) continue;
        decision = FASTER;
      }
      const waited = performance.now() - begun;
      const patient = decision.holder === 'alive' ? waited < patience.alive : waited + decision.rest <= patience.gone;
      if (!patient || signal?.aborted === true) return decision;
      await delay(Math.min(pause, decision.rest), undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }

  /**
   * Milliseconds until a lease runs out whose holder was seen to be gone, and still is; 0 where there is none to wait for. Asks
   * the store only of leases that were waited for before.
   */
  async remaining(key: string): Promise<number> {
    if (!this.#watched.has(key)) return 0;
    const view = await this.#look(key);
    const decision = view === undefined ? undefined : decideLease(view);
    return decision?.kind === 'held' && decision.holder === 'gone' ? decision.rest : 0;
  }

  async #look(key: string): Promise<(LeaseView & { readonly etag: string }) | undefined> {
    const head = await this.#store.head(key);
    if (head === undefined) {
      this.#watched.delete(key);
      return undefined;
    }
    const now = performance.now();
    const known = this.#watched.get(key);
    const watched = known?.etag === head.etag ? known : { etag: head.etag, since: now };
    if (this.#watched.size >= MAX_WATCHED) this.#watched.clear();
    this.#watched.set(key, watched);
    return { etag: head.etag, watched: now - watched.since, age: ageOf(head), ...claimOf(head, this.#times) };
  }

  #hold(key: string, written: Written, contended: boolean): Lease {
    this.#watched.delete(key);
    const { term } = this.#times;
    return new HeldLease(key, written, {
      contended,
      term,
      store: this.#store,
      rewrite: (etag) => this.#put(key, { ifMatch: etag }),
    });
  }

  /** `undefined` where the condition does not hold. */
  async #put(key: string, condition: { readonly ifAbsent: true } | { readonly ifMatch: string }): Promise<Written | undefined> {
    const id = randomUUID();
    const at = moment();
    const metadata = { [ID]: id, [TERM]: String(this.#times.term), [GRACE]: String(this.#times.grace) };
    try {
      const { etag } = await this.#store.put(key, new TextEncoder().encode(id), { ...condition, metadata });
      return { etag, at };
    } catch (thrown) {
      if (asStorestowError(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
      // An answer that was lost and a put that was sent again look like this too.
      const head = await this.#store.head(key);
      return head?.metadata[ID] === id ? { etag: head.etag, at } : undefined;
    }
  }
}

class HeldLease implements Lease {
  readonly kind = 'lease';
  readonly contended: boolean;
  readonly #key: string;
  readonly #term: number;
  readonly #store: LeaseStore;
  readonly #rewrite: (etag: string) => Promise<Written | undefined>;
  readonly #lost = new AbortController();
  #written: Written;
  #timers: readonly NodeJS.Timeout[] = [];
  #renewing: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(
    key: string,
    written: Written,
    options: {
      readonly contended: boolean;
      readonly term: number;
      readonly store: LeaseStore;
      readonly rewrite: (etag: string) => Promise<Written | undefined>;
    },
  ) {
    this.#key = key;
    this.#written = written;
    this.contended = options.contended;
    this.#term = options.term;
    this.#store = options.store;
    this.#rewrite = options.rewrite;
    this.#schedule(RENEW_AFTER);
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  check(): boolean {
    if (this.#left() <= 0) this.#lose();
    return !this.#lost.signal.aborted;
  }

  async release(): Promise<void> {
    this.abandon();
    await this.#renewing;
    // As long as it can be relied upon, nobody has taken it over: also where the store deletes regardless of the condition.
    if (!this.check()) return;
    await this.#store.delete(this.#key, { ifMatch: this.#written.etag }).catch(() => undefined);
  }

  abandon(): void {
    this.#ended = true;
    this.#timers.forEach((timer) => clearTimeout(timer));
  }

  /** Milliseconds for which it can be relied upon. */
  #left(): number {
    return this.#term * RELY_UNTIL - elapsed(this.#written.at);
  }

  #schedule(after: number): void {
    this.#timers.forEach((timer) => clearTimeout(timer));
    this.#timers = [
      setTimeout(() => {
        this.#renewing = this.#renew();
      }, this.#term * after),
      setTimeout(() => this.#lose(), Math.max(0, this.#left())),
    ];
  }

  async #renew(): Promise<void> {
    let after = RENEW_AFTER;
    try {
      const renewed = await this.#rewrite(this.#written.etag);
      if (renewed === undefined) return this.#lose();
      this.#written = renewed;
    } catch {
      // The bucket may be back before the term is over; where it is not, `#lose` falls due.
      after = RETRY_AFTER;
    }
    if (!this.#ended) this.#schedule(after);
  }

  #lose(): void {
    this.abandon();
    this.#lost.abort();
  }
}

function ageOf({ lastModified, asOf }: ObjectHead): number | undefined {
  return asOf === undefined ? undefined : Math.max(0, asOf.getTime() - lastModified.getTime() - SECOND);
}

/** What its holder says it keeps to; what is not plausible counts as one's own times. */
function claimOf({ metadata }: ObjectHead, own: LeaseTimes): LeaseTimes {
  const claimed = (name: string, fallback: number): number => {
    const value = Number(metadata[name] ?? NaN);
    return value > 0 && value <= MAX_CLAIM ? value : fallback;
  };
  return { term: claimed(TERM, own.term), grace: claimed(GRACE, own.grace) };
}

function moment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

function elapsed({ monotonic, wall }: Moment): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall);
}
