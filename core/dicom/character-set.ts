/** Specific Character Set (0008,0005): text ↔ bytes for every Defined Term of PS3.3 C.12.1.1.2. */
import { StorestowError } from '../errors.ts';
import { decodeCodePage, encodeCodePage } from './code-pages.ts';
import { asciiText } from './element-value.ts';
import type { DataSet, VR } from './data-set.ts';
import { decodeIso2022, encodeIso2022, ESC } from './iso2022.ts';
import type { CodeElement, CodeExtension } from './iso2022.ts';
import { TAG } from './tags.ts';

/** As a data set declares it; plain data. No terms: the default repertoire, ISO_IR 6. */
export interface CharacterSet {
  /** The values of (0008,0005) in their order, trimmed; the first one may be empty (PS3.5 6.1.2.5). */
  readonly terms: readonly string[];
}

export const DEFAULT_CHARACTER_SET: CharacterSet = { terms: [] };

/** PS3.5 6.1.2.2: VRs whose text (0008,0005) governs; all other text is of the default repertoire. */
const GOVERNED: ReadonlySet<VR> = new Set<VR>(['LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UT']);

/** PS3.5 6.4: backslash is a character like any other here. */
const SINGLE_VALUED: ReadonlySet<VR> = new Set<VR>(['LT', 'ST', 'UR', 'UT']);

/** PS3.5 6.2: blanks at the start mean something here. */
const LEADING_SPACES_COUNT: ReadonlySet<VR> = new Set<VR>(['LT', 'ST', 'UC', 'UR', 'UT']);

/** PS3.5 6.1.3: in text of several lines; ESC belongs to code extension and never to a value. */
const LINE_CONTROLS: ReadonlySet<string> = new Set(['\t', '\n', '\f', '\r']);

/** Without code extension, and never with it (PS3.3 C.12.1.1.2). */
const WHOLE: Readonly<Record<string, string>> = { 'ISO_IR 192': 'utf8', GB18030: 'gb18030', GBK: 'gbk' };

const ASCII = singleByte('G0', [0x28, 0x42], 'ascii');
const JIS_ROMAJI = singleByte('G0', [0x28, 0x4a], 'ascii');

/** By ISO registration number (PS3.3 tables C.12-2 to C.12-4; the escape sequences stand there too). */
const BY_REGISTRATION: ReadonlyMap<number, readonly CodeElement[]> = new Map([
  [6, [ASCII]],
  [13, [JIS_ROMAJI, singleByte('G1', [0x29, 0x49], 'shiftjis')]],
  [58, [doubleByte('G1', [0x24, 0x29, 0x41], 'gb2312')]],
  [87, [doubleByte('G0', [0x24, 0x42], 'eucjp')]],
  [100, [ASCII, singleByte('G1', [0x2d, 0x41], 'iso88591')]],
  [101, [ASCII, singleByte('G1', [0x2d, 0x42], 'iso88592')]],
  [109, [ASCII, singleByte('G1', [0x2d, 0x43], 'iso88593')]],
  [110, [ASCII, singleByte('G1', [0x2d, 0x44], 'iso88594')]],
  [126, [ASCII, singleByte('G1', [0x2d, 0x46], 'iso88597')]],
  [127, [ASCII, singleByte('G1', [0x2d, 0x47], 'iso88596')]],
  [138, [ASCII, singleByte('G1', [0x2d, 0x48], 'iso88598')]],
  [144, [ASCII, singleByte('G1', [0x2d, 0x4c], 'iso88595')]],
  [148, [ASCII, singleByte('G1', [0x2d, 0x4d], 'iso88599')]],
  [149, [doubleByte('G1', [0x24, 0x29, 0x43], 'euckr')]],
  [159, [doubleByte('G0', [0x24, 0x28, 0x44], 'eucjp', 0x8f)]],
  [166, [ASCII, singleByte('G1', [0x2d, 0x54], 'tis620')]],
  [203, [ASCII, singleByte('G1', [0x2d, 0x62], 'iso885915')]],
]);

