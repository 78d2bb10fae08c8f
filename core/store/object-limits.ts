/**
 * What S3 accepts, and other S3 servers too, checked before anything is stored, so that every adapter refuses the same input
 * (`STORE_INVALID`). Sources: Amazon S3 User Guide, "Naming Amazon S3 objects", "Categorizing your objects using tags", "Working
 * with object metadata"; where MinIO takes less (measured), its bound counts.
 */
import { StorestowError } from '../errors.ts';
import type { ByteRange, PutOptions, Tags } from './object-store.ts';

const MAX_KEY_BYTES = 1024;
const MAX_TAGS = 10;
/** Characters. */
const MAX_TAG_KEY = 128;
const MAX_TAG_VALUE = 256;
/** Keys and values together. */
const MAX_METADATA_BYTES = 2048;

/** S3 takes letters, digits and blanks of all scripts, MinIO those of ASCII. */
const TAG_CHARACTERS = /^[A-Za-z0-9 _.:/=+\-@]*$/;
export const TAG_CHARACTERS_OF_S3: RegExp = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
const METADATA_KEY = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Printable ASCII that HTTP carries unchanged: it would strip blanks at either end. */
const METADATA_VALUE = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;
const SHA256 = /^[0-9a-f]{64}$/;

function invalid(key: string, message: string): StorestowError {
  return new StorestowError('STORE_INVALID', `${JSON.stringify(key.slice(0, 200))}: ${message}`, { object: key });
}

/** 1 to 1,024 bytes of UTF-8. A lone surrogate has no UTF-8, and NUL ends a string in most stores: both are refused. */
export function checkKey(key: string): void {
  if (key === '') throw invalid(key, 'an object key must not be empty');
  if (!key.isWellFormed()) throw invalid(key, 'the key is not well-formed Unicode; remove the lone surrogate');
  if (key.includes('\0')) throw invalid(key, 'the key contains NUL; percent-encode it');
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw invalid(key, `the key is longer than ${MAX_KEY_BYTES} bytes; shorten it`);
}

/**
 * A segment that is empty, `.` or `..` is resolved on the way (proxies) or at the end (MinIO), so that the object would lie
 * under another key. Reading and deleting such keys, where someone else made them, is left to the store.
 */
function checkNewKey(key: string): void {
  checkKey(key);
  if (key.split('/').some((segment) => segment === '' || segment === '.' || segment === '..'))
    throw invalid(key, 'a segment of the key is empty, "." or ".."; percent-encode it');
}

/** At most ten tags; keys 1 to 128 and values up to 256 `characters`, by default ASCII letters, digits, blanks and `+ - = . _ : / @`. */
export function checkTags(key: string, tags: Tags, characters: RegExp = TAG_CHARACTERS): void {
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) throw invalid(key, `${entries.length} tags, S3 takes at most ${MAX_TAGS}; drop some`);
  for (const [name, value] of entries) {
    const label = JSON.stringify(name.slice(0, MAX_TAG_KEY));
    if (name === '' || name.length > MAX_TAG_KEY)
      throw invalid(key, `the tag key ${label} must have 1 to ${MAX_TAG_KEY} characters`);
    if (name.toLowerCase().startsWith('aws:')) throw invalid(key, `the tag key ${label} begins with "aws:", which AWS reserves`);
    if (value.length > MAX_TAG_VALUE)
      throw invalid(key, `the value of the tag ${label} is longer than ${MAX_TAG_VALUE} characters`);
    if (!characters.test(name) || !characters.test(value))
      throw invalid(key, `the tag ${label} has a character that not every S3 server takes; escape it`);
  }
}

function checkMetadata(key: string, metadata: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    const label = JSON.stringify(name.slice(0, MAX_TAG_KEY));
    if (!METADATA_KEY.test(name)) throw invalid(key, `the metadata key ${label} is not a lower-case HTTP header name`);
    if (!METADATA_VALUE.test(value))
      throw invalid(key, `the metadata value of ${label} is not printable ASCII without blanks at its ends; percent-encode it`);
    bytes += name.length + value.length;
  }
  if (bytes > MAX_METADATA_BYTES) throw invalid(key, `${bytes} bytes of metadata, S3 takes at most ${MAX_METADATA_BYTES}`);
}

/** All that a PUT carries beside its body. */
export function checkPut(key: string, options: PutOptions): void {
  checkNewKey(key);
  checkTags(key, options.tags ?? {});
  checkMetadata(key, options.metadata ?? {});
  if (options.sha256 !== undefined && !SHA256.test(options.sha256))
    throw invalid(key, 'the SHA-256 must be given as 64 lower-case hexadecimal digits');
  if (options.ifAbsent === true && options.ifMatch !== undefined)
    throw invalid(key, 'a PUT takes "if absent" or "if the ETag matches", not both');
}

/** Whole, not negative, and not empty. */
export function checkRange(key: string, { start, end }: ByteRange): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start)
    throw invalid(key, `bytes ${start} to ${end} are not a range; give 0 ≤ start ≤ end`);
}

/** The range as HTTP cuts it (RFC 9110 14.1.2): an end behind the last byte is the last byte, a start behind it an error. */
export function clipRange(key: string, range: ByteRange | undefined, size: number): ByteRange {
  if (range === undefined) return { start: 0, end: size - 1 };
  checkRange(key, range);
  if (range.start >= size) throw rangeNotSatisfiable(key, range);
  return { start: range.start, end: Math.min(range.end, size - 1) };
}

function rangeNotSatisfiable(key: string, range: ByteRange): StorestowError {
  return invalid(key, `the object ends before byte ${range.start}; ask for a range inside it`);
}
