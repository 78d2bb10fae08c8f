import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../core/audit/record.ts';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectInfo, ObjectStore, Tags } from '../../../core/store/object-store.ts';
import { keepSweepPosition, readSweepPosition } from '../../../functions/sweep/sweep-position.ts';
import type { SweepRound } from '../../../functions/sweep/sweep-round.ts';
import { isFailure, sweep, sweepState, type SweepOptions, type SweepReport } from '../../../functions/sweep/sweep.ts';

const ARRIVED = new Date('2026-11-24T10:00:00Z');
const log = createLog({ level: 'silent' });

function failed(reason: string, at?: string): AuditRecord {
  return { status: { kind: 'failed', reason }, ...(at === undefined ? {} : { detail: { at } }) };
}

describe('sweepState', () => {
  const table: [string, AuditRecord | undefined, number, 'pending' | 'failed' | 'settled'][] = [
    ['without an outcome, just arrived', undefined, 4, 'settled'],
    ['without an outcome, long ago', undefined, 5, 'pending'],
    ['stowed', { status: { kind: 'stowed' } }, 9999, 'settled'],
    ['quarantined', { status: { kind: 'quarantined', reason: 'ARCHIVE_UNAVAILABLE' } }, 9999, 'settled'],
    ['failed by an outage, just now', failed('ARCHIVE_UNAVAILABLE', '2026-11-24T10:30:00Z'), 89, 'settled'],
    ['failed by an outage, a while ago', failed('ARCHIVE_UNAVAILABLE', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed without a token, a while ago', failed('TOKEN_UNAVAILABLE', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed by a certificate, a while ago', failed('TLS_UNTRUSTED', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed for lack of a certificate, a while ago', failed('TLS_REFUSED', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed by a worklist that was away, a while ago', failed('WORKLIST_UNAVAILABLE', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed by an outage, nobody knows when', failed('STORE_FULL'), 60, 'failed'],
    ['failed by a wrong clock, a while ago', failed('STORE_CLOCK_WRONG', '2026-11-24T10:30:00Z'), 90, 'failed'],
    ['failed by itself', failed('PROCESS_FAILED', '2026-11-24T10:30:00Z'), 9999, 'settled'],
    ['failed by a defect', failed('INTERNAL'), 9999, 'settled'],
  ];
  it.each(table)('%s', (_name, record, minutes, state) => {
    const now = (): Date => new Date(ARRIVED.getTime() + minutes * 60_000);
    expect(sweepState(record, ARRIVED, { pendingAfter: 5, failedAfter: 60, now })).toBe(state);
  });
});

describe('sweep', () => {
  async function filled(objects: Readonly<Record<string, Tags>>): Promise<ObjectStore> {
    const store = createMemoryStore();
    for (const [key, tags] of Object.entries(objects)) await store.put(key, new Uint8Array(1), { tags });
    return store;
  }
  async function run(store: ObjectStore, options: Partial<SweepOptions> = {}): Promise<{ keys: string[]; report: SweepReport }> {
    const keys: string[] = [];
    const report = await sweep(store, async (found) => void keys.push(...found), {
      pendingAfter: 5,
      failedAfter: 60,
      log,
      now: () => new Date(Date.now() + 10 * 60_000),
      ...options,
    });
    return { keys, report };
  }

  it('queues what has no outcome, whatever tags the site has set', async () => {
    const store = await filled({
      'incoming/a': {},
      'incoming/b': { status: 'stowed' },
      'incoming/c': { retention: '10y' },
      'incoming/d': { status: 'quarantined/MALFORMED' },
      'rules/x': {},
    });
    const { keys, report } = await run(store);
    expect(keys).toEqual(['incoming/a', 'incoming/c']);
    expect(report).toMatchObject({ looked: 4, pending: 2, failed: 0, complete: true });
  });

  it('leaves what has just arrived to its event', async () => {
    const { keys, report } = await run(await filled({ 'incoming/a': {} }), { now: () => new Date() });
    expect(keys).toEqual([]);
    expect(report.looked).toBe(0);
  });

  it('does not look at what is older than its bound', async () => {
    const now = (): Date => new Date(Date.now() + 3 * 24 * 60 * 60_000);
    const store = await filled({ 'incoming/a': {} });
    expect((await run(store, { now, maxAge: 2 })).report.looked).toBe(0);
    expect((await run(store, { now, maxAge: 4 })).report.looked).toBe(1);
  });

  it('goes over more than a page of keys', async () => {
    const store = await filled(Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`incoming/${1000 + index}`, {}])));
    const { keys, report } = await run(store);
    expect(new Set(keys).size).toBe(250);
    expect(report.pending).toBe(250);
  });

  it('passes over an object that is deleted meanwhile', async () => {
    const store = await filled({ 'incoming/a': {}, 'incoming/b': {} });
    const shrinking: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      list: (options: Parameters<ObjectStore['list']>[0]) => store.list(options),
      async getTags(key: string) {
        if (key === 'incoming/a') await store.delete(key);
        return store.getTags(key);
      },
    });
    const { keys, report } = await run(shrinking);
    expect(keys).toEqual(['incoming/b']);
    expect(report.unread).toBe(0);
  });

  describe('with tags that cannot be read', () => {
    const unavailable = new StorestowError('STORE_UNAVAILABLE', 'as the test wants it');
    const denied = new StorestowError('STORE_DENIED', 'as the test wants it');
    /** Of 250 objects without an outcome, those of which `errorOf` says so. */
    async function swept(errorOf: (index: number) => StorestowError | undefined): Promise<{ keys: string[]; end: unknown }> {
      const store = await filled(Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`incoming/${1000 + index}`, {}])));
      const failing: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
        list: (options: Parameters<ObjectStore['list']>[0]) => store.list(options),
        async getTags(key: string) {
          const error = errorOf(Number(key.slice(-3)));
          return error === undefined ? store.getTags(key) : Promise.reject(error);
        },
      });
      const keys: string[] = [];
      const end = await sweep(failing, async (found) => void keys.push(...found), {
        ...{ pendingAfter: 5, failedAfter: 60, log },
        now: () => new Date(Date.now() + 10 * 60_000),
      }).catch((thrown: unknown) => thrown);
      return { keys, end };
    }

    it('looks at the others, and passes over what the store refuses', async () => {
      const { keys, end } = await swept((index) => (index < 120 ? denied : undefined));
      expect(keys).toHaveLength(130);
      expect(end).toMatchObject({ looked: 250, pending: 130, unread: 120, complete: true });
    });

    it('looks at the others, and fails then, where it may pass', async () => {
      const { keys, end } = await swept((index) => (index === 3 ? unavailable : index < 100 ? denied : undefined));
      expect(keys).toHaveLength(150);
      expect(end).toBe(unavailable);
    });

    it('fails where it may read none', async () => {
      expect(await swept(() => denied)).toEqual({ keys: [], end: denied });
    });

    const table: [string, StorestowError, number, number, boolean][] = [
      ['one, and it may pass', unavailable, 1000, 1, true],
      ['one, and it does not', denied, 1000, 1, false],
      ['the only one', denied, 1, 1, false],
      ['all of almost a hundred', denied, 99, 99, false],
      ['all of a hundred', denied, 100, 100, true],
      ['all but one', denied, 101, 100, false],
    ];
    it.each(table)('%s', (_name, error, looked, unread, failure) => {
      expect(isFailure(error, { looked, unread })).toBe(failure);
    });
  });

  it('says that it ended early', async () => {
    const { report, keys } = await run(await filled({ 'incoming/a': {} }), { stop: AbortSignal.abort() });
    expect(report).toMatchObject({ complete: false });
    expect(report.round.after).toBeUndefined();
    expect(keys).toEqual([]);
  });

  it('goes round from where the one before ended, so that none is out of reach however little time there is', async () => {
    const all = Array.from({ length: 450 }, (_, index) => `incoming/${1000 + index}`);
    const store = await filled(Object.fromEntries(all.map((key) => [key, {}])));
    /** With time for two hundred objects. */
    const brief = async (): Promise<{ keys: string[]; complete: boolean }> => {
      const stop = new AbortController();
      const position = await readSweepPosition(store);
      const keys: string[] = [];
      const enqueue = async (found: readonly string[]): Promise<void> => {
        keys.push(...found);
        if (keys.length === 200) stop.abort();
      };
      const now = (): Date => new Date(Date.now() + 10 * 60_000);
      const options = { ...position, pendingAfter: 5, failedAfter: 60, log, now, stop: stop.signal };
      const report = await sweep(store, enqueue, options);
      await keepSweepPosition(store, position, report.round);
      return { keys, complete: report.complete };
    };
    const [first, second, third] = [await brief(), await brief(), await brief()];
    expect([first.keys, second.keys]).toEqual([all.slice(0, 200), all.slice(200, 400)]);
    expect(third.keys).toEqual([...all.slice(400), ...all.slice(0, 150)]);
    expect([first, second, third].map(({ complete }) => complete)).toEqual([false, false, false]);
    const { round } = await readSweepPosition(store);
    expect(round).toMatchObject({ number: 1, after: all[149] });

    const { keys, report } = await run(store, round === undefined ? {} : { round });
    expect([keys, report.complete]).toEqual([[...all.slice(150), ...all.slice(0, 150)], true]);
    expect(report.round).toMatchObject({ number: 2, after: all[149] });
  });

  it('takes each key once a round, wherever its sweeps end', async () => {
    const all = Array.from({ length: 30 }, (_, index) => `incoming/${1000 + index}`);
    const store = await filled(Object.fromEntries(all.map((key) => [key, { status: 'stowed' }])));
    let time = Date.now() + 100 * 24 * 60 * 60_000;
    let stop = new AbortController();
    let left = 0;
    const looked: string[] = [];
    const watched: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      async *list(options: Parameters<ObjectStore['list']>[0]) {
        for await (const info of store.list(options)) {
          if (left-- === 0) stop.abort();
          yield info;
        }
      },
      async getTags(key: string) {
        looked.push(key);
        return store.getTags(key);
      },
    });
    let round: SweepRound = { number: 11, begun: time, seen: time };
    // Seven keys a sweep, then enough for all, in turns.
    for (let sweeps = 0; sweeps < 240; sweeps++) {
      stop = new AbortController();
      left = sweeps % 3 === 0 ? 1000 : 7;
      time += 60 * 60_000;
      ({ round } = (await run(watched, { round, now: () => new Date(time), stop: stop.signal })).report);
    }
    for (const key of all) {
      const turns = looked.filter((one) => one === key).length;
      expect(Math.abs(turns - (round.number - 11) / 24), key).toBeLessThanOrEqual(1);
      expect(turns).toBeGreaterThan(0);
    }
  });

  it('looks at old objects in their turn, and at all in the first round', async () => {
    const all = Array.from({ length: 240 }, (_, index) => `incoming/${1000 + index}`);
    const store = await filled(Object.fromEntries(all.map((key) => [key, {}])));
    let time = Date.now() + 100 * 24 * 60 * 60_000;
    const found: string[][] = [];
    let round: SweepRound | undefined;
    for (let sweeps = 0; sweeps < 25; sweeps++) {
      time += 60 * 60_000;
      const { keys, report } = await run(store, { ...(round === undefined ? {} : { round }), now: () => new Date(time) });
      found.push(keys);
      ({ round } = report);
    }
    expect(found[0]).toEqual(all);
    expect(found.slice(1).flat().toSorted()).toEqual(all);
    expect(Math.max(...found.slice(1).map(({ length }) => length))).toBeLessThan(30);
  });

  it('deals with what it has listed before it ends early', async () => {
    const all = Array.from({ length: 180 }, (_, index) => `incoming/${1000 + index}`);
    const store = await filled(Object.fromEntries(all.map((key) => [key, {}])));
    const stop = new AbortController();
    const listing: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      async *list(options: Parameters<ObjectStore['list']>[0]) {
        for await (const info of store.list(options)) {
          if (info.key === all[150]) stop.abort();
          yield info;
        }
      },
      getTags: async (key: string) => store.getTags(key),
    });
    const { keys, report } = await run(listing, { stop: stop.signal });
    expect(keys).toEqual(all.slice(0, 150));
    expect(report).toMatchObject({ complete: false, looked: 150, round: { number: 0, after: all[149] } });
  });

  it('gets past keys that are too old to be looked at, behind a page that is not full', async () => {
    const store = createMemoryStore();
    const stop = new AbortController();
    const now = new Date('2026-11-24T10:00:00Z');
    const young: ObjectInfo = { key: 'incoming/a', size: 1, etag: 'e', lastModified: new Date('2026-11-24T09:00:00Z') };
    const old = Array.from({ length: 500 }, (_, index) => `incoming/b${1000 + index}`);
    const listing: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      async *list() {
        yield young;
        for (const key of old) yield { ...young, key, lastModified: new Date('2026-01-01T00:00:00Z') };
        stop.abort();
        yield { ...young, key: 'incoming/c' };
      },
      getTags: async () => Promise.resolve({}),
    });
    const { keys, report } = await run(listing, { maxAge: 2, now: () => now, stop: stop.signal });
    expect(keys).toEqual(['incoming/a']);
    expect(report).toMatchObject({ complete: false, looked: 1, round: { after: old.at(-1) } });
  });
});
