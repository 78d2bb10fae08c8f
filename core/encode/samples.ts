/** What is done to, and asked of, the samples of a native frame before the codec sees them. */
import type { FrameLayout } from './frame-layout.ts';

/** The samples in little endian. A frame that has them so already is returned as it is, not copied. */
export function littleEndian(frame: Uint8Array, layout: FrameLayout): Uint8Array {
  return layout.bigEndianWords ? Buffer.from(frame).swap16() : frame;
}

/**
 * The same samples pixel by pixel: R1 R2 … G1 G2 … B1 B2 … → R1 G1 B1 R2 G2 B2 … (PS3.3 C.7.6.3.1.3). A frame that lies
 * so already is returned as it is, not copied.
 */
export function colourByPixel(frame: Uint8Array, layout: FrameLayout): Uint8Array {
  if (!layout.colourByPlane || layout.samplesPerPixel === 1) return frame;
  const length = frame.length / layout.samplesPerPixel;
  const planes = Array.from({ length: layout.samplesPerPixel }, (_, plane) =>
    frame.subarray(plane * length, (plane + 1) * length),
  );
  return joinColours(planes, layout);
}

/** Planes → colour by pixel. */
export function joinColours(planes: readonly Uint8Array[], layout: FrameLayout): Uint8Array {
  const pixels = layout.rows * layout.columns;
  const byPixel = new Uint8Array(pixels * planes.length * bytesPerSample(layout));
  const to = samplesOf(byPixel, layout);
  planes.forEach((plane, colour) => {
    const from = samplesOf(plane, layout);
    for (let pixel = 0, at = colour; pixel < pixels; pixel++, at += planes.length) to[at] = from[pixel] ?? 0;
  });
  return byPixel;
}

/** Colour by pixel → planes. */
export function splitColours(byPixel: Uint8Array, layout: FrameLayout): Uint8Array[] {
  const pixels = layout.rows * layout.columns;
  const from = samplesOf(byPixel, layout);
  return Array.from({ length: layout.samplesPerPixel }, (_, colour) => {
    const plane = new Uint8Array(pixels * bytesPerSample(layout));
    const to = samplesOf(plane, layout);
    for (let pixel = 0, at = colour; pixel < pixels; pixel++, at += layout.samplesPerPixel) to[pixel] = from[at] ?? 0;
    return plane;
  });
}

function bytesPerSample({ bitsAllocated }: FrameLayout): number {
  return bitsAllocated / 8;
}

/** A view of the bytes where samples of two bytes are aligned, otherwise of a copy. Moves samples, does not read them. */
function samplesOf(bytes: Uint8Array, { bitsAllocated }: FrameLayout): Uint8Array | Uint16Array {
  if (bitsAllocated === 8) return bytes;
  const { buffer, byteOffset, length } = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint16Array(buffer, byteOffset, length / 2);
}

/** Signed samples of one byte, the bits above BitsStored like the sign → unsigned ones: half of the range added. */
export function toUnsigned(samples: Uint8Array, bitsStored: number): Uint8Array {
  const half = 2 ** (bitsStored - 1);
  return samples.map((sample) => (sample + half) & (2 * half - 1));
}

/** The inverse. */
export function toSigned(samples: Uint8Array, bitsStored: number): Uint8Array {
  const half = 2 ** (bitsStored - 1);
  return samples.map((sample) => sample - half);
}

/**
 * Whether the bits above HighBit carry anything. They may (PS3.5 8.1.1 leaves them to whoever wrote the file: overlays
 * of old equipment, padding values), and a codestream of BitsStored bits cannot hold them. Of little-endian samples.
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
