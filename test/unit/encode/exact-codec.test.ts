import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { agreesWithLayout, parseCodestream, readCodestreamHeader } from '../../../core/encode/codestream.ts';
import { joinComponents, splitComponents } from '../../../core/encode/component-codestreams.ts';
import { exactCodec, type RawCodec } from '../../../core/encode/exact-codec.ts';
import type { FrameCodec } from '../../../core/encode/frame-codec.ts';
import { frameLength, type FrameLayout } from '../../../core/encode/frame-layout.ts';
import { FRAME_SYNTAXES } from '../../../core/encode/frame-syntax.ts';
import { imagePixels, seededBytes } from '../../support/build-dicom.ts';

const grey: FrameLayout = {
  rows: 17,
  columns: 33,
  samplesPerPixel: 1,
  bitsAllocated: 8,
  bitsStored: 8,
  signed: true,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};
const colour: FrameLayout = { ...grey, samplesPerPixel: 3, bitsAllocated: 16, bitsStored: 16, signed: false };

/** Each sample within BitsStored, its whole range in use. */
function noise(layout: FrameLayout, seed: number): Uint8Array {
  const random = seededBytes(frameLength(layout), seed);
  const samples = layout.bitsAllocated === 8 ? random : new Uint16Array(random.buffer);
  const half = 2 ** (layout.bitsStored - 1);
  const container = 2 ** layout.bitsAllocated;
  samples.forEach((sample, at) => {
    const unsigned = sample % (2 * half);
    samples[at] = layout.signed ? (unsigned - half + container) % container : unsigned;
  });
  return random;
}

describe.each(['j2k', 'htj2k'] as const)('the exact codec of %s', (syntax) => {
  let codec: FrameCodec;
  beforeAll(async () => {
    codec = await FRAME_SYNTAXES[syntax].open();
  });

  function expectExact(samples: Uint8Array, layout: FrameLayout): void {
    const codestream = codec.encode(samples, layout);
    expect(agreesWithLayout(codestream, layout, syntax)).toBe(true);
    expect(Buffer.compare(codec.decode(codestream, layout), samples)).toBe(0);
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('carries signed samples of %i bits', (bitsStored) => {
    const layout = { ...grey, bitsStored };
    expectExact(imagePixels(layout), layout);
    expectExact(noise(layout, bitsStored), layout);
    expect(readCodestreamHeader(codec.encode(noise(layout, 1), layout))?.components).toEqual([
      { precision: bitsStored, signed: true, subsampled: false },
    ]);
  });

  it.each(Array.from({ length: 16 }, (_, index) => index + 1))('carries three components of %i bits', (bitsStored) => {
    const layout: FrameLayout = { ...colour, bitsStored, bitsAllocated: bitsStored > 8 ? 16 : 8 };
    expectExact(imagePixels(layout), layout);
    expectExact(noise(layout, bitsStored), layout);
    expect(readCodestreamHeader(codec.encode(noise(layout, 1), layout))).toMatchObject({
      multipleComponentTransformation: false,
      componentByComponent: true,
      tileParts: 3,
    });
  });

  it('carries any noise of any size, of two bits and more', () => {
    const layouts = fc
      .record({
        rows: fc.integer({ min: 1, max: 40 }),
        columns: fc.integer({ min: 1, max: 40 }),
        bitsStored: fc.integer({ min: 2, max: 16 }),
        kind: fc.constantFrom('unsigned', 'signed', 'components', 'transformed'),
        seed: fc.nat(),
      })
      .map(({ rows, columns, bitsStored, kind, seed }) => {
        const bits = kind === 'transformed' ? (bitsStored % 7) + 2 : bitsStored;
        const layout: FrameLayout = {
          ...grey,
          rows,
          columns,
          bitsStored: bits,
          bitsAllocated: bits > 8 ? 16 : 8,
          signed: kind === 'signed',
          samplesPerPixel: kind === 'components' || kind === 'transformed' ? 3 : 1,
          colourTransformation: kind === 'transformed',
        };
        return { layout, seed };
      });
    fc.assert(
      fc.property(layouts, ({ layout, seed }) => {
        expectExact(noise(layout, seed), layout);
      }),
      { numRuns: 300 },
    );
  });

  it('takes the components apart and joins them to the same bytes', () => {
    const codestream = codec.encode(noise(colour, 7), colour);
    const components = splitComponents(codestream) ?? [];
    expect(components).toHaveLength(3);
    const [first] = components;
    const one: FrameLayout = { ...colour, samplesPerPixel: 1 };
    expect(first !== undefined && agreesWithLayout(first, one, syntax)).toBe(true);
    expect(Buffer.compare(joinComponents(components) ?? new Uint8Array(0), codestream)).toBe(0);
  });

  it('joins nothing that does not fit together', () => {
    const one: FrameLayout = { ...colour, samplesPerPixel: 1 };
    const [a, wider, deeper, smaller] = [one, { ...one, columns: 34 }, { ...one, bitsStored: 12 }, { ...one, rows: 2 }].map(
      (layout) => codec.encode(noise(layout, 1), layout),
    );
    if (a === undefined || wider === undefined || deeper === undefined || smaller === undefined)
      throw new Error('no codestreams');
    for (const other of [wider, deeper, smaller, a.subarray(0, -1), new Uint8Array(0)])
      expect(joinComponents([a, other, a])).toBeUndefined();
    expect(joinComponents([])).toBeUndefined();
    expect(splitComponents(new Uint8Array(0))).toBeUndefined();
    expect(parseCodestream(joinComponents([a, a, a]) ?? new Uint8Array(0))?.tileParts).toHaveLength(3);
  });
});

describe('exactCodec', () => {
  const broken: RawCodec = {
    encode: () => Uint8Array.of(1, 2, 3),
    decode: (codestream) => codestream,
    outgrown: true,
  };

  it('fails with CODEC_FAILED where the components are no codestreams', () => {
    expect(() => exactCodec(broken).encode(noise(colour, 1), colour)).toThrow(expect.objectContaining({ code: 'CODEC_FAILED' }));
    expect(() => exactCodec(broken).decode(Uint8Array.of(1), colour)).toThrow(expect.objectContaining({ code: 'CODEC_FAILED' }));
  });

  it('says what the codec says of its memory', () => {
    expect(exactCodec(broken).outgrown).toBe(true);
  });
});
