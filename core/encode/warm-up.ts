/** Threads started and their code compiled before the first instance waits for them. */
import type { FrameLayout } from './frame-layout.ts';
import type { FramePool } from './frame-pool.ts';

/** Large enough that the codec's inner loops are compiled by the optimizing compiler. */
const LAYOUT: FrameLayout = {
  rows: 256,
  columns: 256,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: false,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};

/** One frame of noise a thread, for nobody. Rejects as `encodeFrame` does. */
export async function warmUp(pool: FramePool): Promise<void> {
  const frame = new Uint8Array(LAYOUT.rows * LAYOUT.columns * 2);
  const view = new DataView(frame.buffer);
  let state = 1;
  for (let at = 0; at < frame.length; at += 2) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    view.setUint16(at, state >>> 20, true);
  }
  await Promise.all(Array.from({ length: pool.threads }, () => pool.encodeFrame(frame, LAYOUT)));
}
