/** What is done to, and asked of, the samples of a native frame before the codec sees them. */
import type { FrameLayout } from './frame-layout.ts';

/**
 * The same samples pixel by pixel: R1 R2 … G1 G2 … B1 B2 … → R1 G1 B1 R2 G2 B2 … (PS3.3 C.7.6.3.1.3). A frame that lies
 * so already is returned as it is, not copied. Frames of more than one sample have one byte a sample (`decideEncoding`).
 */
export function colourByPixel(frame: Uint8Array, layout: FrameLayout): Uint8Array {
  if (!layout.colourByPlane || layout.samplesPerPixel === 1) return frame;
  const pixels = layout.rows * layout.columns;
  const byPixel = new Uint8Array(frame.length);
  for (let plane = 0; plane < layout.samplesPerPixel; plane++) {
    const samples = frame.subarray(plane * pixels, (plane + 1) * pixels);
    for (let pixel = 0, at = plane; pixel < pixels; pixel++, at += layout.samplesPerPixel) byPixel[at] = samples[pixel] ?? 0;
  }
  return byPixel;
}

/**
 * Whether the bits above HighBit carry anything. They may (PS3.5 8.1.1 leaves them to whoever wrote the file: overlays
 * of old equipment, padding values), and a codestream of BitsStored bits cannot hold them.
 *
 * | samples  | bits above HighBit are free when |
 * |----------|----------------------------------|
 * | unsigned | all zero                         |
 * | signed   | all equal to the sign bit        |
 */
export function usesHighBits(frame: Uint8Array, layout: FrameLayout): boolean {
  const { bitsAllocated, bitsStored, signed } = layout;
  if (bitsStored === bitsAllocated) return false;
  // Signed: adding half of the range turns -half … half-1 into 0 … range-1, so one mask answers both.
  const half = signed ? 2 ** (bitsStored - 1) : 0;
  const inRange = 2 ** bitsStored - 1;
  const inContainer = 2 ** bitsAllocated - 1;
  const above = inContainer & ~inRange;
  let seen = 0;
  if (bitsAllocated === 8) {
    for (const sample of frame) seen |= (sample + half) & above;
  } else {
    for (let at = 0; at + 1 < frame.length; at += 2) {
      seen |= (((frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8)) + half) & above;
    }
  }
  return seen !== 0;
}
