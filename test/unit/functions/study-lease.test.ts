/** Several function instances and one study: doubles of them share a bucket in memory and an archive. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { Leases } from '../../../core/store/lease.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { queryAudit } from '../../../core/audit/query.ts';
import { objectCreated, readNotification } from '../../../core/store/object-event.ts';
import { sweep } from '../../../functions/sweep/sweep.ts';
import { handleEvent } from '../../../functions/ingest/handle-event.ts';
import { ingestBatch } from '../../../functions/ingest/ingest-batch.ts';
import type { Outcome } from '../../../core/stow/outcome.ts';
import type { IngestOptions, IngestPorts, IngestResult } from '../../../functions/ingest/ports.ts';
import { comeBackAfter, leaseKey, leasePatience, leaseTimes } from '../../../functions/ingest/study-lease.ts';
import { FakeArchive, ingestDouble, prepareFake, type IngestDouble } from '../../support/ingest-double.ts';

const TIMES = { term: 30_000, grace: 300_000 };
const STUDY = '1.2.3';
const PATIENT = (): { alive: number; gone: number } => ({ alive: Infinity, gone: Infinity });
const IMPATIENT = (): { alive: number; gone: number } => ({ alive: 0, gone: 0 });

function ingest(ports: IngestPorts, keys: readonly string[], options: IngestOptions = {}): Promise<readonly IngestResult[]> {
  return ingestBatch(
    keys.map((key) => ({ key })),
    ports,
    options,
  );
}

describe('the times', () => {
  it.each([
    [300, { term: 30_000, grace: 300_000 }],
    [100, { term: 10_000, grace: 100_000 }],
    [3600, { term: 30_000, grace: 3_600_000 }],
    [3, { term: 5000, grace: 3000 }],
  ])('archive.timeout %d s', (timeout, times) => {
    expect(leaseTimes(timeout)).toEqual(times);
  });

  it.each([
    [400_000, true, { alive: 3000, gone: 0 }],
    [2000, true, { alive: 2000, gone: 0 }],
    [400_000, false, { alive: 400_000, gone: 400_000 }],
  ])('%d ms left, comes back free: %s', (left, free, patience) => {
    expect(leasePatience(left, free)).toEqual(patience);
  });

  it('a message comes back soon for a holder that lives, and when the lease has run out for one that is gone', () => {
    expect(comeBackAfter({ holder: 'alive', rest: 300_000 })).toBe(2000);
    expect(comeBackAfter({ holder: 'gone', rest: 250_000 })).toBe(250_000);
  });

  it('the key has no slash more than it should', () => {
    expect(leaseKey('1.2.3')).toBe('leases/1.2.3');
    expect(leaseKey('../x')).toBe('leases/..%2Fx');
  });
});

describe('two function instances', () => {
  let store: ObjectStore;
  let archive: FakeArchive;
  let double: IngestDouble;
  let one: IngestPorts;
  let other: IngestPorts;
  let leaseRequests: string[];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
    const memory = createMemoryStore();
    leaseRequests = [];
    const request = (name: string, key: string): void => {
      if (key.startsWith('leases/')) leaseRequests.push(`${name} ${key}`);
    };
    store = Object.assign(Object.create(memory) as ObjectStore, {
      put: async (...args: Parameters<ObjectStore['put']>) => (request('put', args[0]), memory.put(...args)),
      head: async (key: string) => (request('head', key), memory.head(key)),
      delete: async (...args: Parameters<ObjectStore['delete']>) => (request('delete', args[0]), memory.delete(...args)),
      get: async (...args: Parameters<ObjectStore['get']>) => memory.get(...args),
      getTags: async (key: string) => memory.getTags(key),
      putTags: async (...args: Parameters<ObjectStore['putTags']>) => memory.putTags(...args),
      list: (...args: Parameters<ObjectStore['list']>) => memory.list(...args),
    });
    archive = new FakeArchive();
    double = ingestDouble({ archive, store });
    one = { ...double.ports, leases: new Leases(store, TIMES) };
    other = { ...double.ports, leases: new Leases(store, TIMES) };
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** What `one` sends is under way until it is let go. */
  async function holdUp(keys: readonly string[], options: IngestOptions = {}) {
    const answering = Promise.withResolvers<undefined>();
    archive.answering = answering.promise;
    const done = ingest(one, keys, options);
    await vi.advanceTimersByTimeAsync(10);
    expect(archive.requests).toHaveLength(1);
    return { done, letGo: () => answering.resolve(undefined) };
  }

  it('never have requests of one study under way at once; the second goes on when the first has its tags', async () => {
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    const { done, letGo } = await holdUp(keys.slice(0, 1));
    const second = ingest(other, keys.slice(1), { patience: PATIENT });
    await vi.advanceTimersByTimeAsync(100_000);
    expect(archive.requests).toEqual([['1.1']]);
    letGo();
    await done;
    expect(await double.status(keys[0] ?? '')).toBe('stowed');
    await vi.advanceTimersByTimeAsync(2000);
    expect(await second).toMatchObject([{ state: 'stowed', alreadyThere: false }]);
    expect(archive.requests).toEqual([['1.1'], ['1.2']]);
  });

  it('work on different studies at once', async () => {
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '2.1', study: '1.2.4' })];
    const { done, letGo } = await holdUp(keys.slice(0, 1));
    const second = ingest(other, keys.slice(1));
    await vi.advanceTimersByTimeAsync(10);
    expect(archive.requests).toHaveLength(2);
    letGo();
    expect([...(await done), ...(await second)].map(({ state }) => state)).toEqual(['stowed', 'stowed']);
  });

  it('one event in both: sent once, and the second leaves the record of the first alone', async () => {
    const key = await double.arrive({ sop: '1.1' });
    const { done, letGo } = await holdUp([key]);
    const second = ingest(other, [key], { patience: PATIENT });
    await vi.advanceTimersByTimeAsync(1000);
    letGo();
    const [first] = await done;
    const tags = await store.getTags(key);
    await vi.advanceTimersByTimeAsync(2000);
    expect(first?.state).toBe('stowed');
    expect(await second).toEqual([{ key, state: 'skipped' }]);
    expect(await store.getTags(key)).toEqual(tags);
    expect(archive.sent).toEqual(['1.1']);
  });

  it('one event in both, one after the other although both had read it before: the archive says that it is there, the tags stay', async () => {
    const key = await double.arrive({ sop: '1.1' });
    const preparing = Promise.withResolvers<undefined>();
    const second = ingest(
      {
        ...other,
        prepare: async (file) => {
          await preparing.promise;
          return prepareFake(file as Uint8Array);
        },
      },
      [key],
    );
    await vi.advanceTimersByTimeAsync(10);
    await ingest(one, [key]);
    const tags = await store.getTags(key);
    preparing.resolve(undefined);
    expect(await second).toEqual([{ key, state: 'skipped' }]);
    expect(await store.getTags(key)).toEqual(tags);
    expect(archive.sent).toEqual(['1.1']);
  });

  it('the same, where the archive is not asked: the tags are read again', async () => {
    const key = await double.arrive({ sop: '1.1' });
    const preparing = Promise.withResolvers<undefined>();
    const blind = {
      ...other,
      config: { ...other.config, archive: { ...other.config.archive, confirm: false } },
      archiveFor: () => new FakeArchive(),
      prepare: async (file: unknown) => {
        await preparing.promise;
        return prepareFake(file as Uint8Array);
      },
    };
    const second = ingest(blind, [key]);
    await vi.advanceTimersByTimeAsync(10);
    await ingest(one, [key]);
    preparing.resolve(undefined);
    expect(await second).toEqual([{ key, state: 'skipped' }]);
  });

  it('who does not get the lease sends nothing, tags nothing, and says when to come back', async () => {
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    const { done, letGo } = await holdUp(keys.slice(0, 1));
    const second = await ingest(other, keys.slice(1), { patience: IMPATIENT });
    expect(second).toEqual([{ key: keys[1], state: 'retry', code: 'LEASE_HELD', retryAfter: 2000 }]);
    expect(await double.status(keys[1] ?? '')).toBeUndefined();
    letGo();
    await done;
    expect(archive.sent).toEqual(['1.1']);
  });

  it('in its last try it is not failed either: the sweep finds it', async () => {
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    const { done, letGo } = await holdUp(keys.slice(0, 1));
    const body = JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3: { object: { key: keys[1] } } }] });
    const record = { eventSource: 'aws:sqs', messageId: 'm', body, attributes: { ApproximateReceiveCount: '5' } };
    const context = { getRemainingTimeInMillis: () => 60_000, comesBackFree: true as const };
    const answer = handleEvent({ Records: [record] }, context, other, { maxReceives: 5 });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'm' }] });
    expect(await double.status(keys[1] ?? '')).toBeUndefined();
    letGo();
    await done;
  });

  it('the lease costs two requests a study, however many instances and requests, and is gone at the end', async () => {
    const keys: string[] = [];
    for (let sop = 1; sop <= 100; sop++) keys.push(await double.arrive({ sop: `1.${String(sop)}` }));
    await ingest(one, keys);
    expect(archive.requests.length).toBeGreaterThan(4);
    expect(leaseRequests).toEqual([`put ${leaseKey(STUDY)}`, `delete ${leaseKey(STUDY)}`]);
  });

  it.each<[string, Outcome]>([
    ['here', { kind: 'retryable', code: 'INVOCATION_TIMEOUT', message: 'stopped while it was under way' }],
    ['by a proxy', { kind: 'retryable', code: 'ARCHIVE_AMBIGUOUS', message: '504', underWay: true }],
  ])('requests that were given up %s may still be carried out: the lease runs out first', async (_, outcome) => {
    const key = await double.arrive({ sop: '1.1' });
    archive.script.set('1.1', [outcome]);
    expect(await ingest(one, [key])).toMatchObject([{ state: 'retry', code: 'code' in outcome ? outcome.code : '' }]);
    const second = ingest(other, [key], { patience: PATIENT });
    await vi.advanceTimersByTimeAsync(329_000);
    expect(archive.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await second).toMatchObject([{ state: 'stowed' }]);
  });

  it('of a study whose holder is gone nothing is prepared again and again', async () => {
    const key = await double.arrive({ sop: '1.1' });
    archive.script.set('1.1', ['throw']);
    await ingest(one, [key]);
    const prepare = vi.fn(other.prepare);
    const ports = { ...other, prepare };
    const first = ingest(ports, [key], { patience: () => ({ alive: 60_000, gone: 0 }) });
    await vi.advanceTimersByTimeAsync(60_000);
    const [result] = await first;
    expect(result).toMatchObject({ state: 'retry', code: 'LEASE_HELD' });
    expect(prepare).toHaveBeenCalledTimes(1);
    const rest = result?.retryAfter ?? NaN;
    expect(rest).toBeGreaterThan(250_000);
    await vi.advanceTimersByTimeAsync(100_000);
    const again = await ingest(ports, [key], { patience: IMPATIENT });
    expect(again).toMatchObject([{ state: 'retry', code: 'LEASE_HELD' }]);
    expect(Math.abs((again[0]?.retryAfter ?? NaN) - (rest - 100_000))).toBeLessThan(60_000);
    expect(prepare).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(rest);
    expect(await ingest(ports, [key])).toMatchObject([{ state: 'stowed', alreadyThere: true }]);
  });

  it('what is prepared when the lease cannot be relied upon any more is not sent', async () => {
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    const preparing = Promise.withResolvers<undefined>();
    const ports: IngestPorts = {
      ...one,
      config: { ...one.config, archive: { ...one.config.archive, maxInstances: 1 } },
      prepare: async (file) => {
        const prepared = prepareFake(file as Uint8Array);
        if (prepared.sopInstanceUID === '1.2') await preparing.promise;
        return prepared;
      },
    };
    const results = ingest(ports, keys);
    await vi.advanceTimersByTimeAsync(10);
    // Stopped for a while, as a suspended machine: only the clock on the wall has gone on.
    vi.setSystemTime(Date.now() + 60_000);
    preparing.resolve(undefined);
    expect((await results).map(({ state, code }) => [state, code])).toEqual([
      ['stowed', undefined],
      ['retry', 'LEASE_HELD'],
    ]);
    expect(archive.sent).toEqual(['1.1']);
    expect(await store.head(leaseKey(STUDY))).toBeDefined();
  });

  it('two that hold what the other one waits for both come to an end, however few bytes may be in memory', async () => {
    const tight = { ...one.config, ingest: { maxBytesInFlight: 1 } };
    const OTHER = '1.2.4';
    const arrive = (study: string, sop: string, second: number): Promise<string> =>
      double.arrive({ study, sop }, `2026-11-24T10:00:0${String(second)}.000Z`);
    const keys: string[] = [];
    const others: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      keys.push(await arrive(STUDY, `1.${String(turn)}`, 2 * turn), await arrive(OTHER, `2.${String(turn)}`, 2 * turn + 1));
      others.push(await arrive(OTHER, `3.${String(turn)}`, 2 * turn), await arrive(STUDY, `4.${String(turn)}`, 2 * turn + 1));
    }
    const half = (ports: IngestPorts, of: readonly string[]): Promise<readonly IngestResult[]> =>
      ingest({ ...ports, config: tight }, of, { patience: PATIENT });
    const both = Promise.all([half(one, keys), half(other, others)]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await both).flat().map(({ state }) => state)).toEqual([...keys, ...others].map(() => 'stowed'));
    expect(archive.sent.toSorted()).toEqual([...new Set(archive.sent)].toSorted());
  });

  it('a lease that was left raises no event, is not swept, and is nothing that was received', async () => {
    const got = await one.leases.acquire(leaseKey(STUDY), IMPATIENT());
    expect(got.kind).toBe('lease');
    if (got.kind === 'lease') got.abandon();
    expect(readNotification(objectCreated('bucket', [leaseKey(STUDY)]))).toEqual({ keys: [], problems: [] });
    const enqueue = vi.fn(async () => undefined);
    const report = await sweep(store, enqueue, { pendingAfter: 0, failedAfter: 0, log: one.log, now: () => new Date() });
    expect(report.looked).toBe(0);
    expect(enqueue).not.toHaveBeenCalled();
    expect(await Array.fromAsync(queryAudit(store, {}))).toEqual([]);
  });

  it('a bucket that refuses the lease: the instances are tried again, nothing is sent', async () => {
    const key = await double.arrive({ sop: '1.1' });
    const denied = {
      ...one,
      leases: new Leases({ ...store, put: () => Promise.reject(new Error('denied')) }, TIMES),
    };
    expect(await ingest(denied, [key])).toMatchObject([{ state: 'retry', code: 'INTERNAL' }]);
    expect(archive.sent).toEqual([]);
  });
});
