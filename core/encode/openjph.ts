/**
 * OpenJPH 0.31.0 as WebAssembly (@cornerstonejs/codec-openjph): High-Throughput JPEG 2000 (ISO/IEC 15444-15). Measured of
 * version 2.4.11, with noise and with ramps, each encoded and decoded again:
 *
 * | samples         | bits stored | result                                                                             |
 * |-----------------|-------------|------------------------------------------------------------------------------------|
 * | one, unsigned   | 1–16        | exact                                                                              |
 * | one, signed     | 9–16        | exact                                                                              |
 * | one, signed     | 1–8         | wrong samples without an error; at 8 its own decoder undoes what it did wrong      |
 * | three, unsigned | 1–8         | exact, with or without the reversible colour transformation, as it is told         |
 * | three           | 9–16        | wrong samples without an error                                                     |
 *
 * All with one decomposition level or more, as far as the shorter side halves: without any, the lowest samples come back
 * wrong, of 512 × 512 pixels in each image, and with five levels a strip of 200 × 3 pixels of one bit once in sixty.
 */
import { exactCodec } from './exact-codec.ts';
import type { FrameCodec } from './frame-codec.ts';
import { WasmPackage, type CodecModule, type Decoder, type Encoder } from './wasm-codec.ts';

interface OpenJphEncoder extends Encoder {
  /** The step of the quantization counts without `lossless` only. */
  setQuality(lossless: boolean, quantizationStep: number): void;
}

interface OpenJphModule extends CodecModule {
  readonly HTJ2KEncoder: new () => OpenJphEncoder;
  readonly HTJ2KDecoder: new () => Decoder;
}

const openJph = new WasmPackage<OpenJphModule, OpenJphEncoder>({
  library: 'OpenJPH',
  build: '@cornerstonejs/codec-openjph/wasmjs',
  binary: 'openjphjs.wasm',
  encoder: (module) => module.HTJ2KEncoder,
  decoder: (module) => module.HTJ2KDecoder,
  setLossless: (encoder) => {
    encoder.setQuality(true, 0);
  },
  leastLevels: 1,
});

/** `openjph-` and the version of the package. */
export function openJphName(): string {
  return openJph.name();
}

/** Rejects with `CODEC_UNAVAILABLE`. */
export async function openOpenJph(): Promise<FrameCodec> {
  return exactCodec(await openJph.open());
}
