/** Frames to worker threads (piscina): the frames of one object as well as those of many go to all processors. */
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { StorestowError } from '../errors.ts';
import { Admission } from './admission.ts';
import type { EncodedFrame, FrameSyntax } from './frame-codec.ts';
import type { DecodedFrame } from './frame-decoder.ts';
import { frameLength, type FrameLayout } from './frame-layout.ts';
import { FRAME_SYNTAXES } from './frame-syntax.ts';
import type { DecodeTask, EncodeTask, FrameResult, FrameTask } from './frame-worker.ts';

/** The port to the worker threads. */
export interface FramePool {
  /** Name and version of the codec, as the audit tags have them: `openjpeg-1.3.6`. */
  readonly codec: string;
  /** The syntax of what it encodes. */
  readonly transferSyntaxUID: string;
  readonly threads: number;
  /**
   * Resolves with the proved codestream of a native frame, or with the reason why there is none. The frame's bytes are
   * copied when its turn comes, and stay the caller's. Rejects with `CODEC_UNAVAILABLE` (retryable) where a thread died,
   * ran out of time, or the pool is closed.
   */
  encodeFrame(frame: Uint8Array, layout: FrameLayout): Promise<EncodedFrame>;
  /** Lets the frames under way finish, refuses those that wait, ends the threads. */
  close(): Promise<void>;
}

/** The way back, in the same threads. */
export interface DecodingPool extends FramePool {
  /** A codestream of either syntax, without padding. The bytes are copied, and stay the caller's. Rejects as `encodeFrame` does. */
  decodeFrame(codestream: Uint8Array, layout: FrameLayout, syntax: FrameSyntax): Promise<DecodedFrame>;
}

export interface FramePoolOptions {
  /** What frames become; `j2k` where it is not given. */
  readonly syntax?: FrameSyntax;
  /** Worker threads; 0: one a processor. */
  readonly threads?: number;
  /** Bytes of frames under way at once. A larger frame goes alone. */
  readonly maxBytesInFlight?: number;
  /** Seconds after which a frame's thread counts as stuck and is replaced. */
  readonly frameTimeout?: number;
  /** The module that the threads run; its default export takes a `FrameTask`. */
  readonly worker?: URL;
}

/** Beside this file, in the same form: TypeScript source, compiled, or bundled. */
const FRAME_WORKER = new URL(`./frame-worker${extname(fileURLToPath(import.meta.url))}`, import.meta.url);

/** A thread has its next frame ready while it works on one. */
const FRAMES_PER_THREAD = 2;

/** MiB of JavaScript heap; frames and the codec's memory are outside it. */
const THREAD_HEAP = 128;

const CLOSED = 'the frame pool is closed; the object is tried again';

/** Threads start with the first frame. */
export function createFramePool(options: FramePoolOptions = {}): DecodingPool {
  return new ThreadPool(options);
}

class ThreadPool implements DecodingPool {
  readonly codec: string;
  readonly transferSyntaxUID: string;
  readonly threads: number;
  readonly #syntax: FrameSyntax;
  readonly #worker: string;
  readonly #frameTimeout: number;
  readonly #admission: Admission;
  readonly #running = new Set<Promise<FrameResult>>();
  #piscina: Piscina<FrameTask, FrameResult> | undefined;
  #closed = false;

  constructor(options: FramePoolOptions) {
    const { syntax = 'j2k', threads = 0, maxBytesInFlight = 256_000_000, frameTimeout = 300, worker = FRAME_WORKER } = options;
    this.#syntax = syntax;
    this.codec = FRAME_SYNTAXES[syntax].codec();
    this.transferSyntaxUID = FRAME_SYNTAXES[syntax].transferSyntaxUID;
    this.threads = threads === 0 ? availableParallelism() : threads;
    this.#worker = fileURLToPath(worker);
    this.#frameTimeout = frameTimeout;
    this.#admission = new Admission({ frames: this.threads * FRAMES_PER_THREAD, bytes: maxBytesInFlight });
  }

  async encodeFrame(frame: Uint8Array, layout: FrameLayout): Promise<EncodedFrame> {
    return this.#admitted<EncodedFrame>(frame.length, () => {
      // A copy, since the frame is a view of its file, which stays here; not `slice`, which in a Buffer is a view.
      const task: EncodeTask = { frame: new Uint8Array(frame), layout, syntax: this.#syntax };
      return [task, task.frame];
    });
  }

  async decodeFrame(codestream: Uint8Array, layout: FrameLayout, syntax: FrameSyntax): Promise<DecodedFrame> {
    return this.#admitted<DecodedFrame>(frameLength(layout), () => {
      const task: DecodeTask = { codestream: new Uint8Array(codestream), layout, syntax };
      return [task, task.codestream];
    });
  }

  /** `bytes`: of the frame. The task is made when its turn has come, and its bytes become the thread's. */
  async #admitted<Result extends FrameResult>(bytes: number, make: () => readonly [FrameTask, Uint8Array]): Promise<Result> {
    await this.#admission.enter(bytes);
    try {
      return (await this.#run(...make())) as Result;
    } catch (cause) {
      throw new StorestowError(
        'CODEC_UNAVAILABLE',
        'a thread that works on frames ended or was stuck; the object is tried again',
        {
          cause,
        },
      );
    } finally {
      this.#admission.leave(bytes);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#admission.shut(new StorestowError('CODEC_UNAVAILABLE', CLOSED));
    await Promise.allSettled(this.#running);
    await this.#piscina?.destroy();
  }

  async #run(task: FrameTask, { buffer }: Uint8Array): Promise<FrameResult> {
    const threads = this.#threads();
    // Aborted, piscina rejects the frame and ends the thread that works on it.
    const stuck = new AbortController();
    const timer = setTimeout(() => stuck.abort(), this.#frameTimeout * 1000);
    timer.unref();
    const result = threads.run(task, { transferList: [buffer as ArrayBuffer], signal: stuck.signal });
    this.#running.add(result);
    try {
      return await result;
    } finally {
      clearTimeout(timer);
      this.#running.delete(result);
    }
  }

  /**
   * As many threads as there may ever be (piscina replaces one that died only up to its minimum), in piscina's own queue
   * only what the gate let through.
   */
  #threads(): Piscina<FrameTask, FrameResult> {
    if (this.#piscina !== undefined) return this.#piscina;
    if (this.#closed) throw new StorestowError('CODEC_UNAVAILABLE', CLOSED);
    const piscina = new Piscina<FrameTask, FrameResult>({
      filename: this.#worker,
      minThreads: this.threads,
      maxThreads: this.threads,
      stricterFIFO: true,
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP },
    });
    // A thread died between two frames, or while it started: piscina then starts no other one, and its queue would wait
    // for ever. What it has is rejected, and the next frame makes a new pool.
    piscina.on('error', () => {
      if (this.#piscina === piscina) this.#piscina = undefined;
      void piscina.destroy();
    });
    return (this.#piscina = piscina);
  }
}
