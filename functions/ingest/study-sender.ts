/**
 * Prepared instances on their way to the archive. Each study's instances gather into requests and go as soon as a request
 * is full, while others are still being encoded; what the archive lists already does not go again.
 */
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import type { ArchivedInstance, Archive, Outcome } from '../../core/stow/outcome.ts';
import { planRequests } from '../../core/stow/plan-requests.ts';
import type { RequestLimits } from './ports.ts';

export interface SenderOptions {
  readonly limits: RequestLimits;
  readonly signal?: AbortSignal;
  /** SOP Instance UIDs of the batch that are likely to follow under the study: the archive is asked once about all of them. */
  readonly announced: (studyInstanceUID: string) => readonly string[];
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
  readonly asked: Set<string>;
  readonly listed: Map<string, ArchivedInstance>;
  /** The questions under way, one after the other. */
  asking: Promise<void>;
  waiting: Waiting[];
}

export class StudySenders {
  readonly #options: SenderOptions;
  readonly #studies = new Map<Archive, Map<string, Study>>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /**
   * Never rejects. `buffered` is called once, when the instance waits for its request or needs none. Two instances of one
   * SOP Instance UID must not be under way at once.
   */
  async send(archive: Archive, instance: PreparedInstance, buffered: () => void): Promise<Outcome> {
    const study = this.#study(archive, instance.studyInstanceUID);
    try {
      await this.#ask(study, instance.sopInstanceUID);
    } catch (thrown) {
      buffered();
      return retryable(thrown);
    }
    if (study.listed.has(instance.sopInstanceUID)) {
      buffered();
      return { kind: 'stored', proof: 'listed', alreadyThere: true };
    }
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
    const study = {
      archive,
      studyInstanceUID,
      asked: new Set<string>(),
      listed: new Map(),
      asking: Promise.resolve(),
      waiting: [],
    };
    ofArchive.set(studyInstanceUID, study);
    return study;
  }

  /** Once for all that was announced; again only for an instance whose key did not tell its SOP Instance UID. */
  async #ask(study: Study, sopInstanceUID: string): Promise<void> {
    if (!this.#options.limits.confirm) return;
    if (!study.asked.has(sopInstanceUID)) {
      const { archive, studyInstanceUID, asked, listed } = study;
      const announced = this.#options.announced(studyInstanceUID).filter((uid) => !asked.has(uid));
      const uids = new Set([sopInstanceUID, ...announced]);
      for (const uid of uids) asked.add(uid);
      const answer = archive.find(studyInstanceUID, [...uids]).then((found) => {
        for (const [uid, instance] of found) listed.set(uid, instance);
      });
      study.asking = Promise.all([study.asking, answer]).then(() => undefined);
    }
    await study.asking;
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
