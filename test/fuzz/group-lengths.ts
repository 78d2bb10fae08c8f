/** Group lengths (PS3.5 7.2): one that was right must be right in what is written. */
import type { ComparedDataSet } from './compare-objects.ts';

interface GroupLength {
  readonly stated: number;
  readonly length: number;
}

/** In words; undefined where every one that was right is. At the top level, of groups that stand together. */
export function wrongGroupLength(
  before: ComparedDataSet,
  beforeBigEndian: boolean,
  after: ComparedDataSet,
  bigEndian: boolean,
): string | undefined {
  const written = groupLengths(after, bigEndian);
  for (const [group, { stated, length }] of groupLengths(before, beforeBigEndian)) {
    const now = written.get(group);
    if (stated !== length || now === undefined || now.stated === now.length) continue;
    return `group ${group.toString(16)} says ${now.stated} of ${now.length} bytes`;
  }
  return undefined;
}

function groupLengths({ body, elements }: ComparedDataSet, bigEndian: boolean): Map<number, GroupLength> {
  const found = new Map<number, GroupLength>();
  for (const [group, members] of Map.groupBy(elements, ({ tag }) => tag >>> 16)) {
    const [first, ...others] = members;
    const start = first === undefined ? -1 : elements.indexOf(first);
    const together = members.every((member, index) => elements[start + index] === member);
    if (first === undefined || !together || (first.tag & 0xffff) !== 0 || first.length !== 4) continue;
    const value = Buffer.from(body.buffer, body.byteOffset + first.valueOffset, 4);
    const stated = bigEndian ? value.readUInt32BE() : value.readUInt32LE();
    found.set(group, { stated, length: others.reduce((sum, { offset, end }) => sum + end - offset, 0) });
  }
  return found;
}
