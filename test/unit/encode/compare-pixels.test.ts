/** Pixel data that came back, against the digest that the encoder took of what was received. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import type { ByteSource } from '../../../core/dicom/byte-source.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { comparePixels, type KeptPixels } from '../../../core/encode/compare-pixels.ts';
import { encodePixels, type Encoding } from '../../../core/encode/encode-pixels.ts';
import type { FrameSyntax } from '../../../core/encode/frame-codec.ts';
import { createFrameDecoder } from '../../../core/encode/frame-decoder.ts';
import { createFrameEncoder } from '../../../core/encode/frame-encoder.ts';
import type { DecodingPool } from '../../../core/encode/frame-pool.ts';
import { FRAME_SYNTAXES } from '../../../core/encode/frame-syntax.ts';
import {
  buildImage,
  DEFLATED_LE,
  encapsulated,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  imagePixels,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
  seededBytes,
  type BuiltImage,
} from '../../support/build-dicom.ts';

function pool(syntax: FrameSyntax = 'j2k'): DecodingPool {
  const encode = createFrameEncoder(FRAME_SYNTAXES[syntax].open, syntax);
  const decoders = {
    j2k: createFrameDecoder(FRAME_SYNTAXES.j2k.open, 'j2k'),
    htj2k: createFrameDecoder(FRAME_SYNTAXES.htj2k.open, 'htj2k'),
  };
  return {
    codec: 'test',
    transferSyntaxUID: FRAME_SYNTAXES[syntax].transferSyntaxUID,
    threads: 1,
    encodeFrame: encode,
    decodeFrame: async (codestream, layout, of) => decoders[of](codestream, layout),
    close: async () => undefined,
  };
}

interface Sent {
  readonly file: Uint8Array;
  readonly kept: KeptPixels;
  readonly encoding: Encoding;
}

async function send(received: Uint8Array, through: DecodingPool): Promise<Sent> {
  const part10 = readPart10(received);
  const encoding = await encodePixels(part10, through);
  const { segments } = splice(part10, encoding.changes, { transferSyntaxUID: encoding.transferSyntaxUID });
  const { pixelLength, pixelMd5 } = encoding;
  return {
    file: Buffer.concat(inMemory(segments)),
    encoding,
    kept: {
      received: part10.transferSyntax,
      sent: encoding.transferSyntaxUID,
      digest: pixelLength === undefined || pixelMd5 === undefined ? undefined : { pixelLength, pixelMd5 },
    },
  };
}

/** What the encoder takes, of every kind; `frame` one pixel of which is altered. */
const image: fc.Arbitrary<BuiltImage> = fc
  .record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 9 }),
    frames: fc.integer({ min: 1, max: 3 }),
    transferSyntaxUID: fc.constantFrom(EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE),
    planarConfiguration: fc.constantFrom(0, 1),
    kind: fc.constantFrom(
      { bitsAllocated: 8, bitsStored: 8 },
      { bitsAllocated: 8, bitsStored: 7, signed: true },
      { bitsAllocated: 16, bitsStored: 12 },
      { bitsAllocated: 16, bitsStored: 16, signed: true },
      { bitsAllocated: 8, bitsStored: 8, samplesPerPixel: 3 },
      { bitsAllocated: 8, bitsStored: 8, samplesPerPixel: 3, photometric: 'YBR_FULL' },
      { bitsAllocated: 16, bitsStored: 10, samplesPerPixel: 3 },
    ),
    seed: fc.nat(1000),
  })
  .map(({ kind, seed, ...rest }) => ({ ...rest, ...kind, pixels: imagePixels({ ...rest, ...kind }, seed) }));

/** 8 bits in OW, of a big-endian file: two samples a word, the second before the first. */
function asWords(built: BuiltImage): BuiltImage {
  const pixels = built.pixels ?? imagePixels(built);
  const padded = Buffer.concat([pixels, new Uint8Array(pixels.length % 2)]);
  return { ...built, transferSyntaxUID: EXPLICIT_BE, extra: [{ tag: 0x7fe00010, vr: 'OW', value: padded }] };
}

