/** The two ways to encode a frame: the transfer syntax that each leads to, and the codec that does it. */
import { HTJ2K_LOSSLESS, JPEG_2000_LOSSLESS } from '../dicom/transfer-syntax.ts';
import type { FrameSyntax, OpenCodec } from './frame-codec.ts';
import { openJpegName, openOpenJpeg } from './openjpeg.ts';
import { openJphName, openOpenJph } from './openjph.ts';

interface FrameSyntaxFacts {
  readonly transferSyntaxUID: string;
  /** Name and version of the codec, as the audit tags have them: `openjpeg-1.3.6`. */
  readonly codec: () => string;
  readonly open: OpenCodec;
}

export const FRAME_SYNTAXES: Readonly<Record<FrameSyntax, FrameSyntaxFacts>> = {
  j2k: { transferSyntaxUID: JPEG_2000_LOSSLESS, codec: openJpegName, open: openOpenJpeg },
  htj2k: { transferSyntaxUID: HTJ2K_LOSSLESS, codec: openJphName, open: openOpenJph },
};
