/**
 * Institutions at one study, one after the other: while requests of one are under way, those of another wait, and then the archive is
 * asked under which institutions it holds the study. Function instances take such turns by the lease on the study, so what the archive
 * answers is true until the lease ends.
 */
import { asStorestowError } from '../../core/errors.ts';
import type { Lease } from '../../core/store/lease.ts';
import type { Archive, Outcome } from '../../core/stow/outcome.ts';
import { institutionConflict, isOtherInstitution, isSameInstitution } from './other-institution.ts';

export interface StudyOfInstitution {
  readonly archive: Archive;
  readonly studyInstanceUID: string;
  /** The one that the mapping names; `undefined`: none, and nothing is asked. */
  readonly institution: string | undefined;
}

interface Turn {
  readonly lease: Lease;
  readonly institution: string;
  /** An archive is asked once a turn, and again where it could not be. Sources have addresses of their own, which may lead to one archive. */
  readonly answers: Map<Archive, Promise<ReadonlySet<string>>>;
  /** Requests under way. */
  users: number;
  idle: PromiseWithResolvers<void>;
}

/** Of one batch. */
export class InstitutionTurns {
  readonly #signal: AbortSignal | undefined;
  readonly #turns = new Map<string, Turn>();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** What `send` gives; without it, an outcome for each of its `count` instances where the archive holds the study under another institution. */
  async send(
    study: StudyOfInstitution,
    lease: Lease,
    count: number,
    send: () => Promise<readonly Outcome[]>,
  ): Promise<readonly Outcome[]> {
    const { institution } = study;
    if (institution === undefined) return send();
    const turn = await this.#take(study.studyInstanceUID, institution, lease);
    try {
      const refused = await this.#refusal(turn, study);
      return refused === undefined ? await send() : Array.from({ length: count }, () => refused);
    } finally {
      leave(turn);
    }
  }

  async #take(study: string, institution: string, lease: Lease): Promise<Turn> {
    for (;;) {
      const turn = this.#turns.get(study);
      const isOurs = turn?.lease === lease && isSameInstitution(turn.institution, institution);
      if (turn === undefined || (turn.users === 0 && !isOurs)) {
        const own: Turn = { lease, institution, answers: new Map(), users: 1, idle: Promise.withResolvers() };
        this.#turns.set(study, own);
        return own;
      }
      if (isOurs) {
        turn.users += 1;
        return turn;
      }
      await turn.idle.promise;
    }
  }

  /** Never rejects. */
  async #refusal(
    { institution, answers }: Turn,
    { archive, studyInstanceUID }: StudyOfInstitution,
  ): Promise<Outcome | undefined> {
    const signal = this.#signal === undefined ? {} : { signal: this.#signal };
    const asked = answers.get(archive) ?? archive.institutions(studyInstanceUID, signal);
    answers.set(archive, asked);
    try {
      const held = await asked;
      return isOtherInstitution(institution, held) ? institutionConflict(institution, held) : undefined;
    } catch (thrown) {
      if (answers.get(archive) === asked) answers.delete(archive);
      const { code, message } = asStorestowError(thrown, studyInstanceUID);
      return { kind: 'retryable', code, message: `not sent, for the archive could not be asked for the institution: ${message}` };
    }
  }
}

function leave(turn: Turn): void {
  turn.users -= 1;
  if (turn.users > 0) return;
  turn.idle.resolve();
  turn.idle = Promise.withResolvers();
}
