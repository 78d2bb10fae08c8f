/**
 * A second reader of Part 10 files, written from PS3.5 and PS3.10 without the first one: it reads what the standard allows and
 * nothing else, one element after another. What it makes of a file, storestow's reader must make of it too.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE } from '../support/build-dicom.ts';

/** Offsets in bytes from the start of `PlainFile.body`, in `meta` from that of the file. */
export interface PlainElement {
  readonly tag: number;
  /** Undefined in Implicit VR. */
  readonly vr: string | undefined;
  readonly offset: number;
  readonly valueOffset: number;
  /** Of the value, without the delimitation item. */
  readonly length: number;
  readonly end: number;
  readonly items?: readonly PlainItem[];
  readonly fragments?: readonly { readonly start: number; readonly end: number }[];
}

export interface PlainItem {
  readonly offset: number;
  readonly end: number;
  readonly elements: readonly PlainElement[];
}

export interface PlainFile {
  readonly transferSyntaxUID: string;
  readonly meta: readonly PlainElement[];
  readonly metaEnd: number;
  readonly body: Uint8Array;
  readonly elements: readonly PlainElement[];
  /** Of the last element; what follows is padding. */
  readonly end: number;
}

/** The file has something that this reader leaves to the other one. */
export class NotPlain extends Error {
  override readonly name = 'NotPlain';
}

