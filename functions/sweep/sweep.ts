/**
 * Finds what events missed: objects that have no outcome although they arrived a while ago, and those that failed for a
 * reason that passes, and queues them again. The bucket is the state; a queue that lost everything loses nothing.
 */
import { fromTags } from '../../core/audit/tags.ts';
import type { AuditRecord } from '../../core/audit/record.ts';
import { createLimit } from '../../core/concurrency.ts';
import { asStorestowError, StorestowError, type ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import { compareKeys } from '../../core/store/key-order.ts';
import { INCOMING_PREFIX } from '../../core/store/object-key.ts';
import type { ObjectInfo, ObjectStore } from '../../core/store/object-store.ts';
import { firstRound, isTurn, nextRound, type SweepRound } from './sweep-round.ts';

export interface SweepOptions {
  /** Minutes after its arrival from which an object without an outcome counts as missed. */
  readonly pendingAfter: number;
  /** Minutes after which an object that failed because archive or bucket were out of reach is tried again. */
  readonly failedAfter: number;
  /** Days: older objects are not looked at. Absent: all are that have their turn. */
  readonly maxAge?: number;
  /** Goes on with it, and behind the last key with the next one, up to where this began. Absent: the first one, in which all have their turn. */
  readonly round?: SweepRound;
  readonly log: Log;
  readonly now: () => Date;
  /** Aborted: the sweep ends early, when it has dealt with what it has listed, and says so. */
  readonly stop?: AbortSignal;
}

export interface SweepReport {
  /** Objects whose tags were read. */
  readonly looked: number;
  readonly pending: number;
  readonly failed: number;
  /** Objects whose tags the store refuses to tell. */
  readonly unread: number;
  /** False where `stop` ended it. */
  readonly complete: boolean;
  /** With which the next sweep goes on. */
  readonly round: SweepRound;
}

/** Tag reads under way at once. */
const CONCURRENCY = 32;
/** Keys queued in one call. */
const BATCH = 100;

/** What an outage leaves behind. It says nothing of the instance, so a later try may succeed without anybody's help. */
const PASSING: ReadonlySet<string> = new Set<ErrorCode>([
  'ARCHIVE_UNAVAILABLE',
  'ARCHIVE_UNAUTHORIZED',
  'TOKEN_UNAVAILABLE',
  'TLS_UNTRUSTED',
  'TLS_REFUSED',
  'ARCHIVE_AMBIGUOUS',
  'NOT_IN_ARCHIVE',
  'WORKLIST_UNAVAILABLE',
  'STORE_UNAVAILABLE',
  'STORE_FULL',
  'STORE_CLOCK_WRONG',
]);

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/**
 * | the object's outcome                 | since its arrival or outcome  | is      |
 * |--------------------------------------|-------------------------------|---------|
 * | none                                 | `pendingAfter` minutes        | pending |
 * | `failed`, for a reason that passes   | `failedAfter` minutes         | failed  |
 * | any other                            |                               | settled |
 */
export function sweepState(
  record: AuditRecord | undefined,
  arrived: Date,
  { pendingAfter, failedAfter, now }: Pick<SweepOptions, 'pendingAfter' | 'failedAfter' | 'now'>,
): 'pending' | 'failed' | 'settled' {
  const age = (since: number): number => now().getTime() - since;
  if (record === undefined) return age(arrived.getTime()) >= pendingAfter * MINUTE ? 'pending' : 'settled';
  if (record.status.kind !== 'failed' || !PASSING.has(record.status.reason)) return 'settled';
  const at = Date.parse(record.detail?.at ?? '');
  return age(Number.isNaN(at) ? arrived.getTime() : at) >= failedAfter * MINUTE ? 'failed' : 'settled';
}

/**
 * | tags that could not be read               | when the others have been looked at, the sweep |
 * |-------------------------------------------|------------------------------------------------|
 * | some, for a reason that passes            | throws: the next one looks again               |
 * | all, and `BATCH` of them or more          | throws: that is no matter of an object         |
 * | any others                                | ends well, and has told it                     |
 */
export function isFailure(error: StorestowError, { looked, unread }: Pick<SweepReport, 'looked' | 'unread'>): boolean {
  return error.retryable || (unread === looked && unread >= BATCH);
}

/** Throws what the store and `enqueue` throw; what was queued by then is. An object whose tags cannot be read keeps it from no other. */
export async function sweep(
  store: ObjectStore,
  enqueue: (keys: readonly string[]) => Promise<void>,
  options: SweepOptions,
): Promise<SweepReport> {
  const counts = { looked: 0, pending: 0, failed: 0, unread: 0 };
  let error: StorestowError | undefined;
  const limit = createLimit(CONCURRENCY);
  const { round: first = firstRound(options.now().getTime()) } = options;
  const second = nextRound(first, options.now().getTime());
  let page: ObjectInfo[] = [];
  let round = first;
  const work = async (): Promise<void> => {
    const found = await Promise.all(page.map((info) => limit(() => look(store, info, options))));
    counts.looked += page.length;
    page = [];
    const keys: string[] = [];
    for (const { key, state } of found) {
      if (state === 'settled') continue;
      if (state instanceof StorestowError) {
        if (counts.unread === 0) options.log.error({ key, err: state }, 'tags cannot be read; the object may have been missed');
        counts.unread += 1;
        if (error?.retryable !== true) error = state;
      } else {
        counts[state] += 1;
        keys.push(key);
      }
    }
    if (keys.length > 0) await enqueue(keys);
  };
  const end = (rest: Pick<SweepReport, 'complete' | 'round'>): SweepReport => {
    if (error !== undefined && isFailure(error, counts)) throw error;
    return report({ ...counts, ...rest }, options.log);
  };
  for await (const info of goRound(store, first.after)) {
    if (options.stop?.aborted === true) {
      // Few keys of many may be looked at: what lies behind them need not be listed again for their sake.
      await work();
      return end({ complete: false, round });
    }
    round = { ...(isBehind(info.key, first.after) ? first : second), after: info.key };
    if (isLookedAt(info, round, options)) page.push(info);
    if (page.length === BATCH) await work();
  }
  await work();
  // It stays where it is: up to there the second round has been, and behind it the next sweep goes on with it.
  return end({ complete: true, round: { ...second, ...(first.after === undefined ? {} : { after: first.after }) } });
}

/** All keys behind `after`, then those up to it. */
async function* goRound(store: ObjectStore, after: string | undefined): AsyncGenerator<ObjectInfo> {
  if (after !== undefined) yield* store.list({ prefix: INCOMING_PREFIX, after });
  for await (const info of store.list({ prefix: INCOMING_PREFIX })) {
    if (after !== undefined && isBehind(info.key, after)) return;
    yield info;
  }
}

function isBehind(key: string, after: string | undefined): boolean {
  return after === undefined || compareKeys(key, after) > 0;
}

/** An object that has just arrived has its event still to come, and neither kind of age. */
function isLookedAt(info: ObjectInfo, round: SweepRound, { pendingAfter, maxAge, now }: SweepOptions): boolean {
  const time = now().getTime();
  const age = time - info.lastModified.getTime();
  return age >= pendingAfter * MINUTE && (maxAge === undefined || age <= maxAge * DAY) && isTurn(info, round, time);
}

async function look(
  store: ObjectStore,
  { key, lastModified }: ObjectInfo,
  options: SweepOptions,
): Promise<{ readonly key: string; readonly state: 'pending' | 'failed' | 'settled' | StorestowError }> {
  try {
    return { key, state: sweepState(fromTags(await store.getTags(key)), lastModified, options) };
  } catch (thrown) {
    const error = asStorestowError(thrown, key);
    return { key, state: error.code === 'OBJECT_NOT_FOUND' ? 'settled' : error };
  }
}

function report(result: SweepReport, log: Log): SweepReport {
  if (!result.complete) log.warn(result, 'sweep ended early: no time left; the next one goes on there');
  else if (result.pending + result.failed > 0) log.info(result, 'sweep queued what had no outcome');
  else log.debug(result, 'sweep found nothing');
  return result;
}
