/**
 * A data set as dcm4che writes what it read, which is how a dcm4chee archive keeps it. Derived from org.dcm4che3.io's
 * DicomInputStream and DicomOutputStream with their default options, and checked against what a running archive stored.
 *
 * | read                                         | written                                                        |
 * |----------------------------------------------|----------------------------------------------------------------|
 * | group length (gggg,0000)                     | nothing; an empty one stays                                    |
 * | sequence with items                          | undefined length                                               |
 * | sequence without                             | length 0                                                       |
 * | item with elements (group lengths apart)     | undefined length                                               |
 * | item without                                 | length 0                                                       |
 * | standard element with UN, or with what is no VR | the dictionary's VR; UN if the value is too long for its header |
 * | UN of undefined length, or of a sequence     | SQ, its items in the encoding of the file                      |
 * | private creator with UN                      | LO                                                             |
 * | value of odd length                          | padded by its VR                                               |
 * | fragment of odd length                       | padded with NUL                                                |
 * | anything else                                | its bytes                                                      |
 *
 * What depends on what is not known here (dcm4che's dictionary of private elements above all) is said to be unpredictable,
 * never guessed.
 */
import type { DataSet, Element, Encoding, Gap, Item, Tag, VR } from './data-set.ts';
import { hasOpenVR, vrOf } from './dictionary.ts';
import { valueBytes } from './element-value.ts';
import { SegmentSink } from './segment-sink.ts';
import { formatTag, isGroupLength, isPrivate, isPrivateCreator } from './tag-text.ts';
import { TAG } from './tags.ts';
import { hasLongForm, padByteOf, vrOfBytes } from './value-representation.ts';
import { elementHeader, itemHeader } from './write-element.ts';

const UNDEFINED_LENGTH = 0xffffffff;
const MAX_SHORT_LENGTH = 0xffff;
/** Bytes. */
const SHORT_HEADER = 8;

/** Thrown within, and turned into a value at the edge: why what dcm4che writes cannot be told. */
export class Unpredictable extends Error {
  override readonly name = 'Unpredictable';
}

/** Throws `Unpredictable`. */
export function writeAsDcm4che(dataSet: DataSet, gap?: Gap): SegmentSink {
  const sink = new SegmentSink(dataSet.bytes, gap);
  new Writer(dataSet.encoding, gap, sink).dataSet(dataSet);
  return sink;
}

class Writer {
  readonly #encoding: Encoding;
  readonly #gap: Gap | undefined;
  readonly #sink: SegmentSink;

  constructor(encoding: Encoding, gap: Gap | undefined, sink: SegmentSink) {
    this.#encoding = encoding;
    this.#gap = gap;
    this.#sink = sink;
  }

  dataSet(dataSet: DataSet): void {
    let previous = -1;
    for (const element of dataSet.elements) {
      const { tag } = element;
      if (tag <= previous) throw new Unpredictable(`${formatTag(tag)} stands behind ${formatTag(previous)}`);
      previous = tag;
      if (isWritten(element)) this.#element(dataSet, element);
    }
  }

  #element(dataSet: DataSet, element: Element): void {
    if (isReadByArchive(dataSet, element) && !isWrittenAsRead(dataSet, element)) {
      throw new Unpredictable(`${formatTag(element.tag)}, which the archive reads, has a value that it may write otherwise`);
    }
    const vr = vrRead(dataSet, element, this.#encoding);
    if (vr === 'SQ') this.#sequence(dataSet, element);
    else if (element.undefinedLength) this.#fragments(dataSet, element, vr);
    else this.#value(dataSet, element, vr);
  }

