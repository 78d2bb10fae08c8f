/**
 * Reads a file that is too large for memory: what stands before its pixel data and behind it, not the pixels. What comes of it
 * is a `Part10` with a gap, which is read, changed and spliced as any other; only who wants the pixels reads the gap's range.
 */
import { StorestowError } from '../errors.ts';
import { PieceReader, type ByteSource } from './byte-source.ts';
import type { Fragment, Gap, Part10 } from './data-set.ts';
import { findPixelData, MAX_PARTS, readDataSet, type PixelDataPlace } from './read-data-set.ts';
import { readFileHead, readPart10, type FileHead, type ReadOptions } from './read-part10.ts';
import { TAG } from './tags.ts';

/** Bytes of the first look by default, and how much more each further one takes. Headers of enhanced multi-frame objects have some MB. */
const FIRST_LOOK = 256 * 1024;
const FURTHER = 4;

export interface LargeReadOptions extends ReadOptions {
  /** Bytes of the first look. */
  readonly firstLook?: number;
  /** Bytes that may be taken into memory: before the pixel data, behind it, or of a file that has none. Default 64 MiB. */
  readonly maxInMemory?: number;
}

const MAX_IN_MEMORY = 64 * 1024 * 1024;

/**
 * Throws what `readPart10` throws, `TOO_LARGE` where what is not pixel data (or a deflated data set, which has to be read as
 * a whole) does not fit, and what the source throws.
 */
export async function readLargePart10(
  source: ByteSource,
  { firstLook = FIRST_LOOK, maxInMemory = MAX_IN_MEMORY, ...options }: LargeReadOptions = {},
): Promise<Part10> {
  const found = await findInPrefix(source, firstLook, maxInMemory);
  if (found === undefined) {
    if (source.length > maxInMemory) throw tooLarge(source.length, maxInMemory);
    return readPart10(await source.read(0, source.length), options);
  }
  const { prefix, head, place } = found;
  const value = await valueOf(source, prefix, place, head.transferSyntax.bigEndian);
  const tailStart = place.valueOffset + value.length;
  if (tailStart > source.length) throw truncated(place.valueOffset);
  if (source.length - tailStart > maxInMemory) throw tooLarge(source.length - tailStart, maxInMemory);
  const tail = await source.read(tailStart, source.length);
  const body = new Uint8Array(place.valueOffset + tail.length);
  body.set(prefix.subarray(0, place.valueOffset));
  body.set(tail, place.valueOffset);
  const gap: Gap = {
    at: place.valueOffset,
    range: { source, start: place.valueOffset, length: value.length },
    ...(value.fragments === undefined ? {} : { fragments: value.fragments }),
  };
  const { dataSet, end } = readDataSet(body, head.metaEnd, head.transferSyntax, gap);
  return { ...head, file: body, body, dataSetOffset: head.metaEnd, dataSetEnd: end, dataSet, gap };
}

interface Found {
  readonly prefix: Uint8Array;
  readonly head: FileHead;
  readonly place: PixelDataPlace;
}

/** Undefined where the file has to be read whole: deflated, without pixel data, or with all of it behind `limit`. */
async function findInPrefix(source: ByteSource, firstLook: number, limit: number): Promise<Found | undefined> {
  for (let size = firstLook; ; size *= FURTHER) {
    const length = Math.min(size, limit, source.length);
    const prefix = await source.read(0, length);
    const isLast = length === source.length || length === limit;
    try {
      const head = readFileHead(prefix);
      if (head.transferSyntax.deflated) return undefined;
      const place = findPixelData(prefix, head.metaEnd, head.transferSyntax);
      if (place !== undefined) return { prefix, head, place };
      if (isLast) return undefined;
    } catch (error) {
      // A prefix ends anywhere, which may look like damage; more of it tells.
      if (isLast || !(error instanceof StorestowError)) throw lastWord(error, length === source.length, limit);
    }
  }
}

/** What a cut prefix seems to lack is not missing in the file: it is too far away. */
function lastWord(error: unknown, whole: boolean, limit: number): unknown {
  if (whole || !(error instanceof StorestowError) || error.code !== 'TRUNCATED') return error;
  return new StorestowError('TOO_LARGE', `no pixel data begins in the first ${limit} bytes; the sender must split the object`, {
    cause: error,
    ...(error.offset === undefined ? {} : { offset: error.offset }),
  });
}

interface Value {
  /** Bytes; of an encapsulated value up to its delimiter. */
  readonly length: number;
  readonly fragments?: readonly Fragment[];
}

async function valueOf(
  source: ByteSource,
  prefix: Uint8Array,
  { valueOffset, length, undefinedLength }: PixelDataPlace,
  bigEndian: boolean,
): Promise<Value> {
  if (!undefinedLength) return { length };
  const fragments: Fragment[] = [];
  const headers = new PieceReader(source, prefix);
  let at = valueOffset;
  for (;;) {
    if (at + 8 > source.length) throw truncated(at);
    const header = await headers.read(at, at + 8);
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const tag = ((view.getUint16(0, !bigEndian) << 16) | view.getUint16(2, !bigEndian)) >>> 0;
    const size = view.getUint32(4, !bigEndian);
    if (tag === TAG.SequenceDelimitationItem && size === 0) return { length: at - valueOffset, fragments };
    if (tag !== TAG.Item) throw malformed(at, 'a fragment of pixel data must begin here');
    if (fragments.length === MAX_PARTS) throw malformed(at, `the pixel data has more than ${MAX_PARTS} fragments`);
    fragments.push({ offset: at, valueOffset: at + 8, length: size });
    at += 8 + size;
  }
}

function malformed(offset: number, what: string): StorestowError {
  return new StorestowError('MALFORMED', `at byte ${offset}: ${what}; the sender must correct this`, { offset });
}

function truncated(offset: number): StorestowError {
  return new StorestowError('TRUNCATED', `the file ends within the pixel data at byte ${offset}; have it sent again`, { offset });
}

function tooLarge(bytes: number, limit: number): StorestowError {
  return new StorestowError(
    'TOO_LARGE',
    `${bytes} bytes besides the pixel data have to be read at once, and ${limit} is the limit; the sender must split the object`,
  );
}
