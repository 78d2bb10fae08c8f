/** Reads a DICOM file (PS3.10 7): preamble, file meta information, data set. */
import { StorestowError } from '../errors.ts';
import type { DataSet, Part10, TransferSyntax } from './data-set.ts';
import { asciiText } from './element-value.ts';
import { inflateDataSet, MAX_INFLATED_LENGTH } from './inflate.ts';
import { readDataSet, readFileMeta } from './read-data-set.ts';
import { TAG } from './tags.ts';
import { transferSyntaxOf } from './transfer-syntax.ts';
import { vrOfBytes } from './value-representation.ts';

const PREAMBLE_LENGTH = 128;
const PREFIX = 'DICM';

export interface ReadOptions {
  /** Bytes that a deflated data set may inflate to; 1 GiB where absent. */
  readonly maxInflatedLength?: number;
}

/**
 * The elements of a Part 10 file with their places; values are views, nothing is decoded or copied (a deflated data set is
 * inflated). Throws `NOT_PART10`, `MALFORMED`, `TRUNCATED` with the offset, and `UNSUPPORTED_TRANSFER_SYNTAX`.
 */
export function readPart10(file: Uint8Array, options: ReadOptions = {}): Part10 {
  const head = readFileHead(file);
  const { metaEnd, transferSyntax } = head;
  const body = transferSyntax.deflated ? inflateDataSet(file, metaEnd, options.maxInflatedLength ?? MAX_INFLATED_LENGTH) : file;
  const dataSetOffset = transferSyntax.deflated ? 0 : metaEnd;
  const { explicitVR, bigEndian } = transferSyntax;
  const { dataSet, end: dataSetEnd } = readDataSet(body, dataSetOffset, { explicitVR, bigEndian });
  return { ...head, file, body, dataSetOffset, dataSetEnd, dataSet };
}

export type FileHead = Pick<Part10, 'metaOffset' | 'metaEnd' | 'meta' | 'transferSyntax'>;

/** What stands before the data set: of that, nothing need be there. Throws as `readPart10` does. */
export function readFileHead(file: Uint8Array): FileHead {
  const metaOffset = metaOffsetOf(file);
  const { dataSet: meta, end: metaEnd } = readFileMeta(file, metaOffset);
  return { metaOffset, metaEnd, meta, transferSyntax: transferSyntaxIn(meta) };
}

/** Behind preamble and prefix; at the start where a file has neither but begins with group 0002. */
function metaOffsetOf(file: Uint8Array): number {
  const behindPrefix = PREAMBLE_LENGTH + PREFIX.length;
  const hasPrefix = [...PREFIX].every((letter, index) => file[PREAMBLE_LENGTH + index] === letter.charCodeAt(0));
  if (hasPrefix && beginsFileMeta(file, behindPrefix)) return behindPrefix;
  if (beginsFileMeta(file, 0)) return 0;
  throw new StorestowError(
    'NOT_PART10',
    'this is not a DICOM Part 10 file: it has no file meta information (group 0002); only whole files can be stored',
    { offset: hasPrefix ? behindPrefix : 0 },
  );
}

function beginsFileMeta(file: Uint8Array, at: number): boolean {
  return file[at] === 0x02 && file[at + 1] === 0x00 && vrOfBytes(file[at + 4] ?? 0, file[at + 5] ?? 0) !== undefined;
}

function transferSyntaxIn(meta: DataSet): TransferSyntax {
  const element = meta.get(TAG.TransferSyntaxUID);
  const uid = asciiText(meta, TAG.TransferSyntaxUID) ?? '';
  const syntax = transferSyntaxOf(uid);
  if (syntax !== undefined) return syntax;
  const named = /^[0-9.]{1,64}$/.test(uid) ? uid : 'that is absent or no UID';
  throw new StorestowError(
    'UNSUPPORTED_TRANSFER_SYNTAX',
    `the file has a transfer syntax ${named}; have the sender propose a standard one`,
    element === undefined ? {} : { offset: element.offset },
  );
}
