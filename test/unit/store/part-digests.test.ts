import { createHash, hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compositeSha256, digestParts, partSizeOf } from '../../../core/store/part-digests.ts';
import { seededBytes } from '../../support/build-dicom.ts';

const MIB = 1024 * 1024;

describe('the parts of a large body', () => {
  it.each([
    [5 * MIB, 8 * MIB],
    [4096 * MIB, 8 * MIB],
    [80_000 * MIB, 8 * MIB],
    [80_000 * MIB + 1, 8 * MIB + 1],
    [5 * 1024 * 1024 * MIB, 549_755_814],
  ])('%d bytes: %d each, at most 10,000', (size, partSize) => {
    expect(partSizeOf(size)).toBe(partSize);
    expect(Math.ceil(size / partSize)).toBeLessThanOrEqual(10_000);
  });

  it.each([0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 33 * MIB])(
    '%d bytes have the digests of their parts and of all',
    async (size) => {
      const body = Buffer.from(seededBytes(size, 3));
      const reads: number[] = [];
      const digests = await digestParts(size, async (start, buffer) => {
        reads.push(start);
        body.copy(buffer, 0, start, start + buffer.length);
        return buffer;
      });
      const starts = Array.from({ length: Math.ceil(size / (8 * MIB)) }, (_, index) => index * 8 * MIB);
      expect(reads).toEqual(starts);
      expect(digests).toEqual({
        sha256: hash('sha256', body),
        parts: starts.map((start) => hash('sha256', body.subarray(start, start + 8 * MIB))),
      });
    },
  );

  it('are not told where they cannot be read', async () => {
    const fails = (at: number) => async (start: number, buffer: Uint8Array) => {
      if (start === at * 8 * MIB) throw new Error('gone');
      return buffer;
    };
    for (const at of [0, 1, 3]) await expect(digestParts(25 * MIB, fails(at))).rejects.toThrow('gone');
  });

  it('have one digest together', () => {
    const parts = [hash('sha256', 'a'), hash('sha256', 'b')];
    const both = Buffer.concat(parts.map((part) => Buffer.from(part, 'hex')));
    expect(compositeSha256(parts)).toBe(createHash('sha256').update(both).digest('base64'));
  });
});
