/** The port to a JPEG 2000 codec: one frame in, one codestream out, and back. */
import type { FrameLayout } from './frame-layout.ts';

/** What frames become, as the configuration has it: JPEG 2000 reversible, or High-Throughput JPEG 2000 reversible. */
export type FrameSyntax = 'j2k' | 'htj2k';

export interface FrameCodec {
  /**
   * A frame, colour by pixel, one byte a sample up to eight bits stored and two (little endian) above → a reversible
   * JPEG 2000 codestream. What it returns is the caller's own copy.
   */
  encode(samples: Uint8Array, layout: FrameLayout): Uint8Array;
  /** The inverse, in the same form, of a codestream that agrees with the layout. */
  decode(codestream: Uint8Array, layout: FrameLayout): Uint8Array;
  /** Whether its memory has grown beyond what is worth keeping between frames. */
  readonly outgrown: boolean;
}

/** Opens a new, independent instance. Rejects with `CODEC_UNAVAILABLE`. */
export type OpenCodec = () => Promise<FrameCodec>;

/** What became of a frame. `reason` is why its object has to go as it was received. */
export type EncodedFrame =
  { readonly proved: true; readonly codestream: Uint8Array } | { readonly proved: false; readonly reason: FrameRefusal };

export type FrameRefusal = 'HIGH_BITS_IN_USE' | 'FRAME_NOT_REPRODUCED' | 'CODEC_FAILED';
