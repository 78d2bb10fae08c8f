/** Items that match → what is taken, or why the instance is set aside. */
import type { WorklistItem } from './worklist-item.ts';
import type { WorklistRule } from './worklist-rule.ts';

export type WorklistDecision =
  | { readonly kind: 'take'; readonly item: WorklistItem }
  /** Nothing is taken, and the instance goes on. */
  | { readonly kind: 'pass' }
  | { readonly kind: 'refuse'; readonly code: 'WORKLIST_NO_MATCH' | 'WORKLIST_AMBIGUOUS' };

/**
 * Several steps of one request are items that agree in what is taken: these are as one.
 *
 * | something to ask by | items   | what is taken of them | onNoMatch  | onSeveral  | decision                 |
 * |---------------------|---------|-----------------------|------------|------------|--------------------------|
 * | no                  |         |                       | pass       |            | pass                     |
 * | no                  |         |                       | quarantine |            | refuse WORKLIST_NO_MATCH |
 * | yes                 | none    |                       | pass       |            | pass                     |
 * | yes                 | none    |                       | quarantine |            | refuse WORKLIST_NO_MATCH |
 * | yes                 | one     |                       |            |            | take                     |
 * | yes                 | several | the same              |            |            | take                     |
 * | yes                 | several | differs               |            | pass       | pass                     |
 * | yes                 | several | differs               |            | quarantine | refuse WORKLIST_AMBIGUOUS |
 *
 * `items` is undefined where there is nothing to ask by.
 */
export function decideWorklist(
  items: readonly WorklistItem[] | undefined,
  { attributes, onNoMatch, onSeveral }: Pick<WorklistRule, 'attributes' | 'onNoMatch' | 'onSeveral'>,
): WorklistDecision {
  const [first, ...others] = (items ?? []).map((item) => taken(item, attributes));
  if (first === undefined) return onNoMatch === 'pass' ? { kind: 'pass' } : { kind: 'refuse', code: 'WORKLIST_NO_MATCH' };
  const text = JSON.stringify(first);
  if (others.every((other) => JSON.stringify(other) === text)) return { kind: 'take', item: first };
  return onSeveral === 'pass' ? { kind: 'pass' } : { kind: 'refuse', code: 'WORKLIST_AMBIGUOUS' };
}

/** Nothing more than that of an item is kept. */
function taken(item: WorklistItem, attributes: readonly string[]): WorklistItem {
  return Object.fromEntries(
    attributes.flatMap((keyword) => {
      const values = Object.hasOwn(item, keyword) ? item[keyword] : undefined;
      return values === undefined || values.length === 0 ? [] : [[keyword, values] as const];
    }),
  );
}
