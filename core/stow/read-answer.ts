/** What a STOW-RS answer says of each instance of the request. Pure; tables of PS3.18 10.5.3 and of dcm4chee. */
import { StorestowError, type ErrorCode } from '../errors.ts';
import { firstInteger, firstString, items, parseDataSets, type JsonDataSet } from './dicom-json.ts';
import { classifyFailureReason, reasonText } from './failure-reason.ts';
import type { HttpAnswer, HttpFailed, HttpFailure } from './http.ts';
import { RAISE_THE_LIMIT } from './request-length.ts';

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
const OTHER_FAILURES_SEQUENCE = '0008119A';

/**
 * What was wrong with the request as a whole, where something of it may be tried again at once (`decideResend`).
 *
 * | trouble     | what happened                                                                 |
 * |-------------|-------------------------------------------------------------------------------|
 * | `too large` | the archive, or a proxy, takes no request of this length                      |
 * | `broken`    | it failed without naming any instance: one of them may be to blame for all    |
 * | `busy`      | it asks to come later                                                         |
 * | `silent`    | it gave no answer in time, and may still be storing: never again at once      |
 */
export type Trouble = 'too large' | 'broken' | 'busy' | 'silent';

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
  | {
      readonly kind: 'unknown';
      readonly code: ErrorCode;
      readonly message: string;
      readonly reason?: number;
      readonly trouble?: Trouble;
      /** Somebody before the archive gave up waiting, sooner than `archive.timeout`: it may be storing still. */
      readonly underWay?: true;
    }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string; readonly reason?: number }
  | { readonly kind: 'rejected'; readonly code: ErrorCode; readonly message: string };

interface Sent {
  readonly sopInstanceUID: string;
}

/**
 * | status         | sequences read | an instance that they do not name                     |
 * |----------------|----------------|-------------------------------------------------------|
 * | 200, 202       | yes            | unknown, ARCHIVE_AMBIGUOUS                            |
 * | 400, 409       | yes (Orthanc names stored instances in a 400) | unknown, ARCHIVE_REFUSED; broken where none is named |
 * | 401            | no             | rejected, ARCHIVE_UNAUTHORIZED                        |
 * | 403            | no             | rejected, ARCHIVE_FORBIDDEN                           |
 * | 404, 405       | no             | rejected, ARCHIVE_NOT_FOUND                           |
 * | 3xx            | no             | rejected, ARCHIVE_REDIRECTED                          |
 * | 406, 415       | no             | rejected, ARCHIVE_REFUSED                             |
 * | 413            | no             | ARCHIVE_SIZE_LIMIT: refused where it is the only one, else unknown, too large |
 * | 429, 503       | no             | unknown, ARCHIVE_UNAVAILABLE, busy                    |
 * | 408, 504, 524, 598 | no         | unknown, ARCHIVE_AMBIGUOUS, silent, under way: it may be storing still |
 * | other 4xx      | no             | unknown, ARCHIVE_REFUSED, broken                      |
 * | other 5xx      | no             | unknown, ARCHIVE_FAILED, broken: earlier parts may be stored |
 * | other          | no             | unknown, ARCHIVE_AMBIGUOUS                            |
 *
 * One verdict for each of `sent`, in order. A body that is cut or not DICOM JSON names nothing.
 */
export function readAnswer(answer: Pick<HttpAnswer, 'status' | 'body' | 'complete'>, sent: readonly Sent[]): readonly Verdict[] {
  const { status, body, complete } = answer;
  if (status === 413) return tooLarge(sent, 'the archive answered 413');
  const unnamed = ofStatus(status);
  if (![200, 202, 400, 409].includes(status) || !complete) return sent.map(() => unnamed);
  const dataSets = parseDataSets(body);
  const [dataSet] = dataSets ?? [];
  if (dataSet === undefined || dataSets?.length !== 1) return sent.map(() => unnamed);
  return readSequences(dataSet, sent, unnamed);
}

/** Of a request that is longer than the archive, or a proxy before it, takes; `what`: how that was learned. */
export function tooLarge(sent: readonly Sent[], what: string): readonly Verdict[] {
  const code = 'ARCHIVE_SIZE_LIMIT';
  const verdict: Verdict =
    sent.length === 1
      ? { kind: 'refused', code, message: `${what}: this instance alone is too large for it; ${RAISE_THE_LIMIT}, then redrive` }
      : {
          kind: 'unknown',
          code,
          message: `${what}: the request is too large for it; lower archive.maxBytes, or ${RAISE_THE_LIMIT}`,
          trouble: 'too large',
        };
  return sent.map(() => verdict);
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
      return unknown('ARCHIVE_AMBIGUOUS', 'the archive did not answer in time; raise archive.timeout if that is usual', 'silent');
    case 'interrupted':
      return unknown(
        'ARCHIVE_AMBIGUOUS',
        'the connection broke while the archive was storing; if that stays, its log may say why, and storestow doctor whether the length is to blame',
        'broken',
      );
  }
}

