/** What a STOW-RS answer says of each instance of the request. Pure; tables of PS3.18 10.5.3 and of dcm4chee. */
import { StorestowError, type ErrorCode } from '../errors.ts';
import { firstInteger, firstString, items, parseDataSets, type JsonDataSet } from './dicom-json.ts';
import { classifyFailureReason, reasonText } from './failure-reason.ts';
import type { HttpAnswer, HttpFailed, HttpFailure } from './http.ts';

/** Bytes of an answer that are read at most: a thousand times what 20 instances need. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** dcm4chee's class UID for a part that it could not read; the instance UID beside it is random. */
const UNREADABLE_PART_CLASS_UID = '1.2.40.0.13.1.15.110.3.165.2';

const REFERENCED_SOP_CLASS_UID = '00081150';
const REFERENCED_SOP_INSTANCE_UID = '00081155';
const WARNING_REASON = '00081196';
const FAILURE_REASON = '00081197';
const FAILED_SOP_SEQUENCE = '00081198';
const REFERENCED_SOP_SEQUENCE = '00081199';

/**
 * | kind        | the archive said                                    | then                                   |
 * |-------------|-----------------------------------------------------|----------------------------------------|
 * | stored      | it stored it                                        | confirm                                |
 * | warned      | the same, with a warning                            | confirm                                |
 * | duplicate   | it has this SOP Instance UID already                | ask whether under this study           |
 * | unknown     | nothing to rely on, or a failure that may have stored | ask                                  |
 * | refused     | this instance is refused for good                   | permanent                              |
 * | rejected    | the request was turned away before any part was read; each other one would be too | correct what the message says |
 */
export type Verdict =
  | { readonly kind: 'stored' }
  | { readonly kind: 'warned'; readonly reason: number }
  | { readonly kind: 'duplicate'; readonly reason: number; readonly message: string }
  | { readonly kind: 'unknown' | 'refused'; readonly code: ErrorCode; readonly message: string; readonly reason?: number }
  | { readonly kind: 'rejected'; readonly code: ErrorCode; readonly message: string };

interface Sent {
  readonly sopInstanceUID: string;
}

/**
 * | status         | sequences read | an instance that they do not name                     |
 * |----------------|----------------|-------------------------------------------------------|
 * | 200, 202       | yes            | unknown, ARCHIVE_AMBIGUOUS                            |
 * | 400, 409       | yes (Orthanc names stored instances in a 400) | unknown, ARCHIVE_REFUSED |
 * | 401            | no             | rejected, ARCHIVE_UNAUTHORIZED                        |
 * | 403            | no             | rejected, ARCHIVE_FORBIDDEN                           |
 * | 404, 405       | no             | rejected, ARCHIVE_NOT_FOUND                           |
 * | 3xx, 406, 415  | no             | rejected, ARCHIVE_REFUSED                             |
 * | 413            | no             | unknown, ARCHIVE_AMBIGUOUS                            |
 * | 429, 503       | no             | unknown, ARCHIVE_UNAVAILABLE                          |
 * | other 4xx      | no             | unknown, ARCHIVE_REFUSED                              |
 * | 5xx, other     | no             | unknown, ARCHIVE_AMBIGUOUS: earlier parts may be stored |
 *
 * One verdict for each of `sent`, in order. A body that is cut or not DICOM JSON names nothing.
 */
export function readAnswer(answer: Pick<HttpAnswer, 'status' | 'body' | 'complete'>, sent: readonly Sent[]): readonly Verdict[] {
  const unnamed = ofStatus(answer.status);
  if (![200, 202, 400, 409].includes(answer.status) || !answer.complete) return sent.map(() => unnamed);
  const dataSets = parseDataSets(answer.body);
  const [dataSet] = dataSets ?? [];
  if (dataSet === undefined || dataSets?.length !== 1) return sent.map(() => unnamed);
  return readSequences(dataSet, sent, unnamed);
}

/** Of a request that got no answer: not sent → rejected, for the reason that its cause has; anything else → unknown. */
export function readFailure({
  failure,
  cause,
}: Pick<HttpFailed, 'cause'> & { failure: Exclude<HttpFailure, 'aborted'> }): Verdict {
  switch (failure) {
    case 'unreachable':
    case 'unauthorized':
      return cause instanceof StorestowError
        ? rejected(cause.code, `nothing was sent: ${cause.message}`)
        : rejected(
            'ARCHIVE_UNAVAILABLE',
            'no connection to the archive, nothing was sent; check that it runs and that its address is right',
          );
    case 'timeout':
      return unknown('ARCHIVE_AMBIGUOUS', 'the archive did not answer in time; raise archive.timeout if that is usual');
    case 'interrupted':
      return unknown(
        'ARCHIVE_AMBIGUOUS',
        'the connection broke while the archive was storing; if larger requests always do that, lower archive.maxBytes',
      );
  }
}

function unknown(code: ErrorCode, message: string): Verdict {
  return { kind: 'unknown', code, message };
}

function rejected(code: ErrorCode, message: string): Verdict {
  return { kind: 'rejected', code, message };
}

