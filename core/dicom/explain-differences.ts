/** Differences of the bytes held against the changes that were named: each gets its reason, or has none. */
import type { DataSet, Element, Part10, Tag } from './data-set.ts';
import { sameEncoding, type Difference, type ElementDifference, type Subject } from './difference.ts';
import { unsignedNumber } from './element-value.ts';
import type { NamedChange } from './named-change.ts';
import { groupOf, isGroupLength } from './tag-text.ts';

export interface ExplainedDifference {
  readonly difference: Difference;
  /** Absent: nothing that was to be changed accounts for it. */
  readonly reason?: string;
}

/** The reason of a group length that follows from other differences. */
export const GROUP_LENGTH_CORRECTED = 'group length corrected';

/**
 * | a change that is named | explains                                                                            |
 * |------------------------|-------------------------------------------------------------------------------------|
 * | `set`                  | that its element was added or changed, and what stood there a second time removed   |
 * | `remove`               | that its element was removed, each time it stood there                              |
 * | `append`               | that its sequence was added, or items behind those that it had                      |
 *
 * and each of them a group length (PS3.5 7.2) of the data sets that hold its element, where it is the right one now. Nothing
 * explains bytes that belong to no element, or elements that changed their order.
 */
export function explainDifferences(
  found: readonly Difference[],
  named: readonly NamedChange[],
  after: Part10,
): ExplainedDifference[] {
  const byPlace = Map.groupBy(named, ({ path, tag }) => placeKey(path, tag));
  const direct = found.map((difference) => directReason(difference, byPlace));
  const explained = found.filter((_, index) => direct[index] !== undefined);
  return found.map((difference, index) => {
    const reason = direct[index] ?? (isGroupLengthOf(difference, explained, after) ? GROUP_LENGTH_CORRECTED : undefined);
    return reason === undefined ? { difference } : { difference, reason };
  });
}

function directReason(difference: Difference, byPlace: ReadonlyMap<string, readonly NamedChange[]>): string | undefined {
  if (difference.kind === 'bytes') return undefined;
  const candidates = byPlace.get(placeKey(difference.path, difference.tag)) ?? [];
  return candidates.findLast((change) => explains(change, difference))?.reason;
}

function explains({ kind, tag }: NamedChange, difference: ElementDifference): boolean {
  const isMeta = groupOf(tag) === 0x0002 && difference.path.length === 0;
  if (difference.kind === 'moved' || isMeta !== (difference.part === 'meta')) return false;
  const isItem = difference.item !== undefined;
  switch (kind) {
    case 'set':
      return !isItem && (difference.kind === 'removed' ? difference.occurrence > 0 : difference.occurrence === 0);
    case 'remove':
      return !isItem && difference.kind === 'removed';
    case 'append':
      return difference.kind === 'added';
  }
}

function isGroupLengthOf(difference: Difference, explained: readonly Difference[], part10: Part10): boolean {
  if (difference.kind !== 'changed' || !isGroupLength(difference.tag) || difference.before === undefined) return false;
  const { before, after } = difference;
  if (after === undefined || !isRight(after, part10)) return false;
  return !sameEncoding(before.dataSet, after.dataSet) || explained.some((other) => isInGroupOf(difference, other));
}

/** Whether `other` is in the group, in the data set of the group length or deeper. */
function isInGroupOf({ part, path, tag }: ElementDifference, other: Difference): boolean {
  if (other.kind === 'bytes' || other.part !== part || other.path.length < path.length) return false;
  const leadsHere = path.every((step, depth) => step.tag === other.path[depth]?.tag && step.item === other.path[depth].item);
  return leadsHere && groupOf(other.path[path.length]?.tag ?? other.tag) === groupOf(tag);
}

/** PS3.5 7.2: the bytes of the group from the end of its length on. */
function isRight({ dataSet, element }: Subject, part10: Part10): boolean {
  const group = dataSet.elements.filter(({ tag }) => groupOf(tag) === groupOf(element.tag) && !isGroupLength(tag));
  const size = group.reduce((sum, member) => sum + sizeOf(member, dataSet, part10), 0);
  return unsignedNumber(dataSet, element.tag) === size;
}

function sizeOf({ offset, valueOffset, end }: Element, dataSet: DataSet, { dataSet: top, gap }: Part10): number {
  const leftOut = dataSet === top && gap?.at === valueOffset ? gap.range.length : 0;
  return end - offset + leftOut;
}

function placeKey(path: NamedChange['path'], tag: Tag): string {
  return [...path.map((step) => `${step.tag}:${step.item}`), tag].join('/');
}
