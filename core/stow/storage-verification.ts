/**
 * dcm4chee's own check of its storage (`…/stgver`), which recomputes the MD5 of each file. It is asked to change nothing, neither its
 * records nor its storage.
 */
import { firstString, items, parseDataSets } from './dicom-json.ts';
import { answerError, uidSegment, type DicomWeb } from './dicomweb.ts';
import type { FileCheck, FileQuestion, FileState } from './file-check.ts';

const REFERENCED_SOP_INSTANCE_UID = '00081155';
const FAILED_SOP_SEQUENCE = '00081198';
const REFERENCED_SOP_SEQUENCE = '00081199';

/** Instances asked for one by one at most; for more the archive reads the whole study. */
const ONE_BY_ONE = 8;
/** An item has some 200 bytes. */
const MAX_BYTES = 64 * 1024 * 1024;
const POLICY = 'storageVerificationPolicy=OBJECT_CHECKSUM&storageVerificationUpdateLocationStatus=false';

export function createStorageVerification(web: DicomWeb): FileCheck {
  async function verify(resource: string, signal: AbortSignal | undefined): Promise<ReadonlyMap<string, FileState>> {
    const answer = await web.postPath(`${web.path}${resource}/stgver?${POLICY}`, {
      accept: 'application/dicom+json, application/json',
      maxBytes: MAX_BYTES,
      signal,
    });
    // 200: all are good, 202: some, 409: none (contract, section 7).
    if (![200, 202, 409].includes(answer.status)) return notTold(answer.status);
    const [result] = answer.complete ? (parseDataSets(answer.body) ?? []) : [];
    if (result === undefined) return new Map();
    const named = (sequence: string, state: FileState): (readonly [string, FileState])[] =>
      items(result, sequence).map((item) => [firstString(item, REFERENCED_SOP_INSTANCE_UID) ?? '', state]);
    // Named as good and as failed: failed.
    return new Map([...named(REFERENCED_SOP_SEQUENCE, 'intact'), ...named(FAILED_SOP_SEQUENCE, 'damaged')]);
  }

  /** It has no such service (404, 405), or not for these credentials (403): then only retrieving can tell. */
  function notTold(status: number): ReadonlyMap<string, FileState> {
    if ([400, 403, 404, 405, 406].includes(status)) return new Map();
    throw answerError(status, 'the verification of its storage', web.url);
  }

  return {
    async check(questions, signal) {
      const states = new Map<string, FileState>();
      for (const resource of resourcesFor(questions)) {
        for (const [uid, state] of await verify(resource, signal)) states.set(uid, state);
      }
      return new Map(questions.map((question) => [question.sopInstanceUID, stateOf(question, states)]));
    },
  };
}

function resourcesFor(questions: readonly FileQuestion[]): readonly string[] {
  const [first] = questions;
  if (first !== undefined && questions.length > ONE_BY_ONE) return [`/${uidSegment(first.studyInstanceUID)}`];
  return questions.map(
    ({ studyInstanceUID, seriesInstanceUID, sopInstanceUID }) =>
      `/${uidSegment(studyInstanceUID)}/series/${uidSegment(seriesInstanceUID)}/instances/${uidSegment(sopInstanceUID)}`,
  );
}

/**
 * | the archive's check | its digest is an expected one | state     |
 * |---------------------|-------------------------------|-----------|
 * | good                | yes                           | `intact`  |
 * | good                | no, or it tells none          | `untold`  |
 * | failed              | any                           | `damaged` |
 * | not named           | any                           | `untold`  |
 */
function stateOf({ sopInstanceUID, listed, expected }: FileQuestion, states: ReadonlyMap<string, FileState>): FileState {
  const state = states.get(sopInstanceUID) ?? 'untold';
  if (state !== 'intact') return state;
  return listed.storageDigest !== undefined && expected.includes(listed.storageDigest) ? 'intact' : 'untold';
}
