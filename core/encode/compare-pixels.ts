/**
 * Pixel data that an archive gives back, held against what is kept of the pixel data that was received: its length and MD5. Of
 * encoded pixel data the frames are decoded and hashed in their order, so that only a few are in memory.
 */
import { createHash, type Hash } from 'node:crypto';
import { mapInOrder } from '../concurrency.ts';
import { segmentBytes } from '../dicom/byte-source.ts';
import type { Fragment, Part10, TransferSyntax } from '../dicom/data-set.ts';
import { describePixels, type PixelDescription } from '../dicom/describe-pixels.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, JPEG_2000_LOSSLESS, transferSyntaxOf } from '../dicom/transfer-syntax.ts';
import { digestPixels, StreamedPixelDigest, type PixelDigest } from './digest-pixels.ts';
import { decideEncoding, type EncodingPlan } from './eligibility.ts';
import type { FrameSyntax } from './frame-codec.ts';
import type { DecodedFrame } from './frame-decoder.ts';
import { frameFragments, withoutPad } from './frame-fragments.ts';
import { frameLength, type FrameLayout } from './frame-layout.ts';
import type { DecodingPool } from './frame-pool.ts';
import { inForm, receivedForms } from './received-form.ts';
import { colourByPixel, littleEndian } from './samples.ts';

/** What is kept of the instance as it was received and sent. */
export interface KeptPixels {
  /** Absent without pixel data. */
  readonly digest?: PixelDigest | undefined;
  readonly received: TransferSyntax;
  /** UID of the syntax in which it was sent. */
  readonly sent: string;
}

/**
 * | kind        | what it means                                                                                    |
 * |-------------|--------------------------------------------------------------------------------------------------|
 * | `equal`     | the pixel data is what was received, byte for byte; or there was and is none                     |
 * | `different` | it is not: another length, another MD5, gone, or added                                           |
 * | `damaged`   | its frames, in the syntax in which they were sent, are no longer what could be decoded then      |
 * | `unknown`   | the archive gives it in a form that cannot be compared, and why                                  |
 */
export type PixelComparison =
  | { readonly kind: 'equal' | 'damaged' }
  | { readonly kind: 'different'; readonly what: 'length' | 'MD5' | 'gone' | 'added' }
  | { readonly kind: 'unknown'; readonly reason: IncomparableReason };

/**
 * | reason             | the archive gives back                                                        |
 * |--------------------|-------------------------------------------------------------------------------|
 * | `NO_DECODER`       | a compressed syntax other than JPEG 2000 and HTJ2K, of what came uncompressed  |
 * | `DECOMPRESSED`     | uncompressed what came compressed                                             |
 * | `BYTE_ORDER`       | another byte order than it came in, of samples that are not known             |
 * | `FRAMES_NOT_TOLD`  | fragments of which it does not say what frame they belong to                  |
 * | `NOT_OUR_ENCODING` | frames that somebody else encoded, in a way that cannot be decoded here       |
 */
export type IncomparableReason = 'NO_DECODER' | 'DECOMPRESSED' | 'BYTE_ORDER' | 'FRAMES_NOT_TOLD' | 'NOT_OUR_ENCODING';

/** Rejects with `CODEC_UNAVAILABLE`, and where the pixel data is in a file with what that throws. */
export async function comparePixels(
  part10: Part10,
  kept: KeptPixels,
  pool: Pick<DecodingPool, 'decodeFrame'>,
): Promise<PixelComparison> {
  const description = describePixels(part10);
  const { digest } = kept;
  if (digest === undefined) return description === undefined ? EQUAL : { kind: 'different', what: 'added' };
  if (description === undefined) return { kind: 'different', what: 'gone' };
  const encapsulated = description.element.fragments !== undefined;
  if (encapsulated && !kept.received.encapsulated) return compareDecoded(part10, description, digest, kept, pool);
  const found = await digestAsItIs(part10, description);
  if (isSame(found, digest)) return EQUAL;
  if (encapsulated) return difference(found, digest);
  if (kept.received.encapsulated) return unknown('DECOMPRESSED');
  return compareNative(part10, description, digest, found, kept);
}

const EQUAL: PixelComparison = { kind: 'equal' };

function unknown(reason: IncomparableReason): PixelComparison {
  return { kind: 'unknown', reason };
}

function isSame(a: PixelDigest, b: PixelDigest): boolean {
  return a.pixelLength === b.pixelLength && a.pixelMd5 === b.pixelMd5;
}

function difference(found: PixelDigest, kept: PixelDigest): PixelComparison {
  return { kind: 'different', what: found.pixelLength === kept.pixelLength ? 'MD5' : 'length' };
}

async function digestAsItIs(part10: Part10, description: PixelDescription): Promise<PixelDigest> {
  const { gap } = part10;
  if (gap?.at !== description.element.valueOffset) return digestPixels(part10, description);
  const digest = new StreamedPixelDigest(description);
  for await (const bytes of segmentBytes(gap.range)) digest.update(bytes);
  return digest.digest();
}

/** Both native, and not the same bytes: the archive may give them in another order, of which the samples are known. */
async function compareNative(
  part10: Part10,
  description: PixelDescription,
  kept: PixelDigest,
  found: PixelDigest,
  { received }: KeptPixels,
): Promise<PixelComparison> {
  const eligibility = decideEncoding(description, part10.transferSyntax);
  if (!eligibility.eligible) {
    return received.bigEndian === part10.transferSyntax.bigEndian ? difference(found, kept) : unknown('BYTE_ORDER');
  }
  const { layout, frames } = eligibility.plan;
  const forms = new FormDigests(layout, received.bigEndian);
  const length = frameLength(layout);
  for (let index = 0; index < frames; index++) {
    const frame = await valueBytes(part10, description, index * length, (index + 1) * length);
    forms.update(colourByPixel(littleEndian(frame, layout), layout));
  }
  return forms.compare(kept);
}

