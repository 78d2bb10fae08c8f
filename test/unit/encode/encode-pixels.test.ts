import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { describePixels } from '../../../core/dicom/describe-pixels.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { encodePixels } from '../../../core/encode/encode-pixels.ts';
import { decideEncoding, type PassReason } from '../../../core/encode/eligibility.ts';
import type { EncodedFrame, FrameCodec } from '../../../core/encode/frame-codec.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { createFramePool } from '../../../core/encode/frame-pool.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { openOpenJpeg } from '../../../core/encode/openjpeg.ts';
import { StorestowError } from '../../../core/errors.ts';
import {
  buildDicom,
  buildImage,
  EXPLICIT_BE,
  imageElements,
  imagePixels,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
} from '../../support/build-dicom.ts';
import type { BuiltElement, BuiltImage } from '../../support/build-dicom.ts';

let pool: FramePool;
let codec: FrameCodec;
beforeAll(async () => {
  pool = createFramePool({ threads: 2 });
  codec = await openOpenJpeg();
});
afterAll(() => pool.close());

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** The file with the changes of its encoding. */
async function encodedFile(part10: Part10): Promise<Uint8Array> {
  const { changes, transferSyntaxUID } = await encodePixels(part10, pool);
  return new Uint8Array(Buffer.concat(inMemory(splice(part10, changes, { transferSyntaxUID }).segments)));
}

/** Codestreams end in EOC; a zero behind it makes the length even (PS3.5 A.4). */
function framesOf({ body, dataSet }: Part10): Uint8Array[] {
  const [, ...fragments] = dataSet.get(0x7fe00010)?.fragments ?? [];
  return fragments.map(({ valueOffset, length }) => {
    const padded = body.subarray(valueOffset, valueOffset + length);
    return padded.at(-1) === 0 ? padded.subarray(0, -1) : padded;
  });
}

function layoutOf(part10: Part10): FrameLayout {
  const eligibility = decideEncoding(describePixels(part10), part10.transferSyntax);
  if (!eligibility.eligible) throw new Error(eligibility.reason);
  return eligibility.plan.layout;
}

/** Planes to pixels, frame by frame, written apart from the code under test. */
function byPixel(pixels: Uint8Array, { frames = 1, bitsAllocated = 16 }: BuiltImage): Uint8Array {
  const size = bitsAllocated / 8;
  const plane = pixels.length / size / frames / 3;
  return pixels.map((_, at) => {
    const sample = Math.floor(at / size);
    const frame = Math.floor(sample / (3 * plane));
    const within = sample % (3 * plane);
    return pixels[(frame * 3 * plane + (within % 3) * plane + Math.floor(within / 3)) * size + (at % size)] ?? 0;
  });
}

/** Every combination, and what becomes of it. */
function combinations(): { readonly image: BuiltImage; readonly reason: PassReason | undefined }[] {
  const sizes = [[1, 1], [1, 17], [33, 5]] as const; // prettier-ignore
  const depths = [[8, 8], [16, 8], [16, 12], [16, 16]] as const; // prettier-ignore
  return sizes.flatMap(([rows, columns]) =>
    depths.flatMap(([bitsAllocated, bitsStored]) =>
      [false, true].flatMap((signed) =>
        [1, 3].flatMap((samplesPerPixel) =>
          (samplesPerPixel === 1 ? [0] : [0, 1]).flatMap((planarConfiguration) =>
            [1, 3].map((frames) => {
              const image = { rows, columns, bitsAllocated, bitsStored, signed, samplesPerPixel, planarConfiguration, frames };
              return { image, reason: expectedReason(image) };
            }),
          ),
        ),
      ),
    ),
  );
}

function expectedReason({ samplesPerPixel, signed, bitsAllocated, bitsStored }: BuiltImage): PassReason | undefined {
  if (samplesPerPixel === 3 && signed === true) return 'SIGNED_COLOUR';
  if (bitsStored === 8 && bitsAllocated === 16) return 'NARROW_SAMPLES';
  return undefined;
}

