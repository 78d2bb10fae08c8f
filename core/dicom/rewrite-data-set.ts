/**
 * A data set in Implicit VR or in big endian, written in Explicit VR Little Endian with its edits: element headers, numbers
 * and the lengths around them are written anew, and all else keeps its bytes. What came with undefined length leaves so.
 * Nothing is guessed: what cannot be told is refused.
 *
 * | element                                     | VR                             | value                                |
 * |---------------------------------------------|--------------------------------|--------------------------------------|
 * | Implicit VR, in the dictionary              | of the dictionary (PS3.5 A.1)  | as it is (swapped by VR, big endian) |
 * | … US or SS                                  | `signed-values.ts`             | "                                    |
 * | … OB or OW, US or OW                        | OW, as PS3.5 A.1 has them      | "                                    |
 * | Implicit VR, longer than 16 bits tell       | UN if its VR has them (6.2.2)  | "                                    |
 * | Implicit VR, private creator (7.8.1)        | LO                             | as it is                             |
 * | Implicit VR, private or unknown             | UN (6.2.2)                     | as it is                             |
 * | Explicit VR                                 | as it came                     | swapped by VR (7.3)                  |
 * | UN, its items or bytes                      | UN                             | as it is: never swapped, Implicit VR |
 * |                                             |                                | Little Endian in any syntax (6.2.2)  |
 * | Explicit VR Little Endian within            | as it came                     | as it is                             |
 * | SQ                                          | SQ                             | each item's elements as here         |
 * | group length (7.2)                          | UL, or as it came              | of the group as it is written        |
 * | fragments, other than (7FE0,0010) edited    | refused: they need Explicit VR Little Endian (A.4)                    |
 * | big endian: VR unknown, half a number,      | refused: how to swap it is not known                                  |
 * |   Pixel Data of more than 16 bits           |                                                                       |
 */
import { StorestowError } from '../errors.ts';
import { littleEndianValue } from './byte-order.ts';
import type { DataSet, Element, Encoding, Gap, Item, Part10, Tag, VR } from './data-set.ts';
import { writingOrder } from './edit.ts';
import type { DataSetEdit, ElementEdit, ItemEdit, NewLeaf, SequenceEdit } from './edit.ts';
import { GroupLengths } from './group-lengths.ts';
import { readDataSet } from './read-data-set.ts';
import { obstacleOf } from './rewrite-obstacle.ts';
import { SegmentSink } from './segment-sink.ts';
import { isSigned } from './signed-values.ts';
import type { Standing } from './signed-values.ts';
import { formatTag } from './tag-text.ts';
import { TAG } from './tags.ts';
import { unitOf } from './value-representation.ts';
import { writeItems } from './write-data-set.ts';
import { checkedLength, elementHeader, explicitVR, itemHeader, writeElement } from './write-element.ts';

const EXPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: true, bigEndian: false };
const UNDEFINED_LENGTH = 0xffffffff;

/** Pieces below this are joined, so that a data set of a thousand elements is not sent in thousands of pieces. */
const SMALL = 1024;

/** Throws `CHANGE_NOT_APPLICABLE`. */
export function rewriteDataSet(edit: DataSetEdit, { dataSet, gap }: Part10, sink: SegmentSink): void {
  const rewritten = new SegmentSink();
  new Rewriter(dataSet, gap).dataSet(edit, { dataSets: [dataSet] }, rewritten);
  joinSmall(rewritten, sink);
}

class Rewriter {
  readonly #root: DataSet;
  readonly #gap: Gap | undefined;

  constructor(root: DataSet, gap: Gap | undefined) {
    this.#root = root;
    this.#gap = gap;
  }

  dataSet(edit: DataSetEdit, standing: Standing, sink: SegmentSink): void {
    const groupLengths = new GroupLengths(EXPLICIT_LITTLE_ENDIAN, () => true);
    for (const { tag, kept, change } of writingOrder(edit)) {
      const before = sink.length;
      const source = edit.source;
      if (kept === undefined) {
        this.#edit(tag, change, source, standing, sink);
      } else if (source !== undefined && groupLengths.awaits(kept)) {
        groupLengths.reserve(tag, groupLengthElement(kept, source), sink);
      } else if (source !== undefined) {
        this.#element(kept, source, standing, sink);
      }
      groupLengths.count(tag, sink.length - before);
    }
    groupLengths.settle();
  }

