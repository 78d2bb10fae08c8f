/** STOW-RS (PS3.18 10.5) as dcm4chee does it: part after part, each stored or refused before the next one is read; nothing is atomic. */
import { readLargePart10 } from '../../core/dicom/read-large.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { StorestowError } from '../../core/errors.ts';
import { emptyAnswer, errorMessage, textAnswer, type Answer } from './answer.ts';
import { describeInstance, identityOf, type Identity } from './describe-instance.ts';
import type { Faults } from './faults.ts';
import type { InstanceStore } from './instance-store.ts';
import { parseMediaType } from './media-type.ts';
import { parseMultipart } from './multipart-parser.ts';
import { MAX_BYTES_IN_MEMORY, receivePart, type ReceivedPart } from './received-part.ts';
import { statusOf, stowDataSet, unreadablePart, writeStowAnswer, type FailedPart, type PartResult } from './stow-answer.ts';
import { storedFile } from './stored-file.ts';

export interface StowRequest {
  readonly contentType: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** What the answer shall be: `application/dicom+json` or `…+xml`. */
  readonly answerType: string;
  /** The address below which /studies lies. */
  readonly rs: string;
  /** Where the request was sent to one study; empty behind a trailing slash. */
  readonly studyInUrl: string | undefined;
  readonly arrived: (sopInstanceUID: string) => void;
}

const NO_COMMIT =
  'jakarta.ejb.EJBTransactionRolledbackException: jakarta.transaction.RollbackException: ARJUNA016053: Could not commit transaction.';

export async function handleStow(request: StowRequest, store: InstanceStore, faults: Faults): Promise<Answer> {
  const boundary = parseMediaType(request.contentType).parameters.get('boundary');
  if (boundary === undefined || boundary === '') return errorMessage(400, 'Missing Boundary Parameter');
  const results: PartResult[] = [];
  for await (const item of parseMultipart(request.body, boundary)) {
    if (item.kind === 'broken') {
      return item.detail === '' ? emptyAnswer(500) : textAnswer(500, request.answerType, item.detail);
    }
    const type = item.headers.get('content-type');
    if (type === undefined) return textAnswer(500, request.answerType, 'RESTEASY003555: MediaType value is null');
    if (parseMediaType(type).name !== 'application/dicom') continue;
    const received = await receivePart(item.body, store.temporaryPath());
    try {
      if (item.whole()) results.push(await storePart(received, request, store, faults));
    } finally {
      if (received.kind === 'in-file') await received.discard();
    }
  }
  return answer(results, request);
}

function answer(results: readonly PartResult[], { answerType, rs, studyInUrl }: StowRequest): Answer {
  const failure = results.findLast((result) => result.kind === 'failed');
  return {
    status: statusOf(results),
    headers: {
      ...(failure === undefined ? {} : { Warning: `299 dcm4chee-arc "${headerSafe(failure.message)}"` }),
      'Content-Type': answerType,
    },
    body: writeStowAnswer(stowDataSet(results, rs, studyInUrl), answerType),
  };
}

function headerSafe(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

async function storePart(
  received: ReceivedPart,
  request: StowRequest,
  store: InstanceStore,
  faults: Faults,
): Promise<PartResult> {
  const read = await readPart(received);
  if ('kind' in read) {
    if (read.sopInstanceUID !== undefined) request.arrived(read.sopInstanceUID);
    return read;
  }
  const identity = identityOf(read);
  const { sopClassUID, sopInstanceUID, studyInstanceUID, seriesInstanceUID } = identity;
  request.arrived(sopInstanceUID ?? '');
  if (sopInstanceUID === undefined)
    return failed(identity, 0x0110, 'java.lang.IllegalArgumentException: Missing SOP Instance UID');
  if (sopClassUID === undefined) return failed(identity, 0x0110, 'java.lang.IllegalArgumentException: Missing SOP Class UID');
  const { studyInUrl } = request;
  if (studyInUrl !== undefined && studyInUrl !== '' && studyInUrl !== studyInstanceUID) return failed(identity, 0xc409, 'null');
  if (studyInstanceUID === undefined || seriesInstanceUID === undefined) return failed(identity, 0x0110, NO_COMMIT);
  const reason = faults.reasonFor(sopInstanceUID);
  if (reason !== undefined) return failed(identity, reason, 'null');
  const names = { studyInstanceUID, seriesInstanceUID, sopInstanceUID, sopClassUID };
  return (await keep(names, read, received, store, faults)) ?? { kind: 'stored', ...names };
}

async function keep(
  names: { readonly [Name in keyof Identity]: string },
  part10: Part10,
  received: ReceivedPart,
  store: InstanceStore,
  faults: Faults,
): Promise<FailedPart | undefined> {
  const { studyInstanceUID, sopClassUID, sopInstanceUID } = names;
  if (faults.isDropped(sopInstanceUID)) return undefined;
  const description = describeInstance(part10);
  try {
    const segments = storedFile(part10, received, sopClassUID, sopInstanceUID);
    const added = await store.add({ ...names, description, segments });
    if (added.kind !== 'other-patient') return undefined;
    return failed(
      names,
      0xa778,
      `Patient ID [${description.patient ?? ''}] differs from Patient ID [${added.known}] in previous received object of Study[uid=${studyInstanceUID}].`,
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected error';
    return failed(names, 0xa700, `java.io.IOException: ${code}`);
  }
}

function failed(identity: Partial<Identity>, reason: number, message: string): FailedPart {
  return { kind: 'failed', sopClassUID: identity.sopClassUID, sopInstanceUID: identity.sopInstanceUID, reason, message };
}

async function readPart(received: ReceivedPart): Promise<Part10 | FailedPart> {
  try {
    return received.kind === 'in-memory' ? readPart10(received.bytes) : await readLargePart10(received);
  } catch (error) {
    if (!(error instanceof StorestowError) || error.code === 'NOT_PART10') return unreadablePart();
    return failed(await identityBefore(received, error), 0x0110, 'java.io.EOFException');
  }
}

/** Of a file that breaks: what its elements before that place say. Where that is within an element, it ends before that one. */
async function identityBefore(received: ReceivedPart, { offset }: StorestowError): Promise<Partial<Identity>> {
  if (offset === undefined) return {};
  try {
    return identityOf(readPart10(await headOf(received, offset)));
  } catch (error) {
    const earlier = error instanceof StorestowError && error.offset !== undefined && error.offset < offset;
    return earlier ? identityBefore(received, error) : {};
  }
}

async function headOf(received: ReceivedPart, length: number): Promise<Uint8Array> {
  if (received.kind === 'in-memory') return received.bytes.subarray(0, length);
  return received.read(0, Math.min(length, MAX_BYTES_IN_MEMORY));
}