async function compareDecoded(
  part10: Part10,
  description: PixelDescription,
  digest: PixelDigest,
  { received, sent }: KeptPixels,
  pool: Pick<DecodingPool, 'decodeFrame'>,
): Promise<PixelComparison> {
  const { uid } = part10.transferSyntax;
  const syntax = syntaxOf(uid);
  if (syntax === undefined) return unknown('NO_DECODER');
  const isOurs = uid === sent;
  const undecoded: PixelComparison = isOurs ? { kind: 'damaged' } : unknown('NOT_OUR_ENCODING');
  const plan = planOfEncoded(description);
  if (plan === undefined) return undecoded;
  const [offsetTable, ...fragments] = description.element.fragments ?? [];
  const table = await fragmentBytes(part10, description, offsetTable === undefined ? [] : [offsetTable]);
  const byFrame = frameFragments(fragments, plan.frames, table);
  if (byFrame === undefined) return isOurs ? undecoded : unknown('FRAMES_NOT_TOLD');
  const forms = new FormDigests(plan.layout, received.bigEndian);
  const decode = async (ofFrame: readonly Fragment[]): Promise<DecodedFrame> =>
    pool.decodeFrame(withoutPad(await fragmentBytes(part10, description, ofFrame)), plan.layout, syntax);
  for await (const frame of mapInOrder(byFrame, AT_ONCE, decode, AT_ONCE)) {
    if (!frame.decoded) return undecoded;
    forms.update(frame.samples);
  }
  return forms.compare(digest);
}

/** Frames of one object decoded at once. */
const AT_ONCE = 4;

/** JPEG 2000 (lossless only, and either) and HTJ2K (lossless only, with RPCL, and either): PS3.6 A. */
const SYNTAXES: Readonly<Record<string, FrameSyntax>> = {
  [JPEG_2000_LOSSLESS]: 'j2k',
  '1.2.840.10008.1.2.4.91': 'j2k',
  '1.2.840.10008.1.2.4.201': 'htj2k',
  '1.2.840.10008.1.2.4.202': 'htj2k',
  '1.2.840.10008.1.2.4.203': 'htj2k',
};

function syntaxOf(uid: string): FrameSyntax | undefined {
  return Object.hasOwn(SYNTAXES, uid) ? SYNTAXES[uid] : undefined;
}

/**
 * The plan by which it would have been encoded, had it come uncompressed and with the colours that it is decoded to: YBR_RCT is RGB
 * with the reversible colour transformation (PS3.5 8.2.4), anything else is without.
 */
function planOfEncoded(description: PixelDescription): EncodingPlan | undefined {
  const { element, pixelLength, PhotometricInterpretation } = description;
  const native = transferSyntaxOf(EXPLICIT_VR_LITTLE_ENDIAN);
  if (native === undefined || pixelLength === undefined) return undefined;
  const { tag, vr, offset, valueOffset, end } = element;
  const asNative = { tag, vr, offset, valueOffset, end, undefinedLength: false, length: pixelLength + (pixelLength % 2) };
  const transformed = PhotometricInterpretation === 'YBR_RCT';
  const eligibility = decideEncoding(
    {
      ...description,
      element: asNative,
      PhotometricInterpretation: transformed ? 'RGB' : PhotometricInterpretation,
    },
    native,
  );
  if (!eligibility.eligible) return undefined;
  const { plan } = eligibility;
  return { ...plan, layout: { ...plan.layout, colourByPlane: false, colourTransformation: transformed } };
}

/** Of the fragments, one behind another; in memory, or in the file that is read. */
async function fragmentBytes(part10: Part10, description: PixelDescription, fragments: readonly Fragment[]): Promise<Uint8Array> {
  const { valueOffset: start } = description.element;
  const pieces = await Promise.all(
    fragments.map(({ valueOffset, length }) =>
      valueBytes(part10, description, valueOffset - start, valueOffset - start + length),
    ),
  );
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

/** Counted from the first byte of the value. */
async function valueBytes(
  { body, gap }: Part10,
  { element: { valueOffset } }: PixelDescription,
  start: number,
  end: number,
): Promise<Uint8Array> {
  if (gap?.at !== valueOffset) return body.subarray(valueOffset + start, valueOffset + end);
  const { range } = gap;
  return range.source.read(range.start + start, range.start + end);
}

/** The digest of the frames in each form in which they may have been received. */
class FormDigests {
  readonly #layout: FrameLayout;
  readonly #forms: readonly { readonly form: ReturnType<typeof receivedForms>[number]; readonly md5: Hash }[];
  #length = 0;

  constructor(layout: FrameLayout, bigEndian: boolean) {
    this.#layout = layout;
    this.#forms = receivedForms(layout, bigEndian).map((form) => ({ form, md5: createHash('md5') }));
  }

  /** The next frame, little endian and colour by pixel. */
  update(samples: Uint8Array): void {
    for (const { form, md5 } of this.#forms) md5.update(inForm(samples, this.#layout, form));
    this.#length += samples.length;
  }

  compare(kept: PixelDigest): PixelComparison {
    if (this.#length !== kept.pixelLength) return { kind: 'different', what: 'length' };
    const same = this.#forms.some(({ md5 }) => md5.digest('hex') === kept.pixelMd5);
    return same ? EQUAL : { kind: 'different', what: 'MD5' };
  }
}
