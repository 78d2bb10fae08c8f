/** A file that is read where it lies gives what the same file in memory gives. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import { segmentBytes, type ByteSource } from '../../../core/dicom/byte-source.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { prepareInstance, type LargeFile, type PreparedInstance, type PrepareOptions } from '../../../core/prepare-instance.ts';
import {
  buildImage,
  encapsulated,
  imagePixels,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
  seededBytes,
  type BuiltImage,
} from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const SOURCE = { callingAET: 'CT1', callingIP: '10.0.0.7', receivedAt: new Date('2026-11-24T12:00:00Z') };
const RULES: RuleSet = {
  rules: DEFAULT_RULES,
  institutions: new Map([['CT1', 'North Clinic']]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Each codestream tells its frame, and some have an odd length. */
function poolOf(refuses?: number): FramePool {
  let frames = 0;
  return {
    codec: 'codec-1.0.0',
    transferSyntaxUID: J2K_LOSSLESS,
    threads: 2,
    encodeFrame: async (frame) => {
      if (frames++ === refuses) return { proved: false, reason: 'FRAME_NOT_REPRODUCED' };
      const digest = createHash('sha256').update(frame).digest();
      // Later frames are done before earlier ones.
      for (let turn = digest[0] ?? 0; turn > 0; turn -= 16) await Promise.resolve();
      return { proved: true, codestream: new Uint8Array(digest.subarray(0, 20 + ((frame[0] ?? 0) % 3))) };
    },
    close: async () => undefined,
  };
}

function sourceOf(file: Uint8Array, digest?: string): LargeFile {
  return {
    length: file.length,
    read: async (start, end) => file.slice(start, end),
    ...(digest === undefined ? {} : { sha256: digest }),
  };
}

async function bytesOf({ segments }: PreparedInstance): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (const segment of segments) for await (const chunk of segmentBytes(segment)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function facts(prepared: PreparedInstance): unknown {
  return Object.fromEntries(Object.entries(prepared).filter(([name]) => name !== 'segments' && name !== 'release'));
}

const IMAGES: readonly (readonly [string, BuiltImage])[] = [
  ['one frame', {}],
  ['many frames', { frames: 23, rows: 8, columns: 8 }],
  ['sixteen bits', { frames: 3, bitsAllocated: 16, bitsStored: 12 }],
  ['an odd number of bytes', { rows: 3, columns: 3, frames: 1 }],
  ['one bit', { bitsAllocated: 1, bitsStored: 1, pixels: seededBytes(32) }],
  [
    'fragments',
    {
      transferSyntaxUID: JPEG_LOSSLESS,
      extra: [encapsulated(new Uint8Array(4), seededBytes(300), seededBytes(8, 2))],
    },
  ],
  ['elements behind the pixel data', { extra: [{ tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(40) }] }],
];

describe('a large file', () => {
  let folder: TemporaryFolder;

  beforeEach(async () => {
    folder = await temporaryFolder('large');
  });
  afterEach(async () => {
    await folder.remove();
  });

  const prepare = async (
    file: Uint8Array | LargeFile,
    pool: FramePool = poolOf(),
    options: PrepareOptions = {},
  ): Promise<PreparedInstance> => prepareInstance(file, SOURCE, RULES, pool, { spillFolder: folder.path, ...options });

  it.each(IMAGES)('gives what it gives in memory: %s', async (_, image) => {
    const file = buildImage(image);
    for (const options of [{}, { encode: false }]) {
      const small = await prepare(file, poolOf(), options);
      const large = await prepare(sourceOf(file, sha256(file)), poolOf(), options);
      expect(facts(large)).toEqual(facts(small));
      expect(await bytesOf(large)).toEqual(await bytesOf(small));
      await large.release?.();
    }
  });

  it('keeps encoded frames on the disk without a name, and lets them go', async () => {
    const prepared = await prepare(sourceOf(buildImage({ frames: 4 })));
    expect(prepared.encoded).toBe(true);
    expect(prepared.segments.filter((segment) => !(segment instanceof Uint8Array))).toHaveLength(4);
    expect(await readdir(folder.path)).toEqual([]);
    await prepared.release?.();
    await expect(bytesOf(prepared)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('goes as it was received where a frame in its middle is not reproduced, with the digest of all pixels', async () => {
    const pixels = imagePixels({ frames: 30 });
    const file = buildImage({ frames: 30, pixels });
    const prepared = await prepare(sourceOf(file, sha256(file)), poolOf(11));
    expect(prepared).toMatchObject({
      encoded: false,
      reason: 'FRAME_NOT_REPRODUCED',
      pixelLength: pixels.length,
      pixelMd5: createHash('md5').update(pixels).digest('hex'),
    });
    expect((await bytesOf(prepared)).includes(Buffer.from(pixels))).toBe(true);
    expect(prepared.release).toBeUndefined();
  });

  it.each([
    ['encoded', {}],
    ['passed', { encode: false }],
  ])('is refused where its bytes are not those that were stored: %s', async (_, options) => {
    const file = buildImage({ frames: 3 });
    await expect(prepare(sourceOf(file, sha256(Buffer.from('other'))), poolOf(), options)).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
      retryable: true,
    });
  });

  it('fails with what the source and the codec throw', async () => {
    const file = buildImage({ frames: 3 });
    const failing: ByteSource = {
      length: file.length,
      read: async (start, end) => (start > 200 ? Promise.reject(new Error('gone')) : file.slice(start, end)),
    };
    await expect(prepare(failing)).rejects.toThrow('gone');
    const pool = { ...poolOf(), encodeFrame: async () => Promise.reject(new Error('thread died')) };
    await expect(prepare(sourceOf(file), pool)).rejects.toThrow('thread died');
  });

  it('says where there is no room for the frames', async () => {
    const prepared = prepare(sourceOf(buildImage()), poolOf(), { spillFolder: `${folder.path}/absent` });
    await expect(prepared).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', object: `${folder.path}/absent` });
  });
});
