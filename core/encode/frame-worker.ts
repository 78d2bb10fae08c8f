/** What each thread of the frame pool runs. */
import type { EncodedFrame } from './frame-codec.ts';
import { createFrameEncoder } from './frame-encoder.ts';
import type { FrameLayout } from './frame-layout.ts';
import { openOpenJpeg } from './openjpeg.ts';

export interface FrameTask {
  readonly frame: Uint8Array;
  readonly layout: FrameLayout;
}

const encode = createFrameEncoder(openOpenJpeg);

export default function encodeFrame({ frame, layout }: FrameTask): Promise<EncodedFrame> {
  return encode(frame, layout);
}
