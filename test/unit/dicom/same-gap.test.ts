import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../core/dicom/byte-source.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { SegmentsSource } from '../../../core/dicom/segments-source.ts';
import { sameGap } from '../../../core/dicom/same-gap.ts';
import { buildDicom, buildImage, seededBytes, type BuiltImage } from '../../support/build-dicom.ts';

function sourceOf(bytes: Uint8Array): ByteSource {
  return { length: bytes.length, read: async (start, end) => bytes.slice(start, end) };
}

/** In pieces of a few bytes, as a spliced file is. */
function pieces(bytes: Uint8Array): ByteSource {
  const segments = [];
  for (let at = 0; at < bytes.length; at += 1000) {
    const piece = bytes.subarray(at, at + 1000);
    segments.push(at % 2000 === 0 ? piece : { source: sourceOf(bytes), start: at, length: piece.length });
  }
  return new SegmentsSource({ segments, length: bytes.length });
}

async function large(image: BuiltImage): Promise<Part10> {
  return readLargePart10(pieces(buildImage(image)));
}

const pixels = seededBytes(5_000_000);
const other = pixels.with(4_500_000, (pixels[4_500_000] ?? 0) ^ 1);
const image = { rows: 2500, columns: 1000 };

describe('what two large files leave out of memory', () => {
  it.each<[string, BuiltImage, BuiltImage, boolean]>([
    ['the same bytes', { ...image, pixels }, { ...image, pixels }, true],
    ['one byte that is another, beyond the first block', { ...image, pixels }, { ...image, pixels: other }, false],
    ['another length', {}, { rows: 8 }, false],
  ])('is compared: %s', async (_name, before, after, same) => {
    expect(await sameGap(await large(before), await large(after))).toBe(same);
  });

  it('is not the same where one of them leaves nothing out', async () => {
    const whole = await readLargePart10(sourceOf(buildDicom({ elements: [] })));
    expect(await sameGap(await large({}), whole)).toBe(false);
    expect(await sameGap(whole, whole)).toBe(false);
  });
});

describe('a spliced file as a source', () => {
  it.each([
    [0, 0],
    [0, 10],
    [990, 3010],
    [2000, 3000],
    [0, 5000],
    [4990, 5000],
  ])('has the bytes from %i to %i', async (start, end) => {
    const bytes = seededBytes(5000);
    expect(await pieces(bytes).read(start, end)).toEqual(bytes.slice(start, end));
  });

  it('rejects what is not there', async () => {
    await expect(pieces(seededBytes(5000)).read(4990, 5001)).rejects.toThrow(RangeError);
  });
});
