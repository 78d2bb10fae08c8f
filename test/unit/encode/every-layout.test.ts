/**
 * Every combination of what an image may say of its pixels: each is encoded with proof, and decodes to what came in, or is
 * passed with its reason; none throws. What is expected is written here again, apart from the code under test.
 */
import { describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import { describePixels } from '../../../core/dicom/describe-pixels.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { decideEncoding, type PassReason } from '../../../core/encode/eligibility.ts';
import { encodePixels } from '../../../core/encode/encode-pixels.ts';
import type { FrameSyntax } from '../../../core/encode/frame-codec.ts';
import { createFrameEncoder } from '../../../core/encode/frame-encoder.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { FRAME_SYNTAXES } from '../../../core/encode/frame-syntax.ts';
import {
  buildImage,
  DEFLATED_LE,
  EXPLICIT_BE,
  EXPLICIT_LE,
  HTJ2K_LOSSLESS,
  IMPLICIT_LE,
  imagePixels,
  J2K_LOSSLESS,
  type BuiltImage,
} from '../../support/build-dicom.ts';

interface Image extends BuiltImage {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
  readonly samplesPerPixel: number;
  readonly planarConfiguration: number;
  readonly photometric: string;
  readonly frames: number;
}

const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  8: [1, 2, 5, 7, 8],
  16: [1, 4, 8, 9, 10, 12, 15, 16],
  32: [1, 8, 12, 16, 24, 32],
};
const SIZES = [[1, 1], [1, 17], [17, 1], [17, 3], [4, 6], [33, 5]] as const; // prettier-ignore
const SOURCES = [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE];
const PHOTOMETRIC = ['MONOCHROME1', 'MONOCHROME2', 'PALETTE COLOR', 'RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT', 'ARGB', 'HSV'];

/** Of one depth; sizes, sources and numbers of frames take turns, so that each meets each layout somewhere. */
function imagesOf(bitsAllocated: number, bitsStored: number): Image[] {
  const images: Image[] = [];
  for (const highBit of new Set([bitsStored - 1, bitsAllocated - 1, bitsStored])) {
    for (const signed of [false, true]) {
      for (const photometric of PHOTOMETRIC) {
        for (const samplesPerPixel of [1, 3, 4]) {
          for (const planarConfiguration of [0, 1]) {
            for (const frames of [1, 2, 3]) {
              const turn = images.length;
              const [rows, columns] = SIZES[turn % SIZES.length] ?? [1, 1];
              const transferSyntaxUID = SOURCES[Math.floor(turn / 7) % SOURCES.length] ?? EXPLICIT_LE;
              const layout = { bitsAllocated, bitsStored, highBit, signed, samplesPerPixel, planarConfiguration, photometric };
              // buildImage writes PlanarConfiguration with three samples only
              const planar = { tag: 0x00280006, vr: 'US', value: [planarConfiguration] };
              images.push({ ...layout, rows, columns, frames, transferSyntaxUID, extra: [planar] });
            }
          }
        }
      }
    }
  }
  return images;
}

function expectedReason(image: Image): PassReason | undefined {
  const { bitsAllocated, bitsStored, highBit, signed, samplesPerPixel, photometric, frames } = image;
  if (bitsAllocated === 32) return 'BITS_ALLOCATED_32';
  if (highBit !== bitsStored - 1) return 'HIGH_BIT_NOT_TOP';
  if (samplesPerPixel === 3 && photometric === 'YBR_FULL_422') return 'YBR_FULL_422';
  const named =
    samplesPerPixel === 1
      ? ['MONOCHROME1', 'MONOCHROME2', ...(signed ? [] : ['PALETTE COLOR'])]
      : ['RGB', 'YBR_FULL'].filter(() => samplesPerPixel === 3);
  if (!named.includes(photometric)) return 'PHOTOMETRIC_UNSUPPORTED';
  if (samplesPerPixel === 3 && signed) return 'SIGNED_COLOUR';
  if (bitsAllocated === 16 && bitsStored <= 8) return 'NARROW_SAMPLES';
  expect(frames).toBeGreaterThan(0);
  return undefined;
}

