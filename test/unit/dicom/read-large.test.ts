import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentBytes, type ByteSource } from '../../../core/dicom/byte-source.ts';
import type { Change, Segments } from '../../../core/dicom/change.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import {
  buildDicom,
  buildImage,
  encapsulated,
  DEFLATED_LE,
  EXPLICIT_BE,
  IMPLICIT_LE,
  JPEG_LOSSLESS,
  seededBytes,
} from '../../support/build-dicom.ts';

interface Watched extends ByteSource {
  /** Bytes that were asked for, range by range. */
  readonly asked: [number, number][];
}

function sourceOf(file: Uint8Array): Watched {
  const asked: [number, number][] = [];
  return {
    length: file.length,
    asked,
    read: async (start, end) => {
      asked.push([start, end]);
      if (start < 0 || end > file.length || end < start) throw new RangeError(`${start}–${end} of ${file.length}`);
      return file.slice(start, end);
    },
  };
}

async function streamed({ segments }: Segments): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (const segment of segments) for await (const chunk of segmentBytes(segment)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const CHANGES: readonly Change[] = [
  { kind: 'set', path: [], element: { tag: 0x00080080, vr: 'LO', value: Buffer.from('North Clinic') }, reason: 'test' },
  { kind: 'remove', path: [], tag: 0x00100020, reason: 'test' },
  { kind: 'set', path: [], element: { tag: 0x7ff10010, vr: 'LO', value: Buffer.from('CREATOR') }, reason: 'test' },
];

const FILES: readonly (readonly [name: string, file: Uint8Array])[] = [
  ['explicit little endian', buildImage({ frames: 3 })],
  ['implicit', buildImage({ transferSyntaxUID: IMPLICIT_LE })],
  ['big endian', buildImage({ transferSyntaxUID: EXPLICIT_BE, bitsAllocated: 16, bitsStored: 12 })],
  ['elements behind the pixel data', buildImage({ extra: [{ tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(40) }] })],
  [
    'trailing zeros',
    buildDicom({ elements: [{ tag: 0x7fe00010, vr: 'OB', value: seededBytes(20) }], trailing: new Uint8Array(30) }),
  ],
  [
    'fragments',
    buildImage({
      transferSyntaxUID: JPEG_LOSSLESS,
      extra: [
        encapsulated(new Uint8Array(0), seededBytes(30), seededBytes(8, 2)),
        { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(2) },
      ],
    }),
  ],
  [
    'pixel data of no known VR',
    buildDicom({
      elements: [
        { tag: 0x7fe00010, vr: '??', value: seededBytes(20) },
        { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(4) },
      ],
    }),
  ],
  ['float pixels', buildDicom({ elements: [{ tag: 0x7fe00008, vr: 'OF', value: seededBytes(16) }] })],
  ['no pixel data', buildDicom({ elements: [{ tag: 0x00100010, vr: 'PN', value: 'A^B' }] })],
  ['deflated', buildImage({ transferSyntaxUID: DEFLATED_LE })],
];

describe('readLargePart10', () => {
  it.each(FILES)('gives, spliced, the bytes that the file in memory gives: %s', async (_, file) => {
    const large = await readLargePart10(sourceOf(file));
    expect(await streamed(splice(large, []))).toEqual(Buffer.from(file));
    expect(await streamed(splice(large, CHANGES))).toEqual(await streamed(splice(readPart10(file), CHANGES)));
  });

  const items = [[{ tag: 0x00100010, vr: 'PN', value: 'A^B' }]];
  it.each([
    ['a sequence', buildDicom({ elements: [{ tag: 0x7fe00010, vr: 'SQ', value: items }] })],
    ['an unknown sequence', buildDicom({ elements: [{ tag: 0x7fe00008, vr: 'UN', value: items, undefinedLength: true }] })],
  ])('takes %s for no pixels because of its tag', async (_, file) => {
    const large = await readLargePart10(sourceOf(file));
    expect(large.gap).toBeUndefined();
    expect(large.dataSet.elements.at(-1)?.items).toHaveLength(1);
  });

  it.each(FILES.slice(0, 8))('leaves the pixel data where it is: %s', async (_, file) => {
    const { gap, dataSet } = await readLargePart10(sourceOf(file));
    const small = readPart10(file);
    const places = (elements: typeof dataSet.elements) =>
      elements
        .filter(({ tag }) => tag === 0x7fe00010 || tag === 0x7fe00008)
        .map(({ offset, valueOffset, length, undefinedLength, fragments }) => ({
          offset,
          valueOffset,
          length,
          undefinedLength,
          fragments,
        }));
    expect(places(dataSet.elements)).toEqual(places(small.dataSet.elements));
    expect(gap?.range).toMatchObject({ start: gap?.at });
    expect(dataSet.bytes.length).toBe(file.length - (gap?.range.length ?? 0));
  });

  it('reads neither the pixel data nor more of what stands before it than it needs', async () => {
    const pixels = seededBytes(12_000_000);
    const file = buildImage({ rows: 2000, columns: 3000, bitsAllocated: 16, bitsStored: 16, pixels });
    const source = sourceOf(file);
    await readLargePart10(source);
    expect(source.asked.reduce((sum, [start, end]) => sum + end - start, 0)).toBeLessThan(300_000);
  });

  const fragmented = (count: number, length: number): Uint8Array => {
    const fragment = seededBytes(length);
    const fragments = Array.from({ length: count }, () => fragment);
    return buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [encapsulated(new Uint8Array(0), ...fragments)] });
  };

  it('finds many fragments with few requests', async () => {
    const file = fragmented(2000, 10_000);
    const source = sourceOf(file);
    const { gap } = await readLargePart10(source);
    expect(gap?.fragments).toHaveLength(2001);
    // The first look, 20 MB in blocks of 4 MiB, and what stands behind the pixel data.
    expect(source.asked.length).toBeLessThanOrEqual(7);
  });

  it('reads nothing of fragments that lie far apart', async () => {
    const file = fragmented(5, 2_000_000);
    const source = sourceOf(file);
    const { gap } = await readLargePart10(source);
    expect(gap?.fragments).toHaveLength(6);
    expect(source.asked.reduce((sum, [start, end]) => sum + end - start, 0)).toBeLessThan(300_000);
  });

  it('refuses more fragments than memory should hold', async () => {
    const file = buildImage({ transferSyntaxUID: JPEG_LOSSLESS, extra: [encapsulated(new Uint8Array(0))] });
    const head = file.subarray(0, -8);
    const empty = Buffer.alloc(8 * 4_000_001, Uint8Array.of(0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0));
    await expect(readLargePart10(sourceOf(Buffer.concat([head, empty, file.subarray(-8)])))).rejects.toMatchObject({
      code: 'MALFORMED',
      offset: head.length + 8 * 3_999_999,
    });
  });

  it('looks further where much stands before the pixel data', async () => {
    const file = buildImage({ extra: [{ tag: 0x00291010, vr: 'OB', value: seededBytes(5_000_000) }] });
    const large = await readLargePart10(sourceOf(file));
    expect(large.gap?.at).toBeGreaterThan(5_000_000);
    expect(await streamed(splice(large, CHANGES))).toEqual(await streamed(splice(readPart10(file), CHANGES)));
  });

  it.each([
    ['before the pixel data', buildImage({ extra: [{ tag: 0x00291010, vr: 'OB', value: seededBytes(5000) }] })],
    ['behind it', buildImage({ extra: [{ tag: 0xfffcfffc, vr: 'OB', value: seededBytes(5000) }] })],
    ['in a file without', buildDicom({ elements: [{ tag: 0x00291010, vr: 'OB', value: seededBytes(5000) }] })],
  ])('refuses what does not fit in memory %s', async (_, file) => {
    await expect(readLargePart10(sourceOf(file), { maxInMemory: 4000 })).rejects.toMatchObject({
      code: 'TOO_LARGE',
      retryable: false,
    });
  });

  it('says where a file is cut, or damaged', async () => {
    const file = buildImage();
    await expect(readLargePart10(sourceOf(file.subarray(0, -10)))).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect(readLargePart10(sourceOf(file.subarray(0, 200)))).rejects.toMatchObject({ code: 'TRUNCATED' });
    await expect(readLargePart10(sourceOf(seededBytes(500)))).rejects.toMatchObject({ code: 'NOT_PART10' });
  });

  it('passes on what the source throws', async () => {
    const gone = new Error('gone');
    await expect(readLargePart10({ length: 500, read: async () => Promise.reject(gone) })).rejects.toBe(gone);
  });

  it('accepts and refuses what the reader in memory does, whatever was done to the bytes', async () => {
    const base = FILES.map(([, file]) => file);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...base), fc.nat(), fc.nat(255), async (original, where, value) => {
        const file = new Uint8Array(original);
        file[132 + (where % (file.length - 132))] = value;
        let small: Buffer | undefined;
        try {
          small = await streamed(splice(readPart10(file), CHANGES));
        } catch {
          await expect(readLargePart10(sourceOf(file)).then((large) => streamed(splice(large, CHANGES)))).rejects.toMatchObject({
            name: 'StorestowError',
          });
          return;
        }
        expect(await streamed(splice(await readLargePart10(sourceOf(file)), CHANGES))).toEqual(small);
      }),
      { numRuns: 1500 },
    );
  });
});

const CORPUS = join(import.meta.dirname, '../../../../shared/corpus');

describe.skipIf(!existsSync(CORPUS))('in the public files', () => {
  const readable = existsSync(CORPUS) ? readdirSync(CORPUS).filter((name) => isReadable(join(CORPUS, name))) : [];

  it.each(readable)('%s', async (name) => {
    const file = readFileSync(join(CORPUS, name));
    expect(await streamed(splice(await readLargePart10(sourceOf(file)), CHANGES))).toEqual(
      await streamed(splice(readPart10(file), CHANGES)),
    );
  });
});

function isReadable(path: string): boolean {
  try {
    readPart10(readFileSync(path));
    return true;
  } catch {
    return false;
  }
}
