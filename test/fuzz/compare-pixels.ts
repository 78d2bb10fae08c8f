/** Whether decoded frames are the original's native pixels, sample by sample. */
import { EXPLICIT_BE } from '../support/build-dicom.ts';
import type { ComparedDataSet, ComparedElement } from './compare-objects.ts';

/** `samples` as the codec gives them: colour by pixel, little endian, one byte each where eight bits or fewer are stored. */
export interface DecodedFrame {
  readonly bytes: Uint8Array;
  readonly form: 'as stored' | 'samples';
}

export interface NativeImage extends ComparedDataSet {
  readonly transferSyntaxUID: string;
}

interface Layout {
  readonly pixels: number;
  readonly samples: number;
  readonly bytes: number;
  readonly signed: boolean;
  readonly byPlane: boolean;
  /** PS3.5 8.1.1: OW in big endian, whatever the size of a sample. */
  readonly swapped: boolean;
}

/** In words; undefined where they are the same. */
export function pixelDifference(original: NativeImage, frames: readonly DecodedFrame[]): string | undefined {
  const value = valueOf(original, 0x7fe00010);
  const layout = layoutOf(original);
  const frameLength = layout.pixels * layout.samples * layout.bytes;
  const length = frameLength * frames.length;
  if (value === undefined) return 'there was no pixel data';
  if (length !== value.length && length + 1 !== value.length) return `${frames.length} frames of ${value.length} bytes`;
  for (const [index, frame] of frames.entries()) {
    const native = value.subarray(index * frameLength, (index + 1) * frameLength);
    const same =
      frame.form === 'as stored'
        ? Buffer.compare(frame.bytes, littleEndian(native, layout)) === 0
        : sameSamples(native, layout, frame.bytes);
    if (!same) return `frame ${index + 1} decodes to other pixels`;
  }
  return undefined;
}

function sameSamples(native: Uint8Array, layout: Layout, decoded: Uint8Array): boolean {
  const { pixels, samples, bytes, signed } = layout;
  const size = decoded.length / (pixels * samples);
  if (size !== 1 && size !== 2 && size !== 4) return false;
  const [old, now] = [buffer(littleEndian(native, layout)), buffer(decoded)];
  for (let at = 0; at < pixels * samples; at++) {
    const pixel = Math.floor(at / samples);
    const place = layout.byPlane ? (at % samples) * pixels + pixel : at;
    const sample = signed ? now.readIntLE(at * size, size) : now.readUIntLE(at * size, size);
    const expected = signed ? old.readIntLE(place * bytes, bytes) : old.readUIntLE(place * bytes, bytes);
    if (sample !== expected) return false;
  }
  return true;
}

function littleEndian(native: Uint8Array, { swapped }: Layout): Uint8Array {
  return swapped ? Buffer.from(native).swap16() : native;
}

function layoutOf(file: NativeImage): Layout {
  const samples = number(file, 0x00280002) ?? 1;
  return {
    pixels: (number(file, 0x00280010) ?? 0) * (number(file, 0x00280011) ?? 0),
    samples,
    bytes: (number(file, 0x00280100) ?? 8) / 8,
    signed: number(file, 0x00280103) === 1,
    byPlane: samples > 1 && number(file, 0x00280006) === 1,
    swapped: file.transferSyntaxUID === EXPLICIT_BE && first(file, 0x7fe00010)?.vr === 'OW',
  };
}

function number(file: NativeImage, tag: number): number | undefined {
  const element = first(file, tag);
  const value = valueOf(file, tag);
  if (element === undefined || value === undefined || value.length < 2) return undefined;
  const little = file.transferSyntaxUID !== EXPLICIT_BE || element.vr === 'UN';
  const size = element.vr === 'UL' && value.length >= 4 ? 4 : 2;
  return little ? buffer(value).readUIntLE(0, size) : buffer(value).readUIntBE(0, size);
}

function first({ elements }: NativeImage, tag: number): ComparedElement | undefined {
  return elements.find((element) => element.tag === tag);
}

function valueOf(file: NativeImage, tag: number): Uint8Array | undefined {
  const element = first(file, tag);
  return element === undefined ? undefined : file.body.subarray(element.valueOffset, element.valueOffset + element.length);
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
