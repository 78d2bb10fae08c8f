import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { frameLength, type FrameLayout } from '../../../core/encode/frame-layout.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { warmUp } from '../../../core/encode/warm-up.ts';

interface Call {
  readonly frame: Uint8Array;
  readonly layout: FrameLayout;
}

/** Answers when all threads have got something to do: a warm-up one after the other would never end. */
function fakePool(threads: number): { readonly pool: FramePool; readonly calls: readonly Call[] } {
  const calls: Call[] = [];
  const busy = Promise.withResolvers<undefined>();
  const pool: FramePool = {
    codec: 'codec-1.0.0',
    transferSyntaxUID: '1.2.840.10008.1.2.4.90',
    threads,
    encodeFrame: async (frame, layout) => {
      calls.push({ frame: frame.slice(), layout });
      if (calls.length === threads) busy.resolve(undefined);
      await busy.promise;
      return { proved: true, codestream: Uint8Array.of(0xff, 0x4f) };
    },
    close: async () => undefined,
  };
  return { pool, calls };
}

describe('warmUp', () => {
  it.each([1, 2, 7])('gives each of %i threads one frame, at once', async (threads) => {
    const { pool, calls } = fakePool(threads);
    await warmUp(pool);
    expect(calls).toHaveLength(threads);
  });

  it('gives frames that the codec takes: of the length of their layout, samples within BitsStored, not all alike', async () => {
    const { pool, calls } = fakePool(1);
    await warmUp(pool);
    const [{ frame, layout } = expect.fail('no frame')] = calls;
    expect(frame).toHaveLength(frameLength(layout));
    expect(layout).toMatchObject({ samplesPerPixel: 1, bitsAllocated: 16, signed: false });
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const samples = Array.from({ length: frame.length / 2 }, (_, index) => view.getUint16(index * 2, true));
    expect(Math.max(...new Set(samples))).toBeLessThan(2 ** layout.bitsStored);
    expect(new Set(samples).size).toBeGreaterThan(1000);
  });

  it('rejects as the pool does', async () => {
    const pool: FramePool = {
      ...fakePool(2).pool,
      encodeFrame: () => Promise.reject(new StorestowError('CODEC_UNAVAILABLE', 'as the test wants it')),
    };
    await expect(warmUp(pool)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' });
  });
});
