/** Pixel data → the changes that encode it to a reversible syntax, or the reason why it goes as it was received. */
import { SequentialReader, type Segment, type SourceRange } from '../dicom/byte-source.ts';
import type { Change, NewElement } from '../dicom/change.ts';
import type { Part10 } from '../dicom/data-set.ts';
import { describePixels, type PixelDescription } from '../dicom/describe-pixels.ts';
import { openNamelessFile, type NamelessFile } from '../dicom/nameless-file.ts';
import { rewriteObstacle } from '../dicom/rewrite-obstacle.ts';
import { TAG } from '../dicom/tags.ts';
import { transferSyntaxName } from '../dicom/transfer-syntax-name.ts';
import { digestPixels, StreamedPixelDigest } from './digest-pixels.ts';
import type { PixelDigest } from './digest-pixels.ts';
import { decideEncoding } from './eligibility.ts';
import type { EncodingPlan, PassReason } from './eligibility.ts';
import { fragmentTable } from './fragment-table.ts';
import type { FrameRefusal } from './frame-codec.ts';
import { frameLength } from './frame-layout.ts';
import type { FramePool } from './frame-pool.ts';

export interface Encoding extends Partial<PixelDigest> {
  /** Empty where the object goes as it was received. */
  readonly changes: readonly Change[];
  /** The syntax that the changes lead to. */
  readonly transferSyntaxUID: string;
  /** Name and version of the codec, whether it was used or not: `openjpeg-1.3.6`. */
  readonly codec: string;
  readonly encoded: boolean;
  /** Why it was not encoded. */
  readonly reason?: PassReason;
  /** Of a large object: to be called when the changes are no longer needed. */
  readonly release?: () => Promise<void>;
}

export interface EncodeOptions {
  /** False: every object goes as it was received, for the reason `DISABLED`. */
  readonly enabled?: boolean;
  /** Where the encoded frames of a large object wait; the system's folder for temporary files where it is not given. */
  readonly spillFolder?: string;
  /** Sees every byte of the value of a large object's pixel data once, in order. */
  readonly onValueBytes?: (bytes: Uint8Array) => void;
}

/** Frames of one object handed to the pool at once, for each of its threads: one is ready while another is worked on. */
const FRAMES_PER_THREAD = 2;

/**
 * One frame that is not reproduced exactly, or that the codec fails on, and the whole object goes as it was received.
 * `pixelLength` and `pixelMd5` are those of the original either way. A large object's pixel data is read once, from front
 * to back. Rejects with `CODEC_UNAVAILABLE` (retryable), and for a large object with what its source and the disk throw.
 */
export async function encodePixels(part10: Part10, pool: FramePool, options: EncodeOptions = {}): Promise<Encoding> {
  const description = describePixels(part10);
  const eligibility = decideEncoding(description, part10.transferSyntax, rewriteObstacle(part10));
  const passed = (reason: PassReason, digest?: PixelDigest): Encoding => ({
    changes: [],
    transferSyntaxUID: part10.transferSyntax.uid,
    codec: pool.codec,
    encoded: false,
    reason,
    ...digest,
  });
  if (description === undefined) return passed('NO_PIXEL_DATA');
  const pixels = openPixels(part10, description, options);
  if (!eligibility.eligible) return passed(eligibility.reason, await pixels.digest());
  if (options.enabled === false) return passed('DISABLED', await pixels.digest());

  const { plan } = eligibility;
  let release: Encoding['release'];
  try {
    const keep = await pixels.openKeep();
    release = keep.release;
    // In memory, the digest is taken while the threads work on the first frames.
    const encoding = encodeFrames(pixels, plan, pool, keep.add);
    const early = pixels.inMemory ? await pixels.digest() : undefined;
    const result = await encoding;
    const digest = early ?? (await pixels.digest());
    if ('refusal' in result) {
      await release?.();
      return passed(result.refusal, digest);
    }
    return {
      changes: changesOf(part10, plan, result.codestreams, pool.transferSyntaxUID),
      transferSyntaxUID: pool.transferSyntaxUID,
      codec: pool.codec,
      encoded: true,
      ...digest,
      ...(release === undefined ? {} : { release }),
    };
  } catch (error) {
    await release?.();
    throw error;
  }
}

/** The pixel data of one object, in memory or not. */
interface Pixels {
  readonly inMemory: boolean;
  /** To be called for the frames in their order, without waiting for those before. */
  frame(index: number, length: number): Promise<Uint8Array>;
  /** What is left is read for it. */
  digest(): Promise<PixelDigest>;
  openKeep(): Promise<Keep>;
}

/** Where codestreams wait. */
interface Keep {
  readonly add: (codestream: Uint8Array) => Promise<Segment>;
  readonly release?: () => Promise<void>;
}