/** `ISO_IR 100`, `ISO 2022 IR 100`, and the misspellings that mean no other term (`ISO-IR 100`, `ISO IR 100`, `ISO2022 IR 100`). */
const TERM = /^ISO[-_ ]?(2022[-_ ]?)?IR[-_ ]?([0-9]{1,3})$/;

/**
 * The character set in force: the data set's own, else that of the data set around it (PS3.3 C.12.1.1.2), else `parent`.
 * An unknown term is an error only once something is to be decoded or encoded that depends on it.
 */
export function characterSetOf(dataSet: DataSet, parent: CharacterSet = DEFAULT_CHARACTER_SET): CharacterSet {
  for (let around: DataSet | undefined = dataSet; around !== undefined; around = around.parent) {
    const text = asciiText(around, TAG.SpecificCharacterSet);
    if (text !== undefined) return { terms: text === '' ? [] : text.split('\\').map((term) => term.trim()) };
  }
  return parent;
}

/**
 * The values of an element, without padding; none of an empty one. Bytes that stand for no character become U+FFFD. Throws
 * `UNKNOWN_CHARACTER_SET` where the bytes are more than ASCII and the term is not known.
 */
export function decodeText(bytes: Uint8Array, vr: VR, characterSet: CharacterSet): string[] {
  const text = decode(bytes, vr, characterSet).replace(/[\0 ]+$/, '');
  if (text === '') return [];
  const values = SINGLE_VALUED.has(vr) ? [text] : text.split('\\');
  return values.map((value) => (LEADING_SPACES_COUNT.has(vr) ? value.replace(/[\0 ]+$/, '') : value.replace(/^ +|[\0 ]+$/g, '')));
}

function decode(bytes: Uint8Array, vr: VR, characterSet: CharacterSet): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!bytes.some((byte) => byte >= 0x80 || byte === ESC)) return buffer.toString('latin1');
  const repertoire = GOVERNED.has(vr) ? repertoireOf(characterSet) : repertoireOf(DEFAULT_CHARACTER_SET);
  return typeof repertoire === 'string' ? decodeCodePage(buffer, repertoire) : decodeIso2022(bytes, repertoire, vr === 'PN');
}

/**
 * The value field of an element, without padding to even length. Throws `VALUE_NOT_ENCODABLE` where the character set has
 * no such character, or the VR no such value; `UNKNOWN_CHARACTER_SET` where a value is more than ASCII and the term is
 * not known. ASCII is part of every character set.
 */
export function encodeText(values: readonly string[], vr: VR, characterSet: CharacterSet): Uint8Array {
  if (SINGLE_VALUED.has(vr) && values.length > 1) throw notEncodable(vr, characterSet, 'takes a single value');
  for (const value of values) checkCharacters(value, vr, characterSet);
  const text = values.join('\\');
  if (isAscii(text)) return Buffer.from(text, 'latin1');
  if (!GOVERNED.has(vr)) throw notEncodable(vr, characterSet, 'takes ASCII only');
  const repertoire = repertoireOf(characterSet);
  const bytes = typeof repertoire === 'string' ? encodeWhole(text, repertoire) : encodeIso2022(text, repertoire, vr === 'PN');
  if (bytes !== undefined) return bytes;
  throw notEncodable(vr, characterSet, 'has a character that the character set lacks');
}

/** Printable ASCII but the backslash: what nearly every value is. */
const PLAIN = /^[ -[\]-~]*$/;

function checkCharacters(value: string, vr: VR, characterSet: CharacterSet): void {
  if (PLAIN.test(value)) return;
  const isText = SINGLE_VALUED.has(vr);
  if (!isText && value.includes('\\')) throw notEncodable(vr, characterSet, 'has a backslash within a value');
  for (const character of value) {
    const isControl = character < ' ' || character === '\x7f';
    if (isControl && !(isText && LINE_CONTROLS.has(character))) throw notEncodable(vr, characterSet, 'has a control character');
  }
}

