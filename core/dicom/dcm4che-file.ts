/**
 * The file that a dcm4chee archive keeps of an instance that it was sent, told beforehand: so its digest, which the archive
 * tells for a query, proves that these bytes are stored without fetching them.
 */
import { createHash } from 'node:crypto';

import { StorestowError, type ErrorCode } from '../errors.ts';
import { segmentBytes } from './byte-source.ts';
import type { Segments } from './change.ts';
import type { DataSet, Part10, Tag, VR } from './data-set.ts';
import { Unpredictable, writeAsDcm4che } from './dcm4che-data-set.ts';
import { asciiText, unsignedNumber } from './element-value.ts';
import { readLargePart10 } from './read-large.ts';
import { SegmentSink } from './segment-sink.ts';
import { SegmentsSource } from './segments-source.ts';
import { formatTag } from './tag-text.ts';
import { TAG } from './tags.ts';
import { padByteOf } from './value-representation.ts';
import { elementHeader } from './write-element.ts';

/** Or why it cannot be told, in words. */
export type Predicted<T> = T | { readonly unpredictable: string };

/** dcm4che's own, in every version. */
const IMPLEMENTATION_CLASS_UID = '1.2.40.0.13.1.3';

/**
 * The MD5 (lower-case hexadecimal) of what dcm4chee stores of the file `sent`, or why it cannot be told. `implementationVersionName` is what
 * the archive writes as (0002,0013): `dcm4che-5.34.3`. Rejects only where bytes of `sent` cannot be read.
 */
export async function predictDcm4cheFile(
  sent: Segments,
  implementationVersionName: string,
): Promise<Predicted<{ readonly md5: string }>> {
  const part10 = await readSent(sent);
  if ('unpredictable' in part10) return part10;
  const file = dcm4cheFile(part10, implementationVersionName);
  if ('unpredictable' in file) return file;
  const md5 = createHash('md5');
  for (const segment of file.segments) {
    for await (const bytes of segmentBytes(segment)) md5.update(bytes);
  }
  return { md5: md5.digest('hex') };
}

/** What the file itself brings about; what its source rejects with is another matter. */
const OF_THE_FILE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_PART10',
  'MALFORMED',
  'TRUNCATED',
  'UNSUPPORTED_TRANSFER_SYNTAX',
  'TOO_LARGE',
]);

async function readSent(sent: Segments): Promise<Predicted<Part10>> {
  try {
    return await readLargePart10(new SegmentsSource(sent));
  } catch (error) {
    if (error instanceof StorestowError && OF_THE_FILE.has(error.code)) return { unpredictable: error.message };
    throw error;
  }
}

/** The file itself; its bytes are views and ranges of what was sent, where they are the same. */
export function dcm4cheFile(part10: Part10, implementationVersionName: string): Predicted<Segments> {
  try {
    const dataSet = writtenDataSet(part10);
    const sink = new SegmentSink();
    sink.add(dcm4cheFileMeta(identityIn(part10), implementationVersionName));
    for (const segment of dataSet.segments) sink.add(segment);
    return sink.toSegments();
  } catch (error) {
    if (error instanceof Unpredictable) return { unpredictable: error.message };
    throw error;
  }
}

function identityIn({ dataSet, transferSyntax }: Part10): FileIdentity {
  return {
    sopClassUID: requiredText(dataSet, TAG.SOPClassUID),
    sopInstanceUID: requiredText(dataSet, TAG.SOPInstanceUID),
    transferSyntaxUID: transferSyntax.uid,
  };
}

function writtenDataSet(part10: Part10): Segments {
  const { dataSet, dataSetEnd, body, gap, transferSyntax } = part10;
  if (transferSyntax.deflated) throw new Unpredictable('the data set is deflated, and deflaters differ');
  if (dataSetEnd !== body.length) throw new Unpredictable('something follows the last element');
  if (!isMetaLengthTrue(part10)) throw new Unpredictable('the length of the file meta information is less than it has');
  if (isTranscoded(dataSet, transferSyntax.uid)) throw new Unpredictable('its bits do not fit its transfer syntax');
  return writeAsDcm4che(dataSet, gap).toSegments();
}