describe('pixel data that comes back', () => {
  it.each(['j2k', 'htj2k'] as const)('is equal however it lay when it was received, encoded to %s', async (syntax) => {
    const through = pool(syntax);
    let encoded = 0;
    await fc.assert(
      fc.asyncProperty(image, fc.boolean(), async (built, inWords) => {
        const source = inWords && built.bitsAllocated === 8 ? asWords(built) : built;
        const { file, kept, encoding } = await send(buildImage(source), through);
        encoded += encoding.encoded ? 1 : 0;
        expect(await comparePixels(readPart10(file), kept, through)).toEqual({ kind: 'equal' });
      }),
      { numRuns: 120, seed: 5 },
    );
    expect(encoded).toBeGreaterThan(80);
  });

  it('is different where one bit of one sample is, whatever frame it is in', async () => {
    const through = pool();
    await fc.assert(
      fc.asyncProperty(image, fc.nat(), async (built, at) => {
        const { kept } = await send(buildImage(built), through);
        const pixels = Uint8Array.from(built.pixels ?? []);
        // The lowest bit of a sample, so that it stays within BitsStored.
        const bytes = (built.bitsAllocated ?? 16) / 8;
        const low = built.transferSyntaxUID === EXPLICIT_BE ? bytes - 1 : 0;
        const index = (at % (pixels.length / bytes)) * bytes + low;
        pixels[index] = (pixels[index] ?? 0) ^ 1;
        const { file } = await send(buildImage({ ...built, pixels }), through);
        expect(await comparePixels(readPart10(file), kept, through)).toEqual({ kind: 'different', what: 'MD5' });
      }),
      { numRuns: 60, seed: 6 },
    );
  });

  it('is equal where the archive decompressed it, to little endian and colour by pixel', async () => {
    const through = pool();
    await fc.assert(
      fc.asyncProperty(image, async (built) => {
        const { kept, encoding } = await send(buildImage(built), through);
        fc.pre(encoding.encoded);
        const decompressed = decompress(built);
        expect(await comparePixels(readPart10(decompressed), kept, through)).toEqual({ kind: 'equal' });
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  it('is read frame by frame from a file that is too large for memory', async () => {
    const through = pool();
    const built: BuiltImage = { rows: 16, columns: 16, frames: 5, samplesPerPixel: 3, bitsAllocated: 8, planarConfiguration: 1 };
    const { file, kept } = await send(buildImage(built), through);
    const reads: number[] = [];
    const large = await readLargePart10(sourceOf(file, reads));
    expect(large.gap).toBeDefined();
    reads.length = 0;
    expect(await comparePixels(large, kept, through)).toEqual({ kind: 'equal' });
    expect(reads.length).toBeGreaterThan(4);
    const other = { ...kept, digest: { pixelLength: kept.digest?.pixelLength ?? 0, pixelMd5: '0'.repeat(32) } };
    expect(await comparePixels(large, other, through)).toEqual({ kind: 'different', what: 'MD5' });
  });

  it('is read from such a file as it is, where it was not encoded', async () => {
    const received = buildImage({ rows: 8, columns: 8, bitsAllocated: 32, frames: 2 });
    const { kept } = await send(received, pool());
    expect(await comparePixels(await readLargePart10(sourceOf(received, [])), kept, pool())).toEqual({ kind: 'equal' });
  });

  it('is joined from the fragments that the offset table has for a frame', async () => {
    const through = pool();
    const built: BuiltImage = { rows: 8, columns: 8, frames: 2, bitsStored: 12 };
    const { file, kept } = await send(buildImage(built), through);
    const [first, second] = frames(readPart10(file));
    const [a, b] = [first ?? new Uint8Array(0), second ?? new Uint8Array(0)];
    const cut = Math.floor(a.length / 4) * 2;
    const table = new Uint8Array(8);
    new DataView(table.buffer).setUint32(4, a.length + 16, true);
    const split = [a.subarray(0, cut), a.subarray(cut), b];
    expect(await comparePixels(refragmented(built, table, split), kept, through)).toEqual({ kind: 'equal' });
    const untold = refragmented(built, new Uint8Array(0), split);
    expect(await comparePixels(untold, kept, through)).toEqual({ kind: 'damaged' });
    const others = { ...kept, sent: EXPLICIT_LE };
    expect(await comparePixels(untold, others, through)).toEqual({ kind: 'unknown', reason: 'FRAMES_NOT_TOLD' });
  });

  it('is damaged where a codestream of ours is none any more, and unknown where it is of others', async () => {
    const through = pool();
    const built: BuiltImage = { rows: 8, columns: 8, bitsStored: 12 };
    const { kept } = await send(buildImage(built), through);
    const broken = refragmented(built, new Uint8Array(0), [seededBytes(200)]);
    expect(await comparePixels(broken, kept, through)).toEqual({ kind: 'damaged' });
    const others = { ...kept, sent: EXPLICIT_LE };
    expect(await comparePixels(broken, others, through)).toEqual({ kind: 'unknown', reason: 'NOT_OUR_ENCODING' });
  });

  it('is compared as it is where it came compressed, padding included', async () => {
    const fragments = encapsulated(new Uint8Array(0), seededBytes(10), seededBytes(6, 2));
    const received = buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [fragments] });
    const { kept, file } = await send(received, pool());
    expect(await comparePixels(readPart10(file), kept, pool())).toEqual({ kind: 'equal' });
    const altered = encapsulated(new Uint8Array(0), seededBytes(10), seededBytes(6, 3));
    const other = readPart10(buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [altered] }));
    expect(await comparePixels(other, kept, pool())).toEqual({ kind: 'different', what: 'MD5' });
    const shorter = readPart10(
      buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(10))] }),
    );
    expect(await comparePixels(shorter, kept, pool())).toEqual({ kind: 'different', what: 'length' });
    expect(await comparePixels(readPart10(buildImage()), kept, pool())).toEqual({ kind: 'unknown', reason: 'DECOMPRESSED' });
  });

  it('cannot be compared in a compressed syntax that is not decoded here', async () => {
    const { kept } = await send(buildImage(), pool());
    const fragments = encapsulated(new Uint8Array(0), seededBytes(10));
    const recompressed = readPart10(buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [fragments] }));
    expect(await comparePixels(recompressed, kept, pool())).toEqual({ kind: 'unknown', reason: 'NO_DECODER' });
  });

  it('cannot be compared in another byte order, where its samples are not known', async () => {
    const built: BuiltImage = { bitsAllocated: 32, transferSyntaxUID: EXPLICIT_BE };
    const { kept } = await send(buildImage(built), pool());
    const swapped = readPart10(buildImage({ ...built, transferSyntaxUID: EXPLICIT_LE }));
    expect(await comparePixels(swapped, kept, pool())).toEqual({ kind: 'unknown', reason: 'BYTE_ORDER' });
  });

  it.each([
    { kept: 'none', found: 'none', expected: { kind: 'equal' } },
    { kept: 'some', found: 'none', expected: { kind: 'different', what: 'gone' } },
    { kept: 'none', found: 'some', expected: { kind: 'different', what: 'added' } },
  ] as const)('with $kept received and $found there is $expected', async ({ kept, found, expected }) => {
    const withPixels = buildImage();
    const part10 = readPart10(withPixels);
    const without = { ...part10, dataSet: { ...part10.dataSet, get: () => undefined } };
    const digest = (await send(withPixels, pool())).kept.digest;
    const keptPixels = { received: part10.transferSyntax, sent: J2K_LOSSLESS, digest: kept === 'some' ? digest : undefined };
    expect(await comparePixels(found === 'some' ? part10 : without, keptPixels, pool())).toEqual(expected);
  });
});

