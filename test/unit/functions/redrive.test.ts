import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore, Tags } from '../../../core/store/object-store.ts';
import { chooseDeadLetters } from '../../../functions/redrive/dead-letters.ts';
import { isChosen, redrive, type RedriveSelection } from '../../../functions/redrive/redrive.ts';
import { sweep } from '../../../functions/sweep/sweep.ts';
import { createLog } from '../../../core/logging.ts';
import { fakeObject, type FakeInstance } from '../../support/ingest-double.ts';

const ALL: RedriveSelection = { statuses: new Set(['quarantined', 'failed']) };

async function put(store: ObjectStore, instance: FakeInstance, tags: Tags): Promise<string> {
  const { key, file } = fakeObject(instance);
  await store.put(key, file, { tags });
  return key;
}

/** The store with some operations replaced. */
function storeWith(store: ObjectStore, replaced: Partial<ObjectStore>): ObjectStore {
  const bound = Object.fromEntries(
    (['put', 'get', 'head', 'getTags', 'putTags', 'list', 'delete', 'close'] as const).map((name) => [
      name,
      (store[name] as (...args: unknown[]) => unknown).bind(store),
    ]),
  );
  return { ...store, ...bound, ...replaced };
}

async function swept(store: ObjectStore): Promise<readonly string[]> {
  const found: string[] = [];
  await sweep(store, async (keys) => void found.push(...keys), {
    pendingAfter: 5,
    failedAfter: 60,
    log: createLog({ level: 'silent' }),
    now: () => new Date(Date.now() + 10 * 60_000),
  });
  return found;
}

describe('isChosen', () => {
  const quarantined = (reason: string): Parameters<typeof isChosen>[0] => ({ status: { kind: 'quarantined', reason } });
  const table: [string, Parameters<typeof isChosen>[0], RedriveSelection, boolean][] = [
    ['no outcome', undefined, ALL, false],
    ['quarantined', quarantined('MALFORMED'), ALL, true],
    ['failed', { status: { kind: 'failed', reason: 'INTERNAL' } }, ALL, true],
    ['stowed', { status: { kind: 'stowed' } }, ALL, false],
    ['stowed, and so chosen', { status: { kind: 'stowed' } }, { statuses: new Set(['stowed']) }, true],
    ['the reason', quarantined('MALFORMED'), { ...ALL, reason: 'MALFORMED' }, true],
    ['another reason', quarantined('CONFLICT'), { ...ALL, reason: 'MALFORMED' }, false],
  ];
  it.each(table)('%s', (_name, record, selection, chosen) => {
    expect(isChosen(record, selection)).toBe(chosen);
  });
});

