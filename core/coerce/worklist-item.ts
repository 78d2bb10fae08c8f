/** What a worklist item has of the attributes that are taken → rules that set them. The item came from the network. */
import { tagOf, vrOf } from '../dicom/dictionary.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import { resolveRule, type SetRule } from './rules.ts';

/** By keyword: the values, one at least, as text. */
export type WorklistItem = Readonly<Record<string, readonly string[]>>;

/** PS3.5 6.4: where a backslash is a character like others. */
const ONE_VALUE: ReadonlySet<string> = new Set(['LT', 'ST', 'UR', 'UT']);

/**
 * Of those of the attributes that the item has, in the attributes' order. Throws `WORKLIST_INVALID`, naming the attribute and not
 * its value, where that has not the form of its VR.
 */
export function rulesOfItem(item: WorklistItem, attributes: readonly string[]): readonly SetRule[] {
  return attributes.flatMap((keyword) => {
    const values = Object.hasOwn(item, keyword) ? (item[keyword] ?? []) : [];
    return values.length === 0 ? [] : [ruleOf(keyword, values)];
  });
}

function ruleOf(keyword: string, values: readonly string[]): SetRule {
  const vr = vrOf(tagOf(keyword) ?? 0) ?? '';
  if (!ONE_VALUE.has(vr) && values.some((value) => value.includes('\\'))) throw invalid(keyword, vr);
  const rule: SetRule = { action: 'set', target: keyword, value: [...values] };
  try {
    resolveRule(rule);
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'RULES_INVALID') throw thrown;
    // Not as the cause: it quotes the value.
    throw invalid(keyword, vr);
  }
  return rule;
}

function invalid(keyword: string, vr: string): StorestowError {
  return new StorestowError(
    'WORKLIST_INVALID',
    `the worklist item's ${keyword} has not the form of ${vr} (PS3.5 6.2); correct the item, then redrive`,
  );
}