  #sequence(dataSet: DataSet, element: Element): void {
    const { tag, items = [], length } = element;
    if (items.length === 0 && length > 0) throw new Unpredictable(`${formatTag(tag)} is a sequence that has no items`);
    if (items.length === 0) {
      this.#sink.add(elementHeader(tag, 'SQ', 0, this.#encoding));
      return;
    }
    const encoding = encodingOfItems(dataSet, element);
    this.#sink.add(elementHeader(tag, 'SQ', UNDEFINED_LENGTH, this.#encoding));
    for (const item of items) this.#item(item, encoding);
    this.#sink.add(itemHeader(TAG.SequenceDelimitationItem, 0, this.#encoding));
  }

  #item({ offset, dataSet }: Item, { explicitVR }: Encoding): void {
    if (!dataSet.elements.some(isWritten)) {
      this.#sink.add(itemHeader(TAG.Item, 0, this.#encoding));
      return;
    }
    if (dataSet.encoding.explicitVR !== explicitVR) {
      throw new Unpredictable(`the item at byte ${offset} is encoded otherwise than its sequence`);
    }
    this.#sink.add(itemHeader(TAG.Item, UNDEFINED_LENGTH, this.#encoding));
    this.dataSet(dataSet);
    this.#sink.add(itemHeader(TAG.ItemDelimitationItem, 0, this.#encoding));
  }

  #fragments(dataSet: DataSet, element: Element, vr: VR): void {
    const { tag, fragments = [] } = element;
    if (fragments.length === 0 && dataSet.parent !== undefined) {
      this.#sink.add(elementHeader(tag, vr, 0, this.#encoding));
      return;
    }
    this.#sink.add(elementHeader(tag, vr, UNDEFINED_LENGTH, this.#encoding));
    for (const { valueOffset, length } of fragments) {
      this.#sink.add(itemHeader(TAG.Item, length + (length % 2), this.#encoding));
      this.#bytes(dataSet, element, valueOffset, length);
      if (length % 2 === 1) this.#sink.add(Uint8Array.of(0));
    }
    this.#sink.add(itemHeader(TAG.SequenceDelimitationItem, 0, this.#encoding));
  }

  #value(dataSet: DataSet, element: Element, vr: VR): void {
    const { tag, valueOffset, length } = element;
    const padding = length % 2;
    const { explicitVR } = this.#encoding;
    const written = explicitVR && length + padding > MAX_SHORT_LENGTH && !hasLongForm(vr) ? 'UN' : vr;
    this.#sink.add(elementHeader(tag, written, length + padding, this.#encoding));
    this.#bytes(dataSet, element, valueOffset, length);
    if (padding === 1) this.#sink.add(Uint8Array.of(padByteOf(vr)));
  }

  /** Of the value of `element`, which may be what a large file leaves out of memory. */
  #bytes({ bytes }: DataSet, { valueOffset }: Element, start: number, length: number): void {
    if (this.#gap?.at !== valueOffset) {
      this.#sink.view(bytes, start, start + length);
      return;
    }
    const { at, range } = this.#gap;
    this.#sink.add({ source: range.source, start: range.start + (start - at), length });
  }
}

function isWritten({ tag, length }: Element): boolean {
  return !isGroupLength(tag) || length === 0;
}

/** What dcm4chee looks at before it opens the file; */
const READ_BY_ARCHIVE: ReadonlySet<Tag> = new Set<Tag>([
  TAG.SOPClassUID,
  TAG.SOPInstanceUID,
  TAG.Modality,
  TAG.StudyInstanceUID,
  TAG.SeriesInstanceUID,
]);

/** and of an image. */
const READ_OF_IMAGE: ReadonlySet<Tag> = new Set<Tag>([TAG.PhotometricInterpretation, TAG.NumberOfFrames]);

/** A text that was decoded is written from what it was decoded to; of a private block, dcm4che decodes the creator as it reads. */
function isReadByArchive(dataSet: DataSet, { tag }: Element): boolean {
  if (isPrivateCreator(tag) || tag === TAG.SpecificCharacterSet) return true;
  if (dataSet.parent !== undefined) return false;
  return READ_BY_ARCHIVE.has(tag) || (READ_OF_IMAGE.has(tag) && dataSet.get(TAG.PixelData) !== undefined);
}

/** Whether trimming each value and padding anew gives the same bytes; of text in ASCII alone, since dcm4che encodes it again. */
function isWrittenAsRead(dataSet: DataSet, element: Element): boolean {
  const bytes = valueBytes(dataSet, element);
  if (bytes.length > MAX_READ_LENGTH) return false;
  const text = Buffer.from(bytes).toString('latin1');
  const isUID = vrOf(element.tag) === 'UI';
  const unpadded = bytes.length % 2 === 0 && text.endsWith(isUID ? '\0' : ' ') ? text.slice(0, -1) : text;
  const isPaddedAnew = unpadded.length % 2 === 1 || unpadded === text;
  if (element.tag === TAG.NumberOfFrames) return isPaddedAnew && /^([1-9][0-9]*)?$/.test(unpadded);
  return isPaddedAnew && unpadded.split('\\').every((value) => /^([!-~]([ -~]*[!-~])?)?$/.test(value));
}

