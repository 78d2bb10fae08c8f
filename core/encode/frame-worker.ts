/** What each thread of the frame pool runs. */
import type { EncodedFrame, FrameSyntax } from './frame-codec.ts';
import { createFrameEncoder, type FrameEncoder } from './frame-encoder.ts';
import type { FrameLayout } from './frame-layout.ts';
import { FRAME_SYNTAXES } from './frame-syntax.ts';

export interface FrameTask {
  readonly frame: Uint8Array;
  readonly layout: FrameLayout;
  readonly syntax: FrameSyntax;
}

const encoders: Readonly<Record<FrameSyntax, FrameEncoder>> = {
  j2k: createFrameEncoder(FRAME_SYNTAXES.j2k.open, 'j2k'),
  htj2k: createFrameEncoder(FRAME_SYNTAXES.htj2k.open, 'htj2k'),
};

export default function encodeFrame({ frame, layout, syntax }: FrameTask): Promise<EncodedFrame> {
  return encoders[syntax](frame, layout);
}
