/** The frame pool with its threads, and a codec of its own that decodes what came of them. */
import { createHash } from 'node:crypto';
import type { FrameSyntax } from '../../core/encode/frame-codec.ts';
import type { FrameLayout } from '../../core/encode/frame-layout.ts';
import { createFramePool } from '../../core/encode/frame-pool.ts';
import { FRAME_SYNTAXES } from '../../core/encode/frame-syntax.ts';
import type { Codec } from './check-input.ts';

export async function openRealCodec(syntax: FrameSyntax): Promise<Codec> {
  const pool = createFramePool({ threads: 1, syntax });
  const decoder = await FRAME_SYNTAXES[syntax].open();
  const layouts = new Map<string, FrameLayout>();
  return {
    pool: {
      codec: pool.codec,
      transferSyntaxUID: pool.transferSyntaxUID,
      threads: pool.threads,
      encodeFrame: async (frame, layout) => {
        const encoded = await pool.encodeFrame(frame, layout);
        if (encoded.proved) layouts.set(nameOf(encoded.codestream), layout);
        return encoded;
      },
      close: () => pool.close(),
    },
    decode: async (codestream) => {
      const given = layouts.has(nameOf(codestream)) ? codestream : withoutPadding(codestream);
      const layout = layouts.get(nameOf(given));
      if (layout === undefined) throw new Error('a codestream that the pool did not give');
      const bytes = decoder.decode(given, layout);
      return { bytes: new Uint8Array(bytes), form: 'samples' };
    },
  };
}

/** PS3.5 A.4: fragments have even length. */
function withoutPadding(fragment: Uint8Array): Uint8Array {
  return fragment.at(-1) === 0 ? fragment.subarray(0, -1) : fragment;
}

function nameOf(codestream: Uint8Array): string {
  return createHash('md5').update(codestream).digest('hex');
}
