import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FrameCodec } from '../../../core/encode/frame-codec.ts';
import { createFrameEncoder } from '../../../core/encode/frame-encoder.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { frameLength } from '../../../core/encode/frame-layout.ts';
import { FRAME_SYNTAXES } from '../../../core/encode/frame-syntax.ts';
import { openOpenJpeg } from '../../../core/encode/openjpeg.ts';
import { StorestowError } from '../../../core/errors.ts';
import { imagePixels, seededBytes } from '../../support/build-dicom.ts';

const layout: FrameLayout = {
  rows: 5,
  columns: 33,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: false,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};
const pixelsOf = (of: FrameLayout): Uint8Array => imagePixels(of);

/** OpenJPEG with something else in place of a method, and a count of the instances. */
function openWith(change: (codec: FrameCodec, instance: number) => Partial<FrameCodec>) {
  const opened = { count: 0 };
  const open = async (): Promise<FrameCodec> => {
    const codec = await openOpenJpeg();
    const instance = ++opened.count;
    return {
      encode: (samples, of) => codec.encode(samples, of),
      decode: (codestream, of) => codec.decode(codestream, of),
      outgrown: false,
      ...change(codec, instance),
    };
  };
  return { open, opened };
}

it('lets nothing pass that the codec itself loses: one bit of noise that OpenJPEG makes zeros of', async () => {
  const oneBit: FrameLayout = { ...layout, rows: 17, columns: 35, bitsAllocated: 8, bitsStored: 1 };
  const noise = seededBytes(frameLength(oneBit), 1037326505).map((value) => value % 2);
  const codec = await openOpenJpeg();
  expect(codec.decode(codec.encode(noise, oneBit), oneBit)).toEqual(new Uint8Array(noise.length));
  const encode = createFrameEncoder(openOpenJpeg, 'j2k');
  expect(await encode(noise, oneBit)).toEqual({ proved: false, reason: 'FRAME_NOT_REPRODUCED' });
});

describe.each(['j2k', 'htj2k'] as const)('createFrameEncoder to %s', (syntax) => {
  const encode = createFrameEncoder(FRAME_SYNTAXES[syntax].open, syntax);
  const sizes = [[1, 1], [1, 17], [17, 1], [2, 2], [3, 3], [33, 5], [64, 64]] as const; // prettier-ignore
  const kinds: readonly Partial<FrameLayout>[] = [
    ...[1, 2, 5, 8].flatMap((bitsStored) => [
      { bitsAllocated: 8 as const, bitsStored },
      { bitsAllocated: 8 as const, bitsStored, signed: true },
      { bitsAllocated: 8 as const, bitsStored, samplesPerPixel: 3 as const },
    ]),
    ...[9, 10, 12, 15, 16].flatMap((bitsStored) => [
      { bitsAllocated: 16 as const, bitsStored },
      { bitsAllocated: 16 as const, bitsStored, signed: true },
      { bitsAllocated: 16 as const, bitsStored, samplesPerPixel: 3 as const },
      { bitsAllocated: 16 as const, bitsStored, samplesPerPixel: 3 as const, colourByPlane: true },
    ]),
    ...[false, true].map((colourByPlane) => ({
      samplesPerPixel: 3 as const,
      bitsAllocated: 8 as const,
      bitsStored: 8,
      colourByPlane,
      colourTransformation: true,
    })),
  ];
  const cases = sizes.flatMap(([rows, columns]) => kinds.map((kind): FrameLayout => ({ ...layout, ...kind, rows, columns })));

  it.each(cases)('proves $rows × $columns × $samplesPerPixel, $bitsStored of $bitsAllocated bits, signed $signed', async (of) => {
    expect(await encode(pixelsOf(of), of)).toMatchObject({ proved: true });
  });

  it('proves random samples of any layout that it takes', async () => {
    const layouts = fc.record<FrameLayout>({
      rows: fc.integer({ min: 1, max: 40 }),
      columns: fc.integer({ min: 1, max: 40 }),
      samplesPerPixel: fc.constant(1),
      bitsAllocated: fc.constant(16),
      bitsStored: fc.constant(16),
      signed: fc.boolean(),
      colourByPlane: fc.boolean(),
      bigEndianWords: fc.boolean(),
      colourTransformation: fc.constant(false),
    });
    const anyLayout = fc.oneof(
      layouts,
      layouts.map((of): FrameLayout => ({
        ...of,
        samplesPerPixel: 3,
        bitsAllocated: 8,
        bitsStored: 8,
        signed: false,
        bigEndianWords: false,
        colourTransformation: true,
      })),
    );
    await fc.assert(
      fc.asyncProperty(anyLayout, fc.nat(), async (of, seed) => {
        expect(await encode(seededBytes(frameLength(of), seed), of)).toMatchObject({ proved: true });
      }),
    );
  });

  it('does not touch the frame', async () => {
    const frame = pixelsOf(layout);
    const before = Uint8Array.from(frame);
    await encode(frame, layout);
    expect(frame).toEqual(before);
  });

  it('refuses bits above HighBit', async () => {
    const frame = pixelsOf(layout);
    frame[1] = 0x10;
    expect(await encode(frame, layout)).toEqual({ proved: false, reason: 'HIGH_BITS_IN_USE' });
  });

  it.each([8, 16] as const)('encodes big-endian words of %i-bit samples as their little-endian twins', async (bitsAllocated) => {
    const of: FrameLayout = { ...layout, rows: 4, bitsAllocated, bitsStored: bitsAllocated - 3 };
    const little = await encode(pixelsOf(of), of);
    expect(little).toMatchObject({ proved: true });
    expect(await encode(Buffer.from(pixelsOf(of)).swap16(), { ...of, bigEndianWords: true })).toEqual(little);
  });

  it('looks for bits above HighBit in the samples, not in their bytes as they came', async () => {
    const of: FrameLayout = { ...layout, rows: 4, bigEndianWords: true };
    const frame = Buffer.from(pixelsOf(of)).swap16();
    frame[0] = 0x10;
    expect(await encode(frame, of)).toEqual({ proved: false, reason: 'HIGH_BITS_IN_USE' });
  });

  it('refuses padding values outside BitsStored, signed ones too', async () => {
    const of: FrameLayout = { ...layout, signed: true };
    const frame = pixelsOf(of);
    new DataView(frame.buffer, frame.byteOffset).setInt16(20, -2048, true);
    expect(await encode(frame, of)).toMatchObject({ proved: true });
    new DataView(frame.buffer, frame.byteOffset).setInt16(20, -32768, true);
    expect(await encode(frame, of)).toEqual({ proved: false, reason: 'HIGH_BITS_IN_USE' });
  });
});