/** Little endian, colour by pixel. */
function expectedSamples(image: Image): Uint8Array {
  const { rows, columns, samplesPerPixel, bitsAllocated, frames, planarConfiguration } = image;
  const pixels = imagePixels({ ...image, transferSyntaxUID: EXPLICIT_LE });
  if (samplesPerPixel === 1 || planarConfiguration === 0) return pixels;
  const size = bitsAllocated / 8;
  const plane = rows * columns;
  const samples: Uint8Array[] = [];
  for (let frame = 0; frame < frames; frame++) {
    for (let pixel = 0; pixel < plane; pixel++) {
      for (let colour = 0; colour < samplesPerPixel; colour++) {
        const at = ((frame * samplesPerPixel + colour) * plane + pixel) * size;
        samples.push(pixels.subarray(at, at + size));
      }
    }
  }
  return new Uint8Array(Buffer.concat(samples));
}

/** The frame pool without its threads. */
function poolOf(syntax: FrameSyntax): FramePool {
  const encodeFrame = createFrameEncoder(FRAME_SYNTAXES[syntax].open, syntax);
  let last: Promise<unknown> = Promise.resolve();
  return {
    codec: FRAME_SYNTAXES[syntax].codec(),
    transferSyntaxUID: FRAME_SYNTAXES[syntax].transferSyntaxUID,
    threads: 1,
    encodeFrame(frame, layout) {
      const result = last.then(async () => encodeFrame(frame, layout));
      last = result;
      return result;
    },
    close: async () => undefined,
  };
}

async function check(image: Image, syntax: FrameSyntax, pool: FramePool): Promise<'encoded' | PassReason> {
  const name = JSON.stringify(image);
  const part10 = readPart10(buildImage(image));
  const encoding = await encodePixels(part10, pool);
  const { changes, transferSyntaxUID, reason } = encoding;
  const sent = readPart10(new Uint8Array(Buffer.concat(inMemory(splice(part10, changes, { transferSyntaxUID }).segments))));
  expect(reason, name).toBe(expectedReason(image));
  if (reason !== undefined) {
    expect(sent.transferSyntax.uid, name).toBe(image.transferSyntaxUID);
    expect(Buffer.compare(sent.body, part10.body), name).toBe(0);
    return reason;
  }

  expect(sent.transferSyntax.uid, name).toBe(syntax === 'j2k' ? J2K_LOSSLESS : HTJ2K_LOSSLESS);
  const decided = decideEncoding(describePixels(part10), part10.transferSyntax);
  if (!decided.eligible) throw new Error(name);
  const described = describePixels(sent);
  const fragments = described?.element.fragments?.slice(1) ?? [];
  expect(fragments.length, name).toBe(image.frames);
  const codec = await FRAME_SYNTAXES[syntax].open();
  const frames = fragments.map(({ valueOffset, length }) => {
    const padded = sent.body.subarray(valueOffset, valueOffset + length);
    return codec.decode(padded.at(-1) === 0 ? padded.subarray(0, -1) : padded, decided.plan.layout);
  });
  expect(Buffer.compare(Buffer.concat(frames), expectedSamples(image)), name).toBe(0);
  const transformed =
    image.samplesPerPixel === 3 && image.photometric === 'RGB' && image.bitsAllocated === 8 && image.bitsStored > 1;
  expect(described, name).toMatchObject({
    PhotometricInterpretation: transformed ? 'YBR_RCT' : image.photometric,
    BitsAllocated: image.bitsAllocated,
    BitsStored: image.bitsStored,
    HighBit: image.highBit,
    PixelRepresentation: image.signed ? 1 : 0,
    SamplesPerPixel: image.samplesPerPixel,
  });
  if (image.samplesPerPixel === 3) expect(described?.PlanarConfiguration, name).toBe(0);
  return 'encoded';
}

describe.each(['j2k', 'htj2k'] as const)('every layout, to %s', (syntax) => {
  const depths = Object.entries(DEPTHS).flatMap(([allocated, stored]) =>
    stored.map((bits) => [Number(allocated), bits] as const),
  );
  it.each(depths)('%i bits allocated, %i stored', async (bitsAllocated, bitsStored) => {
    const pool = poolOf(syntax);
    const results = new Set<string>();
    for (const image of imagesOf(bitsAllocated, bitsStored)) results.add(await check(image, syntax, pool));
    expect(results.has('encoded')).toBe(bitsAllocated === 8 || (bitsAllocated === 16 && bitsStored > 8));
    expect(results.size).toBeGreaterThan(bitsAllocated === 32 ? 0 : 2);
  });
});
