/** Elements that a change brings, in the encoding of the place they go to (PS3.5 7). */
import { StorestowError } from '../errors.ts';
import { swapByteOrder } from './byte-order.ts';
import type { Segment } from './byte-source.ts';
import type { NewElement } from './change.ts';
import type { Encoding, Tag, VR } from './data-set.ts';
import type { NewLeaf } from './edit.ts';
import type { SegmentSink } from './segment-sink.ts';
import { formatTag, groupOf } from './tag-text.ts';
import { TAG } from './tags.ts';
import { hasLongForm, padByteOf, unitOf } from './value-representation.ts';
import { writeNumber } from './write-number.ts';

/** PS3.5 7.1.1: 0xFFFFFFFF is the undefined length, and lengths are even. */
const MAX_LENGTH = 0xfffffffe;

/** PS3.5 7.1.2: what a length of 16 bits holds. */
const MAX_SHORT_LENGTH = 0xfffe;

/** Values above this are passed on as they are instead of copied behind their header. */
const COPY_LIMIT = 64 * 1024;

/** Throws `CHANGE_NOT_APPLICABLE` where the value has no place in a file of this encoding. */
export function writeElement(element: NewLeaf, encoding: Encoding, sink: SegmentSink): void {
  if ('raw' in element) sink.add(element.raw);
  else if ('frames' in element) writeFrames(element, encoding, sink);
  else writeValue(element.tag, element.vr, element.value, encoding, sink);
}

function writeValue(tag: Tag, stated: VR, given: Uint8Array, encoding: Encoding, sink: SegmentSink): void {
  const vr = encoding.explicitVR ? explicitVR(tag, stated, given.length) : stated;
  const value = encoding.bigEndian ? swapped(tag, given, vr) : given;
  const padding = value.length % 2;
  const header = elementHeader(tag, vr, checkedLength(tag, value.length + padding), encoding);
  if (value.length > COPY_LIMIT) {
    sink.add(header);
    sink.add(value);
    if (padding === 1) sink.add(Uint8Array.of(padByteOf(stated)));
    return;
  }
  const bytes = new Uint8Array(header.length + value.length + padding);
  bytes.set(header);
  bytes.set(value, header.length);
  if (padding === 1) bytes[bytes.length - 1] = padByteOf(stated);
  sink.add(bytes);
}

/** PS3.5 6.2.2: a value too long for a length of 16 bits becomes UN, which keeps its little endian; not in the file meta. */
export function explicitVR(tag: Tag, vr: VR, length: number): VR {
  if (hasLongForm(vr) || length <= MAX_SHORT_LENGTH) return vr;
  if (groupOf(tag) === 0x0002) throw notApplicable(`the value of ${formatTag(tag)} is longer than ${MAX_SHORT_LENGTH} bytes`);
  return 'UN';
}

/** PS3.5 7.3 */
function swapped(tag: Tag, value: Uint8Array, vr: VR): Uint8Array {
  const unit = unitOf(vr);
  if (value.length % unit !== 0) throw notApplicable(`the value of ${formatTag(tag)} is not a multiple of ${unit} bytes`);
  return swapByteOrder(value, vr);
}

export function elementHeader(tag: Tag, vr: VR, length: number, { explicitVR, bigEndian }: Encoding): Uint8Array {
  const long = explicitVR && hasLongForm(vr);
  const header = new Uint8Array(long ? 12 : 8);
  writeNumber(header, 0, 2, groupOf(tag), bigEndian);
  writeNumber(header, 2, 2, tag & 0xffff, bigEndian);
  if (explicitVR) {
    header[4] = vr.charCodeAt(0);
    header[5] = vr.charCodeAt(1);
  }
  if (explicitVR && !long) writeNumber(header, 6, 2, length, bigEndian);
  else writeNumber(header, long ? 8 : 4, 4, length, bigEndian);
  return header;
}

/** PS3.5 7.5: the header of an item, a fragment, or a delimitation item has no VR in any encoding. */
export function itemHeader(tag: Tag, length: number, { bigEndian }: Encoding): Uint8Array {
  return elementHeader(tag, 'UN', length, { explicitVR: false, bigEndian });
}

/** PS3.5 A.4: a Basic Offset Table, one fragment a frame, each of even length. */
function writeFrames(
  { tag, frames, extendedOffsets = false }: Extract<NewElement, { readonly frames: unknown }>,
  encoding: Encoding,
  sink: SegmentSink,
): void {
  if (!encoding.explicitVR || encoding.bigEndian) {
    throw notApplicable(`encapsulated ${formatTag(tag)} needs Explicit VR Little Endian (PS3.5 A.4)`);
  }
  sink.add(elementHeader(tag, 'OB', 0xffffffff, encoding));
  const offsets = extendedOffsets ? new Uint8Array(0) : basicOffsetTable(tag, frames);
  sink.add(itemHeader(TAG.Item, offsets.length, encoding));
  sink.add(offsets);
  for (const frame of frames) {
    const padding = frame.length % 2;
    sink.add(itemHeader(TAG.Item, checkedLength(tag, frame.length + padding), encoding));
    sink.add(frame);
    if (padding === 1) sink.add(Uint8Array.of(0));
  }
  sink.add(itemHeader(TAG.SequenceDelimitationItem, 0, encoding));
}

/** Offsets from the first byte of the first frame's item, of 32 bits (PS3.5 A.4). */
function basicOffsetTable(tag: Tag, frames: readonly Segment[]): Uint8Array {
  const table = new Uint8Array(frames.length * 4);
  const view = new DataView(table.buffer);
  let offset = 0;
  frames.forEach((frame, index) => {
    if (offset > MAX_LENGTH) {
      throw notApplicable(`the frames of ${formatTag(tag)} are more than a Basic Offset Table can tell (4 GiB)`);
    }
    view.setUint32(index * 4, offset, true);
    offset += 8 + frame.length + (frame.length % 2);
  });
  return table;
}

export function checkedLength(tag: Tag, length: number): number {
  if (length > MAX_LENGTH) throw notApplicable(`${formatTag(tag)} would be longer than a length of 32 bits tells`);
  return length;
}

function notApplicable(what: string): StorestowError {
  return new StorestowError('CHANGE_NOT_APPLICABLE', `${what}; correct the rule, or send the instance as it was received`);
}
