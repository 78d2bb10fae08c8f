/** Pixel data → the changes that encode it to reversible JPEG 2000, or the reason why it goes as it was received. */
import type { Change } from '../dicom/change.ts';
import type { Part10 } from '../dicom/data-set.ts';
import { describePixels } from '../dicom/describe-pixels.ts';
import { TAG } from '../dicom/tags.ts';
import { JPEG_2000_LOSSLESS } from '../dicom/transfer-syntax.ts';
import { digestPixels } from './digest-pixels.ts';
import type { PixelDigest } from './digest-pixels.ts';
import { decideEncoding } from './eligibility.ts';
import type { EncodingPlan, PassReason } from './eligibility.ts';
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
}

export interface EncodeOptions {
  /** False: every object goes as it was received, for the reason `DISABLED`. */
  readonly enabled?: boolean;
}

/** Frames of one object handed to the pool at once, for each of its threads: one is ready while another is worked on. */
const FRAMES_PER_THREAD = 2;

/**
 * One frame that is not reproduced exactly, or that the codec fails on, and the whole object goes as it was received.
 * `pixelLength` and `pixelMd5` are those of the original either way. Rejects with `CODEC_UNAVAILABLE` (retryable).
 */
export async function encodePixels(part10: Part10, pool: FramePool, { enabled = true }: EncodeOptions = {}): Promise<Encoding> {
  const description = describePixels(part10);
  const eligibility = decideEncoding(description, part10.transferSyntax);
  const passed = (reason: PassReason, digest?: PixelDigest): Encoding => ({
    changes: [],
    transferSyntaxUID: part10.transferSyntax.uid,
    codec: pool.codec,
    encoded: false,
    reason,
    ...digest,
  });
  if (description === undefined) return passed('NO_PIXEL_DATA');
  if (!eligibility.eligible) return passed(eligibility.reason, digestPixels(part10, description));
  if (!enabled) return passed('DISABLED', digestPixels(part10, description));

  // The digest is taken while the threads work on the first frames.
  const encoding = encodeFrames(part10, description.element.valueOffset, eligibility.plan, pool);
  const digest = digestPixels(part10, description);
  const result = await encoding;
  if ('refusal' in result) return passed(result.refusal, digest);
  return {
    changes: changesOf(eligibility.plan, result.codestreams),
    transferSyntaxUID: JPEG_2000_LOSSLESS,
    codec: pool.codec,
    encoded: true,
    ...digest,
  };
}

type EncodedFrames = { readonly codestreams: readonly Uint8Array[] } | { readonly refusal: FrameRefusal };

/** Starts frames in their order and stops at a refusal; of several, that of the first frame counts, whichever came first. */
async function encodeFrames({ body }: Part10, offset: number, plan: EncodingPlan, pool: FramePool): Promise<EncodedFrames> {
  const length = frameLength(plan.layout);
  const codestreams = new Map<number, Uint8Array>();
  const refusals = new Map<number, FrameRefusal>();
  let next = 0;
  let stopped = false;

  async function encodeOneByOne(): Promise<void> {
    while (!stopped && next < plan.frames) {
      const index = next++;
      const start = offset + index * length;
      try {
        const result = await pool.encodeFrame(body.subarray(start, start + length), plan.layout);
        if (result.proved) codestreams.set(index, result.codestream);
        else refusals.set(index, result.reason);
        stopped ||= !result.proved;
      } catch (error) {
        stopped = true;
        throw error;
      }
    }
  }

  const atOnce = Math.min(plan.frames, pool.threads * FRAMES_PER_THREAD);
  await Promise.all(Array.from({ length: atOnce }, encodeOneByOne));
  const refusal = firstOf(refusals);
  return refusal === undefined ? { codestreams: inOrder(codestreams) } : { refusal };
}

function inOrder<Value>(byIndex: ReadonlyMap<number, Value>): Value[] {
  return [...byIndex].sort(([a], [b]) => a - b).map(([, value]) => value);
}

function firstOf<Value>(byIndex: ReadonlyMap<number, Value>): Value | undefined {
  return inOrder(byIndex)[0];
}

/**
 * - Pixel Data: one fragment a frame (PS3.5 A.4.4), VR OB (PS3.5 8.2).
 * - Photometric Interpretation: YBR_RCT where the codec applied the reversible colour transformation (PS3.5 8.2.4).
 * - Planar Configuration: 0, the only value that PS3.5 8.2.4 has for it.
 *
 * Everything else stays, as the samples do: Bits Allocated, Bits Stored, High Bit, Pixel Representation, the smallest and
 * largest values, padding. Lossy Image Compression too: it tells whether an image ever was compressed with loss
 * (PS3.3 C.7.6.1.1.5), which this neither does nor undoes.
 */
function changesOf({ layout, photometricInterpretation }: EncodingPlan, frames: readonly Uint8Array[]): Change[] {
  const changes: Change[] = [];
  if (layout.samplesPerPixel === 3) {
    const value = Buffer.from(photometricInterpretation, 'latin1');
    changes.push(set({ tag: TAG.PhotometricInterpretation, vr: 'CS', value }));
  }
  if (layout.colourByPlane) changes.push(set({ tag: TAG.PlanarConfiguration, vr: 'US', value: Uint8Array.of(0, 0) }));
  changes.push(set({ tag: TAG.PixelData, vr: 'OB', frames }));
  return changes;
}

function set(element: Extract<Change, { readonly kind: 'set' }>['element']): Change {
  return { kind: 'set', path: [], element, reason: 'encoded to JPEG 2000 reversible' };
}
