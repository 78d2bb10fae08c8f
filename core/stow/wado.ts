/** WADO-RS (PS3.18 10.4): one instance's bytes, in the syntax in which the archive holds it. */
import { StorestowError } from '../errors.ts';
import { answerError, uidSegment, type DicomWeb } from './dicomweb.ts';
import { readFirstPart } from './read-first-part.ts';

export interface InstanceReference {
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
}

export interface RetrieveOptions {
  /** Bytes that are held at most; default 2 GiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** `transfer-syntax=*`: as stored; without it dcm4chee decompresses. */
const ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*';

/**
 * The Part 10 file as the archive gives it: its file meta information is the archive's, and it may have coerced elements. Throws
 * `NOT_IN_ARCHIVE` where the archive does not have it, other `ARCHIVE_…` errors, and `INVALID_UID`.
 */
export async function retrieveInstance(
  web: DicomWeb,
  { studyInstanceUID, seriesInstanceUID, sopInstanceUID }: InstanceReference,
  { maxBytes = 2 ** 31, signal }: RetrieveOptions = {},
): Promise<Uint8Array> {
  const resource = `/${uidSegment(studyInstanceUID)}/series/${uidSegment(seriesInstanceUID)}/instances/${uidSegment(sopInstanceUID)}`;
  const answer = await web.get(resource, { accept: ACCEPT, maxBytes, signal });
  if (answer.status === 404 || answer.status === 410 || answer.status === 204) {
    throw new StorestowError('NOT_IN_ARCHIVE', 'the archive has no such instance under its study and series', {
      object: sopInstanceUID,
    });
  }
  if (answer.status !== 200) throw answerError(answer.status, 'WADO-RS', web.url);
  const file = answer.complete ? readFirstPart(answer.contentType, answer.body) : undefined;
  if (file !== undefined) return file;
  throw new StorestowError(
    'ARCHIVE_AMBIGUOUS',
    'the retrieved instance was cut, too long, or is not multipart/related; try again',
    {
      object: sopInstanceUID,
    },
  );
}
