/** Whether what the rules set, and the institution of the tag, stand in what the archive gives back. Pure. */
import { coerce, type Source } from '../../core/coerce/coerce.ts';
import { hasThisValue } from '../../core/coerce/present-value.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import type { Change } from '../../core/dicom/change.ts';
import type { DataSet, Item, Part10, Tag } from '../../core/dicom/data-set.ts';
import { nameOf } from '../../core/coerce/target.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { textValues } from '../../core/dicom/text-values.ts';
import { asStorestowError } from '../../core/errors.ts';
import { isMergedByArchives } from '../../core/stow/merged-attributes.ts';

export interface CoercedValues {
  /** Attributes, by name, that are not as they were sent. */
  readonly deviating: readonly string[];
  /** Those of them to which the archive gave a value of its own, and recorded the one that was sent. */
  readonly coercedByArchive: readonly string[];
}

/**
 * Coercing twice changes nothing, so what the rules that were in force would change in the instance now is what became other
 * since. `isInstitution` compares a name with the tag's.
 *
 * | what the rules would change                                               | is                 |
 * |---------------------------------------------------------------------------|--------------------|
 * | nothing                                                                   | as it was sent     |
 * | an attribute of patient, study or series that an item of Original Attributes Sequence, behind storestow's own, has with the value that was sent (contract, section 4) | coerced by the archive |
 * | anything else                                                             | deviating          |
 *
 * Throws as `coerce` does.
 */
export function checkCoercedValues(
  { dataSet, ...part10 }: Part10,
  ruleSet: RuleSet,
  source: Pick<Source, 'callingAET' | 'callingIP'>,
  isInstitution: (name: string) => boolean,
): CoercedValues {
  const withoutRecord = { ...ruleSet, originalAttributes: false };
  const { changes, applied } = coerce({ dataSet, ...part10 }, withoutRecord, { ...source, receivedAt: new Date(0) });
  const recorded = recordedByArchive(dataSet);
  const found = changes.map((change, index) => ({
    attribute: applied[index]?.attribute ?? '',
    recorded: isRecorded(change, recorded),
  }));
  const institution = nameOf(TAG.InstitutionName);
  if (!found.some(({ attribute }) => attribute === institution) && !isInstitution(institutionIn(dataSet))) {
    const before = recorded.map((modified) => institutionIn(modified));
    found.push({ attribute: institution, recorded: before.some(isInstitution) });
  }
  return {
    deviating: found.filter((deviation) => !deviation.recorded).map(({ attribute }) => attribute),
    coercedByArchive: found.filter((deviation) => deviation.recorded).map(({ attribute }) => attribute),
  };
}

/** What others than storestow say that they replaced (PS3.3 C.12.1.1.9), after it. */
function recordedByArchive(dataSet: DataSet): readonly DataSet[] {
  const items = dataSet.get(TAG.OriginalAttributesSequence)?.items ?? [];
  const own = items.findLastIndex((item) => textOf(item.dataSet, TAG.ModifyingSystem) === 'storestow');
  const modified = (item: Item): readonly Item[] => item.dataSet.get(TAG.ModifiedAttributesSequence)?.items ?? [];
  return items.slice(own + 1).flatMap((item) => modified(item).map(({ dataSet: attributes }) => attributes));
}

function isRecorded(change: Change, recorded: readonly DataSet[]): boolean {
  if (change.kind !== 'set' || change.path.length > 0 || !isMergedByArchives(change.element.tag)) return false;
  const { element } = change;
  if (!('value' in element)) return false;
  return recorded.some((attributes) => {
    const before = attributes.get(element.tag);
    return before !== undefined && hasThisValue(attributes, before, element.vr, element.value);
  });
}

function institutionIn(dataSet: DataSet): string {
  return textOf(dataSet, TAG.InstitutionName);
}

/** What cannot be read has no tag either: `coerce` takes it for none. */
function textOf(dataSet: DataSet, tag: Tag): string {
  const element = dataSet.get(tag);
  try {
    return element === undefined ? '' : textValues(dataSet, element).join('\\').trim();
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'UNKNOWN_CHARACTER_SET') return '';
    throw thrown;
  }
}