describe('encodePixels', () => {
  it.each(combinations())('encodes exactly, or passes: $image, $reason', async ({ image, reason }) => {
    const pixels = imagePixels(image);
    const part10 = readPart10(buildImage(image));
    const encoding = await encodePixels(part10, pool);
    expect(encoding).toMatchObject({ pixelLength: pixels.length, pixelMd5: md5(pixels), codec: pool.codec });
    if (reason !== undefined) {
      expect(encoding).toMatchObject({ encoded: false, reason, changes: [], transferSyntaxUID: part10.transferSyntax.uid });
      return;
    }
    expect(encoding).toMatchObject({ encoded: true, transferSyntaxUID: J2K_LOSSLESS });
    expect(encoding.reason).toBeUndefined();

    const sent = readPart10(await encodedFile(part10));
    const frames = framesOf(sent);
    expect(frames).toHaveLength(image.frames ?? 1);
    const decoded = Buffer.concat(frames.map((frame) => codec.decode(frame, layoutOf(part10))));
    const expected = image.planarConfiguration === 1 ? byPixel(pixels, image) : pixels;
    expect(decoded.equals(expected)).toBe(true);
    const colour = image.samplesPerPixel === 3;
    expect(describePixels(sent)).toMatchObject({
      PhotometricInterpretation: colour ? (image.bitsAllocated === 8 ? 'YBR_RCT' : 'RGB') : 'MONOCHROME2',
      PlanarConfiguration: colour ? 0 : undefined,
      BitsAllocated: image.bitsAllocated,
      BitsStored: image.bitsStored,
      PixelRepresentation: image.signed === true ? 1 : 0,
      element: { vr: 'OB', undefinedLength: true },
    });
  });

  it('changes the pixel data alone where there is nothing else to say', async () => {
    const { changes } = await encodePixels(readPart10(buildImage()), pool);
    expect(changes).toMatchObject([{ kind: 'set', path: [], element: { tag: 0x7fe00010, vr: 'OB' } }]);
  });

  it('gives the same bytes each time', async () => {
    const file = buildImage({ rows: 40, columns: 40, frames: 5 });
    expect(await encodedFile(readPart10(file))).toEqual(await encodedFile(readPart10(file)));
  });

  it('passes an object without pixel data, with nothing to compare', async () => {
    const part10 = readPart10(buildDicom({ elements: imageElements().filter(({ tag }) => tag !== 0x7fe00010) }));
    const encoding = await encodePixels(part10, pool);
    expect(encoding).toMatchObject({ encoded: false, reason: 'NO_PIXEL_DATA' });
    expect(encoding).not.toHaveProperty('pixelMd5');
    expect(encoding).not.toHaveProperty('pixelLength');
  });

  it('leaves no Extended Offset Table of earlier fragments beside its own frames', async () => {
    const table = (tag: number, ...values: number[]): BuiltElement => ({ tag, vr: 'OV', value: values });
    const extra = [table(0x7fe00001, 0, 400, 900), table(0x7fe00002, 392, 492, 300)];
    const encoded = readPart10(await encodedFile(readPart10(buildImage({ frames: 3, extra }))));
    expect(encoded.transferSyntax.uid).toBe(J2K_LOSSLESS);
    expect(encoded.dataSet.elements.filter(({ tag }) => tag >>> 16 === 0x7fe0).map(({ tag }) => tag)).toEqual([0x7fe00010]);
  });

  it('passes an object that has pixel data twice, which it may not: encoded, it would have lost the second', async () => {
    const elements = imageElements();
    const second = elements.filter(({ tag }) => tag === 0x7fe00010).map((element) => ({ ...element, value: imagePixels({}, 9) }));
    const part10 = readPart10(buildDicom({ elements: [...elements, ...second] }));
    expect(await encodePixels(part10, pool)).toMatchObject({ encoded: false, changes: [], reason: 'FRAME_COUNT_MISMATCH' });
  });

  it.each<[string, BuiltImage, BuiltElement, boolean]>([
    ['colours that differ', { samplesPerPixel: 3, bitsAllocated: 8 }, { tag: 0x00280004, vr: 'CS', value: 'YBR_FULL' }, false],
    ['signs that differ', {}, { tag: 0x00280103, vr: 'US', value: [1] }, false],
    ['frames that differ', { frames: 1 }, { tag: 0x00280008, vr: 'IS', value: '2' }, false],
    ['the same twice', {}, { tag: 0x00280103, vr: 'US', value: [0] }, true],
  ])(
    'takes no description that is there twice for one, which readers understand in two ways: %s',
    async (_, image, second, encoded) => {
      const elements = imageElements(image).flatMap((element) => (element.tag === second.tag ? [element, second] : [element]));
      const encoding = await encodePixels(readPart10(buildDicom({ elements })), pool);
      expect(encoding).toMatchObject(encoded ? { encoded } : { encoded, changes: [], reason: 'PIXEL_DESCRIPTION_INCOMPLETE' });
    },
  );

  it('passes everything where it is switched off, digest taken', async () => {
    const pixels = imagePixels({});
    expect(await encodePixels(readPart10(buildImage()), pool, { enabled: false })).toMatchObject({
      encoded: false,
      reason: 'DISABLED',
      changes: [],
      pixelLength: pixels.length,
      pixelMd5: md5(pixels),
    });
  });

  it('takes the digest of the fragments of compressed pixel data, without the Basic Offset Table', async () => {
    const fragments = [Uint8Array.of(0, 0, 0, 0), Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6)];
    const elements = imageElements().filter(({ tag }) => tag !== 0x7fe00010);
    const pixelData = { tag: 0x7fe00010, vr: 'OB', value: new Uint8Array(0), fragments };
    const file = buildDicom({ transferSyntaxUID: JPEG_LOSSLESS, elements: [...elements, pixelData] });
    expect(await encodePixels(readPart10(file), pool)).toMatchObject({
      reason: 'ALREADY_COMPRESSED',
      transferSyntaxUID: JPEG_LOSSLESS,
      pixelLength: 6,
      pixelMd5: md5(Uint8Array.of(1, 2, 3, 4, 5, 6)),
    });
  });

  it('takes the digest of big endian pixels as they came', async () => {
    const image = { transferSyntaxUID: EXPLICIT_BE };
    expect(await encodePixels(readPart10(buildImage(image)), pool)).toMatchObject({
      encoded: true,
      pixelMd5: md5(imagePixels(image)),
    });
  });

  it('passes an object of which one frame uses its high bits', async () => {
    const pixels = imagePixels({ bitsStored: 12, frames: 3 });
    pixels[16 * 16 * 2 + 1] = 0xf0;
    const encoding = await encodePixels(readPart10(buildImage({ bitsStored: 12, frames: 3, pixels })), pool);
    expect(encoding).toMatchObject({ encoded: false, reason: 'HIGH_BITS_IN_USE', changes: [], pixelMd5: md5(pixels) });
  });

  describe('with frames that fail', () => {
    const part10 = () => readPart10(buildImage({ frames: 40 }));
    /** A pool that answers frame by frame, later for the ones before. */
    function poolOf(answer: (frame: number) => EncodedFrame | Error): FramePool & { readonly asked: number[] } {
      const asked: number[] = [];
      let first: number | undefined;
      return {
        codec: 'fake-1',
        transferSyntaxUID: J2K_LOSSLESS,
        threads: 2,
        asked,
        encodeFrame: async ({ byteOffset, length }) => {
          const frame = (byteOffset - (first ??= byteOffset)) / length;
          asked.push(frame);
          for (let turn = 0; turn < 8 - (frame % 4) * 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
          const result = answer(frame);
          if (result instanceof Error) throw result;
          return result;
        },
        close: () => Promise.resolve(),
      };
    }
    const good: EncodedFrame = { proved: true, codestream: Uint8Array.of(1) };

    it('passes the whole object and asks for no further frame', async () => {
      const failing = poolOf((frame) => (frame === 1 ? { proved: false, reason: 'FRAME_NOT_REPRODUCED' } : good));
      expect(await encodePixels(part10(), failing)).toMatchObject({
        encoded: false,
        reason: 'FRAME_NOT_REPRODUCED',
        changes: [],
        codec: 'fake-1',
      });
      expect(failing.asked.length).toBeLessThan(20);
    });

    it('gives the reason of the first frame, whichever answered first', async () => {
      const failing = poolOf((frame) =>
        frame === 0
          ? { proved: false, reason: 'CODEC_FAILED' }
          : { proved: false, reason: frame === 3 ? 'HIGH_BITS_IN_USE' : 'FRAME_NOT_REPRODUCED' },
      );
      expect(await encodePixels(part10(), failing)).toMatchObject({ reason: 'CODEC_FAILED' });
    });

    it('keeps the order of the frames', async () => {
      const ordered = poolOf((frame) => ({ proved: true, codestream: Uint8Array.of(frame) }));
      const { changes } = await encodePixels(part10(), ordered);
      expect(changes).toMatchObject([{ element: { frames: Array.from({ length: 40 }, (_, frame) => Uint8Array.of(frame)) } }]);
    });

    it('rejects when a thread is lost, and asks for no further frame', async () => {
      const lost = poolOf((frame) => (frame === 2 ? new StorestowError('CODEC_UNAVAILABLE', 'lost') : good));
      await expect(encodePixels(part10(), lost)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE', retryable: true });
      expect(lost.asked.length).toBeLessThan(20);
    });
  });
});

const GDCM = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].some((folder) => existsSync(join(folder, 'gdcmconv')));