describe('redrive', () => {
  async function filled(): Promise<{
    store: ObjectStore;
    keys: Record<'bad' | 'unknown' | 'failed' | 'stowed' | 'pending', string>;
  }> {
    const store = createMemoryStore();
    return {
      store,
      keys: {
        bad: await put(store, { study: '1.1', sop: '1' }, { status: 'quarantined/MALFORMED', retention: '10y' }),
        unknown: await put(store, { study: '1.1', sop: '2' }, { status: 'quarantined/UNKNOWN_SOURCE', 'sent-md5': 'x' }),
        failed: await put(store, { study: '1.2', sop: '3' }, { status: 'failed/ARCHIVE_UNAVAILABLE' }),
        stowed: await put(store, { study: '1.2', sop: '4' }, { status: 'stowed' }),
        pending: await put(store, { study: '1.2', sop: '5' }, {}),
      },
    };
  }

  it('takes the outcomes off, then queues; the site’s tags, and what is stowed or on its way, stay', async () => {
    const { store, keys } = await filled();
    const queued: string[] = [];
    const tagsWhenQueued: Tags[] = [];
    const enqueue = async (batch: readonly string[]): Promise<void> => {
      queued.push(...batch);
      for (const key of batch) tagsWhenQueued.push(await store.getTags(key));
    };
    const report = await redrive({ store, enqueue }, ALL);
    expect(queued.toSorted()).toEqual([keys.bad, keys.unknown, keys.failed].toSorted());
    expect(tagsWhenQueued).toEqual([{ retention: '10y' }, {}, {}]);
    expect(await store.getTags(keys.stowed)).toEqual({ status: 'stowed' });
    expect(report).toMatchObject({ chosen: 3, redriven: 3, passedOver: 0, failures: [] });
    expect(
      report.groups.map(({ status, reason, studyInstanceUID, objects }) => [status, reason, studyInstanceUID, objects]),
    ).toEqual([
      ['quarantined', 'MALFORMED', '1.1', 1],
      ['quarantined', 'UNKNOWN_SOURCE', '1.1', 1],
      ['failed', 'ARCHIVE_UNAVAILABLE', '1.2', 1],
    ]);
  });

  it('does nothing in a dry run but look', async () => {
    const { store, keys } = await filled();
    const enqueue = async (): Promise<never> => {
      throw new Error('nothing is queued');
    };
    expect(await redrive({ store, enqueue }, { ...ALL, reason: 'MALFORMED' }, { dryRun: true })).toMatchObject({
      chosen: 1,
      redriven: 0,
      groups: [{ reason: 'MALFORMED', objects: 1 }],
    });
    expect(await store.getTags(keys.bad)).toMatchObject({ status: 'quarantined/MALFORMED' });
  });

  it('ended between the two, or without a queue: the sweep finds what has no outcome', async () => {
    const { store, keys } = await filled();
    const enqueue = async (): Promise<never> => {
      throw new StorestowError('QUEUE_UNAVAILABLE', 'as the test wants it');
    };
    await expect(redrive({ store, enqueue }, ALL)).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
    expect(new Set(await swept(store))).toEqual(new Set([keys.bad, keys.unknown, keys.failed, keys.pending]));

    const other = await filled();
    expect(await redrive({ store: other.store }, ALL)).toMatchObject({ redriven: 3 });
    expect(await swept(other.store)).toHaveLength(4);
  });

  it('passes over what got another outcome meanwhile, or is gone', async () => {
    const { store, keys } = await filled();
    const queued: string[] = [];
    const looked = new Set<string>();
    const changing = storeWith(store, {
      async getTags(key) {
        const tags = await store.getTags(key);
        // After the look of the query, before the outcome is taken off.
        if (!looked.has(key) && key === keys.failed) await store.putTags(key, { status: 'stowed' });
        if (!looked.has(key) && key === keys.bad) await store.delete(key);
        looked.add(key);
        return tags;
      },
    });
    const report = await redrive({ store: changing, enqueue: async (batch) => void queued.push(...batch) }, ALL);
    expect(queued).toEqual([keys.unknown]);
    expect(report).toMatchObject({ chosen: 3, redriven: 1, passedOver: 2, failures: [] });
    expect(await store.getTags(keys.failed)).toEqual({ status: 'stowed' });
  });

  it('names those whose outcome cannot be taken off, and goes on with the others', async () => {
    const { store, keys } = await filled();
    const denying = storeWith(store, {
      async putTags(key, tags) {
        if (key === keys.bad) throw new StorestowError('STORE_DENIED', 'as the test wants it');
        return store.putTags(key, tags);
      },
    });
    const queued: string[] = [];
    const report = await redrive({ store: denying, enqueue: async (batch) => void queued.push(...batch) }, ALL);
    expect(report.failures).toMatchObject([{ key: keys.bad, error: { code: 'STORE_DENIED' } }]);
    expect(queued.toSorted()).toEqual([keys.unknown, keys.failed].toSorted());
  });

  it('queues more than fit in one batch', async () => {
    const store = createMemoryStore();
    for (let index = 0; index < 250; index++) await put(store, { sop: `1.${index}` }, { status: 'failed/INTERNAL' });
    const sizes: number[] = [];
    await redrive({ store, enqueue: async (batch) => void sizes.push(batch.length) }, ALL);
    expect(sizes).toEqual([100, 100, 50]);
  });
});

describe('chooseDeadLetters', () => {
  it('takes those whose object has no outcome, and that the selection means', async () => {
    const store = createMemoryStore();
    const pending = await put(store, { study: '1.1', sop: '1' }, {});
    const stowed = await put(store, { study: '1.1', sop: '2' }, { status: 'stowed' });
    const other = await put(store, { study: '1.2', sop: '3', callingAET: 'MR1' }, {});
    const gone = fakeObject({ sop: '9' }).key;
    const letters = [
      { key: pending, error: 'PROCESS_FAILED' },
      { key: stowed, error: 'INTERNAL' },
      { key: other, error: 'INTERNAL' },
      { key: gone, error: 'INTERNAL' },
      { key: 'incoming/../x', error: 'INTERNAL' },
    ];
    const choose = async (selection: Partial<RedriveSelection>): Promise<readonly string[]> =>
      chooseDeadLetters(store, letters, { ...ALL, ...selection });
    expect(await choose({})).toEqual([pending, other]);
    expect(await choose({ reason: 'PROCESS_FAILED' })).toEqual([pending]);
    expect(await choose({ studyInstanceUID: '1.2' })).toEqual([other]);
    expect(await choose({ callingAET: 'CT1' })).toEqual([pending]);
    expect(await choose({ statuses: new Set(['quarantined']) })).toEqual([]);
    expect(await choose({ institution: 'North' })).toEqual([]);
    expect(await choose({ receivedTo: new Date(0) })).toEqual([]);
  });
});
