import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { agreesWithLayout, readCodestreamHeader } from '../../../core/encode/codestream.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { openOpenJpeg } from '../../../core/encode/openjpeg.ts';
import { seededBytes } from '../../support/build-dicom.ts';

const colour: FrameLayout = {
  rows: 20,
  columns: 36,
  samplesPerPixel: 3,
  bitsAllocated: 8,
  bitsStored: 8,
  signed: false,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: true,
};
const grey: FrameLayout = {
  ...colour,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: true,
  colourTransformation: false,
};
let ofColour: Uint8Array;
let ofGrey: Uint8Array;

beforeAll(async () => {
  const codec = await openOpenJpeg();
  ofColour = codec.encode(seededBytes(20 * 36 * 3), colour);
  const samples = Int16Array.from(seededBytes(20 * 36), (byte) => byte * 16 - 2048);
  ofGrey = codec.encode(new Uint8Array(samples.buffer), grey);
});

/** The codestream with one byte of a marker segment changed. */
function patched(codestream: Uint8Array, marker: number, offset: number, value: number): Uint8Array {
  const at = Buffer.from(codestream).indexOf(Buffer.of(0xff, marker));
  return Uint8Array.from(codestream, (byte, index) => (index === at + offset ? value : byte));
}

describe('readCodestreamHeader', () => {
  it('says what was encoded: the RCT of three samples', () => {
    expect(readCodestreamHeader(ofColour)).toEqual({
      width: 36,
      height: 20,
      oneTile: true,
      tileParts: 1,
      componentByComponent: false,
      components: Array.from({ length: 3 }, () => ({ precision: 8, signed: false, subsampled: false })),
      multipleComponentTransformation: true,
      decompositionLevels: 4,
      reversibleWavelet: true,
      quantized: false,
      syntax: 'j2k',
    });
  });

  it('says precision and sign of one sample', () => {
    expect(readCodestreamHeader(ofGrey)).toMatchObject({
      components: [{ precision: 12, signed: true, subsampled: false }],
      multipleComponentTransformation: false,
    });
  });

  it('refuses every cut', () => {
    for (let length = 0; length < ofGrey.length; length++) {
      expect(readCodestreamHeader(ofGrey.subarray(0, length))).toBeUndefined();
    }
  });

  it('refuses what lies in a JP2 file, or behind anything else', () => {
    expect(readCodestreamHeader(Uint8Array.of(0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20, ...ofGrey))).toBeUndefined();
    expect(readCodestreamHeader(Uint8Array.of(...ofGrey, 0))).toBeUndefined();
  });

  it('survives any bytes, and any change of one byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(readCodestreamHeader(Uint8Array.of(0xff, 0x4f, 0xff, 0x51, ...bytes, 0xff, 0xd9))).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.nat(ofGrey.length - 1), fc.nat(255), (at, value) => {
        const header = readCodestreamHeader(Uint8Array.from(ofGrey, (byte, index) => (index === at ? value : byte)));
        expect(header === undefined || header.components.length === 1).toBe(true);
      }),
    );
  });
});

describe('agreesWithLayout', () => {
  it('holds for what was asked', () => {
    expect(agreesWithLayout(ofColour, colour, 'j2k')).toBe(true);
    expect(agreesWithLayout(ofGrey, grey, 'j2k')).toBe(true);
  });

  const others: readonly (readonly [string, Partial<FrameLayout>])[] = [
    ['rows', { rows: 21 }],
    ['columns', { columns: 35 }],
    ['samples', { samplesPerPixel: 3 }],
    ['bits stored', { bitsStored: 13 }],
    ['sign', { signed: false }],
  ];
  it.each(others)('fails for other %s', (_name, other) => {
    expect(agreesWithLayout(ofGrey, { ...grey, ...other }, 'j2k')).toBe(false);
  });

  // Offsets count from the marker; 15444-1 Tables A.9, A.12, A.15, A.27.
  const changes: readonly (readonly [string, marker: number, offset: number, value: number])[] = [
    ['the irreversible wavelet', 0x52, 13, 0],
    ['no colour transformation', 0x52, 8, 0],
    ['quantization', 0x5c, 4, 0x42],
    ['subsampling', 0x51, 42, 2],
    ['an image offset', 0x51, 17, 1],
    ['several tiles', 0x51, 25, 8],
    ['an unknown marker', 0x52, 1, 0x53],
  ];
  it.each(changes)('fails for %s', (_name, marker, offset, value) => {
    const changed = patched(ofColour, marker, offset, value);
    expect(changed).not.toEqual(ofColour);
    expect(agreesWithLayout(changed, colour, 'j2k')).toBe(false);
  });
});