describe.skipIf(!GDCM)('decoded by GDCM (gdcmconv, gdcmraw of libgdcm-tools)', () => {
  const run = promisify(execFile);
  const palette = [0x00281101, 0x00281102, 0x00281103].flatMap((tag) => [
    { tag, vr: 'US', value: [256, 0, 16] },
    { tag: tag + 0x100, vr: 'OW', value: Array.from({ length: 256 }, (_, index) => index * 257) },
  ]);
  const images: readonly (readonly [string, BuiltImage])[] = [
    ['12 bits', { rows: 40, columns: 50, bitsStored: 12 }],
    ['9 bits', { rows: 40, columns: 50, bitsStored: 9 }],
    ['16 bits, three frames', { rows: 33, columns: 65, frames: 3 }],
    ['signed 12 bits', { rows: 40, columns: 50, bitsStored: 12, signed: true }],
    ['signed 16 bits', { rows: 40, columns: 50, signed: true }],
    ['8 bits, odd frames', { rows: 33, columns: 5, bitsAllocated: 8, frames: 3 }],
    ['6 bits in 8', { rows: 40, columns: 50, bitsAllocated: 8, bitsStored: 6 }],
    ['PALETTE COLOR', { rows: 40, columns: 50, bitsAllocated: 8, photometric: 'PALETTE COLOR', extra: palette }],
    ['signed 8 bits', { rows: 40, columns: 50, bitsAllocated: 8, signed: true }],
    ['signed 5 bits in 8', { rows: 33, columns: 5, bitsAllocated: 8, bitsStored: 5, signed: true, frames: 2 }],
    ['RGB of 16 bits', { rows: 40, columns: 50, samplesPerPixel: 3, frames: 2 }],
    ['RGB of 12 bits by plane', { rows: 17, columns: 3, bitsStored: 12, samplesPerPixel: 3, planarConfiguration: 1 }],
    ['RGB of one bit', { rows: 40, columns: 50, bitsAllocated: 8, bitsStored: 1, samplesPerPixel: 3 }],
    ['YBR_FULL', { rows: 40, columns: 51, bitsAllocated: 8, samplesPerPixel: 3, photometric: 'YBR_FULL', frames: 2 }],
    ['one pixel', { rows: 1, columns: 1, bitsStored: 12 }],
    ['RGB', { rows: 40, columns: 50, bitsAllocated: 8, samplesPerPixel: 3, frames: 2 }],
    ['RGB by plane', { rows: 40, columns: 50, bitsAllocated: 8, samplesPerPixel: 3, planarConfiguration: 1, frames: 2 }],
  ];
  it.each(images)('gives the original pixels: %s', async (_name, image) => {
    const folder = await mkdtemp(join(tmpdir(), 'storestow-encode-'));
    try {
      const [sent, native, raw] = ['sent.dcm', 'native.dcm', 'pixels.raw'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await writeFile(sent, await encodedFile(readPart10(buildImage(image))));
      await run('gdcmconv', ['--raw', sent, native]);
      await run('gdcmraw', ['-i', native, '-o', raw]);
      const pixels = imagePixels(image);
      const expected = image.planarConfiguration === 1 ? byPixel(pixels, image) : pixels;
      const decoded = await readFile(raw);
      expect(decoded.subarray(0, expected.length).equals(expected)).toBe(true);
      expect(decoded.length - expected.length).toBe(expected.length % 2);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const CORPUS = new URL('../../../../shared/corpus/', import.meta.url);

describe.skipIf(!existsSync(CORPUS))('public files (../shared/corpus)', () => {
  it('are encoded exactly, or passed with a reason', async () => {
    const encoded: string[] = [];
    for (const name of (await readdir(CORPUS)).filter((file) => file.endsWith('.dcm'))) {
      let part10: Part10;
      try {
        part10 = readPart10(await readFile(new URL(name, CORPUS)));
      } catch (error) {
        expect(error, name).toBeInstanceOf(StorestowError);
        continue;
      }
      const encoding = await encodePixels(part10, pool);
      expect(encoding.encoded, name).toBe(encoding.reason === undefined);
      if (!encoding.encoded) continue;
      encoded.push(name);
      const { element, pixelLength = 0, NumberOfFrames = 1, PlanarConfiguration, BitsAllocated } = describePixels(part10) ?? {};
      const start = element?.valueOffset ?? 0;
      const pixels = Uint8Array.from(part10.body.subarray(start, start + pixelLength));
      const sent = framesOf(readPart10(await encodedFile(part10)));
      const decoded = Buffer.concat(sent.map((frame) => codec.decode(frame, layoutOf(part10))));
      const swapped = part10.transferSyntax.bigEndian && element?.vr === 'OW' ? Buffer.from(pixels).swap16() : pixels;
      const image = { frames: NumberOfFrames, bitsAllocated: BitsAllocated ?? 8 };
      expect(decoded.equals(PlanarConfiguration === 1 ? byPixel(swapped, image) : swapped), name).toBe(true);
      expect(encoding.pixelMd5, name).toBe(md5(pixels));
    }
    expect(encoded.length).toBeGreaterThan(5);
  });
});
