/**
 * Two files compared element by element: what differs, whatever the reason. It reads both as they lie there and knows nothing
 * of the changes that were to be made; what it finds can therefore be held against them.
 */
import { littleEndianValue } from './byte-order.ts';
import type { ItemPath } from './change.ts';
import type { DataSet, Element, Encoding, Item, Part10, Tag } from './data-set.ts';
import { hasLongForm } from './value-representation.ts';

/** Where an element, or an item of it, lies in one of the files. */
export interface Subject {
  readonly dataSet: DataSet;
  readonly element: Element;
  /** Where the subject is this item and not the whole sequence. */
  readonly item?: Item;
}

/**
 * | kind      | what it means                                                                    |
 * |-----------|----------------------------------------------------------------------------------|
 * | `added`   | an element, or an item of a sequence, that was not there; with all it holds      |
 * | `removed` | the reverse                                                                      |
 * | `changed` | another VR, another value, or the same ones in other bytes                       |
 * | `moved`   | the same, but at another place among the elements of its data set                |
 */
export interface ElementDifference {
  readonly kind: 'added' | 'removed' | 'changed' | 'moved';
  readonly part: 'meta' | 'dataSet';
  readonly path: ItemPath;
  readonly tag: Tag;
  /** The number, from 0, of the item that was added or removed; absent where it is the element. */
  readonly item?: number;
  /** From 0; more where a data set has a tag several times, which it may not. */
  readonly occurrence: number;
  readonly before?: Subject;
  readonly after?: Subject;
}

