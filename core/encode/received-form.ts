/**
 * How samples may have lain in the file that was received, and samples laid out so: the digest that is kept of pixel data is of
 * its bytes as received, and the encoded object no longer tells how these lay. Pure.
 */
import { frameLength, type FrameLayout } from './frame-layout.ts';
import { splitColours } from './samples.ts';

export type ReceivedForm = Pick<FrameLayout, 'colourByPlane' | 'bigEndianWords'>;

/**
 * Of what `decideEncoding` takes.
 *
 * | received in   | samples           | colour by plane | words swapped |
 * |---------------|-------------------|-----------------|---------------|
 * | little endian | one               | no              | no            |
 * | little endian | three             | no, or yes      | no            |
 * | big endian    | 16 bits           | as above        | yes           |
 * | big endian    | 8 bits            | as above        | no (OB), or yes (OW, frames of even length only) |
 */
export function receivedForms(layout: FrameLayout, bigEndian: boolean): readonly ReceivedForm[] {
  const planes = layout.samplesPerPixel === 1 ? [false] : [false, true];
  const inBytes = layout.bitsAllocated === 8;
  const swapped = !bigEndian ? [false] : !inBytes ? [true] : frameLength(layout) % 2 === 0 ? [false, true] : [false];
  return planes.flatMap((colourByPlane) => swapped.map((bigEndianWords) => ({ colourByPlane, bigEndianWords })));
}

/** One frame, little endian and colour by pixel, in that form. A frame that lies so already is returned as it is, not copied. */
export function inForm(samples: Uint8Array, layout: FrameLayout, { colourByPlane, bigEndianWords }: ReceivedForm): Uint8Array {
  const inPlanes = colourByPlane ? Buffer.concat(splitColours(samples, layout)) : samples;
  return bigEndianWords ? Buffer.from(inPlanes).swap16() : inPlanes;
}
