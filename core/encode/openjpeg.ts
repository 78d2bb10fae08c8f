/**
 * OpenJPEG 2.5.4 as WebAssembly (@cornerstonejs/codec-openjpeg, its `wasmjs` build). Measured of version 1.3.6, with noise
 * and with ramps, each encoded and decoded again:
 *
 * | samples                     | bits stored | result                                                            |
 * |-----------------------------|-------------|-------------------------------------------------------------------|
 * | one, unsigned               | 2–16        | exact                                                             |
 * | one, unsigned               | 1           | noise: a few in a thousand frames come back as zeros, no error    |
 * | one, signed                 | 9–16        | exact                                                             |
 * | one, signed                 | 1–8         | wrong samples without an error, or a thrown number                |
 * | three, unsigned             | 2–8         | exact, always with the reversible colour transformation (RCT)     |
 * | three, unsigned             | 1           | noise: a thrown number                                            |
 * | three                       | 9–16        | writes past its buffer: a trap (`memory access out of bounds`)    |
 *
 * Any size from 1 × 1 on (64 megapixels of 16 bits were encoded; 196 need more than the 2 GiB that its heap may have, and
 * fail cleanly) is exact if there are at most log2(shorter side) decomposition levels; with more it throws a
 * number. Precision and sign in the codestream are `bitsPerSample` and `isSigned`. The frame goes in, and comes out, with
 * one byte a sample up to eight bits and two above. A decoder that fails says so on the console only, and one that is used
 * again then still holds the previous frame: so each frame has its own. An encoder and decoder that are used again are
 * not faster than new ones (512 × 512, 12 bits: 33 + 29 ms either way), and 10,000 frames leave the heap as it was.
 */
import { exactCodec } from './exact-codec.ts';
import type { FrameCodec } from './frame-codec.ts';
import { WasmPackage, type CodecModule, type Decoder, type Encoder } from './wasm-codec.ts';

interface OpenJpegEncoder extends Encoder {
  setQuality(lossless: boolean, layers: number): void;
}

interface OpenJpegModule extends CodecModule {
  readonly J2KEncoder: new () => OpenJpegEncoder;
  readonly J2KDecoder: new () => Decoder;
}

const openJpeg = new WasmPackage<OpenJpegModule, OpenJpegEncoder>({
  library: 'OpenJPEG',
  build: '@cornerstonejs/codec-openjpeg/wasmjs',
  binary: 'openjpegwasm.wasm',
  encoder: (module) => module.J2KEncoder,
  decoder: (module) => module.J2KDecoder,
  setLossless: (encoder) => {
    encoder.setQuality(true, 1);
  },
  leastLevels: 0,
});

/** `openjpeg-` and the version of the package. */
export function openJpegName(): string {
  return openJpeg.name();
}

/** Rejects with `CODEC_UNAVAILABLE`. */
export async function openOpenJpeg(): Promise<FrameCodec> {
  return exactCodec(await openJpeg.open());
}
