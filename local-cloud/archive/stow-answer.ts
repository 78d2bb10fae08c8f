/** The answer to STOW-RS (PS3.18 10.5.3), as dcm4chee writes it: one data set, JSON or XML, sequences in part order. */
import { randomBytes } from 'node:crypto';
import { jsonElement, stringifyDataSet, type JsonDataSet, type JsonElement } from './to-dicom-json.ts';

export interface StoredPart {
  readonly kind: 'stored';
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopClassUID: string;
  readonly sopInstanceUID: string;
}

export interface FailedPart {
  readonly kind: 'failed';
  /** Absent where the part has none. */
  readonly sopClassUID: string | undefined;
  readonly sopInstanceUID: string | undefined;
  readonly reason: number;
  /** Of the Warning header. */
  readonly message: string;
}

export type PartResult = StoredPart | FailedPart;

/** dcm4chee names a part that it cannot read by a class of its own and a random UID (PS3.5 B.2). */
export function unreadablePart(): FailedPart {
  const random = BigInt(`0x${randomBytes(16).toString('hex')}`);
  return {
    kind: 'failed',
    sopClassUID: '1.2.40.0.13.1.15.110.3.165.2',
    sopInstanceUID: `2.25.${random.toString()}`,
    reason: 0xc499,
    message: 'org.dcm4che3.io.DicomStreamException: Not a DICOM Stream',
  };
}

/** 200 all stored, 202 some, 409 none. */
export function statusOf(results: readonly PartResult[]): number {
  const stored = results.filter(({ kind }) => kind === 'stored').length;
  if (stored === 0) return 409;
  return stored === results.length ? 200 : 202;
}

/** `rs`: the address below which /studies lies; `studyInUrl`: where the request was sent to one study. */
export function stowDataSet(results: readonly PartResult[], rs: string, studyInUrl: string | undefined): JsonDataSet {
  const stored = results.filter((result) => result.kind === 'stored');
  const failed = results.filter((result) => result.kind === 'failed');
  const studies = new Set(stored.map(({ studyInstanceUID }) => studyInUrl ?? studyInstanceUID));
  const urls = studies.size === 1 ? [...studies].map((study) => `${rs}/studies/${study}`) : [];
  return new Map([
    ['00081190', jsonElement('UR', urls)],
    ...sequence('00081198', failed.map(failedItem)),
    ...sequence(
      '00081199',
      stored.map((part) => storedItem(part, rs, studyInUrl)),
    ),
  ]);
}

function sequence(tag: string, items: readonly Record<string, JsonElement>[]): readonly (readonly [string, JsonElement])[] {
  return items.length === 0 ? [] : [[tag, { vr: 'SQ', Value: items }]];
}

function uid(value: string | undefined): JsonElement {
  return jsonElement('UI', value === undefined ? [] : [value]);
}

function storedItem(part: StoredPart, rs: string, studyInUrl: string | undefined): Record<string, JsonElement> {
  const study = studyInUrl ?? part.studyInstanceUID;
  return {
    '00081150': uid(part.sopClassUID),
    '00081155': uid(part.sopInstanceUID),
    '00081190': jsonElement('UR', [`${rs}/studies/${study}/series/${part.seriesInstanceUID}/instances/${part.sopInstanceUID}`]),
  };
}

function failedItem(part: FailedPart): Record<string, JsonElement> {
  return {
    '00081150': uid(part.sopClassUID),
    '00081155': uid(part.sopInstanceUID),
    '00081197': jsonElement('US', [part.reason]),
  };
}

const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['00081150', 'ReferencedSOPClassUID'],
  ['00081155', 'ReferencedSOPInstanceUID'],
  ['00081190', 'RetrieveURL'],
  ['00081197', 'FailureReason'],
  ['00081198', 'FailedSOPSequence'],
  ['00081199', 'ReferencedSOPSequence'],
]);

export function writeStowAnswer(dataSet: JsonDataSet, mediaType: string): string {
  if (mediaType === 'application/dicom+json') return stringifyDataSet(dataSet);
  const attributes = [...dataSet].map(([tag, element]) => xmlAttribute(tag, element)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xml:space="preserve">${attributes}</NativeDicomModel>`;
}

/** PS3.19 A.1 */
function xmlAttribute(tag: string, { vr, Value }: JsonElement): string {
  const values = (Value ?? []).map((value, index) => {
    const number = String(index + 1);
    if (typeof value === 'object' && value !== null) {
      const nested = Object.entries(value as Record<string, JsonElement>).map(([inner, element]) => xmlAttribute(inner, element));
      return `<Item number="${number}">${nested.join('')}</Item>`;
    }
    return `<Value number="${number}">${escapeXml(String(value))}</Value>`;
  });
  return `<DicomAttribute keyword="${KEYWORDS.get(tag) ?? ''}" tag="${tag}" vr="${vr}">${values.join('')}</DicomAttribute>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
