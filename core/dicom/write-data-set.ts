/**
 * A data set with its edits, in the encoding that it has: what no edit names is a view of the original, byte for byte.
 * Lengths that an edit alters are corrected: those of the items and sequences around it that have a defined one, and the
 * group lengths of its data set.
 */
import type { Element, Encoding, Tag } from './data-set.ts';
import { isEdited, isElementEdited, isItemEdited, writingOrder } from './edit.ts';
import type { DataSetEdit, ElementEdit, ItemEdit, SequenceEdit } from './edit.ts';
import { GroupLengths } from './group-lengths.ts';
import { SegmentSink } from './segment-sink.ts';
import { groupOf } from './tag-text.ts';
import { TAG } from './tags.ts';
import { checkedLength, elementHeader, itemHeader, writeElement } from './write-element.ts';
import { writeNumber } from './write-number.ts';

const IMPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: false, bigEndian: false };

/** Where a data set lies in the original, and how it is written. */
export interface Place {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly encoding: Encoding;
}

/** Throws `CHANGE_NOT_APPLICABLE`. */
export function writeDataSet(edit: DataSetEdit, place: Place, sink: SegmentSink): void {
  if (!isEdited(edit)) {
    sink.view(place.bytes, place.start, place.end);
    return;
  }
  const { bytes, encoding } = place;
  if (edit.source === undefined) {
    const elements = [...edit.elements].sort(([a], [b]) => a - b);
    for (const [tag, change] of elements) writeEdit(tag, change, bytes, encoding, sink);
    return;
  }
  const groups = editedGroups(edit);
  const groupLengths = new GroupLengths(encoding, (group) => groups.has(group));
  for (const { tag, kept, change } of writingOrder(edit)) {
    const before = sink.length;
    if (kept === undefined) {
      writeEdit(tag, change, bytes, encoding, sink);
    } else if (groupLengths.awaits(kept)) {
      groupLengths.reserve(tag, new Uint8Array(bytes.subarray(kept.offset, kept.end)), sink);
    } else {
      sink.view(bytes, kept.offset, kept.end);
    }
    groupLengths.count(tag, sink.length - before);
  }
  groupLengths.settle();
}

function editedGroups({ elements }: DataSetEdit): ReadonlySet<number> {
  const edited = [...elements].filter(([, edit]) => isElementEdited(edit));
  return new Set(edited.map(([tag]) => groupOf(tag)));
}

function writeEdit(tag: Tag, change: ElementEdit, bytes: Uint8Array, encoding: Encoding, sink: SegmentSink): void {
  switch (change.kind) {
    case 'removed':
      return;
    case 'written':
      writeElement(change.element, encoding, sink);
      return;
    case 'sequence':
      writeSequence(tag, change, bytes, encoding, sink);
  }
}

function writeSequence(tag: Tag, sequence: SequenceEdit, bytes: Uint8Array, encoding: Encoding, sink: SegmentSink): void {
  const { source } = sequence;
  const items = new SegmentSink();
  writeItems(tag, sequence, bytes, encoding, items);
  if (source === undefined) {
    sink.add(elementHeader(tag, 'SQ', checkedLength(tag, items.length), encoding));
  } else if (source.undefinedLength) {
    sink.view(bytes, source.offset, source.valueOffset);
  } else {
    sink.add(withLength(bytes, source.offset, source.valueOffset, checkedLength(tag, items.length), encoding));
  }
  sink.addAll(items);
  if (source !== undefined) sink.view(bytes, source.valueOffset + source.length, source.end);
}

/** `encoding` is that of the data set which has the sequence; its items may have another. Throws `CHANGE_NOT_APPLICABLE`. */
export function writeItems(
  tag: Tag,
  { source, items }: SequenceEdit,
  bytes: Uint8Array,
  encoding: Encoding,
  sink: SegmentSink,
): void {
  const inner = source === undefined ? encoding : encodingOfItems(source, encoding);
  // The items of one sequence may differ, too.
  for (const item of items) writeItem(tag, item, bytes, item.source?.dataSet.encoding ?? inner, sink);
}

/** PS3.5 6.2.2: within UN, Implicit VR. */
function encodingOfItems({ vr, items }: Element, encoding: Encoding): Encoding {
  return items?.[0]?.dataSet.encoding ?? (vr === 'UN' ? IMPLICIT_LITTLE_ENDIAN : encoding);
}

function writeItem(tag: Tag, item: ItemEdit, bytes: Uint8Array, encoding: Encoding, sink: SegmentSink): void {
  const { source, content } = item;
  if (content === undefined || !isItemEdited(item)) {
    if (source !== undefined) sink.view(bytes, source.offset, source.end);
    return;
  }
  const start = source?.valueOffset ?? 0;
  const end = start + (source?.length ?? 0);
  const inner = new SegmentSink();
  writeDataSet(content, { bytes, start, end, encoding }, inner);
  if (source?.undefinedLength === true) sink.view(bytes, source.offset, source.valueOffset);
  else sink.add(itemHeader(TAG.Item, checkedLength(tag, inner.length), encoding));
  sink.addAll(inner);
  if (source !== undefined) sink.view(bytes, end, source.end);
}

/** A header with its length, the last 32 bits, written anew; the rest of it stays as it was. */
function withLength(bytes: Uint8Array, start: number, end: number, length: number, { bigEndian }: Encoding): Uint8Array {
  const header = new Uint8Array(bytes.subarray(start, end));
  writeNumber(header, header.length - 4, 4, length, bigEndian);
  return header;
}