describe('createFrameEncoder', () => {
  const encode = createFrameEncoder(openOpenJpeg, 'j2k');

  it('survives a trap (16-bit colour with the transformation, which is never planned), again and again', async () => {
    const of: FrameLayout = {
      ...layout,
      rows: 512,
      columns: 512,
      samplesPerPixel: 3,
      bitsStored: 16,
      colourTransformation: true,
    };
    for (let round = 0; round < 3; round++) {
      expect(await encode(pixelsOf(of), of)).toEqual({ proved: false, reason: 'CODEC_FAILED' });
      expect(await encode(pixelsOf(layout), layout)).toMatchObject({ proved: true });
    }
  });

  it('refuses a codec that writes the other syntax', async () => {
    const other = createFrameEncoder(FRAME_SYNTAXES.htj2k.open, 'j2k');
    expect(await other(pixelsOf(layout), layout)).toEqual({ proved: false, reason: 'FRAME_NOT_REPRODUCED' });
  });
});

describe('the proof', () => {
  it.each([0, 100, 329])('catches one bit wrong in byte %i of what is decoded', async (at) => {
    const { open } = openWith((codec) => ({
      decode: (codestream, of) => codec.decode(codestream, of).map((byte, index) => (index === at ? byte ^ 1 : byte)),
    }));
    const result = await createFrameEncoder(open, 'j2k')(pixelsOf(layout), layout);
    expect(result).toEqual({ proved: false, reason: 'FRAME_NOT_REPRODUCED' });
  });

  it('catches a sample too few and one too many', async () => {
    for (const resize of [(bytes: Uint8Array) => bytes.subarray(2), (bytes: Uint8Array) => Uint8Array.of(...bytes, 0, 0)]) {
      const { open } = openWith((codec) => ({ decode: (codestream, of) => resize(codec.decode(codestream, of)) }));
      expect(await createFrameEncoder(open, 'j2k')(pixelsOf(layout), layout)).toMatchObject({ reason: 'FRAME_NOT_REPRODUCED' });
    }
  });

  it('catches a bit wrong in the codestream', async () => {
    const { open } = openWith((codec) => ({
      encode: (samples, of) =>
        codec.encode(samples, of).map((byte, index, all) => (index === all.length - 40 ? byte ^ 0x10 : byte)),
    }));
    expect(await createFrameEncoder(open, 'j2k')(pixelsOf(layout), layout)).toMatchObject({ proved: false });
  });

  it('catches a codestream that decodes but says something else of itself', async () => {
    const { open } = openWith((codec) => ({
      encode: (samples, of) => codec.encode(samples, { ...of, bitsStored: 13 }),
    }));
    expect(await createFrameEncoder(open, 'j2k')(pixelsOf(layout), layout)).toMatchObject({ reason: 'FRAME_NOT_REPRODUCED' });
  });
});

describe('the instance', () => {
  const failed = () => new StorestowError('CODEC_FAILED', 'trapped');

  it('is kept from frame to frame', async () => {
    const { open, opened } = openWith(() => ({}));
    const encode = createFrameEncoder(open, 'j2k');
    for (let round = 0; round < 3; round++) await encode(pixelsOf(layout), layout);
    expect(opened.count).toBe(1);
  });

  it('is replaced after a failure, and a frame that fails in a used one is tried in a new one', async () => {
    let frames = 0;
    const { open, opened } = openWith((codec, instance) => ({
      encode: (samples, of) => {
        if (instance === 1 && ++frames > 1) throw failed();
        return codec.encode(samples, of);
      },
    }));
    const encode = createFrameEncoder(open, 'j2k');
    expect(await encode(pixelsOf(layout), layout)).toMatchObject({ proved: true });
    expect(await encode(pixelsOf(layout), layout)).toMatchObject({ proved: true });
    expect(opened.count).toBe(2);
  });

  it('is not tried a third time', async () => {
    const { open, opened } = openWith(() => ({
      encode: () => {
        throw failed();
      },
    }));
    expect(await createFrameEncoder(open, 'j2k')(pixelsOf(layout), layout)).toEqual({ proved: false, reason: 'CODEC_FAILED' });
    expect(opened.count).toBe(1);
  });

  it('is given up when it has outgrown its use', async () => {
    const { open, opened } = openWith(() => ({ outgrown: true }));
    const encode = createFrameEncoder(open, 'j2k');
    await encode(pixelsOf(layout), layout);
    await encode(pixelsOf(layout), layout);
    expect(opened.count).toBe(2);
  });

  it('that cannot be had is an error, not a refusal', async () => {
    const encode = createFrameEncoder(() => Promise.reject(new StorestowError('CODEC_UNAVAILABLE', 'no package')), 'j2k');
    await expect(encode(pixelsOf(layout), layout)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE', retryable: true });
  });
});