/** Verified by decoding, as iconv-lite writes `?` for what it does not have. */
function encodeWhole(text: string, encoding: string): Uint8Array | undefined {
  const bytes = encodeCodePage(text, encoding);
  return decodeCodePage(bytes, encoding) === text ? bytes : undefined;
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

/** The name of an encoding that stands alone, or the code elements of ISO 2022. Throws `UNKNOWN_CHARACTER_SET`. */
function repertoireOf({ terms }: CharacterSet): string | CodeExtension {
  const [first = ''] = terms;
  const whole = Object.hasOwn(WHOLE, first) ? WHOLE[first] : undefined;
  if (whole !== undefined) return whole;
  const declared = terms.map((term) => elementsOf(term));
  const [initial = [ASCII]] = declared;
  return {
    initialG0: initial.find(({ half, bytesPerCharacter }) => half === 'G0' && bytesPerCharacter === 1) ?? ASCII,
    initialG1: initial.find(({ half }) => half === 'G1'),
    // ASCII can be invoked whatever is declared, as values must come back to it (PS3.5 6.1.2.5.3)
    elements: [...new Set([...initial, ASCII, ...declared.flat()])],
  };
}

/** ISO 2022 IR 87 and its like are no first value, but files have them there: ASCII is meant beside them. */
function elementsOf(term: string): readonly CodeElement[] {
  if (term === '') return [ASCII];
  const registration = TERM.exec(term)?.[2];
  const elements = registration === undefined ? undefined : BY_REGISTRATION.get(Number(registration));
  if (elements !== undefined) return elements;
  const quoted = /^[A-Z0-9_ -]{1,16}$/.test(term) ? term : 'that is no code string';
  throw new StorestowError(
    'UNKNOWN_CHARACTER_SET',
    `(0008,0005) SpecificCharacterSet has a term ${quoted}; PS3.3 C.12.1.1.2 has none such, the sender must correct this`,
  );
}

function singleByte(half: 'G0' | 'G1', escape: readonly number[], encoding: string): CodeElement {
  let byCharacter: ReadonlyMap<string, Uint8Array> | undefined;
  const tabulate = (): ReadonlyMap<string, Uint8Array> => {
    const codes = half === 'G0' ? range(0x20, 0x7e) : range(0xa0, 0xff);
    const entries = codes.map((code): [string, Uint8Array] => [decodeCodePage(Buffer.of(code), encoding), Uint8Array.of(code)]);
    return new Map(entries.filter(([character]) => character !== '\ufffd' && character.length === 1));
  };
  return {
    half,
    bytesPerCharacter: 1,
    escape: Uint8Array.of(ESC, ...escape),
    decode: (bytes) => decodeCodePage(Buffer.from(bytes), encoding),
    encode: (character) => (byCharacter ??= tabulate()).get(character),
  };
}

/** Sets of 94 × 94, by way of the EUC encoding that has them in its upper half, there behind `prefix`. */
function doubleByte(half: 'G0' | 'G1', escape: readonly number[], euc: string, prefix?: number): CodeElement {
  const before = prefix === undefined ? [] : [prefix];
  const highBit = half === 'G0' ? 0x80 : 0;
  return {
    half,
    bytesPerCharacter: 2,
    escape: Uint8Array.of(ESC, ...escape),
    decode: (bytes) => {
      const encoded: number[] = [];
      for (let at = 0; at < bytes.length; at += 2) {
        encoded.push(...before, ...[...bytes.subarray(at, at + 2)].map((byte) => byte | highBit));
      }
      return decodeCodePage(Buffer.from(encoded), euc);
    },
    encode: (character) => {
      const encoded = encodeCodePage(character, euc);
      const pair = encoded.subarray(before.length);
      const isPair = pair.length === 2 && before.every((byte, index) => encoded[index] === byte);
      if (!isPair || !pair.every((byte) => byte >= 0xa1) || decodeCodePage(encoded, euc) !== character) return undefined;
      return pair.map((byte) => byte & ~highBit);
    },
  };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Without the value: it may be a patient's. */
function notEncodable(vr: VR, { terms }: CharacterSet, what: string): StorestowError {
  const name = terms.join('\\') || 'ISO_IR 6';
  return new StorestowError('VALUE_NOT_ENCODABLE', `a value of ${vr} in the character set ${name} ${what}; write it otherwise`);
}
