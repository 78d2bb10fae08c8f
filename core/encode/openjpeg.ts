/**
 * OpenJPEG 2.5.4 as WebAssembly (@cornerstonejs/codec-openjpeg, its `wasmjs` build). Measured of version 1.3.6, with noise
 * and with ramps, each encoded and decoded again:
 *
 * | samples                     | bits stored | result                                                            |
 * |-----------------------------|-------------|-------------------------------------------------------------------|
 * | one, unsigned               | 1–16        | exact                                                             |
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
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StorestowError } from '../errors.ts';
import type { FrameCodec } from './frame-codec.ts';
import type { FrameLayout } from './frame-layout.ts';

interface FrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned: boolean;
}

/** What is used of the module. Buffers are views into its heap, good until its next call. */
interface Encoder {
  setQuality(lossless: boolean, layers: number): void;
  setDecompositions(levels: number): void;
  getDecodedBuffer(frame: FrameInfo): Uint8Array;
  encode(): void;
  getEncodedBuffer(): Uint8Array;
  delete(): void;
}

interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  /** A copy already. */
  getDecodedBuffer(): Uint8ClampedArray;
  delete(): void;
}

interface OpenJpegModule {
  readonly HEAPU8: Uint8Array;
  readonly J2KEncoder: new () => Encoder;
  readonly J2KDecoder: new () => Decoder;
}

interface ModuleOptions {
  readonly wasmBinary: Uint8Array;
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
}

type ModuleFactory = (options: ModuleOptions) => Promise<OpenJpegModule>;

const BUILD = '@cornerstonejs/codec-openjpeg/wasmjs';
const require = createRequire(import.meta.url);

/** As most encoders do (15444-1 has 5 for its default), as far as the frame is large enough. */
const DECOMPOSITION_LEVELS = 5;

/** Bytes of heap (which never shrinks) up to which an instance is kept: a 20-megapixel frame needs about as much. */
const KEPT_HEAP = 512 * 1024 * 1024;

let loaded: { readonly create: ModuleFactory; readonly wasmBinary: Uint8Array } | undefined;

function load(): NonNullable<typeof loaded> {
  const script = require.resolve(BUILD);
  return {
    create: require(script) as ModuleFactory,
    wasmBinary: readFileSync(join(dirname(script), 'openjpegwasm.wasm')),
  };
}

/** `openjpeg-` and the version of the package, which has its own (not OpenJPEG's): it names what the tags name. */
export function openJpegName(): string {
  const manifest = join(dirname(require.resolve(BUILD)), '..', 'package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
  return `openjpeg-${version}`;
}

/** A new instance with a heap of its own (8 ms). Rejects with `CODEC_UNAVAILABLE` where the package cannot be loaded. */
export async function openOpenJpeg(): Promise<FrameCodec> {
  try {
    const { create, wasmBinary } = (loaded ??= load());
    return new OpenJpeg(await create({ wasmBinary, print: () => undefined, printErr: () => undefined }));
  } catch (cause) {
    throw new StorestowError('CODEC_UNAVAILABLE', `${BUILD} cannot be loaded; install the package's dependencies again`, {
      cause,
    });
  }
}

class OpenJpeg implements FrameCodec {
  readonly #module: OpenJpegModule;

  constructor(module: OpenJpegModule) {
    this.#module = module;
  }

  get outgrown(): boolean {
    return this.#module.HEAPU8.length > KEPT_HEAP;
  }

  encode(samples: Uint8Array, layout: FrameLayout): Uint8Array {
    return this.#use(this.#module.J2KEncoder, 'encode', (encoder) => {
      encoder.setQuality(true, 1);
      encoder.setDecompositions(decompositionLevels(layout));
      const input = encoder.getDecodedBuffer({
        width: layout.columns,
        height: layout.rows,
        bitsPerSample: layout.bitsStored,
        componentCount: layout.samplesPerPixel,
        isSigned: layout.signed,
      });
      input.set(samples);
      encoder.encode();
      return new Uint8Array(encoder.getEncodedBuffer());
    });
  }

  decode(codestream: Uint8Array): Uint8Array {
    return this.#use(this.#module.J2KDecoder, 'decode', (decoder) => {
      decoder.getEncodedBuffer(codestream.length).set(codestream);
      decoder.decode();
      const { buffer, byteOffset, length } = decoder.getDecodedBuffer();
      return new Uint8Array(buffer, byteOffset, length);
    });
  }

  /** The module throws numbers (pointers to C++ exceptions), RuntimeErrors where it trapped, and its own embind errors. */
  #use<Coder extends { delete(): void }>(Coder: new () => Coder, verb: string, work: (coder: Coder) => Uint8Array): Uint8Array {
    let coder: Coder | undefined;
    try {
      coder = new Coder();
      return work(coder);
    } catch (cause) {
      throw new StorestowError('CODEC_FAILED', `OpenJPEG cannot ${verb} a frame; its object is sent as received`, { cause });
    } finally {
      try {
        coder?.delete();
      } catch {
        // After a trap even this may trap; whoever caught the error above throws the instance away.
      }
    }
  }
}

function decompositionLevels({ rows, columns }: FrameLayout): number {
  return Math.min(DECOMPOSITION_LEVELS, Math.floor(Math.log2(Math.min(rows, columns))));
}