function ofStatus(status: number): Verdict {
  const answered = `the archive answered ${String(status)}`;
  switch (status) {
    case 200:
    case 202:
      return unknown('ARCHIVE_AMBIGUOUS', `${answered} without saying what became of this instance`);
    case 400:
    case 409:
      return unknown('ARCHIVE_REFUSED', `${answered} without a reason for this instance; its log may have one`);
    case 401:
      return rejected('ARCHIVE_UNAUTHORIZED', `${answered}: it does not accept the credentials; correct archive.auth`);
    case 403:
      return rejected(
        'ARCHIVE_FORBIDDEN',
        `${answered}: these credentials may not store; give their account the right to STOW-RS`,
      );
    case 404:
    case 405:
      return rejected(
        'ARCHIVE_NOT_FOUND',
        `${answered}: no STOW-RS service at this address; correct archive.url, its AE title above all`,
      );
    case 406:
    case 415:
      return rejected(
        'ARCHIVE_REFUSED',
        `${answered}: it does not take multipart/related application/dicom; check that archive.url is STOW-RS`,
      );
    case 413:
      return unknown(
        'ARCHIVE_AMBIGUOUS',
        `${answered}: the request is too large for it or for a proxy; raise its limit or lower archive.maxBytes`,
      );
    case 429:
    case 503:
      return unknown('ARCHIVE_UNAVAILABLE', `${answered}: it is overloaded or not up`);
    default:
      if (status >= 300 && status < 400) {
        return rejected('ARCHIVE_REFUSED', `${answered}, a redirect, which is not followed; set archive.url to where it points`);
      }
      if (status >= 400 && status < 500) return unknown('ARCHIVE_REFUSED', `${answered}; its log may say why`);
      return unknown('ARCHIVE_AMBIGUOUS', `${answered}; it may have stored some instances`);
  }
}

/**
 * An instance is known by its SOP Instance UID. Where the archive names a part that it could not read by an invented UID, or by
 * none, such items stand in part order: if there are as many as instances that no item names, each is the one in its place.
 */
function readSequences(dataSet: JsonDataSet, sent: readonly Sent[], unnamed: Verdict): readonly Verdict[] {
  const uids = new Set(sent.map(({ sopInstanceUID }) => sopInstanceUID));
  const referenced = named(items(dataSet, REFERENCED_SOP_SEQUENCE), uids);
  const failedItems = items(dataSet, FAILED_SOP_SEQUENCE);
  const failed = named(failedItems, uids);
  const anonymous = failedItems.filter((item) => isAnonymous(item, uids));
  const left = sent.filter(({ sopInstanceUID }) => !referenced.has(sopInstanceUID) && !failed.has(sopInstanceUID));
  const byOrder = new Map(anonymous.length === left.length ? left.map((instance, index) => [instance, anonymous[index]]) : []);
  return sent.map((instance) => {
    const stored = referenced.get(instance.sopInstanceUID);
    const failure = failed.get(instance.sopInstanceUID) ?? byOrder.get(instance);
    if (stored !== undefined && failure !== undefined) {
      return unknown('ARCHIVE_AMBIGUOUS', 'the archive names this instance as stored and as failed');
    }
    if (stored !== undefined) return readStored(stored);
    return failure === undefined ? unnamed : readFailed(failure);
  });
}

function named(list: readonly JsonDataSet[], uids: ReadonlySet<string>): ReadonlyMap<string, JsonDataSet> {
  return new Map(
    list.flatMap((item) => {
      const uid = firstString(item, REFERENCED_SOP_INSTANCE_UID);
      return uid !== undefined && uids.has(uid) ? [[uid, item] as const] : [];
    }),
  );
}

function isAnonymous(item: JsonDataSet, uids: ReadonlySet<string>): boolean {
  const uid = firstString(item, REFERENCED_SOP_INSTANCE_UID);
  if (uid === undefined) return true;
  return !uids.has(uid) && firstString(item, REFERENCED_SOP_CLASS_UID) === UNREADABLE_PART_CLASS_UID;
}

function readStored(item: JsonDataSet): Verdict {
  const reason = firstInteger(item, WARNING_REASON);
  return reason === undefined ? { kind: 'stored' } : { kind: 'warned', reason };
}

function readFailed(item: JsonDataSet): Verdict {
  const reason = firstInteger(item, FAILURE_REASON);
  if (reason === undefined) return unknown('ARCHIVE_AMBIGUOUS', 'the archive names this instance as failed without a reason');
  const failure = classifyFailureReason(reason);
  switch (failure.kind) {
    case 'warning':
      return { kind: 'warned', reason };
    case 'duplicate':
      return { kind: 'duplicate', reason, message: sentence(reason, failure.meaning) };
    case 'ask':
      return { kind: 'unknown', code: failure.code, reason, message: sentence(reason, failure.meaning) };
    case 'permanent':
      return { kind: 'refused', code: failure.code, reason, message: sentence(reason, failure.meaning) };
  }
}

function sentence(reason: number, meaning: string): string {
  return `the archive did not store it, FailureReason ${reasonText(reason)}: ${meaning}`;
}
