/** Private blocks of one data set (PS3.5 7.8.1): (gggg,00bb) names the creator of (gggg,bb00) to (gggg,bbFF). */
import type { DataSet, Tag } from '../dicom/data-set.ts';
import { valueBytes } from '../dicom/element-value.ts';
import { unpadded } from './present-value.ts';

const FIRST_BLOCK = 0x10;
const LAST_BLOCK = 0xff;

export function tagInBlock(group: number, block: number, element: number): Tag {
  return ((group << 16) | (block << 8) | element) >>> 0;
}

export function creatorTag(group: number, block: number): Tag {
  return tagInBlock(group, 0, block);
}

/** (0009,1110) → (0009,0011); `undefined` for an element that is in no block. */
export function creatorTagOf(tag: Tag): Tag | undefined {
  const block = (tag >>> 8) & 0xff;
  return (tag & 0x00010000) === 0 || block < FIRST_BLOCK ? undefined : creatorTag(tag >>> 16, block);
}

/** The blocks that the creator reserved; the standard allows one in a group, files have several. */
export function blocksOf(dataSet: DataSet, group: number, creator: string): number[] {
  return dataSet.elements
    .filter(({ tag }) => tag >= creatorTag(group, FIRST_BLOCK) && tag <= creatorTag(group, LAST_BLOCK))
    .filter((element) => creatorName(valueBytes(dataSet, element)) === creator)
    .map(({ tag }) => tag & 0xff);
}

/** LO of the default repertoire; spaces around it do not count (PS3.5 6.2). */
function creatorName(value: Uint8Array): string {
  return Buffer.from(unpadded(value)).toString('latin1').trim();
}

/** The first block that nothing uses, neither a creator nor an element without one; `undefined` in a group that is full. */
export function freeBlock(dataSet: DataSet, group: number, taken: readonly number[]): number | undefined {
  const used = new Set(taken);
  for (const { tag } of dataSet.elements) {
    if (tag >>> 16 !== group) continue;
    const upper = (tag >>> 8) & 0xff;
    used.add(upper === 0 ? tag & 0xff : upper);
  }
  for (let block = FIRST_BLOCK; block <= LAST_BLOCK; block++) if (!used.has(block)) return block;
  return undefined;
}
