/**
 * Prepared instances on their way to the archive. Each study's instances gather into requests and go as soon as a request
 * is full, while others are still being encoded, under the lease on the study (study-lease.ts); the archive's client sends nothing
 * that the archive lists already.
 */
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import type { Lease } from '../../core/store/lease.ts';
import type { Archive, Outcome } from '../../core/stow/outcome.ts';
import { planRequests } from '../../core/stow/plan-requests.ts';
import { InstitutionTurns, type StudyOfInstitution } from './institution-turns.ts';
import type { RequestLimits } from './ports.ts';
import { comeBackAfter, leaseHeldError, type StudyLeases } from './study-lease.ts';

export interface SenderOptions {
  readonly limits: RequestLimits;
  readonly leases: StudyLeases;
  readonly signal?: AbortSignal;
  /** Whether to send what is there instead of waiting until a request is full: nothing more may come for the study. */
  readonly hurry: (studyInstanceUID: string) => boolean;
}

export interface Delivery {
  /** Absent: it was not sent, for another function instance gave the object its outcome meanwhile. */
  readonly outcome: Outcome | undefined;
  /** Milliseconds before which trying again is of no use. */
  readonly retryAfter?: number;
  /** To be called once when the outcome is written down: until then the study's lease is kept. */
  readonly settled: () => void;
}

export interface ToSend {
  readonly instance: PreparedInstance;
  /** The one that the mapping names for its source, where the study must not be held under another. */
  readonly institution: string | undefined;
  /** Whether its object is still without an outcome. Throws what the store throws. */
  readonly isDue: () => Promise<boolean>;
  /** Called once, when the instance waits for its request. */
  readonly buffered: () => void;
}

interface Waiting extends Pick<ToSend, 'instance' | 'isDue'> {
  readonly resolve: (delivery: Delivery) => void;
  /** What `planRequests` reads. */
  readonly studyInstanceUID: string;
  readonly length: number;
}

interface Study extends StudyOfInstitution {
  waiting: Waiting[];
}

export class StudySenders {
  readonly #options: SenderOptions;
  readonly #institutions: InstitutionTurns;
  readonly #studies = new Map<Archive, Map<string, Study>>();

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#institutions = new InstitutionTurns(options.signal);
  }

  /** Never rejects. Two instances of one SOP Instance UID must not be under way at once. */
  async send(archive: Archive, { instance, institution, isDue, buffered }: ToSend): Promise<Delivery> {
    const { studyInstanceUID, length } = instance;
    const study = this.#study({ archive, studyInstanceUID, institution });
    const delivery = new Promise<Delivery>((resolve) => {
      study.waiting.push({ instance, isDue, resolve, studyInstanceUID, length });
    });
    buffered();
    this.#pump(study);
    return delivery;
  }

  /** Sends what is full or should hurry; to be called when `hurry` may have become true. */
  pump(): void {
    for (const studies of this.#studies.values()) for (const study of studies.values()) this.#pump(study);
  }

  #study(of: StudyOfInstitution): Study {
    const ofArchive = this.#studies.get(of.archive) ?? new Map<string, Study>();
    this.#studies.set(of.archive, ofArchive);
    const id = JSON.stringify([of.studyInstanceUID, of.institution]);
    const study = ofArchive.get(id) ?? { ...of, waiting: [] };
    ofArchive.set(id, study);
    return study;
  }

  #pump(study: Study): void {
    const { maxInstances, maxBytes } = this.#options.limits;
    const requests = planRequests(study.waiting, { maxInstances, maxBytes });
    const last = requests.at(-1) ?? [];
    const complete = last.length >= maxInstances || this.#options.hurry(study.studyInstanceUID);
    study.waiting = complete ? [] : [...last];
    for (const request of complete ? requests : requests.slice(0, -1)) void this.#send(study, request);
  }

  async #send(study: Study, request: readonly Waiting[]): Promise<void> {
    const { studyInstanceUID } = study;
    const settled = (): void => this.#options.leases.leave(studyInstanceUID);
    const resolve = (waiting: Waiting, outcome: Outcome | undefined, retryAfter?: number): void =>
      waiting.resolve({ outcome, settled, ...(retryAfter === undefined ? {} : { retryAfter }) });
    try {
      const lease = await this.#options.leases.enter(studyInstanceUID, request.length);
      if (lease.kind === 'held') {
        for (const waiting of request) resolve(waiting, retryable(leaseHeldError(lease)), comeBackAfter(lease));
        return;
      }
      const due = await this.#stillDue(request, lease);
      const sent = request.filter((_, index) => due[index] === true);
      const outcomes = await this.#outcomes(study, sent, lease);
      for (const waiting of request) {
        const place = sent.indexOf(waiting);
        resolve(waiting, place === -1 ? undefined : (outcomes[place] ?? UNANSWERED));
      }
    } catch (thrown) {
      for (const waiting of request) resolve(waiting, retryable(thrown));
    }
  }

  /**
   * Where nobody else was at the study, nothing has changed since the event was read. Somebody who was and is done before this instance
   * came is known by what the archive lists; where it is not asked, the tags must say. Throws what the store throws.
   */
  async #stillDue(request: readonly Waiting[], { contended }: Lease): Promise<readonly boolean[]> {
    if (!contended && this.#options.limits.confirm) return request.map(() => true);
    return Promise.all(request.map(({ isDue }) => isDue()));
  }

  async #outcomes(study: Study, sent: readonly Waiting[], lease: Lease): Promise<readonly Outcome[]> {
    if (sent.length === 0) return [];
    return this.#institutions.send(study, lease, sent.length, async () => this.#store(study, sent, lease));
  }

  async #store({ archive, studyInstanceUID }: Study, sent: readonly Waiting[], lease: Lease): Promise<readonly Outcome[]> {
    if (!lease.check()) return sent.map(() => LEASE_LOST);
    const { signal, leases } = this.#options;
    const instances = sent.map(({ instance }) => instance);
    try {
      const outcomes = await archive.store(instances, {
        signal: signal === undefined ? lease.signal : AbortSignal.any([signal, lease.signal]),
      });
      if (outcomes.some(mayBeUnderWay)) leases.doubt(studyInstanceUID);
      return outcomes;
    } catch (thrown) {
      leases.doubt(studyInstanceUID);
      throw thrown;
    }
  }
}

/** The request was given up, here or by a proxy before the archive. */
function mayBeUnderWay(outcome: Outcome): boolean {
  return 'code' in outcome && (outcome.code === 'INVOCATION_TIMEOUT' || outcome.underWay === true);
}

const LEASE_LOST: Outcome = {
  kind: 'retryable',
  code: 'LEASE_HELD',
  message: 'not sent: the lease on the study could not be renewed in time; the next run takes it anew',
};

const UNANSWERED: Outcome = retryable(new StorestowError('INTERNAL', 'the archive client gave no outcome; report it'));

function retryable(thrown: unknown): Outcome {
  const { code, message } = asStorestowError(thrown);
  return { kind: 'retryable', code, message };
}
