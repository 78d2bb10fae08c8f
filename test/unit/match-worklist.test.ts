import { describe, expect, it } from 'vitest';

import type { WorklistQuery, WorklistRule } from '../../core/coerce/worklist-rule.ts';
import { StorestowError } from '../../core/errors.ts';
import {
  createKeptMatcher,
  createWorklistMatcher,
  WORKLIST_PAUSE,
  WORKLIST_TTL,
  type WorklistMatcher,
} from '../../core/match-worklist.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { WorklistValues } from '../../core/stow/worklist.ts';

const STUDY = '1.2.3';
const RULE: WorklistRule = {
  match: 'accession',
  attributes: ['AccessionNumber', 'StudyDescription'],
  onNoMatch: 'quarantine',
  onSeveral: 'quarantine',
};
const QUERY: WorklistQuery = { match: 'accession', accessionNumber: 'A-17' };
const HEAD = { AccessionNumber: ['A-17'], StudyDescription: ['Head'] };
const HEAD_RULES = [
  { action: 'set', target: 'AccessionNumber', value: ['A-17'] },
  { action: 'set', target: 'StudyDescription', value: ['Head'] },
];

interface Double {
  readonly store: ObjectStore;
  /** What the worklist has; an error is thrown. */
  items: readonly WorklistValues[] | StorestowError;
  readonly asked: WorklistQuery[];
  now: number;
  readonly matcher: WorklistMatcher;
}

function double(store: ObjectStore = createMemoryStore()): Double {
  const asked: WorklistQuery[] = [];
  const made: Double = {
    store,
    items: [HEAD],
    asked,
    now: 0,
    matcher: createWorklistMatcher({
      store,
      now: () => made.now,
      worklist: {
        async find(query) {
          asked.push(query);
          if (made.items instanceof StorestowError) throw made.items;
          return made.items;
        },
      },
    }),
  };
  return made;
}

async function kept(store: ObjectStore): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const { key } of store.list({ prefix: 'worklist/' })) {
    found[key] = JSON.parse(new TextDecoder().decode(await (await store.get(key)).bytes()));
  }
  return found;
}

