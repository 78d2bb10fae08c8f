/**
 * A codec that is exact for every layout, from one that is for some. The WebAssembly builds get two kinds of frames wrong
 * (see openjpeg.ts, openjph.ts); both can be written exactly by way of frames that they get right:
 *
 * | layout                                  | by way of                                                           |
 * |-----------------------------------------|---------------------------------------------------------------------|
 * | three components without transformation | each component as an image of its own, joined to one codestream     |
 * | signed, up to eight bits                | unsigned, half of the range added; then marked as signed            |
 * | anything else                           | as it is                                                            |
 *
 * Half of the range is what the DC level shift takes away from unsigned samples, and only from them (15444-1 G.1): the coded
 * data of both is the same, and the sign a bit of the header.
 */
import { StorestowError } from '../errors.ts';
import { markSigned } from './codestream.ts';
import { joinComponents, splitComponents } from './component-codestreams.ts';
import type { FrameCodec } from './frame-codec.ts';
import type { FrameLayout } from './frame-layout.ts';
import { joinColours, splitColours, toSigned, toUnsigned } from './samples.ts';

/** What a codec is told of an image. The first six are its own names. */
export interface ImageInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned: boolean;
  /** The reversible colour transformation. */
  readonly isUsingColorTransform: boolean;
  /** All packets of one component before those of the next; otherwise the codec's own order. */
  readonly componentByComponent: boolean;
}

/** A codec as it is. One byte a sample up to eight bits, two above, little endian. Throws `CODEC_FAILED`. */
export interface RawCodec {
  encode(samples: Uint8Array, image: ImageInfo): Uint8Array;
  decode(codestream: Uint8Array): Uint8Array;
  readonly outgrown: boolean;
}

export function exactCodec(raw: RawCodec): FrameCodec {
  return {
    encode: (samples, layout) => encode(raw, samples, layout),
    decode: (codestream, layout) => decode(raw, codestream, layout),
    get outgrown() {
      return raw.outgrown;
    },
  };
}

function encode(raw: RawCodec, samples: Uint8Array, layout: FrameLayout): Uint8Array {
  if (isByComponent(layout)) {
    const components = splitColours(samples, layout).map((plane) => encodeOne(raw, plane, layout, true));
    return joinComponents(components) ?? refuse('has components that do not fit together');
  }
  if (layout.samplesPerPixel === 1) return encodeOne(raw, samples, layout, false);
  return raw.encode(samples, imageOf(layout, { componentCount: 3, isUsingColorTransform: true }));
}

function decode(raw: RawCodec, codestream: Uint8Array, layout: FrameLayout): Uint8Array {
  if (isByComponent(layout)) {
    const components = splitComponents(codestream) ?? refuse('cannot be taken apart by its components');
    return joinColours(
      components.map((component) => decodeOne(raw, component, layout)),
      layout,
    );
  }
  return layout.samplesPerPixel === 1 ? decodeOne(raw, codestream, layout) : raw.decode(codestream);
}

function encodeOne(raw: RawCodec, samples: Uint8Array, layout: FrameLayout, componentByComponent: boolean): Uint8Array {
  if (!isSignedNarrow(layout)) return raw.encode(samples, imageOf(layout, { componentByComponent }));
  const image = imageOf(layout, { isSigned: false, componentByComponent });
  return markSigned(raw.encode(toUnsigned(samples, layout.bitsStored), image), true);
}

function decodeOne(raw: RawCodec, codestream: Uint8Array, layout: FrameLayout): Uint8Array {
  if (!isSignedNarrow(layout)) return raw.decode(codestream);
  return toSigned(raw.decode(markSigned(codestream, false)), layout.bitsStored);
}

function isByComponent({ samplesPerPixel, colourTransformation }: FrameLayout): boolean {
  return samplesPerPixel > 1 && !colourTransformation;
}

function isSignedNarrow({ signed, bitsStored }: FrameLayout): boolean {
  return signed && bitsStored <= 8;
}

function imageOf(layout: FrameLayout, special: Partial<ImageInfo>): ImageInfo {
  return {
    width: layout.columns,
    height: layout.rows,
    bitsPerSample: layout.bitsStored,
    componentCount: 1,
    isSigned: layout.signed,
    isUsingColorTransform: false,
    componentByComponent: false,
    ...special,
  };
}

function refuse(what: string): never {
  throw new StorestowError('CODEC_FAILED', `a frame's codestream ${what}; its object is sent as received`);
}