/** Bytes; the longest of these values, several character sets, has some hundred. */
const MAX_READ_LENGTH = 1024;

/** What the header spells; undefined where that is none, or the encoding has none. */
function encodedVR({ encoding, bytes }: DataSet, { offset }: Element): VR | undefined {
  return encoding.explicitVR ? vrOfBytes(bytes[offset + 4] ?? 0, bytes[offset + 5] ?? 0) : undefined;
}

/** Items within UN are in Implicit VR, or in that of their first element (PS3.5 6.2.2, and what senders do). */
function encodingOfItems(dataSet: DataSet, element: Element): Encoding {
  if (encodedVR(dataSet, element) !== 'UN') return dataSet.encoding;
  const first = element.items?.[0]?.dataSet;
  if (first === undefined || first.elements.length === 0) {
    throw new Unpredictable(`${formatTag(element.tag)} is UN, and begins with an empty item`);
  }
  return first.encoding;
}

/** As what dcm4che takes the element, where that decides about what is written. Throws `Unpredictable`. */
function vrRead(dataSet: DataSet, element: Element, written: Encoding): VR {
  const { tag } = element;
  const encoded = encodedVR(dataSet, element);
  if (encoded !== undefined && encoded !== 'UN') return encoded;
  if (!written.explicitVR) return vrWithoutHeader(dataSet, element);
  if (encoded === undefined && dataSet.encoding.explicitVR) return vrOfUnrecognized(element);
  if (written.bigEndian) throw new Unpredictable(`${formatTag(tag)} is UN in big endian`);
  if (isPrivateCreator(tag)) return 'LO';
  if (element.undefinedLength && element.fragments === undefined) return 'SQ';
  if (isPrivate(tag)) {
    if (hasCreator(dataSet, tag)) throw new Unpredictable(`${formatTag(tag)} is UN, and dcm4che may know its creator`);
    return 'UN';
  }
  const vr = vrOf(tag);
  if (vr === undefined || hasOpenVR(tag)) {
    throw new Unpredictable(`${formatTag(tag)} is UN, and its value representation is not certain`);
  }
  return vr;
}

/** Of a file in Implicit VR: it decides only about the padding, and whether the value is a sequence. */
function vrWithoutHeader(dataSet: DataSet, element: Element): VR {
  const { tag, items, length, undefinedLength, fragments } = element;
  if (items !== undefined || (undefinedLength && fragments === undefined)) return 'SQ';
  if (isPrivateCreator(tag)) return 'LO';
  const vr = vrOf(tag);
  if (vr !== undefined) return vr;
  if (length % 2 === 1) throw new Unpredictable(`${formatTag(tag)} has an odd length, and dcm4che may know its padding`);
  const [first, second, third, fourth] = valueBytes(dataSet, element);
  if (first === 0xfe && second === 0xff && third !== undefined && fourth === 0xe0) {
    throw new Unpredictable(`${formatTag(tag)} may be a sequence that dcm4che knows`);
  }
  return 'UN';
}

/** A VR that is none is taken for the dictionary's; whose header must have the form that the file's has. */
function vrOfUnrecognized({ tag, offset, valueOffset }: Element): VR {
  const vr = isPrivate(tag) ? undefined : vrOf(tag);
  if (vr === undefined || hasLongForm(vr) || valueOffset - offset !== SHORT_HEADER || hasOpenVR(tag)) {
    throw new Unpredictable(`${formatTag(tag)} has a value representation that is none`);
  }
  return vr;
}

/** PS3.5 7.8.1 */
function hasCreator(dataSet: DataSet, tag: Tag): boolean {
  return (dataSet.get(((tag & 0xffff0000) | ((tag >>> 8) & 0xff)) >>> 0)?.length ?? 0) > 0;
}
