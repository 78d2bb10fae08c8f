/** A codec that stores: a frame's codestream is the frame, deflated. For what is around the real one, many times faster. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { JPEG_2000_LOSSLESS } from '../../core/dicom/transfer-syntax.ts';
import type { Codec } from './check-input.ts';

export const storedFrames: Codec = {
  pool: {
    codec: 'stored-1.0.0',
    transferSyntaxUID: JPEG_2000_LOSSLESS,
    threads: 2,
    encodeFrame: async (frame, { bigEndianWords }) => {
      const little = bigEndianWords ? Buffer.from(frame).swap16() : frame;
      return { proved: true, codestream: new Uint8Array(deflateRawSync(little, { level: 1 })) };
    },
    close: async () => undefined,
  },
  decode: async (codestream) => ({ bytes: new Uint8Array(inflateRawSync(codestream)), form: 'as stored' }),
};