function openPixels(part10: Part10, description: PixelDescription, options: EncodeOptions): Pixels {
  const { body, gap } = part10;
  const { valueOffset } = description.element;
  if (gap?.at === valueOffset) return streamedPixels(gap.range, description, options);
  return {
    inMemory: true,
    frame: async (index, length) => body.subarray(valueOffset + index * length, valueOffset + (index + 1) * length),
    digest: async () => digestPixels(part10, description),
    openKeep: async () => ({ add: async (codestream) => codestream }),
  };
}

function streamedPixels(range: SourceRange, description: PixelDescription, { spillFolder, onValueBytes }: EncodeOptions): Pixels {
  const digest = new StreamedPixelDigest(description);
  const reader = new SequentialReader(range, (bytes) => {
    digest.update(bytes);
    onValueBytes?.(bytes);
  });
  return {
    inMemory: false,
    frame: async (_, length) => reader.next(length),
    async digest() {
      await reader.drain();
      return digest.digest();
    },
    async openKeep() {
      const spill: NamelessFile = await openNamelessFile(spillFolder);
      return { add: async (codestream) => spill.write(codestream), release: async () => spill.close() };
    },
  };
}

type EncodedFrames = { readonly codestreams: readonly Segment[] } | { readonly refusal: FrameRefusal };

/** Starts frames in their order and stops at a refusal; of several, that of the first frame counts, whichever came first. */
async function encodeFrames(pixels: Pixels, plan: EncodingPlan, pool: FramePool, keep: Keep['add']): Promise<EncodedFrames> {
  const length = frameLength(plan.layout);
  const codestreams = new Map<number, Segment>();
  const refusals = new Map<number, FrameRefusal>();
  let next = 0;
  let stopped = false;

  async function encodeOneByOne(): Promise<void> {
    while (!stopped && next < plan.frames) {
      const index = next++;
      try {
        const result = await pool.encodeFrame(await pixels.frame(index, length), plan.layout);
        if (result.proved) codestreams.set(index, await keep(result.codestream));
        else refusals.set(index, result.reason);
        stopped ||= !result.proved;
      } catch (error) {
        stopped = true;
        throw error;
      }
    }
  }

  const atOnce = Math.min(plan.frames, pool.threads * FRAMES_PER_THREAD);
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, encodeOneByOne));
  const failed = lanes.find((lane) => lane.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const refusal = firstOf(refusals);
  return refusal === undefined ? { codestreams: inOrder(codestreams) } : { refusal };
}

function inOrder<Value>(byIndex: ReadonlyMap<number, Value>): Value[] {
  return [...byIndex].sort(([a], [b]) => a - b).map(([, value]) => value);
}

function firstOf<Value>(byIndex: ReadonlyMap<number, Value>): Value | undefined {
  return inOrder(byIndex)[0];
}

const OFFSET_TABLES = [TAG.ExtendedOffsetTable, TAG.ExtendedOffsetTableLengths] as const;

/**
 * - Pixel Data: one fragment a frame (PS3.5 A.4.4), VR OB (PS3.5 8.2), and what tells where each is.
 * - Photometric Interpretation: YBR_RCT where the codec applied the reversible colour transformation (PS3.5 8.2.4).
 * - Planar Configuration: 0, the only value that PS3.5 8.2.4 has for it.
 * - Extended Offset Table and its Lengths: what native pixel data has of them (it may not) tells of fragments that were, and
 *   readers would go by it.
 *
 * Everything else stays, as the samples do: Bits Allocated, Bits Stored, High Bit, Pixel Representation, the smallest and
 * largest values, padding. Lossy Image Compression too: it tells whether an image ever was compressed with loss
 * (PS3.3 C.7.6.1.1.5), which this neither does nor undoes.
 */
function changesOf(
  { dataSet }: Part10,
  { layout, photometricInterpretation }: EncodingPlan,
  frames: readonly Segment[],
  transferSyntaxUID: string,
): Change[] {
  const reason = `encoded to ${transferSyntaxName(transferSyntaxUID) ?? transferSyntaxUID}`;
  const set = (element: NewElement): Change => ({ kind: 'set', path: [], element, reason });
  const changes: Change[] = [];
  if (layout.colourTransformation) {
    const value = Buffer.from(photometricInterpretation, 'latin1');
    changes.push(set({ tag: TAG.PhotometricInterpretation, vr: 'CS', value }));
  }
  if (layout.colourByPlane) changes.push(set({ tag: TAG.PlanarConfiguration, vr: 'US', value: Uint8Array.of(0, 0) }));
  const table = fragmentTable(frames);
  const stale = OFFSET_TABLES.filter((tag) => dataSet.get(tag) !== undefined && !table.some((element) => element.tag === tag));
  changes.push(...stale.map((tag): Change => ({ kind: 'remove', path: [], tag, reason })), ...table.map(set));
  return changes;
}
