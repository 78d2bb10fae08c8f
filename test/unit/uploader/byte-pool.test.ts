import { describe, expect, it } from 'vitest';
import { BytePool } from '../../../local-uploader/arrival/byte-pool.ts';

const KIB = 1024;

describe('the memory that files are read into', () => {
  it('is used again once it was given back, for lengths that are not much smaller', () => {
    const pool = new BytePool(1024 * KIB);
    const first = pool.take(500 * KIB);
    expect(first).toHaveLength(500 * KIB);
    expect(pool.take(500 * KIB).buffer).not.toBe(first.buffer);
    pool.give(first);
    expect(pool.take(100 * KIB).buffer).not.toBe(first.buffer);
    expect(pool.take(600 * KIB).buffer).not.toBe(first.buffer);
    const again = pool.take(400 * KIB);
    expect(again.buffer).toBe(first.buffer);
    expect(again).toHaveLength(400 * KIB);
    expect(pool.take(400 * KIB).buffer).not.toBe(first.buffer);
    pool.give(again);
    // The rounding leaves room for a file that is a little longer.
    expect(pool.take(500 * KIB + 1).buffer).toBe(first.buffer);
  });

  it('keeps no more than its limit: the latest', () => {
    const pool = new BytePool(1024 * KIB);
    const [a, b, c] = [pool.take(512 * KIB), pool.take(512 * KIB), pool.take(512 * KIB)];
    for (const each of [a, b, c]) pool.give(each);
    pool.give(pool.take(4096 * KIB));
    for (const { buffer } of [b, c]) expect(pool.take(512 * KIB).buffer).toBe(buffer);
    expect(pool.take(512 * KIB).buffer).not.toBe(a.buffer);
    expect(pool.take(4096 * KIB)).toHaveLength(4096 * KIB);
  });

  it('takes nothing for nothing', () => {
    const pool = new BytePool(1024);
    const none = pool.take(0);
    expect(none).toHaveLength(0);
    pool.give(none);
    expect(pool.take(0)).toHaveLength(0);
  });
});
