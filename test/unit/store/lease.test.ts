/** The lease by a clock that the test sets: who gets it, who loses it, and when. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { decideLease, Leases, type Lease, type LeaseHeld, type LeaseStore, type LeaseView } from '../../../core/store/lease.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';

const KEY = 'leases/1.2.3';
const TIMES = { term: 30_000, grace: 300_000 };
const NONE = { alive: 0, gone: 0 };
const FOREVER = { alive: Infinity, gone: Infinity };

function lease(got: Lease | LeaseHeld): Lease {
  return got.kind === 'lease' ? got : expect.fail('another has it');
}

describe('decideLease', () => {
  const steal = { kind: 'steal' as const };
  const held = (holder: 'alive' | 'gone', rest: number) => ({ kind: 'held' as const, holder, rest });
  const table: [string, Partial<LeaseView>, ReturnType<typeof decideLease>][] = [
    ['just written, just seen', { age: 0 }, held('alive', 40)],
    ['within the term', { age: 9 }, held('alive', 31)],
    ['the term is over', { age: 10 }, held('gone', 30)],
    ['an age alone is not believed', { age: 1_000_000 }, held('gone', 10)],
    ['nor before a whole term was watched', { age: 1_000_000, watched: 9 }, held('gone', 1)],
    ['old, and watched for a term', { age: 40, watched: 10 }, steal],
    ['not old enough, and watched for a term', { age: 39, watched: 10 }, held('gone', 1)],
    ['no time of the store: watched within the term', { watched: 9 }, held('alive', 31)],
    ['no time of the store: watched for the term', { watched: 10 }, held('gone', 30)],
    ['no time of the store: watched for term and grace', { watched: 40 }, steal],
    ["the store's clock was set back", { age: 0, watched: 40 }, steal],
  ];
  it.each(table)('%s', (_, view, decision) => {
    expect(decideLease({ age: undefined, watched: 0, term: 10, grace: 30, ...view })).toEqual(decision);
  });
});

describe('a lease', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: 0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Stores whose every request is counted, and fails where the test says so. */
  function counted(fails: (name: 'put' | 'head' | 'delete') => boolean = () => false): { store: LeaseStore; requests: string[] } {
    const memory = createMemoryStore();
    const requests: string[] = [];
    const request = (name: 'put' | 'head' | 'delete'): void => {
      requests.push(name);
      if (fails(name)) throw new StorestowError('STORE_UNAVAILABLE', 'as the test wants it');
    };
    return {
      requests,
      store: {
        put: async (...args) => (request('put'), memory.put(...args)),
        head: async (key) => (request('head'), memory.head(key)),
        delete: async (...args) => (request('delete'), memory.delete(...args)),
      },
    };
  }

  it('costs two requests where nobody else wants it, and leaves nothing', async () => {
    const { store, requests } = counted();
    const got = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    expect(got.contended).toBe(false);
    await got.release();
    expect(requests).toEqual(['put', 'delete']);
    expect(await store.head(KEY)).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is held by one; the other one gets it when it is released, and knows that it had to wait', async () => {
    const { store } = counted();
    const first = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    const others = new Leases(store, TIMES);
    expect(await others.acquire(KEY, NONE)).toEqual({ kind: 'held', holder: 'alive', rest: 330_000 });
    const waiting = others.acquire(KEY, { alive: 5000, gone: 0 });
    await vi.advanceTimersByTimeAsync(1000);
    await first.release();
    await vi.advanceTimersByTimeAsync(1000);
    expect(lease(await waiting).contended).toBe(true);
  });

  it('is renewed for as long as it is held, so that nobody ever takes it', async () => {
    const { store } = counted();
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    const waiting = new Leases(store, TIMES).acquire(KEY, { alive: 3_600_000, gone: 3_600_000 });
    await vi.advanceTimersByTimeAsync(3_700_000);
    expect(await waiting).toMatchObject({ kind: 'held', holder: 'alive' });
    expect(holder.check()).toBe(true);
    await holder.release();
    expect(await store.head(KEY)).toBeUndefined();
  });

  it('of one that is gone is not waited for in vain; it can be taken when term and grace are over, not before', async () => {
    const { store } = counted();
    lease(await new Leases(store, TIMES).acquire(KEY, NONE)).abandon();
    const others = new Leases(store, TIMES);
    const impatient = others.acquire(KEY, { alive: 60_000, gone: 10_000 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await impatient).toMatchObject({ kind: 'held', holder: 'gone' });

    const began = Date.now();
    const waiting = others.acquire(KEY, FOREVER);
    const taken = vi.fn();
    void waiting.then(taken);
    await vi.advanceTimersByTimeAsync(330_000 - began - 1);
    expect(taken).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(lease(await waiting).contended).toBe(true);
  });

  it('is taken over by exactly one of those who wait', async () => {
    const { store } = counted();
    lease(await new Leases(store, TIMES).acquire(KEY, NONE)).abandon();
    const waiting = Array.from({ length: 5 }, () => new Leases(store, TIMES).acquire(KEY, { alive: 340_000, gone: 340_000 }));
    await vi.advanceTimersByTimeAsync(700_000);
    const got = await Promise.all(waiting);
    expect(got.filter(({ kind }) => kind === 'lease')).toHaveLength(1);
  });

  it('a clock that jumps does not hand it over', async () => {
    const { store } = counted();
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    // Only the clock on the wall, not the monotonic one.
    vi.setSystemTime(Date.now() + 3_600_000);
    const others = new Leases(store, TIMES);
    const waiting = others.acquire(KEY, { alive: 25_000, gone: 60_000 });
    await vi.advanceTimersByTimeAsync(120_000);
    expect((await waiting).kind).toBe('held');
    holder.abandon();
  });

  it('is lost, and what is under way aborted, before its term is over, where the bucket cannot be reached', async () => {
    let down = false;
    const { store } = counted(() => down);
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    await vi.advanceTimersByTimeAsync(15_000);
    down = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(holder.signal.aborted).toBe(true);
    down = false;
    await holder.release();
    expect(await store.head(KEY)).toBeDefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('survives a bucket that is down for less than its term', async () => {
    let down = false;
    const { store } = counted(() => down);
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    await vi.advanceTimersByTimeAsync(9000);
    down = true;
    await vi.advanceTimersByTimeAsync(12_000);
    down = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(holder.check()).toBe(true);
    holder.abandon();
  });

  it('is lost at once where another has taken it over, and the release does not touch that one', async () => {
    const { store } = counted();
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    await store.put(KEY, new TextEncoder().encode('another'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(holder.signal.aborted).toBe(true);
    await holder.release();
    expect(await store.head(KEY)).toBeDefined();
  });

  it('of a process that was stopped is not relied upon when it goes on, by either clock', async () => {
    const { store } = counted();
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    expect(holder.check()).toBe(true);
    vi.setSystemTime(Date.now() + 26_000);
    expect(holder.check()).toBe(false);
    expect(holder.signal.aborted).toBe(true);
    await holder.release();
    expect(await store.head(KEY)).toBeDefined();
  });

  it('knows its own writing where the answer was lost and the store sent it again', async () => {
    const memory = createMemoryStore();
    const twice: LeaseStore = {
      put: async (...args) => {
        await memory.put(...args);
        return memory.put(...args);
      },
      head: (key) => memory.head(key),
      delete: (...args) => memory.delete(...args),
    };
    const holder = lease(await new Leases(twice, TIMES).acquire(KEY, NONE));
    await vi.advanceTimersByTimeAsync(100_000);
    expect(holder.check()).toBe(true);
    await holder.release();
    expect(await memory.head(KEY)).toBeUndefined();
  });

  it('by the times that its holder claims; implausible ones do not count', async () => {
    const { store } = counted();
    lease(await new Leases(store, { term: 60_000, grace: 600_000 }).acquire(KEY, NONE)).abandon();
    expect(await new Leases(store, TIMES).acquire(KEY, NONE)).toMatchObject({ rest: 660_000 });
    for (const claim of ['x', '-1', 'Infinity', '1e300', '']) {
      await store.put(KEY, new TextEncoder().encode(claim), { metadata: { 'lease-term': claim, 'lease-grace': claim } });
      const { rest } = (await new Leases(store, TIMES).acquire(KEY, NONE)) as LeaseHeld;
      expect(rest).toBeLessThanOrEqual(330_000);
    }
  });

  it('tells how long one that is gone will last, and asks nothing about one that was never waited for', async () => {
    const { store, requests } = counted();
    lease(await new Leases(store, TIMES).acquire(KEY, NONE)).abandon();
    const others = new Leases(store, TIMES);
    requests.length = 0;
    expect(await others.remaining(KEY)).toBe(0);
    expect(requests).toEqual([]);
    await others.acquire(KEY, NONE);
    await vi.advanceTimersByTimeAsync(130_000);
    expect(await others.remaining(KEY)).toBe(200_000);
    await store.delete(KEY);
    expect(await others.remaining(KEY)).toBe(0);
  });

  it('throws what the store throws', async () => {
    const { store } = counted((name) => name === 'put');
    await expect(new Leases(store, TIMES).acquire(KEY, NONE)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('of a store that contradicts itself, a stale answer of which says that there is none, is asked for with patience too', async () => {
    const { store, requests } = counted((name) => name === 'put' && requests.length > 30);
    await new Leases(store, TIMES).acquire(KEY, NONE);
    const stale = new Leases({ ...store, head: async (key) => void (await store.head(key)) }, TIMES);
    expect(await stale.acquire(KEY, NONE)).toEqual({ kind: 'held', holder: 'alive', rest: 1000 });
    const waited = stale.acquire(KEY, { alive: 2000, gone: 0 });
    await vi.advanceTimersByTimeAsync(3000);
    expect(await waited).toMatchObject({ kind: 'held', holder: 'alive' });
    expect(requests.length).toBeLessThan(30);
  });

  it('is not waited for any longer once the caller is told to stop', async () => {
    const { store } = counted();
    const holder = lease(await new Leases(store, TIMES).acquire(KEY, NONE));
    const stop = new AbortController();
    const waiting = new Leases(store, TIMES).acquire(KEY, FOREVER, stop.signal);
    await vi.advanceTimersByTimeAsync(5000);
    stop.abort();
    expect(await waiting).toMatchObject({ kind: 'held', holder: 'alive' });
    holder.abandon();
  });
});
