/** A value as a person reads it in a list of differences. */
import { littleEndianValue } from './byte-order.ts';
import type { DataSet, Element, VR } from './data-set.ts';
import { valueBytes } from './element-value.ts';
import { formatTag } from './tag-text.ts';
import { textValues } from './text-values.ts';
import { StorestowError } from '../errors.ts';

/**
 * | form     | text                                                                        |
 * |----------|-----------------------------------------------------------------------------|
 * | `text`   | the values, decoded, with backslashes between them; `''` of an empty element |
 * | `number` | the numbers, with backslashes between them                                  |
 * | `note`   | what stands there, in angle brackets: `<524288 bytes>`, `<2 items>`         |
 */
export interface ValueText {
  readonly form: 'text' | 'number' | 'note';
  readonly text: string;
}

/** Characters of text, and numbers, that are shown. */
const MAX_CHARACTERS = 4096;
const MAX_NUMBERS = 256;
/** Bytes without a form that are shown in hexadecimal. */
const MAX_HEX = 16;

const TEXT: ReadonlySet<VR> = new Set<VR>([
  'AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UI', 'UR', 'UT',
]); // prettier-ignore

type Read = (view: DataView, at: number) => number | bigint | string;

/** Of a value in little endian. */
const NUMBERS: Partial<Record<VR, readonly [size: number, read: Read]>> = {
  AT: [4, (view, at) => formatTag(((view.getUint16(at, true) << 16) | view.getUint16(at + 2, true)) >>> 0)],
  FD: [8, (view, at) => view.getFloat64(at, true)],
  FL: [4, (view, at) => view.getFloat32(at, true)],
  SL: [4, (view, at) => view.getInt32(at, true)],
  SS: [2, (view, at) => view.getInt16(at, true)],
  SV: [8, (view, at) => view.getBigInt64(at, true)],
  UL: [4, (view, at) => view.getUint32(at, true)],
  US: [2, (view, at) => view.getUint16(at, true)],
  UV: [8, (view, at) => view.getBigUint64(at, true)],
};

/** Never throws: text that cannot be decoded is told as bytes. What is long beyond use is cut, and says so. */
export function valueText(dataSet: DataSet, element: Element): ValueText {
  const { items, fragments, length, vr } = element;
  if (items !== undefined) return note(counted(items.length, 'item'));
  if (fragments !== undefined) return note(`${counted(fragments.length, 'fragment')}, ${length} bytes`);
  if (length === 0) return { form: 'text', text: '' };
  if (TEXT.has(vr)) return decoded(dataSet, element);
  const numbers = NUMBERS[vr];
  if (numbers !== undefined && length % numbers[0] === 0) return asNumbers(littleEndianValue(dataSet, element), ...numbers);
  return asBytes(dataSet, element);
}

function decoded(dataSet: DataSet, element: Element): ValueText {
  try {
    const text = textValues(dataSet, element).join('\\');
    return { form: 'text', text: text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…` };
  } catch (error) {
    if (error instanceof StorestowError && error.code === 'UNKNOWN_CHARACTER_SET') return asBytes(dataSet, element);
    throw error;
  }
}

function asNumbers(value: Uint8Array, size: number, read: Read): ValueText {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const count = value.length / size;
  const shown = Array.from({ length: Math.min(count, MAX_NUMBERS) }, (_, index) => String(read(view, index * size)));
  return { form: 'number', text: shown.join('\\') + (count > MAX_NUMBERS ? `… (${count} numbers)` : '') };
}

function asBytes(dataSet: DataSet, element: Element): ValueText {
  const { length } = element;
  if (length > MAX_HEX) return note(`${length} bytes`);
  const hex = [...valueBytes(dataSet, element)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return note(`${counted(length, 'byte')}: ${hex}`);
}

function note(text: string): ValueText {
  return { form: 'note', text: `<${text}>` };
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
