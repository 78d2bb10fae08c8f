/** What each thread of the frame pool runs. */
import type { EncodedFrame, FrameSyntax } from './frame-codec.ts';
import { createFrameDecoder, type DecodedFrame, type FrameDecoder } from './frame-decoder.ts';
import { createFrameEncoder, type FrameEncoder } from './frame-encoder.ts';
import type { FrameLayout } from './frame-layout.ts';
import { FRAME_SYNTAXES } from './frame-syntax.ts';

interface Task {
  readonly layout: FrameLayout;
  readonly syntax: FrameSyntax;
}

export interface EncodeTask extends Task {
  readonly frame: Uint8Array;
}

export interface DecodeTask extends Task {
  readonly codestream: Uint8Array;
}

export type FrameTask = EncodeTask | DecodeTask;
export type FrameResult = EncodedFrame | DecodedFrame;

const encoders: Readonly<Record<FrameSyntax, FrameEncoder>> = {
  j2k: createFrameEncoder(FRAME_SYNTAXES.j2k.open, 'j2k'),
  htj2k: createFrameEncoder(FRAME_SYNTAXES.htj2k.open, 'htj2k'),
};

const decoders: Readonly<Record<FrameSyntax, FrameDecoder>> = {
  j2k: createFrameDecoder(FRAME_SYNTAXES.j2k.open, 'j2k'),
  htj2k: createFrameDecoder(FRAME_SYNTAXES.htj2k.open, 'htj2k'),
};

export default async function workOnFrame(task: FrameTask): Promise<FrameResult> {
  const { layout, syntax } = task;
  return 'frame' in task ? encoders[syntax](task.frame, layout) : decoders[syntax](task.codestream, layout);
}
