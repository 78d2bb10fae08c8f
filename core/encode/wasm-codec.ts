/**
 * What the WebAssembly builds of @cornerstonejs/codec-* have in common: how they are found, loaded and named, how their
 * coders are used, and how they fail.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StorestowError } from '../errors.ts';
import type { ImageInfo, RawCodec } from './exact-codec.ts';

/** Buffers are views into the module's heap, good until its next call. */
export interface Encoder {
  setDecompositions(levels: number): void;
  /** 4: component, position, resolution, layer (15444-1 Table A.16). */
  setProgressionOrder(order: number): void;
  getDecodedBuffer(image: ImageInfo): Uint8Array;
  encode(): void;
  getEncodedBuffer(): Uint8Array;
  delete(): void;
}

export interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  decode(): void;
  getDecodedBuffer(): Uint8Array | Uint8ClampedArray;
  delete(): void;
}

export interface CodecModule {
  readonly HEAPU8: Uint8Array;
}

interface ModuleOptions {
  readonly wasmBinary: Uint8Array;
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
}

type ModuleFactory<Module> = (options: ModuleOptions) => Promise<Module>;

export interface WasmBuild<Module extends CodecModule, ModuleEncoder extends Encoder> {
  /** `OpenJPEG`; in lower case it is the codec's name in the tags. */
  readonly library: string;
  /** The module's script, as it is imported. */
  readonly build: string;
  /** Its binary, which lies beside the script. */
  readonly binary: string;
  readonly encoder: (module: Module) => new () => ModuleEncoder;
  readonly decoder: (module: Module) => new () => Decoder;
  readonly setLossless: (encoder: ModuleEncoder) => void;
  /** Decomposition levels of the smallest image. */
  readonly leastLevels: number;
}

const require = createRequire(import.meta.url);

/** As most encoders do (15444-1 has 5 for its default), as far as the frame is large enough. */
const DECOMPOSITION_LEVELS = 5;
const COMPONENT_BY_COMPONENT = 4;

/** Bytes of heap (which never shrinks) up to which an instance is kept: a 20-megapixel frame needs about as much. */
const KEPT_HEAP = 512 * 1024 * 1024;

interface LoadedPackage<Module> {
  readonly create: ModuleFactory<Module>;
  readonly wasmBinary: Uint8Array;
}

export class WasmPackage<Module extends CodecModule, ModuleEncoder extends Encoder> {
  readonly #build: WasmBuild<Module, ModuleEncoder>;
  #loaded: LoadedPackage<Module> | undefined;

  constructor(build: WasmBuild<Module, ModuleEncoder>) {
    this.#build = build;
  }

  /** The library and the version of the package, which has its own (not the library's): it names what the tags name. */
  name(): string {
    const manifest = join(dirname(require.resolve(this.#build.build)), '..', 'package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
    return `${this.#build.library.toLowerCase()}-${version}`;
  }

  /** A new instance with a heap of its own (8 ms). Rejects with `CODEC_UNAVAILABLE` where the package cannot be loaded. */
  async open(): Promise<RawCodec> {
    try {
      const { create, wasmBinary } = (this.#loaded ??= this.#load());
      const module = await create({ wasmBinary, print: () => undefined, printErr: () => undefined });
      return new WasmCodec(this.#build, module);
    } catch (cause) {
      const message = `${this.#build.build} cannot be loaded; install the package's dependencies again`;
      throw new StorestowError('CODEC_UNAVAILABLE', message, { cause });
    }
  }

  #load(): LoadedPackage<Module> {
    const script = require.resolve(this.#build.build);
    return {
      create: require(script) as ModuleFactory<Module>,
      wasmBinary: readFileSync(join(dirname(script), this.#build.binary)),
    };
  }
}

class WasmCodec<Module extends CodecModule, ModuleEncoder extends Encoder> implements RawCodec {
  readonly #build: WasmBuild<Module, ModuleEncoder>;
  readonly #module: Module;

  constructor(build: WasmBuild<Module, ModuleEncoder>, module: Module) {
    this.#build = build;
    this.#module = module;
  }

  get outgrown(): boolean {
    return this.#module.HEAPU8.length > KEPT_HEAP;
  }

  encode(samples: Uint8Array, image: ImageInfo): Uint8Array {
    return this.#use(this.#build.encoder(this.#module), 'encode', (encoder) => {
      this.#build.setLossless(encoder);
      encoder.setDecompositions(Math.max(this.#build.leastLevels, decompositionLevels(image)));
      if (image.componentByComponent) encoder.setProgressionOrder(COMPONENT_BY_COMPONENT);
      encoder.getDecodedBuffer(image).set(samples);
      encoder.encode();
      return new Uint8Array(encoder.getEncodedBuffer());
    });
  }

  decode(codestream: Uint8Array): Uint8Array {
    return this.#use(this.#build.decoder(this.#module), 'decode', (decoder) => {
      decoder.getEncodedBuffer(codestream.length).set(codestream);
      decoder.decode();
      return new Uint8Array(decoder.getDecodedBuffer());
    });
  }

  /** The modules throw numbers (pointers to C++ exceptions), RuntimeErrors where they trapped, and embind's own errors. */
  #use<Coder extends { delete(): void }>(Coder: new () => Coder, verb: string, work: (coder: Coder) => Uint8Array): Uint8Array {
    let coder: Coder | undefined;
    try {
      coder = new Coder();
      return work(coder);
    } catch (cause) {
      const message = `${this.#build.library} cannot ${verb} a frame; its object is sent as received`;
      throw new StorestowError('CODEC_FAILED', message, { cause });
    } finally {
      try {
        coder?.delete();
      } catch {
        // After a trap even this may trap; whoever caught the error above throws the instance away.
      }
    }
  }
}

function decompositionLevels({ width, height }: ImageInfo): number {
  return Math.min(DECOMPOSITION_LEVELS, Math.floor(Math.log2(Math.min(width, height))));
}
