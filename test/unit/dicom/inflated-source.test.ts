import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../core/dicom/byte-source.ts';
import { inflateDataSet } from '../../../core/dicom/inflate.ts';
import { inflatedSource } from '../../../core/dicom/inflated-source.ts';
import { seededBytes } from '../../support/build-dicom.ts';

const LIMIT = 20_000_000;
const HEAD = 7;

/** Behind some bytes that are none of it. */
function fileOf(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([Buffer.alloc(HEAD, 1), ...pieces]));
}

function sourceOf(file: Uint8Array): ByteSource {
  return { length: file.length, read: async (start, end) => file.slice(start, end) };
}

function checksum(bytes: Uint8Array): Uint8Array {
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc32(bytes));
  end.writeUInt32LE(bytes.length, 4);
  return end;
}

const random = seededBytes(3_000_000, 7);
const blank = new Uint8Array(15_000_000);

describe('an inflated source', () => {
  it.each([
    ['nothing', new Uint8Array()],
    ['a byte', Uint8Array.of(9)],
    ['what does not get smaller', random],
    ['what gets a thousand times as small', blank],
  ])('has the length and any piece of %s', async (_, bytes) => {
    const source = await inflatedSource(sourceOf(fileOf(deflateRawSync(bytes))), HEAD, LIMIT);
    expect(source.length).toBe(bytes.length);
    for (const [start, end] of [
      [0, bytes.length],
      [0, 0],
      [bytes.length, bytes.length],
      [Math.floor(bytes.length / 3), Math.ceil(bytes.length / 2)],
      [Math.max(0, bytes.length - 1), bytes.length],
    ] as const) {
      expect(Buffer.from(bytes.subarray(start, end)).equals(await source.read(start, end))).toBe(true);
    }
    await expect(source.read(0, bytes.length + 1)).rejects.toThrow(RangeError);
  });

  it.each([
    ['padding behind it', [deflateRawSync(random), new Uint8Array(9)]],
    ['its checksum behind it', [deflateRawSync(random), checksum(random)]],
    ['a checksum and padding behind it', [deflateRawSync(random), checksum(random), new Uint8Array(2)]],
    ['another checksum behind it', [deflateRawSync(random), checksum(blank)]],
    ['something behind it', [deflateRawSync(random), Uint8Array.of(0, 0, 3)]],
    ['its end missing', [deflateRawSync(random).subarray(0, -1)]],
    ['no stream', [Buffer.from('none of it')]],
    ['nothing at all', []],
    ['more than the limit', [deflateRawSync(new Uint8Array(LIMIT + 1))]],
  ])('says what inflating in memory says: %s', async (_, pieces) => {
    const file = fileOf(...pieces);
    const inMemory = ((): unknown => {
      try {
        return inflateDataSet(file, HEAD, LIMIT).length;
      } catch (error) {
        return error;
      }
    })();
    const inPieces = await inflatedSource(sourceOf(file), HEAD, LIMIT).then(
      ({ length }) => length,
      (error: unknown) => error,
    );
    if (typeof inMemory === 'number') expect(inPieces).toBe(inMemory);
    else {
      const { code, message, offset } = inMemory as { code: string; message: string; offset: number };
      expect(inPieces).toMatchObject({ code, message, offset });
    }
  });

  it('rejects as the file does', async () => {
    const file = fileOf(deflateRawSync(random));
    const gone = new Error('gone');
    const source = { length: file.length, read: () => Promise.reject(gone) };
    await expect(inflatedSource(source, HEAD, LIMIT)).rejects.toBe(gone);
  });
});
