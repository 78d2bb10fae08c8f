import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import {
  colourByPixel,
  joinColours,
  littleEndian,
  splitColours,
  toSigned,
  toUnsigned,
  usesHighBits,
} from '../../../core/encode/samples.ts';

const grey: FrameLayout = {
  rows: 1,
  columns: 2,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: false,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};

describe('colourByPixel', () => {
  const colour: FrameLayout = { ...grey, samplesPerPixel: 3, bitsAllocated: 8, bitsStored: 8, colourByPlane: true };

  it('turns planes into pixels', () => {
    expect(colourByPixel(Uint8Array.of(1, 2, 11, 12, 21, 22), colour)).toEqual(Uint8Array.of(1, 11, 21, 2, 12, 22));
  });

  it('leaves what lies by pixel as it is', () => {
    const frame = Uint8Array.of(1, 11, 21, 2, 12, 22);
    expect(colourByPixel(frame, { ...colour, colourByPlane: false })).toBe(frame);
  });

  it('turns planes of 16-bit samples into pixels', () => {
    const frame = Uint8Array.of(1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24);
    const byPixel = Uint8Array.of(1, 2, 11, 12, 21, 22, 3, 4, 13, 14, 23, 24);
    const sixteen: FrameLayout = { ...colour, bitsAllocated: 16, bitsStored: 16 };
    expect(colourByPixel(frame, sixteen)).toEqual(byPixel);
    // a view of an odd offset
    expect(colourByPixel(Uint8Array.of(0, ...frame).subarray(1), sixteen)).toEqual(byPixel);
    const planes = splitColours(byPixel, sixteen);
    expect(planes).toEqual([Uint8Array.of(1, 2, 3, 4), Uint8Array.of(11, 12, 13, 14), Uint8Array.of(21, 22, 23, 24)]);
    expect(joinColours(planes, sixteen)).toEqual(byPixel);
  });

  it('moves each sample once, for any frame', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.infiniteStream(fc.nat(255)),
        (rows, columns, bytes) => {
          const frame = Uint8Array.from({ length: rows * columns * 3 }, () => Number(bytes.next().value));
          const byPixel = colourByPixel(frame, { ...colour, rows, columns });
          const pixels = rows * columns;
          for (let pixel = 0; pixel < pixels; pixel++) {
            for (let plane = 0; plane < 3; plane++) expect(byPixel[pixel * 3 + plane]).toBe(frame[plane * pixels + pixel]);
          }
        },
      ),
    );
  });
});

describe('littleEndian', () => {
  it('swaps the bytes of big-endian words, and of eight-bit samples the two of a word', () => {
    const frame = Uint8Array.of(1, 2, 3, 4);
    expect(Uint8Array.from(littleEndian(frame, { ...grey, bigEndianWords: true }))).toEqual(Uint8Array.of(2, 1, 4, 3));
    expect(frame).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(littleEndian(frame, grey)).toBe(frame);
  });
});

describe('toUnsigned, toSigned', () => {
  it.each([1, 2, 5, 8])('keep the order of signed samples of %i bits', (bitsStored) => {
    const half = 2 ** (bitsStored - 1);
    const signed = Uint8Array.from({ length: 2 * half }, (_, index) => index - half);
    const unsigned = toUnsigned(signed, bitsStored);
    expect(unsigned).toEqual(Uint8Array.from({ length: 2 * half }, (_, index) => index));
    expect(toSigned(unsigned, bitsStored)).toEqual(signed);
  });
});

describe('usesHighBits', () => {
  const sixteen = (...samples: number[]) => new Uint8Array(Uint16Array.from(samples, (sample) => sample & 0xffff).buffer);
  const cases: readonly (readonly [name: string, frame: Uint8Array, layout: Partial<FrameLayout>, expected: boolean])[] = [
    ['unsigned, greatest value', sixteen(0, 4095), {}, false],
    ['unsigned, one above', sixteen(0, 4096), {}, true],
    ['unsigned, top bit', sixteen(0x8000, 0), {}, true],
    ['signed, whole range', sixteen(-2048, 2047), { signed: true }, false],
    ['signed, one above', sixteen(0, 2048), { signed: true }, true],
    ['signed, one below', sixteen(0, -2049), { signed: true }, true],
    ['signed, negative without sign extension', sixteen(0x0fff, 0), { signed: true }, true],
    ['all bits stored', sixteen(0xffff, 0x8000), { bitsStored: 16 }, false],
    ['all bits stored, signed', sixteen(0xffff, 0x8000), { bitsStored: 16, signed: true }, false],
    ['eight allocated, six stored, free', Uint8Array.of(0, 63), { bitsAllocated: 8, bitsStored: 6 }, false],
    ['eight allocated, six stored, in use', Uint8Array.of(0, 64), { bitsAllocated: 8, bitsStored: 6 }, true],
  ];
  it.each(cases)('%s', (_name, frame, layout, expected) => {
    expect(usesHighBits(frame, { ...grey, ...layout })).toBe(expected);
  });
});
