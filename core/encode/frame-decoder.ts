/** The work on one frame that comes back, within one thread: what it is decoded to. */
import { asStorestowError } from '../errors.ts';
import { agreesWithLayout } from './codestream.ts';
import type { FrameCodec, FrameSyntax, OpenCodec } from './frame-codec.ts';
import { frameLength, type FrameLayout } from './frame-layout.ts';

/** `decoded: false`: the codestream is not what its layout says, or the codec fails on it. */
export type DecodedFrame = { readonly decoded: true; readonly samples: Uint8Array } | { readonly decoded: false };

/** Rejects with `CODEC_UNAVAILABLE` where no instance of the codec can be had. */
export type FrameDecoder = (codestream: Uint8Array, layout: FrameLayout) => Promise<DecodedFrame>;

const NOT_DECODED: DecodedFrame = { decoded: false };

/** Keeps one instance of the codec from frame to frame, as `createFrameEncoder` does and for its reasons. */
export function createFrameDecoder(openCodec: OpenCodec, syntax: FrameSyntax): FrameDecoder {
  let codec: FrameCodec | undefined;

  async function attempt(codestream: Uint8Array, layout: FrameLayout): Promise<DecodedFrame> {
    const current = codec ?? (await openCodec());
    const result = decode(codestream, layout, current);
    codec = result.decoded && !current.outgrown ? current : undefined;
    return result;
  }

  return async (codestream, layout) => {
    // What the header says decides how much memory the codec takes.
    if (!agreesWithLayout(codestream, layout, syntax)) return NOT_DECODED;
    const used = codec !== undefined;
    const result = await attempt(codestream, layout);
    return result.decoded || !used ? result : attempt(codestream, layout);
  };
}

function decode(codestream: Uint8Array, layout: FrameLayout, codec: FrameCodec): DecodedFrame {
  try {
    const samples = codec.decode(codestream, layout);
    return samples.length === frameLength(layout) ? { decoded: true, samples } : NOT_DECODED;
  } catch (thrown) {
    const error = asStorestowError(thrown);
    if (error.code === 'CODEC_FAILED') return NOT_DECODED;
    throw error;
  }
}
