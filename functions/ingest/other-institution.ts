/**
 * A study that the archive holds under another institution than the one that its sender belongs to: one of the two is wrong, and a
 * person must say which before more is stored under it.
 */
import { asStorestowError } from '../../core/errors.ts';
import type { Archive, Outcome } from '../../core/stow/outcome.ts';

/**
 * | set by the mapping | the archive holds the study under | is          |
 * |--------------------|-----------------------------------|-------------|
 * | nothing            | any                               | no conflict |
 * | a name             | nothing, or series without a name | no conflict |
 * | a name             | that name, among others or alone  | no conflict |
 * | a name             | other names only                  | a conflict  |
 *
 * Names are compared without the blanks around them, and as Unicode (NFC): characters that can be written in two ways are the same.
 */
export function isOtherInstitution(set: string | undefined, held: ReadonlySet<string>): boolean {
  if (set === undefined || held.size === 0) return false;
  return ![...held].some((name) => comparable(name) === comparable(set));
}

function comparable(name: string): string {
  return name.normalize('NFC').trim();
}

/** For one batch: an archive is asked once about a study, before the first instance of it is sent. */
export class InstitutionQuestions {
  readonly #signal: AbortSignal | undefined;
  readonly #asked = new Map<Archive, Map<string, Promise<Set<string>>>>();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /**
   * What becomes of an instance for its institution; `undefined`: it may be sent, and its institution is one of the study's from
   * then on. Never rejects.
   */
  async outcome(archive: Archive, studyInstanceUID: string, set: string | undefined): Promise<Outcome | undefined> {
    if (set === undefined) return undefined;
    let held: Set<string>;
    try {
      held = await this.#held(archive, studyInstanceUID);
    } catch (thrown) {
      const { code, message } = asStorestowError(thrown, studyInstanceUID);
      return { kind: 'retryable', code, message: `not sent, for the archive could not be asked for the institution: ${message}` };
    }
    if (isOtherInstitution(set, held)) return conflict(set, held);
    held.add(set);
    return undefined;
  }

  async #held(archive: Archive, study: string): Promise<Set<string>> {
    const ofArchive = this.#asked.get(archive) ?? new Map<string, Promise<Set<string>>>();
    this.#asked.set(archive, ofArchive);
    const asked = ofArchive.get(study) ?? this.#ask(archive, study);
    ofArchive.set(study, asked);
    return asked;
  }

  async #ask(archive: Archive, study: string): Promise<Set<string>> {
    const held = await archive.institutions(study, this.#signal === undefined ? {} : { signal: this.#signal });
    return new Set(held);
  }
}

function conflict(set: string, held: ReadonlySet<string>): Outcome {
  const [other = ''] = held;
  return {
    kind: 'permanent',
    code: 'INSTITUTION_CONFLICT',
    message:
      `the archive holds the study under the institution ${JSON.stringify(other.slice(0, 64))}, the mapping names ` +
      `${JSON.stringify(set.slice(0, 64))}; correct the mapping or the archive, then redrive`,
  };
}
