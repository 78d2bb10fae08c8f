/**
 * Reads the elements of a data set with their places, in one pass and without decoding a value. Any bytes give either
 * elements that tile the range, or a `MALFORMED` / `TRUNCATED` with the offset: nothing is guessed or left out.
 */
import { StorestowError } from '../errors.ts';
import type { DataSet, Element, Encoding, Fragment, Gap, Item, Tag, VR } from './data-set.ts';
import { vrOf } from './dictionary.ts';
import { formatTag, isPrivateCreator } from './tag-text.ts';
import { TAG } from './tags.ts';
import { hasLongForm, isCapital, vrOfBytes } from './value-representation.ts';

const UNDEFINED_LENGTH = 0xffffffff;

/** Sequences within sequences. The deepest of the standard are content trees of some ten; hostile ones would end the stack. */
const MAX_NESTING = 128;

/**
 * Elements, items and fragments of one file, each of which takes some hundred bytes of memory. Enhanced objects of many
 * thousand frames have a million; a deflated file of one megabyte can have a hundred million, and would end the process.
 */
export const MAX_PARTS = 4_000_000;

const IMPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: false, bigEndian: false };
const EXPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: true, bigEndian: false };

class ReadDataSet implements DataSet {
  readonly elements: Element[] = [];
  readonly bytes: Uint8Array;
  readonly encoding: Encoding;
  readonly parent: DataSet | undefined;
  /** Strictly, so that a binary search finds the first of a tag (PS3.5 7.1). */
  #ascending = true;
  /** Of a data set that is not ascending: the first of each tag, once one was asked for. */
  #first: ReadonlyMap<Tag, Element> | undefined;

  constructor(bytes: Uint8Array, encoding: Encoding, parent: DataSet | undefined) {
    this.bytes = bytes;
    this.encoding = encoding;
    this.parent = parent;
  }

  add(element: Element): void {
    const previous = this.elements.at(-1);
    if (previous !== undefined && previous.tag >= element.tag) this.#ascending = false;
    this.elements.push(element);
    this.#first = undefined;
  }

  get(tag: Tag): Element | undefined {
    if (!this.#ascending) {
      this.#first ??= new Map(this.elements.toReversed().map((element) => [element.tag, element]));
      return this.#first.get(tag);
    }
    let low = 0;
    let high = this.elements.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const element = this.elements[middle];
      if (element === undefined || element.tag === tag) return element;
      if (element.tag < tag) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }
}

/** A data set of the file and where it ends; for the top level, what follows `end` is padding. */
export interface DataSetRange {
  readonly dataSet: DataSet;
  readonly end: number;
}

/** Where the value of the first top-level pixel data begins, and what its header says of its length. */
export interface PixelDataPlace {
  readonly valueOffset: number;
  /** Bytes; of no use where it is undefined. */
  readonly length: number;
  readonly undefinedLength: boolean;
}

const PIXEL_DATA: ReadonlySet<Tag> = new Set([TAG.PixelData, TAG.FloatPixelData, TAG.DoubleFloatPixelData]);

interface Header {
  readonly tag: Tag;
  readonly vr: VR;
  readonly valueOffset: number;
  readonly length: number;
  readonly undefinedLength: boolean;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #gap: Gap | undefined;
  #zerosFrom: number | undefined;
  #parts = 0;

