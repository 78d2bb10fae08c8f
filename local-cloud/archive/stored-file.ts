/** The file that dcm4chee keeps of an instance, byte for byte as the arc-light 5.34.3 on which the contract was measured. */
import type { Segment } from '../../core/dicom/byte-source.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { dcm4cheFile, dcm4cheFileMeta } from '../../core/dicom/dcm4che-file.ts';
import type { ReceivedPart } from './received-part.ts';

const IMPLEMENTATION_VERSION_NAME = 'dcm4che-5.34.3';

/** Where it is not known how dcm4che writes the data set, as it was sent. */
export function storedFile(
  part10: Part10,
  received: ReceivedPart,
  sopClassUID: string,
  sopInstanceUID: string,
): readonly Segment[] {
  const file = dcm4cheFile(part10, IMPLEMENTATION_VERSION_NAME);
  if (!('unpredictable' in file)) return file.segments;
  const identity = { sopClassUID, sopInstanceUID, transferSyntaxUID: part10.transferSyntax.uid };
  return [dcm4cheFileMeta(identity, IMPLEMENTATION_VERSION_NAME), from(received, part10.metaEnd)];
}

function from(received: ReceivedPart, start: number): Segment {
  if (received.kind === 'in-memory') return received.bytes.subarray(start);
  return { source: received, start, length: received.length - start };
}
