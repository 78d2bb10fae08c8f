/** What must hold for any bytes. A `Defect` says what did not. */
import { createHash } from 'node:crypto';
import { coerce } from '../../core/coerce/coerce.ts';
import { inMemory, segmentBytes } from '../../core/dicom/byte-source.ts';
import type { Change, Segments } from '../../core/dicom/change.ts';
import type { DataSet, Part10 } from '../../core/dicom/data-set.ts';
import { describePixels } from '../../core/dicom/describe-pixels.ts';
import { vrOf } from '../../core/dicom/dictionary.ts';
import { readLargePart10 } from '../../core/dicom/read-large.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { splice } from '../../core/dicom/splice.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { textValues } from '../../core/dicom/text-values.ts';
import type { FramePool } from '../../core/encode/frame-pool.ts';
import { StorestowError, type ErrorCode } from '../../core/errors.ts';
import { prepareInstance, preparePart10, type PreparedInstance } from '../../core/prepare-instance.ts';
import { unnamedDifference, type ComparedDataSet, type ComparedElement } from './compare-objects.ts';
import { RULES, SOURCE } from '../support/rules-of-each-kind.ts';
import { pixelDifference, type DecodedFrame } from './compare-pixels.ts';
import { wrongGroupLength } from './group-lengths.ts';
import { NotPlain, readPlain, type PlainFile } from './plain-reader.ts';
import { rangedFile } from './ranged-file.ts';
import { sameRewritten } from './same-rewritten.ts';

/** Bytes that a deflated data set may inflate to here. */
const MAX_INFLATED = 1 << 24;

export class Defect extends Error {
  override readonly name = 'Defect';
}

/** A pool, and what its codestreams decode to. */
export interface Codec {
  readonly pool: FramePool;
  decode(codestream: Uint8Array): Promise<DecodedFrame>;
}

export interface Checked {
  /** Of the refusal; absent where the file was read. */
  readonly refused?: ErrorCode;
  readonly coerced: boolean;
  readonly encoded: boolean;
}

const READING: ReadonlySet<ErrorCode> = new Set(['NOT_PART10', 'MALFORMED', 'TRUNCATED', 'UNSUPPORTED_TRANSFER_SYNTAX']);
const COERCING: ReadonlySet<ErrorCode> = new Set(['VALUE_NOT_ENCODABLE', 'UNKNOWN_CHARACTER_SET', 'CHANGE_NOT_APPLICABLE']);
const IDENTIFYING: ReadonlySet<ErrorCode> = new Set(['MISSING_UID', 'INVALID_UID']);

export const isSequence = (tag: number): boolean => vrOf(tag) === 'SQ';

/** Throws a `Defect`, and lets every error through that is none of the family. */
export async function checkInput(file: Uint8Array, codec: Codec): Promise<Checked> {
  const before = new Uint8Array(file);
  const readPlainly = plainly(file);
  const part10 = refusable(() => readPart10(file, { maxInflatedLength: MAX_INFLATED }), READING);
  if (part10 instanceof StorestowError) {
    checkRefusal(part10, file, readPlainly);
    const large = await preparedByRanges(file, codec);
    if (!(large instanceof StorestowError)) throw new Defect(`read by ranges what is refused as a whole (${part10.code})`);
    return { refused: part10.code, coerced: false, encoded: false };
  }
  if (readPlainly !== undefined) checkSameStructure(part10, readPlainly);
  const plain = readPlainly !== undefined && isOutlinedAlike(part10, readPlainly) ? readPlainly : undefined;
  if (Buffer.compare(joined(splice(part10, [])), file) !== 0) throw new Defect('a splice without changes gives other bytes');
  describePixels(part10);
  for (const element of part10.dataSet.elements) {
    refusable(() => textValues(part10.dataSet, element), new Set<ErrorCode>(['UNKNOWN_CHARACTER_SET']));
  }
  const coerced = refusable(() => coercedFile(part10), COERCING);
  if (!(coerced instanceof StorestowError)) checkUnnamed(part10, plain, coerced.after, coerced.changes);
  const prepared = await prepareInstance(file, SOURCE, RULES, codec.pool).catch((error: unknown) =>
    expected(error, new Set([...READING, ...IDENTIFYING, ...COERCING])),
  );
  if (Buffer.compare(file, before) !== 0) throw new Defect('the original was written to');
  checkSamePrepared(prepared, await preparedByRanges(file, codec));
  if (prepared instanceof StorestowError) return { coerced: !(coerced instanceof StorestowError), encoded: false };
  if (coerced instanceof StorestowError) throw new Defect(`prepared what cannot be coerced (${coerced.code})`);
  await checkPrepared(part10, plain, coerced, prepared, codec);
  return { coerced: true, encoded: prepared.encoded };
}

