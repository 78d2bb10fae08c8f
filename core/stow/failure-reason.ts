/** What a FailureReason (0008,1197) means: PS3.18 10.5.3.2, PS3.4 B.2.3, PS3.7 C, and the codes that dcm4chee adds. */
import type { ErrorCode } from '../errors.ts';

export type FailureClass =
  /** The same bytes will be refused again. */
  | { readonly kind: 'permanent'; readonly code: ErrorCode; readonly meaning: string }
  /** May succeed later; ask first whether it is stored nevertheless. */
  | { readonly kind: 'ask'; readonly code: ErrorCode; readonly meaning: string }
  /** The archive says that it has this SOP Instance UID. */
  | { readonly kind: 'duplicate'; readonly meaning: string }
  /** Stored, with a warning. */
  | { readonly kind: 'warning' };

const permanent = (code: ErrorCode, meaning: string): FailureClass => ({ kind: 'permanent', code, meaning });
const ask = (code: ErrorCode, meaning: string): FailureClass => ({ kind: 'ask', code, meaning });

const KNOWN: ReadonlyMap<number, FailureClass> = new Map([
  [0x0110, ask('ARCHIVE_FAILED', 'processing failure; the log of the archive says why')],
  [0x0111, { kind: 'duplicate', meaning: 'duplicate SOP Instance UID' }],
  [0x0122, permanent('ARCHIVE_REFUSED', 'SOP class not supported')],
  [0x0124, permanent('ARCHIVE_REFUSED', 'storing is denied')],
  [0x0213, ask('ARCHIVE_UNAVAILABLE', 'resource limitation')],
  [0xa700, ask('ARCHIVE_UNAVAILABLE', 'out of resources, or an I/O error')],
  [0xa770, permanent('ARCHIVE_REFUSED', 'the rejection note is not accepted')],
  [0xa771, permanent('ARCHIVE_REFUSED', 'the instance was rejected in the archive before')],
  [0xa772, permanent('ARCHIVE_REFUSED', 'the rejection note is not accepted')],
  [0xa774, permanent('ARCHIVE_REFUSED', 'the rejection note is not accepted')],
  [0xa775, permanent('ARCHIVE_REFUSED', 'the rejection note is not accepted')],
  [0xa776, permanent('ARCHIVE_REFUSED', 'the rejection note is not accepted')],
  [0xa777, permanent('ARCHIVE_REFUSED', 'it has no Patient ID, which this AE title requires')],
  [0xa778, permanent('CONFLICT', "its Patient ID or issuer differs from the study's in the archive")],
  [0xa779, permanent('CONFLICT', "a patient attribute differs from the study's in the archive")],
  [0xa77a, ask('ARCHIVE_UNAVAILABLE', 'the study is being deleted')],
  [0xa77b, permanent('CONFLICT', 'the archive has this SOP Instance UID in another study or series')],
  // Of Microsoft's DICOM service (its conformance statement), although Bxxx are warnings: it kept what it had.
  [0xb00e, { kind: 'duplicate', meaning: 'duplicate SOP Instance UID' }],
  [0xc409, permanent('CONFLICT', 'its StudyInstanceUID is not that of the address')],
  [0xc499, permanent('ARCHIVE_REFUSED', 'the archive cannot read it as DICOM')],
]);

/**
 * | reason                | class                          |
 * |-----------------------|--------------------------------|
 * | in the table above    | as it says                     |
 * | other A7xx            | ask (out of resources)         |
 * | A8xx, A9xx, Cxxx      | permanent                      |
 * | other Bxxx, 0001, 0107, 0116 | warning (PS3.7 C.3)     |
 * | other 01xx            | permanent (PS3.7 C.4, C.5)     |
 * | anything else         | ask: not a reason of any table |
 */
export function classifyFailureReason(reason: number): FailureClass {
  const known = KNOWN.get(reason);
  if (known !== undefined) return known;
  const high = reason >>> 8;
  if (reason < 0 || reason > 0xffff) return ask('ARCHIVE_AMBIGUOUS', 'a reason outside the tables');
  if (high === 0xa7) return ask('ARCHIVE_UNAVAILABLE', 'out of resources');
  if (high === 0xa8 || high === 0xa9) return permanent('ARCHIVE_REFUSED', 'the data set does not match its SOP class');
  if (high >= 0xc0 && high <= 0xcf) return permanent('ARCHIVE_REFUSED', 'the archive cannot understand it');
  if ((high >= 0xb0 && high <= 0xbf) || [0x0001, 0x0107, 0x0116].includes(reason)) return { kind: 'warning' };
  if (high === 0x01) return permanent('ARCHIVE_REFUSED', 'refused');
  return ask('ARCHIVE_AMBIGUOUS', 'a reason outside the tables');
}

/** `A778`, as the standards write it. */
export function reasonText(reason: number): string {
  return reason.toString(16).toUpperCase().padStart(4, '0');
}
