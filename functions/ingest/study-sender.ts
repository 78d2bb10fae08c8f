/**
 * Prepared instances on their way to the archive. Each study's instances gather into requests and go as soon as a request
 * is full, while others are still being encoded; the archive's client sends nothing that the archive lists already.
 */
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import type { Archive, Outcome } from '../../core/stow/outcome.ts';
import { planRequests } from '../../core/stow/plan-requests.ts';
import type { RequestLimits } from './ports.ts';

export interface SenderOptions {
  readonly limits: RequestLimits;
  readonly signal?: AbortSignal;
  /** Whether to send what is there instead of waiting until a request is full: nothing more may come for the study. */
  readonly hurry: (studyInstanceUID: string) => boolean;
}

interface Waiting {
  readonly instance: PreparedInstance;
  readonly resolve: (outcome: Outcome) => void;
  /** What `planRequests` reads. */
  readonly studyInstanceUID: string;
  readonly length: number;
}

interface Study {
  readonly archive: Archive;
  readonly studyInstanceUID: string;
  waiting: Waiting[];
}

export class StudySenders {
  readonly #options: SenderOptions;
  readonly #studies = new Map<Archive, Map<string, Study>>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /**
   * Never rejects. `buffered` is called once, when the instance waits for its request. Two instances of one SOP Instance UID
   * must not be under way at once.
   */
  async send(archive: Archive, instance: PreparedInstance, buffered: () => void): Promise<Outcome> {
    const study = this.#study(archive, instance.studyInstanceUID);
    const outcome = new Promise<Outcome>((resolve) => {
      study.waiting.push({ instance, resolve, studyInstanceUID: study.studyInstanceUID, length: instance.length });
    });
    buffered();
    this.#pump(study);
    return outcome;
  }

  /** Sends what is full or should hurry; to be called when `hurry` may have become true. */
  pump(): void {
    for (const studies of this.#studies.values()) for (const study of studies.values()) this.#pump(study);
  }

  #study(archive: Archive, studyInstanceUID: string): Study {
    const ofArchive = this.#studies.get(archive) ?? new Map<string, Study>();
    this.#studies.set(archive, ofArchive);
    const known = ofArchive.get(studyInstanceUID);
    if (known !== undefined) return known;
    const study = { archive, studyInstanceUID, waiting: [] };
    ofArchive.set(studyInstanceUID, study);
    return study;
  }

  #pump(study: Study): void {
    const { maxInstances, maxBytes } = this.#options.limits;
    const requests = planRequests(study.waiting, { maxInstances, maxBytes });
    const last = requests.at(-1) ?? [];
    const complete = last.length >= maxInstances || this.#options.hurry(study.studyInstanceUID);
    study.waiting = complete ? [] : [...last];
    for (const request of complete ? requests : requests.slice(0, -1)) void this.#store(study.archive, request);
  }

  async #store(archive: Archive, request: readonly Waiting[]): Promise<void> {
    const outcomes = await this.#outcomes(
      archive,
      request.map(({ instance }) => instance),
    );
    request.forEach(({ resolve }, index) => resolve(outcomes[index] ?? UNANSWERED));
  }

  async #outcomes(archive: Archive, instances: readonly PreparedInstance[]): Promise<readonly Outcome[]> {
    const { signal } = this.#options;
    try {
      return await archive.store(instances, signal === undefined ? {} : { signal });
    } catch (thrown) {
      return instances.map(() => retryable(thrown));
    }
  }
}

const UNANSWERED: Outcome = retryable(new StorestowError('INTERNAL', 'the archive client gave no outcome; report it'));

function retryable(thrown: unknown): Outcome {
  const { code, message } = asStorestowError(thrown);
  return { kind: 'retryable', code, message };
}
