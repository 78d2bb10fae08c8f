/** What was sent held against what the archive gives back of it: the same content, or not. Pure. */
import { littleEndianValue } from '../dicom/byte-order.ts';
import type { DataSet, Element, Item, Part10, Tag, VR } from '../dicom/data-set.ts';
import { isGroupLength } from '../dicom/tag-text.ts';
import { TAG } from '../dicom/tags.ts';
import { textValues } from '../dicom/text-values.ts';
import { StorestowError } from '../errors.ts';
import { isMergedByArchives } from './merged-attributes.ts';

export type Comparison =
  | { readonly kind: 'same' }
  /** Top-level elements, in tag order. */
  | { readonly kind: 'differs'; readonly tags: readonly Tag[] }
  /** All else is the same, but the pixel data lies there in another transfer syntax. */
  | { readonly kind: 'incomparable'; readonly transferSyntaxUID: string };

/**
 * The file is the archive's: its file meta information, the lengths of groups, sequences and items, byte order, padding and the
 * character set are not compared; texts are, as they read. Of the elements of the data set (contract, sections 4 and 9):
 *
 * | an element                                                                  | is                          |
 * |-----------------------------------------------------------------------------|-----------------------------|
 * | with the same value                                                         | the same                    |
 * | of patient, study or series (merged-attributes.ts) that was sent without value | the same: the archive fills in issuers and nulls |
 * | of these, and the archive recorded in an item of its own of Original Attributes Sequence that it replaced the value that was sent | the same: coerced |
 * | Original Attributes Sequence, with items more than were sent                | the same                    |
 * | pixel data and what tells how it is encoded, in another transfer syntax, one of the two compressed | incomparable |
 * | anything else: another value, missing, or added                             | different                   |
 *
 * `sameGap`: that what both files leave out of memory (`Part10.gap`) was compared, and is the same.
 */
export function compareRetrieved(sent: Part10, held: Part10, sameGap: boolean): Comparison {
  const recorded = recordedByArchive(sent.dataSet, held.dataSet);
  const recoded = isRecoded(sent, held);
  const [before, after] = [byTag(sent.dataSet), byTag(held.dataSet)];
  const tags = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b);
  const differing = tags.filter((tag) => {
    if (recoded && OF_THE_ENCODING.has(tag)) return false;
    const [was, is] = [valuesAt(sent, before.get(tag)), valuesAt(held, after.get(tag))];
    if (tag === TAG.OriginalAttributesSequence) return !startsWithItems(is, was);
    if (sameAll(was, is, sameGap)) return false;
    return !isMergedByArchives(tag) || !(was.every(isEmpty) || sameAll(was, recorded.get(tag) ?? [], sameGap));
  });
  if (differing.length > 0) return { kind: 'differs', tags: differing };
  return recoded ? { kind: 'incomparable', transferSyntaxUID: held.transferSyntax.uid } : { kind: 'same' };
}

/** What a transcoder writes anew besides the pixel data. */
const OF_THE_ENCODING: ReadonlySet<Tag> = new Set([
  TAG.PixelData, TAG.ExtendedOffsetTable, TAG.ExtendedOffsetTableLengths, TAG.PhotometricInterpretation, TAG.PlanarConfiguration,
  TAG.LossyImageCompression, TAG.LossyImageCompressionRatio, TAG.LossyImageCompressionMethod,
]); // prettier-ignore

function isRecoded({ transferSyntax: was, dataSet }: Part10, { transferSyntax: is }: Part10): boolean {
  return dataSet.get(TAG.PixelData) !== undefined && was.uid !== is.uid && (was.encapsulated || is.encapsulated);
}

interface Value {
  readonly dataSet: DataSet;
  readonly element: Element;
  /** Its value is not in memory. */
  readonly inGap: boolean;
}

/** Elements of the tag: one, unless the data set has it several times. */
type Values = readonly Value[];

const NOT_COMPARED: ReadonlySet<Tag> = new Set([TAG.SpecificCharacterSet, TAG.DataSetTrailingPadding]);

function byTag({ elements }: DataSet): Map<Tag, Element[]> {
  return Map.groupBy(
    elements.filter(({ tag }) => !isGroupLength(tag) && !NOT_COMPARED.has(tag)),
    ({ tag }) => tag,
  );
}

function valuesAt({ dataSet, gap }: Part10, elements: readonly Element[] = []): Values {
  return elements.map((element) => ({ dataSet, element, inGap: gap?.at === element.valueOffset }));
}

