/**
 * The lease on a study: while a function instance sends instances of a study, no other one does. So no instance is under way twice, and
 * the first one of a study goes alone, however many function instances there are. Preparing needs no lease; all of a study's
 * requests in one batch share one, and it is kept until their outcomes are written down.
 */
import { StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import type { Lease, LeaseHeld, LeasePatience, Leases, LeaseTimes } from '../../core/store/lease.ts';
import { encodeKeyPart } from '../../core/store/object-key.ts';

/** Below `leases/`: nothing there raises an event, is swept, or counts as received. */
export function leaseKey(studyInstanceUID: string): string {
  return `leases/${encodeKeyPart(studyInstanceUID)}`;
}

const SECOND = 1000;

/**
 * The archive may be busy with what it was sent for as long as an answer to it is waited for (`timeout`, seconds), whether somebody still
 * waits or not. The term is a tenth of that, 5 to 30 s: short beside the grace, and three renewals within it cost nothing.
 */
export function leaseTimes(timeout: number): LeaseTimes {
  return { term: Math.min(30, Math.max(5, timeout / 10)) * SECOND, grace: timeout * SECOND };
}

/** Milliseconds to wait for a holder that lives where coming back costs nothing: other studies wait for this process too. */
const BRIEF = 3000;

/**
 * | the message that comes back           | waits for one that is alive | for the lease of one that is gone      |
 * |---------------------------------------|-----------------------------|----------------------------------------|
 * | costs no try, comes when it is told to | 3 s at most                | not at all: it comes back when that has run out |
 * | costs a try, comes after SQS's visibility time-out | as long as there is time | the same                      |
 */
export function leasePatience(left: number, comesBackFree: boolean): LeasePatience {
  return comesBackFree ? { alive: Math.min(BRIEF, left), gone: 0 } : { alive: left, gone: left };
}

/** Milliseconds until a message comes back for which somebody else was at its study: its holder may be done before. */
const COME_BACK = 2000;

export function comeBackAfter({ holder, rest }: Pick<LeaseHeld, 'holder' | 'rest'>): number {
  return holder === 'alive' ? Math.min(COME_BACK, rest) : rest;
}

export interface StudyLeaseOptions {
  readonly leases: Leases;
  /** Asked when somebody has to be waited for. */
  readonly patience: () => LeasePatience;
  /** Whether more of the study will soon be sent, so that the lease is kept meanwhile. */
  readonly keep: (studyInstanceUID: string) => boolean;
  readonly log: Log;
  readonly signal?: AbortSignal;
}

interface Holding {
  readonly acquired: Promise<Lease | LeaseHeld>;
  users: number;
  /** Something may still be under way at the archive. */
  uncertain: boolean;
}

/** Of one batch. */
export class StudyLeases {
  readonly #options: StudyLeaseOptions;
  readonly #holdings = new Map<string, Holding>();
  readonly #releasing = new Map<string, Promise<void>>();

  constructor(options: StudyLeaseOptions) {
    this.#options = options;
  }

  /**
   * Milliseconds for which nothing of the study can be sent, as far as this process knows from before: then it need not be prepared
   * either. Throws what the store throws.
   */
  async blocked(study: string): Promise<number> {
    const rest = await this.#options.leases.remaining(leaseKey(study));
    return rest > this.#options.patience().gone ? rest : 0;
  }

  /** For so many instances; each must `leave`, whatever comes of it. Who waited in vain is not waited for again. Throws what the store throws. */
  async enter(study: string, users: number): Promise<Lease | LeaseHeld> {
    const holding = this.#holdings.get(study) ?? this.#begin(study);
    holding.users += users;
    return holding.acquired;
  }

  /** The outcome of one instance is written down, or it has none. */
  leave(study: string): void {
    const holding = this.#holdings.get(study);
    if (holding === undefined) return;
    holding.users -= 1;
    this.#review(study, holding);
  }

  /** The archive may still be busy with a request of the study: its lease is left to run out. */
  doubt(study: string): void {
    const holding = this.#holdings.get(study);
    if (holding !== undefined) holding.uncertain = true;
  }

  /** To be called when `keep` may have become false. */
  review(): void {
    for (const [study, holding] of this.#holdings) this.#review(study, holding);
  }

  /** Nothing will be sent any more. */
  async close(): Promise<void> {
    for (const [study, holding] of this.#holdings) this.#end(study, holding);
    await Promise.all(this.#releasing.values());
  }

  #begin(study: string): Holding {
    const holding: Holding = { acquired: this.#acquire(study), users: 0, uncertain: false };
    this.#holdings.set(study, holding);
    return holding;
  }

  async #acquire(study: string): Promise<Lease | LeaseHeld> {
    const { leases, patience, signal, log } = this.#options;
    await this.#releasing.get(study);
    const lease = await leases.acquire(leaseKey(study), patience(), signal);
    if (lease.kind === 'held') {
      log.info({ study, holder: lease.holder, seconds: Math.ceil(lease.rest / SECOND) }, 'another instance is at this study');
    }
    return lease;
  }

  #review(study: string, holding: Holding): void {
    if (holding.users === 0 && !this.#options.keep(study)) this.#end(study, holding);
  }

  #end(study: string, holding: Holding): void {
    this.#holdings.delete(study);
    const releasing = this.#release(holding).finally(() => {
      if (this.#releasing.get(study) === releasing) this.#releasing.delete(study);
    });
    this.#releasing.set(study, releasing);
  }

  async #release({ acquired, uncertain }: Holding): Promise<void> {
    const lease = await acquired.catch(() => undefined);
    if (lease?.kind !== 'lease') return;
    if (uncertain) lease.abandon();
    else await lease.release();
  }
}

/** Why an instance was not sent. */
export function leaseHeldError({ holder, rest }: LeaseHeld): StorestowError {
  const seconds = String(Math.ceil(rest / SECOND));
  return new StorestowError(
    'LEASE_HELD',
    holder === 'alive'
      ? 'another function instance is at this study; it is tried again when that one is done'
      : `a function instance that was at this study is gone; the archive may be busy with what it sent for ${seconds} s, then it is tried again`,
  );
}
