/**
 * Writes a file by splicing: what no change names is a view of the original, byte for byte. Lengths that a change alters
 * are corrected: those of the items and sequences around it that have a defined one, the group lengths of its data set, and
 * that of the file meta information.
 */
import { deflateRawSync } from 'node:zlib';

import { StorestowError } from '../errors.ts';
import { inMemory } from './byte-source.ts';
import type { Change, Segments } from './change.ts';
import type { Element, Encoding, Part10, Tag, TransferSyntax } from './data-set.ts';
import { isEdited, isElementEdited, isItemEdited, planEdits } from './edit.ts';
import type { DataSetEdit, ElementEdit, FileEdit, ItemEdit, SequenceEdit } from './edit.ts';
import { SegmentSink } from './segment-sink.ts';
import { groupOf, isGroupLength } from './tag-text.ts';
import { TAG } from './tags.ts';
import { transferSyntaxOf } from './transfer-syntax.ts';
import { checkedLength, elementHeader, itemHeader, writeElement } from './write-element.ts';

export interface SpliceOptions {
  /** Written to (0002,0010). The data set's encoding must be the same, but a deflated data set may become one that is not. */
  readonly transferSyntaxUID?: string;
}

const IMPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: false, bigEndian: false };

/**
 * The file with the changes, in order (`edit.ts` says how they meet). New sequences and items have defined lengths; a
 * deflated data set is deflated again if it changed. Without an effective change the bytes are those of the original.
 * Throws `CHANGE_NOT_APPLICABLE`.
 */
export function splice(part10: Part10, changes: readonly Change[], options: SpliceOptions = {}): Segments {
  const target = targetSyntax(part10, options.transferSyntaxUID);
  const edit = planEdits(part10, target === part10.transferSyntax ? changes : [...changes, syntaxChange(target)]);
  checkPixelData(part10, edit.dataSet, target);
  const sink = new SegmentSink(part10.body, part10.gap);
  spliceMeta(part10, edit, sink);
  spliceBody(part10, edit, target, sink);
  return sink.toSegments();
}

function spliceMeta({ file, meta, metaOffset, metaEnd }: Part10, edit: FileEdit, sink: SegmentSink): void {
  sink.view(file, 0, metaOffset);
  writeDataSet(edit.meta, { bytes: file, start: metaOffset, end: metaEnd, encoding: meta.encoding }, sink);
}

function spliceBody(part10: Part10, edit: FileEdit, target: TransferSyntax, sink: SegmentSink): void {
  const { file, body, metaEnd, dataSetOffset, dataSetEnd, dataSet, transferSyntax } = part10;
  if (transferSyntax.deflated && target.deflated && !isEdited(edit.dataSet)) {
    sink.view(file, metaEnd, file.length);
    return;
  }
  const plain = target.deflated ? new SegmentSink() : sink;
  writeDataSet(edit.dataSet, { bytes: body, start: dataSetOffset, end: dataSetEnd, encoding: dataSet.encoding }, plain);
  plain.view(body, dataSetEnd, body.length);
  if (!target.deflated) return;
  const { segments, length } = plain.toSegments();
  const deflated = deflateRawSync(Buffer.concat(inMemory(segments), length));
  sink.add(deflated);
  // PS3.5 A.5: padded with a NUL to even length
  if (deflated.length % 2 === 1) sink.add(Uint8Array.of(0));
}

/** Where a data set lies in the original, and how it is written. */
interface Place {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly encoding: Encoding;
}

function writeDataSet(edit: DataSetEdit, place: Place, sink: SegmentSink): void {
  if (!isEdited(edit)) {
    sink.view(place.bytes, place.start, place.end);
    return;
  }
  const { source, elements } = edit;
  const { bytes, encoding } = place;
  const groupLengths = new GroupLengths(edit, encoding);
  const isNew = (tag: Tag): boolean => source?.get(tag) === undefined;
  const inserted = [...elements.keys()].filter(isNew).sort((a, b) => a - b);
  let next = 0;
  const write = (tag: Tag, change: ElementEdit): void => {
    const before = sink.length;
    writeEdit(tag, change, bytes, encoding, sink);
    groupLengths.count(tag, sink.length - before);
  };
  const insertBelow = (limit: number): void => {
    for (let tag = inserted[next]; tag !== undefined && tag < limit; tag = inserted[++next]) {
      const change = elements.get(tag);
      if (change !== undefined) write(tag, change);
    }
  };
  const written = new Set<Tag>();
  for (const element of source?.elements ?? []) {
    insertBelow(element.tag);
    const change = elements.get(element.tag);
    if (change === undefined || keeps(change, element)) {
      if (!groupLengths.reserve(element, bytes, sink)) {
        sink.view(bytes, element.offset, element.end);
        groupLengths.count(element.tag, element.end - element.offset);
      }
    } else if (!written.has(element.tag)) {
      written.add(element.tag);
      write(element.tag, change);
    }
  }
  insertBelow(Infinity);
  groupLengths.settle();
}

