/** The file that dcm4chee keeps of an instance: zero preamble, a file meta of its own, the data set's bytes as sent. */
import type { Segment } from '../../core/dicom/byte-source.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import type { ReceivedPart } from './received-part.ts';

/** Of the arc-light 5.34.3 on which the contract was measured. */
const IMPLEMENTATION_CLASS_UID = '1.2.40.0.13.1.3';
const IMPLEMENTATION_VERSION_NAME = 'dcm4che-5.34.3';

/**
 * Equal to dcm4chee's, byte for byte, for plain data sets; dcm4chee re-encodes sequences and drops group lengths besides
 * (contract, section 9), which this leaves as sent.
 */
export function storedFile(part10: Part10, received: ReceivedPart, sopClassUID: string, sopInstanceUID: string): Segment[] {
  const elements = Buffer.concat([
    metaElement(0x0001, 'OB', Buffer.of(0, 1)),
    metaElement(0x0002, 'UI', uidBytes(sopClassUID)),
    metaElement(0x0003, 'UI', uidBytes(sopInstanceUID)),
    metaElement(0x0010, 'UI', uidBytes(part10.transferSyntax.uid)),
    metaElement(0x0012, 'UI', uidBytes(IMPLEMENTATION_CLASS_UID)),
    metaElement(0x0013, 'SH', Buffer.from(IMPLEMENTATION_VERSION_NAME, 'latin1')),
  ]);
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(elements.length);
  const head = Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM', 'latin1'),
    metaElement(0x0000, 'UL', groupLength),
    elements,
  ]);
  return [new Uint8Array(head), from(received, part10.metaEnd)];
}

function from(received: ReceivedPart, start: number): Segment {
  if (received.kind === 'in-memory') return received.bytes.subarray(start);
  return { source: received, start, length: received.length - start };
}

/** Even length, padded with a null byte (PS3.5 6.2). */
function uidBytes(uid: string): Buffer {
  return Buffer.from(uid.length % 2 === 0 ? uid : `${uid}\0`, 'latin1');
}

/** Explicit VR Little Endian (PS3.10 7.1). */
function metaElement(element: number, vr: 'OB' | 'UI' | 'SH' | 'UL', value: Buffer): Buffer {
  const header = Buffer.alloc(vr === 'OB' ? 12 : 8);
  header.writeUInt16LE(0x0002, 0);
  header.writeUInt16LE(element, 2);
  header.write(vr, 4, 'latin1');
  if (vr === 'OB') header.writeUInt32LE(value.length, 8);
  else header.writeUInt16LE(value.length, 6);
  return Buffer.concat([header, value]);
}
