import { describe, expect, it } from 'vitest';
import { ruleSetDigest, serializeRuleSet, type RuleSet } from '../../../core/coerce/rule-set.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { inForceSince, openEarlierRules } from '../../../functions/ingest/earlier-rules.ts';

const at = (hour: number): Date => new Date(Date.UTC(2026, 10, 24, hour));
const kept = (digit: string, hour: number): { key: string; lastModified: Date } => ({
  key: `rules/${digit.repeat(12)}.json`,
  lastModified: at(hour),
});

describe('inForceSince', () => {
  const sets = [kept('a', 1), kept('c', 5), kept('b', 3)];
  it.each([
    ['before any', 0, 'cba'],
    ['with the first', 1, 'cba'],
    ['at the very time that is told of the second', 3, 'cba'],
    ['under the second', 4, 'cb'],
    ['under the last', 6, 'c'],
  ])('an object that arrived %s', (_name, hour, digits) => {
    expect(inForceSince(at(hour), sets)).toEqual([...digits].map((digit) => digit.repeat(12)));
  });

  it('knows no rule set by another name', () => {
    expect(inForceSince(at(0), [{ key: 'rules/notes.txt', lastModified: at(1) }])).toEqual([]);
  });
});

describe('openEarlierRules', () => {
  const ruleSet = (unknownSource: RuleSet['unknownSource']): RuleSet => ({ rules: [], unknownSource, originalAttributes: true });

  it('gives what the bucket keeps, but not the present ones, nor what is none', async () => {
    const store = createMemoryStore();
    const [earlier, present] = [ruleSet('pass'), ruleSet('quarantine')];
    for (const set of [earlier, present])
      await store.put(`rules/${ruleSetDigest(set)}.json`, new TextEncoder().encode(serializeRuleSet(set)));
    await store.put('rules/0123456789ab.json', new TextEncoder().encode('{'));
    const prepare = async (): Promise<never> => Promise.reject(new Error('not called'));
    const read: RuleSet[] = [];
    const earlierRules = openEarlierRules(store, ruleSetDigest(present), (set) => {
      read.push(set);
      return prepare;
    });
    expect(await Array.fromAsync(earlierRules(at(0)))).toEqual([
      { ruleSet: { digest: ruleSetDigest(earlier), json: serializeRuleSet(earlier) }, prepare },
    ]);
    expect(read).toEqual([earlier]);
  });

  it('gives the latest eight at most, however many there are', async () => {
    const store = createMemoryStore();
    const hours = new Map<string, number>();
    for (let hour = 0; hour < 12; hour++) {
      const set: RuleSet = { ...ruleSet('pass'), rules: [{ action: 'set', target: 'StudyID', value: String(hour) }] };
      const key = `rules/${ruleSetDigest(set)}.json`;
      hours.set(key, hour);
      await store.put(key, new TextEncoder().encode(serializeRuleSet(set)));
    }
    const timed: ObjectStore = Object.assign(Object.create(store) as ObjectStore, {
      async *list(options: Parameters<ObjectStore['list']>[0]) {
        for await (const info of store.list(options)) yield { ...info, lastModified: at(hours.get(info.key) ?? 0) };
      },
      get: async (key: string) => store.get(key),
    });
    const earlierRules = openEarlierRules(timed, '0123456789ab', () => async () => Promise.reject(new Error('not called')));
    const given = await Array.fromAsync(earlierRules(at(0)));
    expect(given.map(({ ruleSet: { digest } }) => hours.get(`rules/${digest}.json`))).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
  });
});