  constructor(bytes: Uint8Array, gap?: Gap) {
    this.#bytes = bytes;
    this.#gap = gap;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  topLevel(start: number, encoding: Encoding): DataSetRange {
    const dataSet = new ReadDataSet(this.#bytes, encoding, undefined);
    const limit = this.#bytes.length;
    let at = start;
    while (at < limit) {
      if (this.#bytes[at] === 0 && at >= this.#paddingStart()) break;
      const element = this.#element(at, limit, dataSet, 0);
      dataSet.add(element);
      at = element.end;
    }
    return { dataSet, end: at };
  }

  /** Undefined where the elements end without. */
  pixelData(start: number, encoding: Encoding): PixelDataPlace | undefined {
    const dataSet = new ReadDataSet(this.#bytes, encoding, undefined);
    const limit = this.#bytes.length;
    for (let at = start; at < limit && (this.#bytes[at] !== 0 || at < this.#paddingStart());) {
      const header = this.#header(at, limit, encoding);
      if (isPixelValue(header)) return header;
      at = this.#element(at, limit, dataSet, 0).end;
    }
    return undefined;
  }

  /**
   * The elements of group 0002 (PS3.10 7.1). Where (0002,0000) states another length than the group has, the group is
   * right; but a deflated data set may begin with the same two bytes, so at the stated end they are looked at twice.
   */
  fileMeta(start: number): DataSetRange {
    const dataSet = new ReadDataSet(this.#bytes, EXPLICIT_LITTLE_ENDIAN, undefined);
    const limit = this.#bytes.length;
    let at = start;
    let statedEnd = -1;
    let previous = 0;
    while (limit - at >= 8 && this.#view.getUint16(at, true) === 0x0002) {
      if (at === statedEnd && !this.#leadsOn(at, limit, previous, EXPLICIT_LITTLE_ENDIAN)) break;
      const element = this.#element(at, limit, dataSet, 0);
      dataSet.add(element);
      at = element.end;
      previous = element.tag;
      if (element.tag === TAG.FileMetaInformationGroupLength && element.length === 4) {
        statedEnd = at + this.#view.getUint32(element.valueOffset, true);
      }
    }
    return { dataSet, end: at };
  }

  /** Where the zeros begin that the bytes end with; looked for once, and only in files that may have such padding. */
  #paddingStart(): number {
    if (this.#zerosFrom === undefined) {
      let at = this.#bytes.length;
      while (this.#bytes[at - 1] === 0) at--;
      this.#zerosFrom = at;
    }
    return this.#zerosFrom;
  }

  #tag(at: number, bigEndian: boolean): Tag {
    return ((this.#view.getUint16(at, !bigEndian) << 16) | this.#view.getUint16(at + 2, !bigEndian)) >>> 0;
  }

  #countPart(at: number): void {
    if (++this.#parts > MAX_PARTS) throw malformed(at, `the file has more than ${MAX_PARTS} elements, items and fragments`);
  }

  /** The end of the file is a truncation, that of an enclosing length a contradiction. */
  #past(limit: number, at: number, what: string): StorestowError {
    return limit === this.#bytes.length
      ? new StorestowError('TRUNCATED', `the file ends within ${what} at byte ${at}; have it sent again`, { offset: at })
      : malformed(at, `${what} goes beyond the item or sequence that holds it`);
  }

  #header(at: number, limit: number, { explicitVR, bigEndian }: Encoding): Header {
    if (limit - at < 8) throw this.#past(limit, at, 'an element header');
    const tag = this.#tag(at, bigEndian);
    if (!explicitVR) {
      const length = this.#view.getUint32(at + 4, !bigEndian);
      return { tag, vr: implicitVR(tag), valueOffset: at + 8, length, undefinedLength: length === UNDEFINED_LENGTH };
    }
    const first = this.#bytes[at + 4] ?? 0;
    const second = this.#bytes[at + 5] ?? 0;
    const vr = vrOfBytes(first, second);
    if (vr !== undefined && !hasLongForm(vr)) {
      return { tag, vr, valueOffset: at + 8, length: this.#view.getUint16(at + 6, !bigEndian), undefinedLength: false };
    }
    // PS3.5 6.2: VRs to come are two capitals and have the long form. Anything else ("??", blanks) comes of software that did
    // not know the VR, and has the short one; that is so if another element begins where it ends.
    if (vr === undefined && !(isCapital(first) && isCapital(second))) {
      const length = this.#view.getUint16(at + 6, !bigEndian);
      const next = this.#gap?.at === at + 8 ? this.#gap.at : at + 8 + length;
      // Of any tag: a change to the one behind it must not make it unreadable.
      if (!this.#leadsOn(next, limit, 0, { explicitVR, bigEndian })) {
        throw malformed(at, `${formatTag(tag)} has no value representation`);
      }
      return { tag, vr: 'UN', valueOffset: at + 8, length, undefinedLength: false };
    }
    if (limit - at < 12) throw this.#past(limit, at, `the header of ${formatTag(tag)}`);
    const length = this.#view.getUint32(at + 8, !bigEndian);
    return { tag, vr: vr ?? 'UN', valueOffset: at + 12, length, undefinedLength: length === UNDEFINED_LENGTH };
  }

  #element(at: number, limit: number, dataSet: ReadDataSet, depth: number): Element {
    this.#countPart(at);
    const { encoding } = dataSet;
    const { tag, vr, valueOffset, length, undefinedLength } = this.#header(at, limit, encoding);
    if (tag >>> 16 === 0xfffe) throw malformed(at, `${formatTag(tag)} stands outside of a sequence`);
    if (this.#gap !== undefined && valueOffset === this.#gap.at)
      return this.#acrossGap(this.#gap, at, limit, tag, vr, undefinedLength);
    if (undefinedLength) return this.#undefinedLength(at, limit, dataSet, depth, tag, vr, valueOffset);
    const end = valueOffset + length;
    if (end > limit) throw this.#past(limit, at, `the value of ${formatTag(tag)} (${length} bytes)`);
    const element = { tag, vr, offset: at, valueOffset, length, undefinedLength, end };
    if (vr === 'SQ') return { ...element, items: this.#items(valueOffset, end, false, dataSet, encoding, depth + 1).items };
    const items =
      vr === 'UN' && encoding.explicitVR && vrOf(tag) === 'SQ' ? this.#unknownItems(element, dataSet, depth + 1) : undefined;
    return items === undefined ? element : { ...element, items };
  }

  /** The delimiter of an encapsulated value is behind the gap. */
  #acrossGap({ at, range, fragments }: Gap, offset: number, limit: number, tag: Tag, vr: VR, undefinedLength: boolean): Element {
    const end = undefinedLength ? at + 8 : at;
    if (end > limit) throw this.#past(limit, offset, 'pixel data');
    const element = { tag, vr, offset, valueOffset: at, length: range.length, undefinedLength, end };
    return fragments === undefined ? element : { ...element, fragments };
  }

  /** PS3.5 6.2.2: a sequence that was made UN on the way is still one, in Implicit VR. A value that is none stays opaque. */
  #unknownItems({ valueOffset, end }: Element, dataSet: DataSet, depth: number): readonly Item[] | undefined {
    try {
      return this.#items(valueOffset, end, false, dataSet, IMPLICIT_LITTLE_ENDIAN, depth).items;
    } catch (error) {
      if (error instanceof StorestowError) return undefined;
      throw error;
    }
  }

  /** PS3.5 7.5 for sequences, A.4 for fragments of pixel data. */
  #undefinedLength(
    at: number,
    limit: number,
    dataSet: ReadDataSet,
    depth: number,
    tag: Tag,
    vr: VR,
    valueOffset: number,
  ): Element {
    if (hasFragments(tag, vr)) {
      const { fragments, valueEnd } = this.#fragments(valueOffset, limit, dataSet.encoding);
      const length = valueEnd - valueOffset;
      return { tag, vr, offset: at, valueOffset, length, undefinedLength: true, end: valueEnd + 8, fragments };
    }
    if (vr !== 'SQ' && vr !== 'UN') throw malformed(at, `${formatTag(tag)} has undefined length, which ${vr} may not have`);
    const encoding = vr === 'UN' ? IMPLICIT_LITTLE_ENDIAN : dataSet.encoding;
    const { items, valueEnd } = this.#items(valueOffset, limit, true, dataSet, encoding, depth + 1);
    return { tag, vr, offset: at, valueOffset, length: valueEnd - valueOffset, undefinedLength: true, end: valueEnd + 8, items };
  }

  #items(
    start: number,
    limit: number,
    delimited: boolean,
    parent: DataSet,
    encoding: Encoding,
    depth: number,
  ): { items: Item[]; valueEnd: number } {
    if (depth > MAX_NESTING) throw malformed(start, `sequences are nested deeper than ${MAX_NESTING}`);
    const items: Item[] = [];
    let at = start;
    for (;;) {
      if (!delimited && at === limit) return { items, valueEnd: at };
      if (limit - at < 8) throw this.#past(limit, at, 'a sequence');
      const tag = this.#tag(at, encoding.bigEndian);
      const length = this.#view.getUint32(at + 4, !encoding.bigEndian);
      if (delimited && tag === TAG.SequenceDelimitationItem && length === 0) return { items, valueEnd: at };
      if (tag !== TAG.Item) throw malformed(at, `${formatTag(tag)} stands where an item of a sequence must begin`);
      this.#countPart(at);
      const item = this.#item(at, length, limit, parent, encoding, depth);
      items.push(item);
      at = item.end;
    }
  }

  #item(offset: number, stated: number, limit: number, parent: DataSet, encoding: Encoding, depth: number): Item {
    const valueOffset = offset + 8;
    const undefinedLength = stated === UNDEFINED_LENGTH;
    const valueLimit = undefinedLength ? limit : valueOffset + stated;
    if (valueLimit > limit) throw this.#past(limit, offset, `an item (${stated} bytes)`);
    const dataSet = new ReadDataSet(this.#bytes, this.#itemEncoding(valueOffset, valueLimit, encoding), parent);
    let at = valueOffset;
    while (at < valueLimit || undefinedLength) {
      if (undefinedLength) {
        if (valueLimit - at < 8) throw this.#past(limit, at, 'an item of undefined length');
        if (this.#tag(at, encoding.bigEndian) === TAG.ItemDelimitationItem && this.#view.getUint32(at + 4) === 0) break;
      }
      const element = this.#element(at, valueLimit, dataSet, depth);
      dataSet.add(element);
      at = element.end;
    }
    const end = undefinedLength ? at + 8 : at;
    return { offset, valueOffset, length: at - valueOffset, undefinedLength, end, dataSet };
  }

  /**
   * How an item is written: as the sequence around it, except that some senders write Implicit VR within Explicit VR and
   * the reverse (within UN, PS3.5 6.2.2). The other encoding is taken only where the first element cannot be read in the
   * right one and can be in the other.
   */
  #itemEncoding(at: number, limit: number, encoding: Encoding): Encoding {
    if (limit - at < 8 || this.#firstFits(at, limit, encoding)) return encoding;
    const other = { ...encoding, explicitVR: !encoding.explicitVR };
    return this.#firstFits(at, limit, other) ? other : encoding;
  }

  #firstFits(at: number, limit: number, encoding: Encoding): boolean {
    const little = !encoding.bigEndian;
    const tag = this.#tag(at, encoding.bigEndian);
    if (tag === TAG.ItemDelimitationItem) return true;
    let valueOffset = at + 8;
    let length = this.#view.getUint32(at + 4, little);
    if (encoding.explicitVR) {
      const vr = vrOfBytes(this.#bytes[at + 4] ?? 0, this.#bytes[at + 5] ?? 0);
      if (vr === undefined) return false;
      if (hasLongForm(vr)) {
        valueOffset = at + 12;
        if (valueOffset > limit) return false;
        length = this.#view.getUint32(at + 8, little);
      } else {
        length = this.#view.getUint16(at + 6, little);
      }
    }
    if (length !== UNDEFINED_LENGTH) return this.#leadsOn(valueOffset + length, limit, tag, encoding);
    const first = limit - valueOffset >= 8 ? this.#tag(valueOffset, encoding.bigEndian) : 0;
    return first === TAG.Item || first === TAG.SequenceDelimitationItem;
  }

  /** Whether an element, or the end of what holds it, is at `at`, where the one before it was `previous`. */
  #leadsOn(at: number, limit: number, previous: Tag, { explicitVR, bigEndian }: Encoding): boolean {
    if (at === limit) return true;
    if (limit - at < 8) return false;
    const tag = this.#tag(at, bigEndian);
    if (tag === TAG.ItemDelimitationItem) return true;
    if (tag <= previous) return false;
    if (explicitVR) return vrOfBytes(this.#bytes[at + 4] ?? 0, this.#bytes[at + 5] ?? 0) !== undefined;
    const length = this.#view.getUint32(at + 4, !bigEndian);
    return length === UNDEFINED_LENGTH || length <= limit - at - 8;
  }

  #fragments(start: number, limit: number, { bigEndian }: Encoding): { fragments: Fragment[]; valueEnd: number } {
    const fragments: Fragment[] = [];
    let at = start;
    for (;;) {
      if (limit - at < 8) throw this.#past(limit, at, 'encapsulated pixel data');
      const tag = this.#tag(at, bigEndian);
      const length = this.#view.getUint32(at + 4, !bigEndian);
      if (tag === TAG.SequenceDelimitationItem && length === 0) return { fragments, valueEnd: at };
      if (tag !== TAG.Item) throw malformed(at, `${formatTag(tag)} stands where a fragment of pixel data must begin`);
      this.#countPart(at);
      if (length > limit - at - 8) throw this.#past(limit, at, `a fragment of pixel data (${length} bytes)`);
      fragments.push({ offset: at, valueOffset: at + 8, length });
      at += 8 + length;
    }
  }
}

/** Of undefined length (PS3.5 A.4). */
function hasFragments(tag: Tag, vr: VR): boolean {
  return vr === 'OB' || vr === 'OW' || tag === TAG.PixelData;
}

/** Pixels, not items: what is written with the tag of pixel data may be a sequence nevertheless. */
function isPixelValue({ tag, vr, undefinedLength }: Header): boolean {
  return PIXEL_DATA.has(tag) && (undefinedLength ? hasFragments(tag, vr) : vr !== 'SQ');
}

function implicitVR(tag: Tag): VR {
  return vrOf(tag) ?? (isPrivateCreator(tag) ? 'LO' : 'UN');
}

function malformed(offset: number, what: string): StorestowError {
  return new StorestowError('MALFORMED', `at byte ${offset}: ${what}; the sender must correct this`, { offset });
}

/** Elements from `start` to the end of `bytes`. Throws `MALFORMED`, `TRUNCATED` with the offset. */
export function readDataSet(bytes: Uint8Array, start: number, encoding: Encoding, gap?: Gap): DataSetRange {
  return new Reader(bytes, gap).topLevel(start, encoding);
}

/** Of a data set of which `bytes` may be only the beginning. Throws as `readDataSet` does, also where it is cut before. */
export function findPixelData(bytes: Uint8Array, start: number, encoding: Encoding): PixelDataPlace | undefined {
  return new Reader(bytes).pixelData(start, encoding);
}

/** Elements of group 0002 from `start` on, always Explicit VR Little Endian (PS3.10 7.1). Throws as `readDataSet` does. */
export function readFileMeta(file: Uint8Array, start: number): DataSetRange {
  return new Reader(file).fileMeta(start);
}
