/** Damage that knows where it hits: headers, lengths, boundaries of elements, and the elements themselves. */
import { deflateRawSync } from 'node:zlib';
import { buildDicom, DEFLATED_LE, type BuiltElement, type BuiltFile, type BuiltItem } from '../support/build-dicom.ts';
import { arbitraryObject } from './arbitrary-object.ts';
import { bomb } from './bombs.ts';
import { NotPlain, readPlain, type PlainElement, type PlainFile } from './plain-reader.ts';
import type { Random } from './random.ts';

const MAX_INFLATED = 1 << 24;

const VRS = [
  'AE', 'AT', 'CS', 'DS', 'FD', 'IS', 'LO', 'OB', 'OW', 'OV', 'PN', 'SH', 'SQ', 'SS', 'SV', 'UC', 'UI', 'UL', 'UN', 'US', 'UT', 'UV',
]; // prettier-ignore
const NO_VRS = ['??', '  ', 'ZZ', 'un', '\0\0', 'O\0'];

/** The input of a number, always the same; one in thirty is as it was built. */
export function mutatedInput(random: Random, isSequence: (tag: number) => boolean): Uint8Array {
  if (random.chance(0.02)) return bomb(random);
  const built = arbitraryObject(random);
  const way = random.below(30);
  const model = way % 3 === 1 || way % 3 === 2 ? mutatedModel(random, built) : built;
  const file = buildDicom(model);
  return way === 0 || way % 3 === 2 ? file : mutatedBytes(random, file, built.transferSyntaxUID === DEFLATED_LE, isSequence);
}

function mutatedModel(random: Random, file: BuiltFile): BuiltFile {
  let elements: BuiltItem = file.elements;
  for (let turn = random.between(1, 3); turn > 0; turn--) elements = mutatedElements(random, elements);
  return { ...file, elements };
}

function mutatedElements(random: Random, elements: BuiltItem): BuiltItem {
  if (elements.length === 0) return elements;
  const at = random.below(elements.length);
  const element = elements[at] as BuiltElement;
  const items = element.vr === 'SQ' ? (element.value as readonly BuiltItem[]) : [];
  if (items.length > 0 && random.chance(0.6)) {
    const index = random.below(items.length);
    const value = items.map((item, other) => (other === index ? mutatedElements(random, item) : item));
    return elements.with(at, { ...element, value });
  }
  const other = random.below(elements.length);
  switch (random.below(7)) {
    case 0:
      return elements.toSpliced(other, 0, element);
    case 1:
      return elements.toSpliced(at, 1);
    case 2:
      return elements.with(at, elements[other] as BuiltElement).with(other, element);
    case 3:
      return element.vr === 'SQ'
        ? elements
        : elements.with(at, { ...element, vr: random.pick([...VRS.filter((vr) => vr !== 'SQ'), ...NO_VRS]) });
    case 4:
      return elements.with(at, { ...element, wrongLength: wrongLength(random) });
    case 5:
      return elements.with(at, { ...element, tag: (element.tag ^ (1 << random.below(32))) >>> 0 });
    default:
      return elements.with(at, revalued(random, element));
  }
}

function wrongLength(random: Random): number {
  return random.pick([0, 1, 2, 3, 7, 8, 0xfffe, 0xffff, 0x10000, 0x7fffffff, 0xfffffffe, 0xffffffff]);
}

/** Numbers that an image may not have; text and bytes longer, shorter, odd. */
function revalued(random: Random, element: BuiltElement): BuiltElement {
  if (element.vr === 'SQ' || element.fragments !== undefined || element.undefinedLength === true) return element;
  if (element.vr === 'US') return { ...element, value: [random.pick([0, 1, 2, 7, 8, 12, 15, 16, 17, 24, 32, 64, 255, 65535])] };
  if (element.tag === 0x00280008)
    return { ...element, value: random.pick(['', '0', '-1', '2', '3.5', '2147483647', '99999999999999']) };
  if (element.tag === 0x00280004)
    return {
      ...element,
      value: random.pick(['', 'RGB', 'YBR_FULL_422', 'YBR_RCT', 'PALETTE COLOR', 'MONOCHROME3', 'CMYK', 'RGB\\X']),
    };
  return { ...element, value: random.bytes(random.below(40)) };
}

interface Place {
  readonly offset: number;
  readonly end: number;
  /** Of the length, and its bytes. */
  readonly lengthAt: number;
  readonly lengthSize: 2 | 4;
}

function mutatedBytes(random: Random, file: Uint8Array, deflated: boolean, isSequence: (tag: number) => boolean): Uint8Array {
  let bytes = Buffer.from(file);
  const plain = deflated && random.chance(0.7) ? plainly(file, isSequence) : undefined;
  if (plain !== undefined) {
    const body = damaged(random, Buffer.from(plain.body), placesOf(plain.elements));
    return new Uint8Array(Buffer.concat([file.subarray(0, plain.metaEnd), deflateRawSync(body)]));
  }
  for (let turn = random.pick([1, 1, 1, 2, 3]); turn > 0; turn--)
    bytes = damaged(random, bytes, placesIn(random, bytes, isSequence));
  return new Uint8Array(bytes);
}

