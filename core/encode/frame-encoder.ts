/** Frame → codestream, proved: what a worker thread does with each frame. */
import { asStorestowError } from '../errors.ts';
import { agreesWithLayout } from './codestream.ts';
import type { EncodedFrame, FrameCodec, FrameSyntax, OpenCodec } from './frame-codec.ts';
import type { FrameLayout } from './frame-layout.ts';
import { colourByPixel, littleEndian, usesHighBits } from './samples.ts';

/** One frame at a time. Rejects with `CODEC_UNAVAILABLE` where no instance of the codec can be had. */
export type FrameEncoder = (frame: Uint8Array, layout: FrameLayout) => Promise<EncodedFrame>;

/**
 * Keeps one instance of the codec from frame to frame, and throws it away when it failed, when what it gave was wrong, or
 * when it has outgrown its use. A frame that fails in a used instance is tried again in a new one: an earlier frame may
 * have damaged the used one, and what becomes of a frame must not depend on what came before it.
 */
export function createFrameEncoder(openCodec: OpenCodec, syntax: FrameSyntax): FrameEncoder {
  let codec: FrameCodec | undefined;

  async function attempt(samples: Uint8Array, layout: FrameLayout): Promise<EncodedFrame> {
    const current = codec ?? (await openCodec());
    const result = encodeProved(samples, layout, syntax, current);
    codec = result.proved && !current.outgrown ? current : undefined;
    return result;
  }

  return async (frame, layout) => {
    const inOrder = littleEndian(frame, layout);
    if (usesHighBits(inOrder, layout)) return { proved: false, reason: 'HIGH_BITS_IN_USE' };
    const samples = colourByPixel(inOrder, layout);
    const used = codec !== undefined;
    const result = await attempt(samples, layout);
    return result.proved || !used ? result : attempt(samples, layout);
  };
}

/** The codestream counts if its header agrees with the layout and it decodes to the samples, byte for byte. */
function encodeProved(samples: Uint8Array, layout: FrameLayout, syntax: FrameSyntax, codec: FrameCodec): EncodedFrame {
  try {
    const codestream = codec.encode(samples, layout);
    const proved =
      agreesWithLayout(codestream, layout, syntax) && Buffer.compare(codec.decode(codestream, layout), samples) === 0;
    return proved ? { proved, codestream } : { proved, reason: 'FRAME_NOT_REPRODUCED' };
  } catch (thrown) {
    const error = asStorestowError(thrown);
    if (error.code === 'CODEC_FAILED') return { proved: false, reason: 'CODEC_FAILED' };
    throw error;
  }
}
