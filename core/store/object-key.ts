/**
 * The key of a received instance, `incoming/{site}/{callingAET}@{callingIP}/{study}/{series}/{sop}~{sha256, 12 hex}.dcm`:
 * a re-send of the same bytes has the same key, other bytes under one SOP Instance UID another one.
 */
import { StorestowError } from '../errors.ts';

export interface ObjectKeyParts {
  readonly site: string;
  readonly callingAET: string;
  readonly callingIP: string;
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
  /** First 12 hex digits of the SHA-256 of the file. */
  readonly digest: string;
}

export const INCOMING_PREFIX = 'incoming/';

/** Every byte of a part that is not `[A-Za-z0-9._-]` becomes `%XX`, so no part can add a slash or a `..` segment. */
export function encodeKeyPart(part: string): string {
  const encoded = Array.from(new TextEncoder().encode(part), (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
  // `.` and `..` are segments that tools resolve; an empty part would make two slashes.
  if (encoded === '') return '%00';
  return /^\.+$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

function decodeKeyPart(part: string): string {
  return part === '%00' ? '' : decodeURIComponent(part);
}

export function objectKey(parts: ObjectKeyParts): string {
  const source = `${encodeKeyPart(parts.callingAET)}@${encodeKeyPart(parts.callingIP)}`;
  return (
    INCOMING_PREFIX +
    [encodeKeyPart(parts.site), source, encodeKeyPart(parts.studyInstanceUID), encodeKeyPart(parts.seriesInstanceUID)].join('/') +
    `/${encodeKeyPart(parts.sopInstanceUID)}~${parts.digest.slice(0, 12)}.dcm`
  );
}

const KEY = /^incoming\/([^/]+)\/([^/@]*)@([^/@]*)\/([^/]+)\/([^/]+)\/([^/~]+)~([0-9a-f]{12})\.dcm$/;

/** `undefined` for a key that this project did not write. */
export function parseObjectKey(key: string): ObjectKeyParts | undefined {
  const match = KEY.exec(key);
  if (match === null) return undefined;
  const [, site, callingAET, callingIP, study, series, sop, digest] = match as unknown as string[];
  try {
    return {
      site: decodeKeyPart(site ?? ''),
      callingAET: decodeKeyPart(callingAET ?? ''),
      callingIP: decodeKeyPart(callingIP ?? ''),
      studyInstanceUID: decodeKeyPart(study ?? ''),
      seriesInstanceUID: decodeKeyPart(series ?? ''),
      sopInstanceUID: decodeKeyPart(sop ?? ''),
      digest: digest ?? '',
    };
  } catch {
    return undefined;
  }
}

/** The part before the digest: two objects that share it carry different content under one SOP Instance UID. */
export function instancePrefix(key: string): string {
  const tilde = key.lastIndexOf('~');
  if (tilde < 0) throw new StorestowError('EVENT_INVALID', `${key} is not the key of a received instance`, { object: key });
  return key.slice(0, tilde + 1);
}