function plainly(file: Uint8Array): PlainFile | undefined {
  try {
    return readPlain(file, isSequence, MAX_INFLATED);
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

function refusable<Value>(run: () => Value, codes: ReadonlySet<ErrorCode>): Value | StorestowError {
  try {
    return run();
  } catch (error) {
    return expected(error, codes);
  }
}

function expected(error: unknown, codes: ReadonlySet<ErrorCode>): StorestowError {
  if (error instanceof StorestowError && codes.has(error.code)) return error;
  throw error;
}

/** The offset is where a sender has to look. What the standard allows is not refused. */
function checkRefusal({ code, offset }: StorestowError, file: Uint8Array, plain: PlainFile | undefined): void {
  if (code === 'UNSUPPORTED_TRANSFER_SYNTAX') return;
  const length = Math.max(file.length, plain?.body.length ?? 0, MAX_INFLATED);
  if (offset === undefined || offset < 0 || offset > length) throw new Defect(`${code} has the offset ${offset}`);
  const deflated = plain !== undefined && plain.body !== file;
  if (plain !== undefined && !deflated && code !== 'NOT_PART10') throw new Defect(`${code} for a file that can be read`);
}

function checkSameStructure({ dataSet, dataSetEnd, body }: Part10, plain: PlainFile): void {
  if (Buffer.compare(body, plain.body) !== 0) throw new Defect('another body than the plain reader has');
  const [ours, theirs] = [outline(comparedElements(dataSet), plain.elements), outline(plain.elements)];
  if (ours !== theirs || dataSetEnd !== plain.end)
    throw new Defect(`other elements than the plain reader has: ${firstOther(ours, theirs)}`);
}

/** Whether both readers take the same elements for sequences. */
function isOutlinedAlike({ dataSet }: Part10, plain: PlainFile): boolean {
  return outline(comparedElements(dataSet)) === outline(plain.elements);
}

/** What stays opaque in `opaque` stays so here: a UN that storestow's reader finds to be a sequence in another encoding. */
function outline(elements: readonly ComparedElement[], opaque: readonly ComparedElement[] = elements): string {
  return elements
    .map(({ tag, vr, offset, end, length, items }, index) => {
      const others = opaque[index]?.items;
      const open = vr !== 'UN' || others !== undefined ? items : undefined;
      const inner = open
        ?.map((item, at) => `[${item.offset}-${item.end} ${outline(item.elements, others?.[at]?.elements)}]`)
        .join('');
      return `${tag.toString(16)}@${offset}-${end}:${length}${inner ?? ''}`;
    })
    .join(' ');
}

function firstOther(ours: string, theirs: string): string {
  let at = 0;
  while (at < ours.length && ours[at] === theirs[at]) at++;
  const start = Math.max(0, at - 30);
  return `${ours.slice(start, at + 30)} / ${theirs.slice(start, at + 30)}`;
}

function comparedElements({ elements }: DataSet): ComparedElement[] {
  return elements.map(({ items, fragments, ...element }) => ({
    ...element,
    ...(items === undefined
      ? {}
      : { items: items.map(({ offset, end, dataSet }) => ({ offset, end, elements: comparedElements(dataSet) })) }),
    ...(fragments === undefined
      ? {}
      : { fragments: fragments.map(({ valueOffset, length }) => ({ start: valueOffset, end: valueOffset + length })) }),
  }));
}

interface Coerced {
  readonly after: Uint8Array;
  readonly changes: readonly Change[];
}

function coercedFile(part10: Part10): Coerced {
  const { changes } = coerce(part10, RULES, SOURCE);
  return { after: joined(splice(part10, changes)), changes };
}

function checkUnnamed(part10: Part10, plain: PlainFile | undefined, after: Uint8Array, changes: readonly Change[]): void {
  const [was, is] = [original(part10, plain), reread(after, plain, changes)];
  const { bigEndian } = part10.transferSyntax;
  const difference = unnamedDifference(was, is, changes) ?? wrongGroupLength(was, bigEndian, is, bigEndian);
  if (difference !== undefined) throw new Defect(`coerced: ${difference}`);
}

function original(part10: Part10, plain: PlainFile | undefined): ComparedDataSet {
  return plain ?? { body: part10.body, elements: comparedElements(part10.dataSet) };
}

function reread(file: Uint8Array, plain: PlainFile | undefined, changes: readonly Change[]): ComparedDataSet {
  try {
    if (plain !== undefined) return readPlain(file, isSequence, MAX_INFLATED * 2);
    const { body, dataSet } = readPart10(file);
    return { body, elements: comparedElements(dataSet) };
  } catch (error) {
    if (error instanceof NotPlain || error instanceof StorestowError) {
      throw new Defect(`what was written cannot be read (${error.message}), ${changes.length} changes`, { cause: error });
    }
    throw error;
  }
}

const ENCODING: readonly Change[] = [
  TAG.PixelData, TAG.PhotometricInterpretation, TAG.PlanarConfiguration, TAG.ExtendedOffsetTable, TAG.ExtendedOffsetTableLengths,
].map((tag) => ({ kind: 'remove', path: [], tag, reason: 'encoded' })); // prettier-ignore

async function checkPrepared(
  part10: Part10,
  plain: PlainFile | undefined,
  { after, changes }: Coerced,
  prepared: PreparedInstance,
  codec: Codec,
): Promise<void> {
  const sent = joined(prepared);
  if (sent.length !== prepared.length || md5(sent) !== prepared.md5) throw new Defect('length or MD5 of what is sent is wrong');
  if (!prepared.encoded) {
    if (Buffer.compare(sent, after) !== 0) throw new Defect('not encoded, but other than coerced alone');
    return;
  }
  const { explicitVR, bigEndian } = part10.transferSyntax;
  const same = explicitVR && !bigEndian ? undefined : sameRewritten({ explicitVR, bigEndian });
  const [input, output] = [original(part10, plain), reread(sent, plain, changes)];
  const difference =
    unnamedDifference(input, output, [...changes, ...ENCODING], same) ?? wrongGroupLength(input, bigEndian, output, false);
  if (difference !== undefined) throw new Defect(`encoded: ${difference}`);
  const frames: DecodedFrame[] = [];
  for (const { start, end } of output.elements.find(({ tag }) => tag === TAG.PixelData)?.fragments?.slice(1) ?? []) {
    frames.push(await codec.decode(output.body.subarray(start, end)));
  }
  const pixels = pixelDifference({ ...input, transferSyntaxUID: part10.transferSyntax.uid }, frames);
  if (pixels !== undefined) throw new Defect(`encoded: ${pixels}`);
}

/** A first look that ends somewhere in the file, which is otherwise far smaller than it. */
function firstLookAt(file: Uint8Array): number {
  return 64 + (file.length % 397);
}

async function preparedByRanges(file: Uint8Array, codec: Codec): Promise<Prepared | StorestowError> {
  const { source, sha256 } = rangedFile(file);
  try {
    const part10 = await readLargePart10(source, { firstLook: firstLookAt(file), maxInflatedLength: MAX_INFLATED });
    const prepared = await preparePart10(part10, SOURCE, RULES, codec.pool, { sha256 });
    try {
      const pieces: Uint8Array[] = [];
      for (const segment of prepared.segments) for await (const bytes of segmentBytes(segment)) pieces.push(bytes);
      return { ...prepared, sent: Buffer.concat(pieces) };
    } finally {
      await prepared.release?.();
    }
  } catch (error) {
    return expected(error, new Set([...READING, ...IDENTIFYING, ...COERCING]));
  }
}

type Prepared = PreparedInstance & { readonly sent: Uint8Array };

/** Read as a whole or by ranges: the same is sent, and the same kept of it. */
function checkSamePrepared(whole: PreparedInstance | StorestowError, ranges: Prepared | StorestowError): void {
  if (whole instanceof StorestowError || ranges instanceof StorestowError) {
    const [a, b] = [whole, ranges].map((one) => (one instanceof StorestowError ? one.code : 'prepared'));
    if (a !== b) throw new Defect(`${a} as a whole, ${b} by ranges`);
    return;
  }
  if (Buffer.compare(joined(whole), ranges.sent) !== 0) throw new Defect('by ranges, other bytes are sent');
  for (const name of ['md5', 'encoded', 'reason', 'pixelLength', 'pixelMd5', 'syntaxSent'] as const)
    if (whole[name] !== ranges[name]) throw new Defect(`by ranges, ${name} is ${ranges[name]} and not ${whole[name]}`);
}

function joined({ segments, length }: Segments): Buffer {
  const bytes = Buffer.concat(inMemory(segments));
  if (bytes.length !== length) throw new Defect(`${bytes.length} bytes where ${length} are announced`);
  return bytes;
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