function placesIn(random: Random, file: Uint8Array, isSequence: (tag: number) => boolean): Place[] {
  const plain = plainly(file, isSequence);
  if (plain === undefined) return [];
  const { body, meta, elements } = plain;
  return placesOf(body !== file ? meta : random.chance(0.1) ? [...meta, ...elements] : elements);
}

function plainly(file: Uint8Array, isSequence: (tag: number) => boolean): PlainFile | undefined {
  try {
    return readPlain(file, isSequence, MAX_INFLATED);
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

function placesOf(elements: readonly PlainElement[]): Place[] {
  return elements.flatMap(({ vr, offset, valueOffset, end, items = [] }) => [
    vr === undefined || valueOffset === offset + 12
      ? { offset, end, lengthAt: valueOffset - 4, lengthSize: 4 as const }
      : { offset, end, lengthAt: offset + 6, lengthSize: 2 as const },
    ...items.flatMap((item) => [
      { offset: item.offset, end: item.end, lengthAt: item.offset + 4, lengthSize: 4 as const },
      ...placesOf(item.elements),
    ]),
  ]);
}

const ITEM = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
const OPEN_ITEM = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff]);
const ITEM_END = Buffer.from([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0]);
const SEQUENCE_END = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);

function damaged(random: Random, bytes: Buffer<ArrayBuffer>, places: readonly Place[]): Buffer<ArrayBuffer> {
  if (bytes.length === 0) return bytes;
  const place = places.length === 0 ? somewhere(random, bytes) : random.pick(places);
  const { offset, end } = place;
  const cut = (from: number, to: number, put: Uint8Array = new Uint8Array(0)): Buffer<ArrayBuffer> =>
    Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(Math.max(from, to))]);
  switch (random.below(12)) {
    case 0: {
      const copy = Buffer.from(bytes);
      for (let turn = random.pick([1, 1, 2, 8]); turn > 0; turn--) flip(random, copy, random.below(copy.length));
      return copy;
    }
    case 1: {
      const copy = Buffer.from(bytes);
      flip(random, copy, offset + random.below(8));
      return copy;
    }
    case 2:
    case 3:
      return withLength(random, bytes, place);
    case 4: {
      const copy = Buffer.from(bytes);
      copy.set(
        Buffer.from(random.pick([...VRS, ...VRS, ...NO_VRS]), 'latin1').subarray(0, Math.max(0, copy.length - offset - 4)),
        Math.min(copy.length, offset + 4),
      );
      return copy;
    }
    case 5:
      return cut(random.chance(0.5) ? random.below(bytes.length) : Math.max(0, offset + random.between(-3, 12)), bytes.length);
    case 6:
      return cut(
        offset,
        offset,
        random.pick([ITEM, OPEN_ITEM, ITEM_END, SEQUENCE_END, Buffer.alloc(random.between(1, 16)), random.bytes(9)]),
      );
    case 7:
      return cut(offset, end);
    case 8:
      return cut(offset, offset + random.between(1, 12));
    case 9: {
      const to = places.length === 0 ? random.below(bytes.length) : random.pick(places).offset;
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(offset, end), bytes.subarray(to)]);
    }
    case 10:
      return cut(offset, random.chance(0.5) ? end : offset, other(random));
    default:
      return Buffer.concat([
        bytes,
        random.chance(0.5) ? Buffer.alloc(random.between(1, 600)) : random.bytes(random.between(1, 20)),
      ]);
  }
}

function somewhere(random: Random, bytes: Uint8Array): Place {
  const offset = random.below(bytes.length);
  return {
    offset,
    end: Math.min(bytes.length, offset + random.below(40)),
    lengthAt: offset,
    lengthSize: random.pick([2, 4] as const),
  };
}

function flip(random: Random, bytes: Uint8Array, at: number): void {
  const byte = bytes[at];
  if (byte === undefined) return;
  bytes[at] = random.chance(0.5) ? byte ^ (1 << random.below(8)) : random.pick([0, 1, 0x20, 0x41, 0x5c, 0x7f, 0xfe, 0xff]);
}

function withLength(random: Random, bytes: Buffer<ArrayBuffer>, { lengthAt, lengthSize }: Place): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes);
  if (lengthAt + lengthSize > copy.length) return copy;
  const was = copy.readUIntLE(lengthAt, lengthSize);
  const near = was + random.pick([-8, -2, -1, 1, 2, 8]);
  const length = random.chance(0.5) ? near : wrongLength(random);
  const limit = 2 ** (8 * lengthSize);
  copy.writeUIntLE((length + limit) % limit, lengthAt, lengthSize);
  return copy;
}

/** A piece of another object. */
function other(random: Random): Uint8Array {
  const file = buildDicom(arbitraryObject(random));
  const start = random.below(file.length);
  return file.subarray(start, start + random.below(200));
}