  #edit(tag: Tag, edit: ElementEdit, source: DataSet | undefined, standing: Standing, sink: SegmentSink): void {
    switch (edit.kind) {
      case 'removed':
        return;
      case 'written':
        this.#leaf(edit.element, standing, sink);
        return;
      case 'sequence':
        if (edit.source?.vr === 'UN' && source !== undefined) this.#unknownSequence(edit.source, edit, source, sink);
        else this.#sequence(tag, edit, standing, sink);
    }
  }

  /** A raw element has the encoding of the file, and means what it meant there. */
  #leaf(element: NewLeaf, standing: Standing, sink: SegmentSink): void {
    if (!('raw' in element)) {
      writeElement(element, EXPLICIT_LITTLE_ENDIAN, sink);
      return;
    }
    const { dataSet } = readDataSet(element.raw, 0, this.#root.encoding);
    const dataSets = [dataSet, ...standing.dataSets];
    for (const copied of dataSet.elements) this.#element(copied, dataSet, { ...standing, dataSets }, sink);
  }

  #element(element: Element, source: DataSet, standing: Standing, sink: SegmentSink): void {
    const obstacle = obstacleOf(element, source);
    if (obstacle !== undefined) throw notApplicable(obstacle);
    const { tag, vr, items, undefinedLength } = element;
    if (vr === 'UN' && items !== undefined) {
      sink.add(elementHeader(tag, 'UN', undefinedLength ? UNDEFINED_LENGTH : element.length, EXPLICIT_LITTLE_ENDIAN));
      sink.view(source.bytes, element.valueOffset, element.end);
    } else if (items !== undefined) {
      this.#sequence(tag, { kind: 'sequence', source: element, items: items.map((item) => ({ source: item })) }, standing, sink);
    } else {
      this.#value(element, source, standing, sink);
    }
  }

  #value(element: Element, source: DataSet, standing: Standing, sink: SegmentSink): void {
    const { tag, length, offset, valueOffset, end } = element;
    const { explicitVR: isExplicit, bigEndian } = source.encoding;
    if (isExplicit && !bigEndian) {
      sink.view(source.bytes, offset, end);
      return;
    }
    const vr = rewrittenVR(element, source.encoding, standing);
    sink.add(elementHeader(tag, vr, length, EXPLICIT_LITTLE_ENDIAN));
    if (source === this.#root && this.#gap?.at === valueOffset) {
      if (bigEndian && unitOf(element.vr) > 1) throw notApplicable(`${formatTag(tag)} is too large to be swapped`);
      sink.add(this.#gap.range);
    } else {
      sink.add(littleEndianValue(source, element));
    }
  }

  #sequence(tag: Tag, { source, items }: SequenceEdit, standing: Standing, sink: SegmentSink): void {
    const written = new SegmentSink();
    for (const item of items) this.#item(tag, item, standing, written);
    const undefinedLength = source?.undefinedLength === true;
    const length = undefinedLength ? UNDEFINED_LENGTH : checkedLength(tag, written.length);
    sink.add(elementHeader(tag, 'SQ', length, EXPLICIT_LITTLE_ENDIAN));
    sink.addAll(written);
    if (undefinedLength) sink.add(itemHeader(TAG.SequenceDelimitationItem, 0, EXPLICIT_LITTLE_ENDIAN));
  }

  #item(sequence: Tag, { source, content }: ItemEdit, standing: Standing, sink: SegmentSink): void {
    const edit = content ?? unedited(source);
    const dataSets = source === undefined ? standing.dataSets : [source.dataSet, ...standing.dataSets];
    const written = new SegmentSink();
    this.dataSet(edit, { dataSets, sequence }, written);
    const undefinedLength = source?.undefinedLength === true;
    const length = undefinedLength ? UNDEFINED_LENGTH : checkedLength(sequence, written.length);
    sink.add(itemHeader(TAG.Item, length, EXPLICIT_LITTLE_ENDIAN));
    sink.addAll(written);
    if (undefinedLength) sink.add(itemHeader(TAG.ItemDelimitationItem, 0, EXPLICIT_LITTLE_ENDIAN));
  }

  /** PS3.5 6.2.2: within UN the items remain in Implicit VR, edited or not. */
  #unknownSequence(element: Element, edit: SequenceEdit, source: DataSet, sink: SegmentSink): void {
    const { tag, undefinedLength, valueOffset, length, end } = element;
    const written = new SegmentSink();
    writeItems(tag, edit, source.bytes, source.encoding, written);
    const newLength = undefinedLength ? UNDEFINED_LENGTH : checkedLength(tag, written.length);
    sink.add(elementHeader(tag, 'UN', newLength, EXPLICIT_LITTLE_ENDIAN));
    sink.addAll(written);
    sink.view(source.bytes, valueOffset + length, end);
  }
}

function unedited(item: Item | undefined): DataSetEdit {
  return item === undefined ? { elements: new Map() } : { source: item.dataSet, elements: new Map() };
}

function rewrittenVR({ tag, vr, length }: Element, encoding: Encoding, standing: Standing): VR {
  return encoding.explicitVR ? vr : explicitVR(tag, isSigned(tag, standing) ? 'SS' : vr, length);
}

/** With a length to be set. PS3.5 7.2: UL in private groups too, which the dictionary does not have. */
function groupLengthElement({ tag, vr }: Element, { encoding }: DataSet): Uint8Array {
  const header = elementHeader(tag, encoding.explicitVR ? vr : 'UL', 4, EXPLICIT_LITTLE_ENDIAN);
  const element = new Uint8Array(header.length + 4);
  element.set(header);
  return element;
}

/** Headers and short values become one piece with what stands beside them; long values stay views. */
function joinSmall(from: SegmentSink, to: SegmentSink): void {
  let small: Uint8Array[] = [];
  const flush = (): void => {
    if (small.length > 0) to.add(Buffer.concat(small));
    small = [];
  };
  for (const segment of from.toSegments().segments) {
    if (segment instanceof Uint8Array && segment.length < SMALL) {
      small.push(segment);
    } else {
      flush();
      to.add(segment);
    }
  }
  flush();
}

function notApplicable(what: string): StorestowError {
  return new StorestowError('CHANGE_NOT_APPLICABLE', `${what}; send the instance in the transfer syntax in which it came`);
}
