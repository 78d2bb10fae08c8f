/** The object that an arrival becomes: its key and its metadata, both functions of the file alone, so a second run makes the same. */
import { objectKey, type ObjectKeyParts } from '../../core/store/object-key.ts';
import type { Arrival } from './read-arrival.ts';
import { modifiedAt } from '../spool/file-identity.ts';

export interface ArrivalSource {
  /** Names the receiver. */
  readonly site: string;
  /** Address of the sender; empty where it is not known. */
  readonly callingIP?: string;
  /** For files without (0002,0016). */
  readonly callingAET?: string;
  /** For files without (0002,0018). */
  readonly calledAET?: string;
}

export interface ArrivalObject {
  readonly key: string;
  /** What the key is made of. */
  readonly parts: ObjectKeyParts;
  /** ISO 8601, UTC. */
  readonly receivedAt: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function arrivalObject(arrival: Arrival, source: ArrivalSource): ArrivalObject {
  const callingAET = arrival.callingAET ?? source.callingAET ?? '';
  const calledAET = arrival.calledAET ?? source.calledAET ?? '';
  const callingIP = source.callingIP ?? '';
  const { studyInstanceUID, seriesInstanceUID, sopInstanceUID, sha256 } = arrival;
  const { site } = source;
  const receivedAt = modifiedAt(arrival.identity).toISOString();
  const values = {
    'calling-aet': callingAET,
    'calling-ip': callingIP,
    'called-aet': calledAET,
    site,
    'received-at': receivedAt,
    sha256,
  };
  const digest = sha256.slice(0, 12);
  const parts = { site, callingAET, callingIP, studyInstanceUID, seriesInstanceUID, sopInstanceUID, digest };
  return {
    key: objectKey(parts),
    parts,
    receivedAt,
    metadata: Object.fromEntries(
      Object.entries(values)
        .filter(([, value]) => value !== '')
        .map(([name, value]) => [name, encodeMetadataValue(value)]),
    ),
  };
}

/** HTTP strips blanks at the ends, and signing joins several into one; `%` stands for itself only as `%25`. */
const CARRIED_AS_IS = /^(?:[!-$&-~]|(?<! ) (?! ))*$/;

/** Printable ASCII as it is, anything else percent-encoded as a whole: `decodeURIComponent` is the inverse of both. */
export function encodeMetadataValue(value: string): string {
  if (CARRIED_AS_IS.test(value) && value.trim() === value) return value;
  return Array.from(new TextEncoder().encode(value), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}
