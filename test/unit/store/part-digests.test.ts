import { createHash, hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compositeSha256, PartDigester, partSizeOf } from '../../../core/store/part-digests.ts';
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
    '%d bytes have the digests of their parts and of all, in whatever pieces they come',
    (size) => {
      const body = seededBytes(size, 3);
      const starts = Array.from({ length: Math.ceil(size / (8 * MIB)) }, (_, index) => index * 8 * MIB);
      const parts = starts.map((start) => hash('sha256', body.subarray(start, start + 8 * MIB)));
      for (const piece of [MIB, 3 * MIB + 1, 8 * MIB, 20 * MIB]) {
        const digester = new PartDigester(size);
        for (let at = 0; at < size; at += piece) digester.update(body.subarray(at, at + piece));
        expect(digester.digests()).toEqual({ sha256: hash('sha256', body), parts });
      }
    },
  );

  it('have one digest together', () => {
    const parts = [hash('sha256', 'a'), hash('sha256', 'b')];
    const both = Buffer.concat(parts.map((part) => Buffer.from(part, 'hex')));
    expect(compositeSha256(parts)).toBe(createHash('sha256').update(both).digest('base64'));
  });
});
