/** Encapsulated pixel data and what tells where its frames begin. Pure. */
import type { Segment } from '../dicom/byte-source.ts';
import type { NewElement } from '../dicom/change.ts';
import { TAG } from '../dicom/tags.ts';

/** What an offset of 32 bits can tell. */
const MAX_OFFSET = 0xffffffff;
const ITEM_HEADER = 8;

/**
 * One fragment a frame.
 *
 * | the last frame begins         | Basic Offset Table | Extended Offset Table and its Lengths |
 * |-------------------------------|--------------------|----------------------------------------|
 * | within 32 bits (`maxOffset`)  | filled             | none                                   |
 * | behind                        | empty              | filled (PS3.3 C.7.6.3.1.8, PS3.5 A.4)  |
 */
export function fragmentTable(frames: readonly Segment[], maxOffset: number = MAX_OFFSET): readonly NewElement[] {
  const lengths = frames.map(({ length }) => length + (length % 2));
  const offsets: number[] = [];
  let offset = 0;
  for (const length of lengths) {
    offsets.push(offset);
    offset += ITEM_HEADER + length;
  }
  if ((offsets.at(-1) ?? 0) <= maxOffset) return [{ tag: TAG.PixelData, vr: 'OB', frames }];
  return [
    { tag: TAG.ExtendedOffsetTable, vr: 'OV', value: words(offsets) },
    { tag: TAG.ExtendedOffsetTableLengths, vr: 'OV', value: words(lengths) },
    { tag: TAG.PixelData, vr: 'OB', frames, extendedOffsets: true },
  ];
}

/** 64 bits each, little endian. */
function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setBigUint64(index * 8, BigInt(value), true));
  return bytes;
}
