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
 * | `set`                  | that its element was added or changed, with all within it, and what stood there a second time removed |
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

type ByPlace = ReadonlyMap<string, readonly NamedChange[]>;

function directReason(difference: Difference, byPlace: ByPlace): string | undefined {
  if (difference.kind === 'bytes' || difference.kind === 'moved') return undefined;
  const { path, tag, part } = difference;
  const here = byPlace.get(placeKey(path, tag))?.filter((change) => isOfFileMeta(change) === (part === 'meta')) ?? [];
  const own = here.findLast((change) => explains(change, difference)) ?? rewriting(difference, here);
  return (own ?? rewritingAbove(difference, byPlace))?.reason;
}

/** A sequence that was written anew: its items are others, whatever they have in common with those before. */
function rewriting({ kind, item, occurrence }: ElementDifference, here: readonly NamedChange[]): NamedChange | undefined {
  return occurrence === 0 && (kind === 'changed' || item !== undefined) && isRewritten(here) ? here.at(-1) : undefined;
}

function rewritingAbove({ path }: ElementDifference, byPlace: ByPlace): NamedChange | undefined {
  return path
    .map((step, depth) => byPlace.get(placeKey(path.slice(0, depth), step.tag)) ?? [])
    .find(isRewritten)
    ?.at(-1);
}

/** Set, or removed and made again. */
function isRewritten(changes: readonly NamedChange[]): boolean {
  const kinds = changes.map(({ kind }) => kind);
  return kinds.includes('set') || (kinds.includes('remove') && kinds.at(-1) === 'append');
}

function isOfFileMeta({ path, tag }: NamedChange): boolean {
  return path.length === 0 && groupOf(tag) === 0x0002;
}

function explains({ kind }: NamedChange, difference: ElementDifference): boolean {
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

/** PS3.5 7.2: the bytes of the group from the end of its length on; a second length (it may not be) is among them. */
function isRight({ dataSet, element }: Subject, part10: Part10): boolean {
  const group = dataSet.elements.filter((member) => groupOf(member.tag) === groupOf(element.tag) && member !== element);
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
