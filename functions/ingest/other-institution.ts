/**
 * A study that the archive holds under another institution than the one that its sender belongs to: one of the two is wrong, and a
 * person must say which before more is stored under it. Pure.
 */
import type { Outcome } from '../../core/stow/outcome.ts';

/**
 * | set by the mapping | the archive holds the study under | is          |
 * |--------------------|-----------------------------------|-------------|
 * | a name             | nothing, or series without a name | no conflict |
 * | a name             | that name, among others or alone  | no conflict |
 * | a name             | other names only                  | a conflict  |
 */
export function isOtherInstitution(set: string, held: ReadonlySet<string>): boolean {
  return held.size > 0 && ![...held].some((name) => isSameInstitution(name, set));
}

/** Without the blanks around them, and as Unicode (NFC): characters that can be written in two ways are the same. */
export function isSameInstitution(one: string, other: string): boolean {
  return comparable(one) === comparable(other);
}

function comparable(name: string): string {
  return name.normalize('NFC').trim();
}

export function institutionConflict(set: string, held: ReadonlySet<string>): Outcome {
  const [other = ''] = held;
  return {
    kind: 'permanent',
    code: 'INSTITUTION_CONFLICT',
    message:
      `the archive holds the study under the institution ${JSON.stringify(other.slice(0, 64))}, the mapping names ` +
      `${JSON.stringify(set.slice(0, 64))}; correct the mapping or the archive, then redrive`,
  };
}
