/**
 * OpenJPH 0.31.0 as WebAssembly (@cornerstonejs/codec-openjph): High-Throughput JPEG 2000 (15444-15).
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
});

/** `openjph-` and the version of the package. */
export function openJphName(): string {
  return openJph.name();
}

/** Rejects with `CODEC_UNAVAILABLE`. */
export async function openOpenJph(): Promise<FrameCodec> {
  return exactCodec(await openJph.open());
}
