/**
 * What stands in the way of writing a data set in Explicit VR Little Endian (`rewrite-data-set.ts`): what could be done only
 * by guessing.
 */
import type { DataSet, Element, Encoding, Part10 } from './data-set.ts';
import { unsignedNumber } from './element-value.ts';
import { formatTag } from './tag-text.ts';
import { TAG } from './tags.ts';
import { unitOf } from './value-representation.ts';

/** In words, or undefined where the data set can be written so. Top-level Pixel Data counts as written anew, not as kept. */
export function rewriteObstacle({ dataSet }: Part10): string | undefined {
  const { explicitVR: isExplicit, bigEndian } = dataSet.encoding;
  if (isExplicit && !bigEndian) return undefined;
  const kept = dataSet.elements.filter(({ tag }) => tag !== TAG.PixelData);
  return obstacleIn(dataSet, kept);
}

function obstacleIn(dataSet: DataSet, elements = dataSet.elements): string | undefined {
  for (const element of elements) {
    const obstacle = obstacleOf(element, dataSet) ?? nestedObstacle(element);
    if (obstacle !== undefined) return obstacle;
  }
  return undefined;
}

function nestedObstacle({ vr, items }: Element): string | undefined {
  if (vr === 'UN') return undefined;
  for (const { dataSet } of items ?? []) {
    const obstacle = obstacleIn(dataSet);
    if (obstacle !== undefined) return obstacle;
  }
  return undefined;
}

/** Of the element alone, without its items. */
export function obstacleOf(element: Element, dataSet: DataSet): string | undefined {
  const { tag, vr, length, fragments, items } = element;
  const { encoding, bytes } = dataSet;
  if (fragments !== undefined) return `${formatTag(tag)} is encapsulated, which PS3.5 A.4 has in Explicit VR Little Endian only`;
  if (!encoding.bigEndian || items !== undefined) return undefined;
  if (vr === 'UN' && length > 0 && !isSpelledUN(element, encoding, bytes)) {
    return `${formatTag(tag)} is in big endian and has no known VR to swap it by`;
  }
  if (isWidePixelData(element, dataSet)) {
    return `${formatTag(tag)} is in big endian with more than 16 bits a sample, which writers swap in different ways`;
  }
  if (length % unitOf(vr) === 0) return undefined;
  return `${formatTag(tag)} is in big endian, and its ${length} bytes are no whole number of ${vr} values`;
}

/**
 * PS3.5 7.3 has OW swapped by words of 16 bits, whatever Bits Allocated is (DCMTK writes so); others swap whole samples (a test
 * file of pydicom). Neither leaves a trace.
 */
function isWidePixelData({ tag, vr }: Element, dataSet: DataSet): boolean {
  return tag === TAG.PixelData && vr === 'OW' && (unsignedNumber(dataSet, TAG.BitsAllocated) ?? 0) > 16;
}

/** The reader has UN for VRs that nobody knows too; only what was written as UN is known not to be swapped. */
function isSpelledUN({ offset }: Element, { explicitVR: isExplicit }: Encoding, bytes: Uint8Array): boolean {
  return isExplicit && bytes[offset + 4] === 0x55 && bytes[offset + 5] === 0x4e;
}