/** What of group 0002 stands behind the stated length, dcm4che takes for a part of the data set. */
function isMetaLengthTrue({ meta, metaEnd }: Part10): boolean {
  const stated = meta.get(TAG.FileMetaInformationGroupLength);
  const length = unsignedNumber(meta, TAG.FileMetaInformationGroupLength);
  return stated === undefined || length === undefined || stated.end + length >= metaEnd;
}

/** The most Bits Stored with which dcm4che keeps a syntax; where there are more it writes another. */
const MAX_BITS_STORED: Readonly<Record<string, number>> = {
  '1.2.840.10008.1.2.4.50': 8,
  '1.2.840.10008.1.2.4.51': 12,
  '1.2.840.10008.1.2.4.53': 12,
  '1.2.840.10008.1.2.4.55': 12,
  '1.2.840.10008.1.2.4.57': 16,
  '1.2.840.10008.1.2.4.70': 16,
  '1.2.840.10008.1.2.4.80': 16,
  '1.2.840.10008.1.2.4.81': 16,
  '1.2.840.10008.1.2.4.90': 16,
  '1.2.840.10008.1.2.4.91': 16,
  '1.2.840.10008.1.2.4.110': 32,
  '1.2.840.10008.1.2.4.111': 8,
  '1.2.840.10008.1.2.4.112': 8,
  '1.2.840.10008.1.2.4.201': 16,
  '1.2.840.10008.1.2.4.202': 16,
  '1.2.840.10008.1.2.4.203': 16,
};

/** Extended JPEG is for unsigned samples. */
const UNSIGNED_ONLY = /\.4\.5[135]$/;

function isTranscoded(dataSet: DataSet, transferSyntaxUID: string): boolean {
  const limit = MAX_BITS_STORED[transferSyntaxUID];
  if (limit === undefined || dataSet.get(TAG.PixelData) === undefined) return false;
  const bitsAllocated = unsignedNumber(dataSet, TAG.BitsAllocated) ?? 8;
  if (bitsAllocated === 1) return false;
  const isSigned = unsignedNumber(dataSet, TAG.PixelRepresentation) === 1;
  if (isSigned && UNSIGNED_ONLY.test(transferSyntaxUID)) return true;
  return (unsignedNumber(dataSet, TAG.BitsStored) ?? bitsAllocated) > limit;
}

export interface FileIdentity {
  readonly sopClassUID: string;
  readonly sopInstanceUID: string;
  readonly transferSyntaxUID: string;
}

/** What stands before the data set: preamble, prefix and group 0002 (PS3.10 7.1). */
export function dcm4cheFileMeta(identity: FileIdentity, implementationVersionName: string): Uint8Array {
  const elements = Buffer.concat([
    metaElement(TAG.FileMetaInformationVersion, 'OB', Buffer.of(0, 1)),
    metaElement(TAG.MediaStorageSOPClassUID, 'UI', latin1(identity.sopClassUID)),
    metaElement(TAG.MediaStorageSOPInstanceUID, 'UI', latin1(identity.sopInstanceUID)),
    metaElement(TAG.TransferSyntaxUID, 'UI', latin1(identity.transferSyntaxUID)),
    metaElement(TAG.ImplementationClassUID, 'UI', latin1(IMPLEMENTATION_CLASS_UID)),
    metaElement(TAG.ImplementationVersionName, 'SH', latin1(implementationVersionName)),
  ]);
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(elements.length);
  return Buffer.concat([
    Buffer.alloc(128),
    latin1('DICM'),
    metaElement(TAG.FileMetaInformationGroupLength, 'UL', groupLength),
    elements,
  ]);
}

/** Explicit VR Little Endian (PS3.10 7.1). */
function metaElement(tag: Tag, vr: VR, value: Uint8Array): Uint8Array {
  const padding = Buffer.alloc(value.length % 2, padByteOf(vr));
  const header = elementHeader(tag, vr, value.length + padding.length, { explicitVR: true, bigEndian: false });
  return Buffer.concat([header, value, padding]);
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function requiredText(dataSet: DataSet, tag: Tag): string {
  const value = asciiText(dataSet, tag);
  if (value === undefined || value === '') throw new Unpredictable(`there is no ${formatTag(tag)}`);
  return value;
}