/** Bytes that belong to no element. */
export interface BytesDifference {
  readonly kind: 'bytes';
  readonly part: 'preamble' | 'trailing';
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export type Difference = ElementDifference | BytesDifference;

export interface DifferenceOptions {
  /**
   * Of files that are too large for memory (`Part10.gap`): that the bytes which both leave out were compared, and are the same.
   * Unless this is said, they count as different.
   */
  readonly sameGap?: boolean;
}

/**
 * In the order of the file, by tag within a data set. Of a sequence that both have, what differs within its items; of one that
 * only one of them has, that alone. Where the files are encoded differently (PS3.5 A), values are compared and not the
 * bytes that hold them.
 */
export function differences(before: Part10, after: Part10, { sameGap = false }: DifferenceOptions = {}): Difference[] {
  const gaps = gapComparison(before, after, sameGap);
  return [
    ...bytesDifference('preamble', before.file.subarray(0, before.metaOffset), after.file.subarray(0, after.metaOffset)),
    ...compareDataSets({ part: 'meta', path: [] }, before.meta, after.meta),
    ...compareDataSets({ part: 'dataSet', path: [], ...(gaps === undefined ? {} : { gaps }) }, before.dataSet, after.dataSet),
    ...bytesDifference('trailing', before.body.subarray(before.dataSetEnd), after.body.subarray(after.dataSetEnd)),
  ];
}

/** The elements whose values are not in memory, by where their values would begin. */
interface GapComparison {
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly same: boolean;
}

function gapComparison(before: Part10, after: Part10, same: boolean): GapComparison | undefined {
  if (before.gap === undefined && after.gap === undefined) return undefined;
  return { before: before.gap?.at, after: after.gap?.at, same };
}

interface Context {
  readonly part: ElementDifference['part'];
  readonly path: ItemPath;
  /** Of the top level of a large file. */
  readonly gaps?: GapComparison;
}

type Place = Pick<ElementDifference, 'part' | 'path' | 'tag' | 'occurrence'>;

interface Occurrence {
  readonly element: Element;
  readonly number: number;
}

function compareDataSets(context: Context, before: DataSet, after: DataSet): ElementDifference[] {
  const left = occurrences(before);
  const right = occurrences(after);
  const moved = movedKeys(left, right);
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort((a, b) => tagOfKey(a) - tagOfKey(b) || a - b);
  return keys.flatMap((key): ElementDifference[] => {
    const [was, is] = [left.get(key), right.get(key)];
    const place: Place = { part: context.part, path: context.path, tag: tagOfKey(key), occurrence: (was ?? is)?.number ?? 0 };
    const sides = {
      ...(was === undefined ? {} : { before: { dataSet: before, element: was.element } }),
      ...(is === undefined ? {} : { after: { dataSet: after, element: is.element } }),
    };
    if (sides.before === undefined) return [{ kind: 'added', ...place, ...sides }];
    if (sides.after === undefined) return [{ kind: 'removed', ...place, ...sides }];
    const found = compareElements(context, place, sides.before, sides.after);
    return found.length === 0 && moved.has(key) ? [{ kind: 'moved', ...place, ...sides }] : found;
  });
}

const TAGS = 2 ** 32;

/** Key: tag, and the number of its occurrence above that. */
function occurrences({ elements }: DataSet): Map<number, Occurrence> {
  const found = new Map<number, Occurrence>();
  const counts = new Map<Tag, number>();
  for (const element of elements) {
    const number = counts.get(element.tag) ?? 0;
    counts.set(element.tag, number + 1);
    found.set(number * TAGS + element.tag, { element, number });
  }
  return found;
}

function tagOfKey(key: number): Tag {
  return key % TAGS;
}

/** Those that both have, where the order in which they stand differs. */
function movedKeys(left: ReadonlyMap<number, Occurrence>, right: ReadonlyMap<number, Occurrence>): ReadonlySet<number> {
  const inBoth = [...left.keys()].filter((key) => right.has(key));
  const order = [...right.keys()].filter((key) => left.has(key));
  return new Set(inBoth.filter((key, index) => order[index] !== key));
}

function compareElements(context: Context, place: Place, before: Subject, after: Subject): ElementDifference[] {
  const changed: ElementDifference = { kind: 'changed', ...place, before, after };
  const gap = comparedGap(context, before.element, after.element);
  if (gap !== undefined) return gap && sameAroundGap(before, after) ? [] : [changed];
  const encodedAlike = sameEncoding(before.dataSet, after.dataSet);
  if (encodedAlike && sameBytes(before.dataSet, before.element, after.dataSet, after.element)) return [];
  const [was, is] = [before.element.items, after.element.items];
  if (was === undefined || is === undefined) return !encodedAlike && sameLeaf(before, after) ? [] : [changed];
  const nested = compareItems(context, place, before, after);
  const explained = encodedAlike ? nested.length > 0 && sameForm(before, after) : sameVR(before, after);
  return explained ? nested : [changed, ...nested];
}

/** Whether what was left out of memory is the same; undefined for elements that are in memory. */
function comparedGap({ gaps }: Context, before: Element, after: Element): boolean | undefined {
  const left = gaps?.before === before.valueOffset;
  const right = gaps?.after === after.valueOffset;
  return gaps === undefined || (!left && !right) ? undefined : left && right && gaps.same;
}

/** Header, length, fragments and delimiter of an element whose value is not in memory. */
function sameAroundGap(before: Subject, after: Subject): boolean {
  const [was, is] = [before.element, after.element];
  const places = ({ element }: Subject): string =>
    JSON.stringify(element.fragments?.map(({ offset, length }) => [offset - element.valueOffset, length]) ?? null);
  const header = ({ dataSet, element }: Subject): Uint8Array => dataSet.bytes.subarray(element.offset, element.valueOffset);
  return was.length === is.length && equal(header(before), header(after)) && places(before) === places(after);
}

function compareItems(context: Context, place: Place, before: Subject, after: Subject): ElementDifference[] {
  const [was, is] = [before.element.items ?? [], after.element.items ?? []];
  return Array.from({ length: Math.max(was.length, is.length) }, (_, item): ElementDifference[] => {
    const [left, right] = [was[item], is[item]];
    if (left !== undefined && right !== undefined) {
      const path = [...place.path, { tag: place.tag, item }];
      return compareDataSets({ part: context.part, path }, left.dataSet, right.dataSet);
    }
    return left === undefined
      ? [{ kind: 'added', ...place, item, after: { ...after, ...(right === undefined ? {} : { item: right }) } }]
      : [{ kind: 'removed', ...place, item, before: { ...before, item: left } }];
  }).flat();
}

/** Of two sequences in one encoding: whether header and delimiters say the same, lengths apart. */
function sameForm(before: Subject, after: Subject): boolean {
  const [was, is] = [before.element, after.element];
  // The length, of 32 bits, ends the header of whatever has items (PS3.5 7.1.2, 7.1.3).
  const header = ({ dataSet, element }: Subject): Uint8Array => dataSet.bytes.subarray(element.offset, element.valueOffset - 4);
  if (was.undefinedLength !== is.undefinedLength || !equal(header(before), header(after))) return false;
  return (was.items ?? []).every((item, index) => {
    const other = is.items?.[index];
    return other === undefined || item.undefinedLength === other.undefinedLength;
  });
}

/** Of two elements in different encodings, neither a sequence. */
function sameLeaf(before: Subject, after: Subject): boolean {
  const [was, is] = [before.element, after.element];
  if (was.items !== undefined || is.items !== undefined) return false;
  if (was.fragments !== undefined || is.fragments !== undefined || !sameVR(before, after)) return false;
  return equal(littleEndianValue(before.dataSet, was), littleEndianValue(after.dataSet, is));
}

/** Of VRs that the dictionary leaves open, the reader of Implicit VR takes one (PS3.5 A.1); the writer may know better. */
const OPEN_IN_IMPLICIT: ReadonlySet<string> = new Set(['OB', 'OW', 'SS', 'US']);
const MAX_SHORT_LENGTH = 0xfffe;

function sameVR(before: Subject, after: Subject): boolean {
  const [was, is] = [before.element, after.element];
  if (was.vr === is.vr) return true;
  if (before.dataSet.encoding.explicitVR || !after.dataSet.encoding.explicitVR) return false;
  // PS3.5 6.2.2: what is too long for the length of its VR becomes UN; lengths are even (7.1.1)
  if (is.vr === 'UN') return !hasLongForm(was.vr) && was.length > MAX_SHORT_LENGTH;
  return OPEN_IN_IMPLICIT.has(was.vr) && OPEN_IN_IMPLICIT.has(is.vr);
}

export function sameEncoding({ encoding: a }: DataSet, { encoding: b }: DataSet): boolean {
  return encodingKey(a) === encodingKey(b);
}

function encodingKey({ explicitVR, bigEndian }: Encoding): string {
  return `${explicitVR}/${bigEndian}`;
}

function sameBytes(before: DataSet, was: Element, after: DataSet, is: Element): boolean {
  return equal(before.bytes.subarray(was.offset, was.end), after.bytes.subarray(is.offset, is.end));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function bytesDifference(part: BytesDifference['part'], before: Uint8Array, after: Uint8Array): BytesDifference[] {
  return equal(before, after) ? [] : [{ kind: 'bytes', part, before, after }];
}