/** A sequence that was only walked through, or the second of two with one tag, of which the first is edited. */
function keeps(change: ElementEdit, element: Element): boolean {
  if (change.kind !== 'sequence' || change.source === undefined) return false;
  return change.source !== element || !isElementEdited(change);
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
  // PS3.5 6.2.2: within UN of undefined length
  const inner = source?.items?.[0]?.dataSet.encoding ?? (source?.vr === 'UN' ? IMPLICIT_LITTLE_ENDIAN : encoding);
  const items = new SegmentSink();
  for (const item of sequence.items) writeItem(tag, item, bytes, inner, items);
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
  new DataView(header.buffer, header.byteOffset).setUint32(header.length - 4, length, !bigEndian);
  return header;
}

/** (gggg,0000) of the groups that changed (PS3.5 7.2): reserved where they stand, set once the group was written. */
class GroupLengths {
  readonly #encoding: Encoding;
  readonly #sizes = new Map<number, number>();
  readonly #reserved = new Map<number, Uint8Array>();

  constructor({ elements }: DataSetEdit, encoding: Encoding) {
    this.#encoding = encoding;
    for (const [tag, edit] of elements) if (isElementEdited(edit)) this.#sizes.set(groupOf(tag), 0);
  }

  count(tag: Tag, size: number): void {
    if (isGroupLength(tag)) return;
    const sum = this.#sizes.get(groupOf(tag));
    if (sum !== undefined) this.#sizes.set(groupOf(tag), sum + size);
  }

  reserve(element: Element, bytes: Uint8Array, sink: SegmentSink): boolean {
    const group = groupOf(element.tag);
    const isLength = isGroupLength(element.tag) && element.length === 4;
    if (!isLength || !this.#sizes.has(group) || this.#reserved.has(group)) return false;
    const copy = new Uint8Array(bytes.subarray(element.offset, element.end));
    this.#reserved.set(group, copy);
    sink.add(copy);
    return true;
  }

  settle(): void {
    for (const [group, bytes] of this.#reserved) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      view.setUint32(bytes.length - 4, this.#sizes.get(group) ?? 0, !this.#encoding.bigEndian);
    }
  }
}

function targetSyntax({ transferSyntax }: Part10, uid: string | undefined): TransferSyntax {
  if (uid === undefined || uid === transferSyntax.uid) return transferSyntax;
  const target = transferSyntaxOf(uid);
  if (target === undefined) throw notApplicable(`${uid} is not a transfer syntax that storestow knows`);
  const sameEncoding = target.explicitVR === transferSyntax.explicitVR && target.bigEndian === transferSyntax.bigEndian;
  if (sameEncoding && (transferSyntax.deflated || !target.deflated)) return target;
  throw notApplicable(`a data set in ${transferSyntax.uid} has another encoding than ${uid} wants`);
}

function syntaxChange({ uid }: TransferSyntax): Change {
  const element = { tag: TAG.TransferSyntaxUID, vr: 'UI', value: Buffer.from(uid, 'latin1') } as const;
  return { kind: 'set', path: [], element, reason: 'transfer syntax' };
}

/**
 * PS3.5 A.4: fragments belong to the encapsulated syntaxes and to no other.
 *
 * | pixel data          | target encapsulated | target native |
 * |---------------------|---------------------|---------------|
 * | written as frames   | yes                 | refused       |
 * | written as a value  | refused             | yes           |
 * | kept, fragments     | yes                 | refused       |
 * | kept, no fragments  | refused             | yes           |
 * | absent, or copied   | yes                 | yes           |
 *
 * A file that contradicts itself and keeps both its syntax and its pixel data is not judged here.
 */
function checkPixelData({ dataSet, transferSyntax }: Part10, { elements }: DataSetEdit, target: TransferSyntax): void {
  const edit = elements.get(TAG.PixelData);
  if (edit === undefined && target === transferSyntax) return;
  const encapsulated = edit === undefined ? hasFragments(dataSet.get(TAG.PixelData)) : writesFragments(edit);
  if (encapsulated === undefined || encapsulated === target.encapsulated) return;
  throw notApplicable(`pixel data ${encapsulated ? 'in fragments' : 'without fragments'} has no place in ${target.uid}`);
}

function hasFragments(element: Element | undefined): boolean | undefined {
  return element === undefined ? undefined : element.fragments !== undefined;
}

function writesFragments(edit: ElementEdit): boolean | undefined {
  if (edit.kind !== 'written' || 'raw' in edit.element) return undefined;
  return 'frames' in edit.element;
}

function notApplicable(what: string): StorestowError {
  return new StorestowError('CHANGE_NOT_APPLICABLE', `${what}; correct the change`);
}
