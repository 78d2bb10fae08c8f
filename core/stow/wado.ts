/** WADO-RS (PS3.18 10.4): one instance's bytes, in the syntax in which the archive holds it. */
import type { ByteSource } from '../dicom/byte-source.ts';
import { openNamelessFile, type NamelessFile } from '../dicom/nameless-file.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import { answerError, uidSegment, type DicomWeb, type GetOptions } from './dicomweb.ts';
import type { HttpAnswer } from './http.ts';
import { placeOfPart } from './place-of-part.ts';

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

const DEFAULT_MAX_BYTES = 2 ** 31;

/** `transfer-syntax=*`: as stored; without it dcm4chee decompresses. */
const ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*';

export interface RetrievedFile extends ByteSource {
  /** Can no longer be read. */
  close(): Promise<void>;
}

/**
 * The Part 10 file as the archive gives it, perhaps coerced and with file meta information of its own: on disk, for it may be of any size.
 * Throws `NOT_IN_ARCHIVE` where the archive does not have it, other `ARCHIVE_…` errors, `INVALID_UID`, `STORE_FULL` and `STORE_UNAVAILABLE`.
 */
export async function retrieveToFile(
  web: DicomWeb,
  reference: InstanceReference,
  { maxBytes = DEFAULT_MAX_BYTES, signal }: RetrieveOptions = {},
): Promise<RetrievedFile> {
  const file = await openNamelessFile();
  try {
    let failure: StorestowError | undefined;
    const sink = async (chunk: Uint8Array): Promise<void> => {
      try {
        await file.write(chunk);
      } catch (error) {
        failure = asStorestowError(error);
        throw failure;
      }
    };
    const answer = await ask(web, reference, { accept: ACCEPT, maxBytes, sink, signal });
    if (failure !== undefined) throw failure;
    const place = answer.complete ? placeOfPart(answer.contentType, await endsOf(file)) : undefined;
    if (place === undefined) throw unusable(reference);
    const { start, end } = place;
    return {
      length: end - start,
      read: async (from, to) => {
        if (to > end - start) throw unusable(reference);
        return file.read(start + from, start + to);
      },
      close: async () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Of an answer, for the headers of a part and for the boundary that closes it. */
const END = 64 * 1024;

async function endsOf(file: NamelessFile): Promise<{ head: Uint8Array; tail: Uint8Array; length: number }> {
  const { length } = file;
  return {
    head: await file.read(0, Math.min(length, END)),
    tail: await file.read(Math.max(0, length - END), length),
    length,
  };
}

async function ask(
  web: DicomWeb,
  { studyInstanceUID, seriesInstanceUID, sopInstanceUID }: InstanceReference,
  options: GetOptions,
): Promise<HttpAnswer> {
  const resource = `/${uidSegment(studyInstanceUID)}/series/${uidSegment(seriesInstanceUID)}/instances/${uidSegment(sopInstanceUID)}`;
  const answer = await web.get(resource, options);
  if (answer.status === 404 || answer.status === 410 || answer.status === 204) {
    throw new StorestowError('NOT_IN_ARCHIVE', 'the archive has no such instance under its study and series', {
      object: sopInstanceUID,
    });
  }
  if (answer.status !== 200) throw answerError(answer.status, 'WADO-RS', web.url);
  return answer;
}

function unusable({ sopInstanceUID }: InstanceReference): StorestowError {
  return new StorestowError(
    'ARCHIVE_AMBIGUOUS',
    'the retrieved instance was cut, too long, or is not multipart/related; try again',
    { object: sopInstanceUID },
  );
}