function sameAll(was: Values, is: Values, sameGap: boolean): boolean {
  return was.length === is.length && was.every((value, index) => is[index] !== undefined && same(value, is[index], sameGap));
}

function same(was: Value, is: Value, sameGap: boolean): boolean {
  if (was.inGap || is.inGap) return was.inGap && is.inGap && sameGap && sameFragmentLengths(was.element, is.element);
  if (isEmpty(was) || isEmpty(is)) return isEmpty(was) && isEmpty(is);
  const [items, others] = [was.element.items, is.element.items];
  if (items !== undefined || others !== undefined) return sameItems(items ?? [], others ?? []);
  const [fragments, parts] = [was.element.fragments, is.element.fragments];
  if (fragments === undefined && parts === undefined) return sameLeaf(was, is);
  return (
    sameFragmentLengths(was.element, is.element) &&
    (fragments ?? []).every((fragment, index) => {
      const part = parts?.[index];
      return part !== undefined && equal(bytesOf(was.dataSet, fragment), bytesOf(is.dataSet, part));
    })
  );
}

function isEmpty({ element: { items, fragments, length }, inGap }: Value): boolean {
  return !inGap && (items === undefined ? fragments === undefined && length === 0 : items.length === 0);
}

function sameFragmentLengths({ fragments: was }: Element, { fragments: is }: Element): boolean {
  return was?.length === is?.length && (was ?? []).every(({ length }, index) => length === is?.[index]?.length);
}

function bytesOf(
  { bytes }: DataSet,
  { valueOffset, length }: { readonly valueOffset: number; readonly length: number },
): Uint8Array {
  return bytes.subarray(valueOffset, valueOffset + length);
}

function sameItems(was: readonly Item[], is: readonly Item[]): boolean {
  return (
    was.length === is.length &&
    was.every(({ dataSet }, index) => is[index] !== undefined && sameDataSet(dataSet, is[index].dataSet))
  );
}

function sameDataSet(was: DataSet, is: DataSet): boolean {
  const [before, after] = [byTag(was), byTag(is)];
  const nested = (dataSet: DataSet, elements: readonly Element[] = []): Values =>
    elements.map((element) => ({ dataSet, element, inGap: false }));
  return (
    before.size === after.size &&
    [...before].every(([tag, elements]) => sameAll(nested(was, elements), nested(is, after.get(tag)), false))
  );
}

const TEXT: ReadonlySet<VR> = new Set<VR>([
  'AE', 'AS', 'CS', 'DA', 'DS', 'DT', 'IS', 'LO', 'LT', 'PN', 'SH', 'ST', 'TM', 'UC', 'UI', 'UR', 'UT',
]); // prettier-ignore

function sameLeaf(was: Value, is: Value): boolean {
  if (TEXT.has(was.element.vr) && TEXT.has(is.element.vr)) return sameText(was, is);
  return equal(littleEndianValue(was.dataSet, was.element), littleEndianValue(is.dataSet, is.element));
}

function sameText(was: Value, is: Value): boolean {
  try {
    const [before, after] = [was, is].map(({ dataSet, element }) => textValues(dataSet, element));
    return before?.length === after?.length && (before ?? []).every((text, index) => text === after?.[index]);
  } catch (error) {
    if (!(error instanceof StorestowError)) throw error;
    // A character set that nobody knows: the bytes are all there is.
    return equal(bytesOf(was.dataSet, was.element), bytesOf(is.dataSet, is.element));
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function itemsOf(values: Values): readonly Item[] {
  return values.flatMap(({ element }) => element.items ?? []);
}

function startsWithItems(values: Values, start: Values): boolean {
  const items = itemsOf(start);
  return sameItems(items, itemsOf(values).slice(0, items.length));
}

/** What the archive says that it replaced (PS3.3 C.12.1.1.9), by tag: of the items behind those that were sent. */
function recordedByArchive(sent: DataSet, held: DataSet): ReadonlyMap<Tag, Values> {
  const own = sent.get(TAG.OriginalAttributesSequence)?.items?.length ?? 0;
  const added = held.get(TAG.OriginalAttributesSequence)?.items?.slice(own) ?? [];
  const modified = added.flatMap(({ dataSet }) => dataSet.get(TAG.ModifiedAttributesSequence)?.items ?? []);
  // The earliest record has the value that was sent.
  return new Map(
    modified
      .toReversed()
      .flatMap(({ dataSet }) =>
        [...byTag(dataSet)].map(([tag, elements]) => [tag, elements.map((element) => ({ dataSet, element, inGap: false }))]),
      ),
  );
}
