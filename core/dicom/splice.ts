/**
 * Writes a file by splicing: what no change names is a view of the original, byte for byte (`write-data-set.ts`). Where
 * another transfer syntax wants another encoding, its headers are written anew (`rewrite-data-set.ts`).
 */
import { StorestowError } from '../errors.ts';
import { inMemory } from './byte-source.ts';
import type { Change, Segments } from './change.ts';
import type { Element, Part10, TransferSyntax } from './data-set.ts';
import { isEdited, planEdits } from './edit.ts';
import type { DataSetEdit, ElementEdit, FileEdit } from './edit.ts';
import { rewriteDataSet } from './rewrite-data-set.ts';
import { SegmentSink } from './segment-sink.ts';
import { TAG } from './tags.ts';
import { transferSyntaxOf } from './transfer-syntax.ts';
import { writeDataSet } from './write-data-set.ts';
import { zlib } from './zlib.ts';

export interface SpliceOptions {
  /** Written to (0002,0010): one of the same encoding, or one encoded as Explicit VR Little Endian that is not deflated. */
  readonly transferSyntaxUID?: string;
}

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
  if (!haveSameEncoding(transferSyntax, target)) {
    rewriteDataSet(edit.dataSet, part10, sink);
    sink.view(body, dataSetEnd, body.length);
    return;
  }
  const plain = target.deflated ? new SegmentSink() : sink;
  writeDataSet(edit.dataSet, { bytes: body, start: dataSetOffset, end: dataSetEnd, encoding: dataSet.encoding }, plain);
  plain.view(body, dataSetEnd, body.length);
  if (!target.deflated) return;
  const { segments, length } = plain.toSegments();
  const deflated = zlib().deflateRawSync(Buffer.concat(inMemory(segments), length));
  sink.add(deflated);
  // PS3.5 A.5: padded with a NUL to even length
  if (deflated.length % 2 === 1) sink.add(Uint8Array.of(0));
}

function targetSyntax({ transferSyntax }: Part10, uid: string | undefined): TransferSyntax {
  if (uid === undefined || uid === transferSyntax.uid) return transferSyntax;
  const target = transferSyntaxOf(uid);
  if (target === undefined) throw notApplicable(`${uid} is not a transfer syntax that storestow knows`);
  if (!canBecome(transferSyntax, target)) throw notApplicable(`a data set in ${transferSyntax.uid} cannot be written in ${uid}`);
  return target;
}

/**
 * | from \ to               | same encoding | Explicit VR Little Endian | any deflated | other |
 * |-------------------------|---------------|---------------------------|--------------|-------|
 * | deflated                | yes           | yes, as it is             | yes          | no    |
 * | not deflated            | yes           | rewritten                 | no           | no    |
 */
function canBecome(source: TransferSyntax, target: TransferSyntax): boolean {
  if (target.deflated) return source.deflated;
  return haveSameEncoding(source, target) || (target.explicitVR && !target.bigEndian);
}

function haveSameEncoding(one: TransferSyntax, other: TransferSyntax): boolean {
  return one.explicitVR === other.explicitVR && one.bigEndian === other.bigEndian;
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