const SHORT = new Set('AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' '));
const LONG = new Set('OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' '));

const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const UNDEFINED = 0xffffffff;
const MAX_DEPTH = 100;

interface Syntax {
  readonly explicit: boolean;
  readonly little: boolean;
}

const META: Syntax = { explicit: true, little: true };
/** PS3.5 6.2.2: within UN. */
const UNKNOWN: Syntax = { explicit: false, little: true };

class PlainReader {
  readonly #bytes: Buffer;
  readonly #isSequence: (tag: number) => boolean;

  /** In Implicit VR, and in UN, the dictionary says what is a sequence. */
  constructor(bytes: Uint8Array, isSequence: (tag: number) => boolean) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#isSequence = isSequence;
  }

  u16(at: number, little: boolean): number {
    if (at + 2 > this.#bytes.length) throw new NotPlain('cut');
    return little ? this.#bytes.readUInt16LE(at) : this.#bytes.readUInt16BE(at);
  }

  u32(at: number, little: boolean): number {
    if (at + 4 > this.#bytes.length) throw new NotPlain('cut');
    return little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  tag(at: number, little: boolean): number {
    return this.u16(at, little) * 0x10000 + this.u16(at + 2, little);
  }

  element(at: number, limit: number, syntax: Syntax, depth: number): PlainElement {
    const { little } = syntax;
    const tag = this.tag(at, little);
    if (tag >= 0xfffe0000 && tag <= 0xfffeffff) throw new NotPlain('an item without a sequence');
    let vr: string | undefined;
    let valueOffset = at + 8;
    let length: number;
    if (!syntax.explicit) {
      length = this.u32(at + 4, little);
    } else {
      vr = this.#bytes.toString('latin1', at + 4, at + 6);
      if (SHORT.has(vr)) {
        length = this.u16(at + 6, little);
        if (length === UNDEFINED) throw new NotPlain('undefined length');
      } else if (LONG.has(vr)) {
        length = this.u32(at + 8, little);
        valueOffset = at + 12;
      } else {
        throw new NotPlain('no VR');
      }
    }
    const sequence = vr === 'SQ' || (vr !== 'OB' && vr !== 'OW' && (vr === 'UN' || vr === undefined) && this.#isSequence(tag));
    const inner = vr === 'UN' ? UNKNOWN : syntax;
    if (length !== UNDEFINED) {
      const end = valueOffset + length;
      if (end > limit) throw new NotPlain('beyond what holds it');
      const element = { tag, vr, offset: at, valueOffset, length, end };
      if (!sequence) return element;
      try {
        return { ...element, items: this.#items(valueOffset, end, false, inner, depth + 1).items };
      } catch (error) {
        // A UN that is no sequence is a value like others
        if (vr === 'UN' && error instanceof NotPlain && error.message !== 'deep') return element;
        throw error;
      }
    }
    if (vr === 'OB' || vr === 'OW' || (vr !== 'SQ' && tag === 0x7fe00010)) {
      const { fragments, end } = this.#fragments(valueOffset, limit, little);
      return { tag, vr, offset: at, valueOffset, length: end - valueOffset, end: end + 8, fragments };
    }
    if (vr !== 'SQ' && vr !== 'UN' && vr !== undefined) throw new NotPlain('undefined length');
    if (vr === undefined && !this.#isSequence(tag) && (tag >>> 16) % 2 === 0) throw new NotPlain('undefined length');
    const { items, end } = this.#items(valueOffset, limit, true, inner, depth + 1);
    return { tag, vr, offset: at, valueOffset, length: end - valueOffset, end: end + 8, items };
  }

  #items(start: number, limit: number, delimited: boolean, syntax: Syntax, depth: number): { items: PlainItem[]; end: number } {
    if (depth > MAX_DEPTH) throw new NotPlain('deep');
    const { little } = syntax;
    const items: PlainItem[] = [];
    let at = start;
    for (;;) {
      if (!delimited && at === limit) return { items, end: at };
      if (at + 8 > limit) throw new NotPlain('cut');
      const tag = this.tag(at, little);
      const length = this.u32(at + 4, little);
      if (delimited && tag === SEQUENCE_END && length === 0) return { items, end: at };
      if (tag !== ITEM) throw new NotPlain('no item');
      const item = length === UNDEFINED ? this.#openItem(at, limit, syntax, depth) : this.#item(at, length, limit, syntax, depth);
      items.push(item);
      at = item.end;
    }
  }

  #item(offset: number, length: number, limit: number, syntax: Syntax, depth: number): PlainItem {
    const end = offset + 8 + length;
    if (end > limit) throw new NotPlain('beyond what holds it');
    const elements: PlainElement[] = [];
    let at = offset + 8;
    while (at < end) {
      const element = this.element(at, end, syntax, depth);
      elements.push(element);
      at = element.end;
    }
    return { offset, end, elements };
  }

  #openItem(offset: number, limit: number, syntax: Syntax, depth: number): PlainItem {
    const elements: PlainElement[] = [];
    let at = offset + 8;
    while (this.tag(at, syntax.little) !== ITEM_END) {
      const element = this.element(at, limit, syntax, depth);
      elements.push(element);
      at = element.end;
    }
    if (this.u32(at + 4, syntax.little) !== 0 || at + 8 > limit) throw new NotPlain('a delimiter with a length');
    return { offset, end: at + 8, elements };
  }

  #fragments(start: number, limit: number, little: boolean): { fragments: { start: number; end: number }[]; end: number } {
    const fragments: { start: number; end: number }[] = [];
    let at = start;
    for (;;) {
      if (at + 8 > limit) throw new NotPlain('cut');
      const tag = this.tag(at, little);
      const length = this.u32(at + 4, little);
      if (tag === SEQUENCE_END && length === 0) return { fragments, end: at };
      if (tag !== ITEM || at + 8 + length > limit) throw new NotPlain('no fragment');
      fragments.push({ start: at + 8, end: at + 8 + length });
      at += 8 + length;
    }
  }
}

/** Throws `NotPlain` for everything that it does not understand. `limit` in bytes, of a deflated data set. */
export function readPlain(file: Uint8Array, isSequence: (tag: number) => boolean, limit: number): PlainFile {
  const start = Buffer.from(file.subarray(128, 132)).toString('latin1') === 'DICM' ? 132 : 0;
  const { meta, end: metaEnd } = readMeta(file, start);
  const element = meta.find(({ tag }) => tag === 0x00020010);
  if (element === undefined) throw new NotPlain('no transfer syntax');
  const uid = Buffer.from(file.subarray(element.valueOffset, element.valueOffset + element.length)).toString('latin1');
  const transferSyntaxUID = uid.replace(/\0$/, '');
  const deflated = transferSyntaxUID === DEFLATED_LE;
  const body = deflated ? inflate(file.subarray(metaEnd), limit) : file;
  const syntax = { explicit: transferSyntaxUID !== IMPLICIT_LE, little: transferSyntaxUID !== EXPLICIT_BE };
  const reader = new PlainReader(body, isSequence);
  const elements: PlainElement[] = [];
  const padding = body.findLastIndex((byte) => byte !== 0) + 1;
  let at = deflated ? 0 : metaEnd;
  while (at < body.length && at < padding) {
    const next = reader.element(at, body.length, syntax, 0);
    elements.push(next);
    at = next.end;
  }
  return { transferSyntaxUID, meta, metaEnd, body, elements, end: at };
}

/** PS3.10 7.1: as long as (0002,0000) says, or as group 0002 goes on. */
function readMeta(file: Uint8Array, start: number): { meta: PlainElement[]; end: number } {
  const reader = new PlainReader(file, () => false);
  const meta: PlainElement[] = [];
  let at = start;
  let stated: number | undefined;
  while (stated === undefined ? at + 8 <= file.length && reader.u16(at, true) === 2 : at < stated) {
    const element = reader.element(at, file.length, META, 0);
    if (element.tag >>> 16 !== 2) throw new NotPlain('the group length is wrong');
    meta.push(element);
    at = element.end;
    if (element.tag === 0x00020000 && meta.length === 1 && element.length === 4) {
      stated = at + reader.u32(element.valueOffset, true);
    }
  }
  if (stated !== undefined && at !== stated) throw new NotPlain('the group length is wrong');
  if (stated !== undefined && at + 2 <= file.length && reader.u16(at, true) === 2) throw new NotPlain('the group goes on');
  return { meta, end: at };
}

function inflate(bytes: Uint8Array, limit: number): Uint8Array {
  try {
    return inflateRawSync(bytes, { maxOutputLength: limit, finishFlush: constants.Z_FINISH });
  } catch {
    throw new NotPlain('not deflated');
  }
}
