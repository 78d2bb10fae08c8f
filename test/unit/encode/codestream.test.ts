import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { agreesWithLayout, markSigned, readCodestreamHeader } from '../../../core/encode/codestream.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { openOpenJpeg } from '../../../core/encode/openjpeg.ts';
import { openOpenJph } from '../../../core/encode/openjph.ts';
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
let highThroughput: Uint8Array;
let byComponent: Uint8Array;

beforeAll(async () => {
  const codec = await openOpenJpeg();
  ofColour = codec.encode(seededBytes(20 * 36 * 3), colour);
  const samples = Int16Array.from(seededBytes(20 * 36), (byte) => byte * 16 - 2048);
  ofGrey = codec.encode(new Uint8Array(samples.buffer), grey);
  byComponent = codec.encode(seededBytes(20 * 36 * 3), { ...colour, colourTransformation: false });
  highThroughput = (await openOpenJph()).encode(new Uint8Array(samples.buffer), grey);
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

  it('knows High-Throughput by its capabilities', () => {
    expect(readCodestreamHeader(highThroughput)).toMatchObject({
      syntax: 'htj2k',
      components: [{ precision: 12, signed: true, subsampled: false }],
      reversibleWavelet: true,
      quantized: false,
    });
  });

  it('says that the components lie one behind another', () => {
    expect(readCodestreamHeader(byComponent)).toMatchObject({
      tileParts: 3,
      componentByComponent: true,
      multipleComponentTransformation: false,
    });
  });

  it('refuses every cut', () => {
    for (const codestream of [ofGrey, byComponent, highThroughput]) {
      for (let length = 0; length < codestream.length; length++) {
        expect(readCodestreamHeader(codestream.subarray(0, length))).toBeUndefined();
      }
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

  // 15444-1 Table A.10: Rsiz; 15444-15 A.3: Pcap, Ccap15; Table A.4: the block coder
  const capabilities: readonly (readonly [string, marker: number, offset: number, value: number])[] = [
    ['no extended capabilities announced', 0x51, 4, 0],
    ['capabilities of another part', 0x50, 7, 1],
    ['blocks of both kinds', 0x50, 8, 0xc0],
    ['the irreversible wavelet', 0x50, 9, 0x26],
    ['blocks of the older kind', 0x52, 12, 0],
  ];
  it.each(capabilities)('fails for High-Throughput with %s', (_name, marker, offset, value) => {
    expect(agreesWithLayout(highThroughput, grey, 'htj2k')).toBe(true);
    const changed = patched(highThroughput, marker, offset, value);
    expect(changed).not.toEqual(highThroughput);
    expect(agreesWithLayout(changed, grey, 'htj2k')).toBe(false);
  });

  it('fails for one syntax in place of the other', () => {
    expect(agreesWithLayout(highThroughput, grey, 'j2k')).toBe(false);
    expect(agreesWithLayout(ofGrey, grey, 'htj2k')).toBe(false);
  });

  it('fails for components without transformation that are not in their tile-parts, or not in their order', () => {
    const apart = { ...colour, colourTransformation: false };
    expect(agreesWithLayout(byComponent, apart, 'j2k')).toBe(true);
    expect(agreesWithLayout(byComponent, colour, 'j2k')).toBe(false);
    expect(agreesWithLayout(ofColour, apart, 'j2k')).toBe(false);
    expect(agreesWithLayout(patched(byComponent, 0x52, 5, 2), apart, 'j2k')).toBe(false);
    expect(agreesWithLayout(patched(byComponent, 0x90, 11, 2), apart, 'j2k')).toBe(false);
  });
});

describe('markSigned', () => {
  it('changes the sign in the header, of each component, and nothing else', () => {
    const marked = markSigned(byComponent, true);
    expect(readCodestreamHeader(marked)?.components).toEqual(
      Array.from({ length: 3 }, () => ({ precision: 8, signed: true, subsampled: false })),
    );
    expect(marked.filter((byte, index) => byte !== byComponent[index])).toHaveLength(3);
    expect(markSigned(marked, false)).toEqual(Uint8Array.from(byComponent));
  });

  it('changes nothing of what is no codestream', () => {
    expect(markSigned(Uint8Array.of(0xff, 0x4f), true)).toEqual(Uint8Array.of(0xff, 0x4f));
  });
});