function unknown(code: ErrorCode, message: string, trouble?: Trouble): Verdict {
  return { kind: 'unknown', code, message, ...(trouble === undefined ? {} : { trouble }) };
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
      return unknown('ARCHIVE_REFUSED', `${answered} without a reason for this instance; its log may have one`, 'broken');
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
    case 408:
    case 504:
    case 524:
    case 598:
      return {
        kind: 'unknown',
        code: 'ARCHIVE_AMBIGUOUS',
        message: `${answered}: it, or a proxy before it, gave up waiting; the instance may be stored`,
        trouble: 'silent',
        underWay: true,
      };
    case 429:
    case 503:
      return unknown('ARCHIVE_UNAVAILABLE', `${answered}: it is overloaded or not up`, 'busy');
    default:
      if (status >= 300 && status < 400) {
        return rejected(
          'ARCHIVE_REDIRECTED',
          `${answered}, a redirect, which is not followed: instances and credentials would go elsewhere; set archive.url to the address itself, or archive.auth where it is a login page`,
        );
      }
      if (status >= 400 && status < 500) return unknown('ARCHIVE_REFUSED', `${answered}; its log may say why`, 'broken');
      if (status >= 500) {
        return unknown('ARCHIVE_FAILED', `${answered}; it may have stored some instances, its log may say why`, 'broken');
      }
      return unknown('ARCHIVE_AMBIGUOUS', `${answered}, which is no answer to STOW-RS; check that archive.url is its address`);
  }
}

/**
 * An instance is known by its SOP Instance UID. Where the archive names a part that it could not read by an invented UID, or by
 * none, such items stand in part order: if there are as many as instances that no item names, each is the one in its place.
 *
 * | an instance is named                              | verdict                         |
 * |---------------------------------------------------|---------------------------------|
 * | as stored                                         | stored, or warned               |
 * | as failed, once or with one reason                | by its reason                   |
 * | as stored and as failed, or with several reasons  | unknown, ARCHIVE_AMBIGUOUS      |
 * | by its place among the unnamed items              | as failed                       |
 * | not at all                                        | `unnamed`; not broken where any other one is named |
 */
function readSequences(dataSet: JsonDataSet, sent: readonly Sent[], unnamed: Verdict): readonly Verdict[] {
  const uids = new Set(sent.map(({ sopInstanceUID }) => sopInstanceUID));
  const referenced = named(items(dataSet, REFERENCED_SOP_SEQUENCE), uids);
  const failedItems = items(dataSet, FAILED_SOP_SEQUENCE);
  const failed = named(failedItems, uids);
  const left = sent.filter(({ sopInstanceUID }) => !referenced.has(sopInstanceUID) && !failed.has(sopInstanceUID));
  const byOrder = inOrder(
    left,
    failedItems.filter((item) => isAnonymous(item, uids)),
    items(dataSet, OTHER_FAILURES_SEQUENCE),
  );
  const othersUnnamed = left.length < sent.length || byOrder.size > 0 ? withoutTrouble(unnamed) : unnamed;
  return sent.map((instance) => {
    const [stored] = referenced.get(instance.sopInstanceUID) ?? [];
    const failures = failed.get(instance.sopInstanceUID) ?? byOrder.get(instance) ?? [];
    const [failure, ...more] = failures;
    if (failure === undefined) return stored === undefined ? othersUnnamed : readStored(stored);
    if (stored !== undefined) return unknown('ARCHIVE_AMBIGUOUS', 'the archive names this instance as stored and as failed');
    if (more.some((item) => reasonIn(item, FAILURE_REASON) !== reasonIn(failure, FAILURE_REASON))) {
      return unknown('ARCHIVE_AMBIGUOUS', 'the archive gives several reasons why this instance failed');
    }
    return readFailed(failure);
  });
}

function named(list: readonly JsonDataSet[], uids: ReadonlySet<string>): ReadonlyMap<string, readonly JsonDataSet[]> {
  const ours = list.filter((item) => uids.has(firstString(item, REFERENCED_SOP_INSTANCE_UID) ?? ''));
  return Map.groupBy(ours, (item) => firstString(item, REFERENCED_SOP_INSTANCE_UID) ?? '');
}

function isAnonymous(item: JsonDataSet, uids: ReadonlySet<string>): boolean {
  const uid = firstString(item, REFERENCED_SOP_INSTANCE_UID);
  if (uid === undefined) return true;
  return !uids.has(uid) && firstString(item, REFERENCED_SOP_CLASS_UID) === UNREADABLE_PART_CLASS_UID;
}

/** `others`: Other Failures Sequence (PS3.18 10.5.3.2), whose items have no UID at all. How the two interleave nobody knows. */
function inOrder(
  left: readonly Sent[],
  anonymous: readonly JsonDataSet[],
  others: readonly JsonDataSet[],
): ReadonlyMap<Sent, readonly JsonDataSet[]> {
  if (anonymous.length > 0 && others.length > 0) return new Map();
  const list = anonymous.length > 0 ? anonymous : others;
  return new Map(list.length === left.length ? left.map((instance, index) => [instance, list.slice(index, index + 1)]) : []);
}

function withoutTrouble(verdict: Verdict): Verdict {
  return verdict.kind === 'unknown' ? unknown(verdict.code, verdict.message) : verdict;
}

/** A US: 16 bits. */
function reasonIn(item: JsonDataSet, tag: string): number | undefined {
  const reason = firstInteger(item, tag);
  return reason !== undefined && reason >= 0 && reason <= 0xffff ? reason : undefined;
}

function readStored(item: JsonDataSet): Verdict {
  const reason = reasonIn(item, WARNING_REASON);
  return reason === undefined ? { kind: 'stored' } : { kind: 'warned', reason };
}

function readFailed(item: JsonDataSet): Verdict {
  const reason = reasonIn(item, FAILURE_REASON);
  if (reason === undefined) return unknown('ARCHIVE_FAILED', 'the archive names this instance as failed without a reason');
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