function sourceOf(file: Uint8Array, reads: number[]): ByteSource {
  return {
    length: file.length,
    read: async (start, end) => {
      reads.push(end - start);
      return new Uint8Array(file.slice(start, end));
    },
  };
}

function frames(part10: Part10): Uint8Array[] {
  const fragments = part10.dataSet.get(0x7fe00010)?.fragments ?? [];
  return fragments.slice(1).map(({ valueOffset, length }) => part10.body.slice(valueOffset, valueOffset + length));
}

function refragmented(built: BuiltImage, table: Uint8Array, fragments: readonly Uint8Array[]): Part10 {
  return readPart10(buildImage({ ...built, transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(table, ...fragments)] }));
}

/** As an archive decompresses: written here again, apart from the code under test. */
function decompress(built: BuiltImage): Uint8Array {
  const { rows = 16, columns = 16, frames: count = 1, samplesPerPixel = 1, bitsAllocated = 16 } = built;
  const bytes = bitsAllocated / 8;
  const pixels = Buffer.from(built.pixels ?? []);
  const little = built.transferSyntaxUID === EXPLICIT_BE && bytes === 2 ? Buffer.from(pixels).swap16() : pixels;
  const byPixel = Buffer.alloc(little.length);
  const inFrame = rows * columns;
  for (let frame = 0; frame < count; frame++) {
    for (let pixel = 0; pixel < inFrame; pixel++) {
      for (let colour = 0; colour < samplesPerPixel; colour++) {
        const start = frame * inFrame * samplesPerPixel;
        const from = built.planarConfiguration === 1 ? colour * inFrame + pixel : pixel * samplesPerPixel + colour;
        little.copy(
          byPixel,
          (start + pixel * samplesPerPixel + colour) * bytes,
          (start + from) * bytes,
          (start + from + 1) * bytes,
        );
      }
    }
  }
  return buildImage({ ...built, transferSyntaxUID: EXPLICIT_LE, planarConfiguration: 0, pixels: byPixel });
}
