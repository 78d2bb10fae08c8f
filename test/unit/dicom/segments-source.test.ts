import { describe, expect, it } from 'vitest';
import type { ByteSource, Segment } from '../../../core/dicom/byte-source.ts';
import { SegmentsSource } from '../../../core/dicom/segments-source.ts';
import { seededBytes } from '../../support/build-dicom.ts';

const BYTES = seededBytes(24);

/** The same bytes in pieces of these lengths, every other one to be read where it lies. */
function inPieces(lengths: readonly number[]): SegmentsSource {
  const source: ByteSource = { length: BYTES.length, read: async (start, end) => BYTES.slice(start, end) };
  let start = 0;
  const segments = lengths.map((length, index): Segment => {
    const at = start;
    start += length;
    return index % 2 === 0 ? BYTES.subarray(at, start) : { source, start: at, length };
  });
  return new SegmentsSource({ segments, length: start });
}

describe('a spliced file is read as it will be', () => {
  it.each([
    ['one piece', [24]],
    ['two', [10, 14]],
    ['pieces of one byte', Array.from({ length: 24 }, () => 1)],
    ['empty pieces at the start, between others, and at the end', [0, 0, 7, 0, 0, 1, 0, 16, 0]],
    ['none', []],
  ])('%s: from each offset to each other', async (_name, lengths) => {
    const file = inPieces(lengths);
    for (let start = 0; start <= file.length; start++) {
      for (let end = start; end <= file.length; end++) {
        expect(await file.read(start, end), `${start} to ${end}`).toEqual(BYTES.slice(start, end));
      }
    }
  });

  it.each([
    [0, 25],
    [24, 25],
    [30, 31],
  ])('refuses %i to %i, which it does not have', async (start, end) => {
    await expect(inPieces([7, 17]).read(start, end)).rejects.toThrow(RangeError);
  });
});