describe('a match', () => {
  it('is kept below its study before it is used, with what is taken and nothing more', async () => {
    const { matcher, store } = double();
    expect(await matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
    const [[key, content] = []] = Object.entries(await kept(store));
    expect(key).toMatch(/^worklist\/1\.2\.3\/[0-9a-f]{12}\.json$/);
    expect(content).toEqual({ format: 1, item: HEAD });
  });

  it('is asked for once a study, also by instances at once', async () => {
    const { matcher, asked } = double();
    const matches = await Promise.all(Array.from({ length: 20 }, async () => matcher.match(STUDY, QUERY, RULE)));
    expect(new Set(matches).size).toBe(1);
    expect(asked).toHaveLength(1);
    await matcher.match('1.2.4', QUERY, RULE);
    await matcher.match(STUDY, { match: 'accession', accessionNumber: 'A-18' }, RULE);
    expect(asked).toHaveLength(3);
  });

  it('of a replay, and of another process, is the kept one, whatever the worklist says by then', async () => {
    const first = double();
    await first.matcher.match(STUDY, QUERY, RULE);
    const replay = double(first.store);
    replay.items = [{ ...HEAD, StudyDescription: ['Foot'] }];
    expect(await replay.matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
    expect(replay.asked).toEqual([]);
    first.items = [];
    first.now += WORKLIST_TTL;
    expect(await first.matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
    expect(first.asked).toHaveLength(1);
  });

  it('of two processes at once is the one that was kept first', async () => {
    const store = createMemoryStore();
    const [one, other] = [double(store), double(store)];
    other.items = [{ ...HEAD, StudyDescription: ['Foot'] }];
    const matches = await Promise.all([one, other].map(async ({ matcher }) => matcher.match(STUDY, QUERY, RULE)));
    expect(matches[0]).toEqual(matches[1]);
    expect(one.asked.length + other.asked.length).toBe(2);
  });

  it('of nothing is kept too, where the instance goes on without', async () => {
    const rule: WorklistRule = { ...RULE, onNoMatch: 'pass' };
    const made = double();
    made.items = [];
    expect(await made.matcher.match(STUDY, QUERY, rule)).toEqual([]);
    made.items = [HEAD];
    made.now += WORKLIST_TTL;
    expect(await made.matcher.match(STUDY, QUERY, rule)).toEqual([]);
    expect(Object.values(await kept(made.store))).toEqual([{ format: 1, item: {} }]);
  });

  it('without anything to ask by asks nobody', async () => {
    const made = double();
    await expect(made.matcher.match(STUDY, undefined, RULE)).rejects.toMatchObject({ code: 'WORKLIST_NO_MATCH' });
    expect(await made.matcher.match(STUDY, undefined, { ...RULE, onNoMatch: 'pass' })).toEqual([]);
    expect(made.asked).toEqual([]);
  });

  it('is another where something else is taken', async () => {
    const made = double();
    await made.matcher.match(STUDY, QUERY, RULE);
    const wider: WorklistRule = { ...RULE, attributes: ['StudyDescription'] };
    expect(await made.matcher.match(STUDY, QUERY, wider)).toEqual(HEAD_RULES.slice(1));
    expect(made.asked).toHaveLength(2);
  });
});

describe('what is refused', () => {
  it.each<[string, readonly WorklistValues[], string]>([
    ['no item', [], 'WORKLIST_NO_MATCH'],
    ['several', [HEAD, { ...HEAD, StudyDescription: ['Foot'] }], 'WORKLIST_AMBIGUOUS'],
    ['a value out of form', [{ AccessionNumber: ['A'.repeat(17)] }], 'WORKLIST_INVALID'],
  ])('%s is not kept, and asked for again after a minute', async (_name, items, code) => {
    const made = double();
    made.items = items;
    for (let instance = 0; instance < 3; instance++) {
      await expect(made.matcher.match(STUDY, QUERY, RULE)).rejects.toMatchObject({ code, retryable: false });
    }
    expect(made.asked).toHaveLength(1);
    expect(await kept(made.store)).toEqual({});
    made.items = [HEAD];
    made.now += WORKLIST_TTL;
    expect(await made.matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
  });

  it('says neither the patient nor the number', async () => {
    const made = double();
    made.items = [];
    const error = await made.matcher.match(STUDY, QUERY, RULE).catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message).not.toMatch(/A-17|Head/);
  });

  it('for want of an answer is not asked for ten seconds, for any study, and then again', async () => {
    const made = double();
    await made.matcher.match('1.2.9', QUERY, RULE);
    made.items = new StorestowError('WORKLIST_UNAVAILABLE', 'away');
    for (const study of [STUDY, STUDY, '1.2.4']) {
      await expect(made.matcher.match(study, QUERY, RULE)).rejects.toMatchObject({
        code: 'WORKLIST_UNAVAILABLE',
        retryable: true,
      });
    }
    expect(made.asked).toHaveLength(2);
    expect(await made.matcher.match('1.2.9', QUERY, RULE)).toEqual(HEAD_RULES);
    made.items = [HEAD];
    made.now += WORKLIST_PAUSE;
    expect(await made.matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
  });

  it('because the bucket failed is asked for again at once', async () => {
    const store = createMemoryStore();
    let fails = true;
    const failing: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      get: async (key: string) => store.get(key),
      put: async (...args: Parameters<ObjectStore['put']>) => {
        if (fails) throw new StorestowError('STORE_UNAVAILABLE', 'away');
        return store.put(...args);
      },
    });
    const made = double(failing);
    await expect(made.matcher.match(STUDY, QUERY, RULE)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    fails = false;
    expect(await made.matcher.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
  });

  it('is a kept item that is not as it was written', async () => {
    const made = double();
    await made.matcher.match(STUDY, QUERY, RULE);
    const [key = ''] = Object.keys(await kept(made.store));
    await made.store.put(key, new TextEncoder().encode('{"format":1,"item":{"StudyDescription":"Head"}}'));
    const error = { code: 'WORKLIST_INVALID', object: key };
    await expect(double(made.store).matcher.match(STUDY, QUERY, RULE)).rejects.toMatchObject(error);
  });
});

it('remembers a thousand studies, and no more', async () => {
  const store = createMemoryStore();
  const reads: string[] = [];
  const counting: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
    get: async (key: string) => {
      reads.push(key);
      return store.get(key);
    },
    put: async (...args: Parameters<ObjectStore['put']>) => store.put(...args),
  });
  const { matcher } = double(counting);
  for (let study = 0; study <= 1000; study++) await matcher.match(`1.${study}`, QUERY, RULE);
  reads.length = 0;
  await matcher.match('1.1000', QUERY, RULE);
  await matcher.match('1.1', QUERY, RULE);
  expect(reads).toEqual([]);
  await matcher.match('1.0', QUERY, RULE);
  expect(reads).toHaveLength(1);
});

describe('an auditor', () => {
  it('finds what is kept, and asks nobody', async () => {
    const made = double();
    const auditor = createKeptMatcher(made.store);
    await expect(auditor.match(STUDY, QUERY, RULE)).rejects.toMatchObject({ code: 'WORKLIST_NO_MATCH' });
    await made.matcher.match(STUDY, QUERY, RULE);
    expect(await auditor.match(STUDY, QUERY, RULE)).toEqual(HEAD_RULES);
    expect(made.asked).toHaveLength(1);
  });
});
