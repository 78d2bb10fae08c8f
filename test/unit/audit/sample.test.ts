import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleRows } from '../../../core/audit/sample.ts';

async function* rows(keys: readonly string[]): AsyncGenerator<{ readonly key: string }> {
  for (const key of keys) yield { key };
}

async function sample(keys: readonly string[], size: number, seed: string): Promise<string[]> {
  return (await sampleRows(rows(keys), size, seed)).map(({ key }) => key);
}

const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 40 });

describe('sampleRows', () => {
  it('is of the size, without repetition, in key order, and the same for the same seed in any order', async () => {
    await fc.assert(
      fc.asyncProperty(keys, fc.nat(45), fc.string(), async (all, size, seed) => {
        const drawn = await sample(all, size, seed);
        expect(drawn).toHaveLength(Math.min(size, all.length));
        expect(new Set(drawn).size).toBe(drawn.length);
        expect(drawn).toEqual(drawn.toSorted((a, b) => (a < b ? -1 : 1)));
        expect(drawn.every((key) => all.includes(key))).toBe(true);
        expect(await sample(all.toReversed(), size, seed)).toEqual(drawn);
      }),
      { numRuns: 100 },
    );
  });

  it('stays as it is, but for one, when a row is added', async () => {
    const all = Array.from({ length: 200 }, (_, index) => `key-${index}`);
    const before = await sample(all, 50, 'x');
    const after = new Set(await sample([...all, 'new'], 50, 'x'));
    expect(before.filter((key) => !after.has(key)).length).toBeLessThanOrEqual(1);
  });

  it('draws each row about as often as another', async () => {
    const all = Array.from({ length: 20 }, (_, index) => `key-${index}`);
    const counts = new Map(all.map((key) => [key, 0]));
    for (let seed = 0; seed < 1000; seed++) {
      for (const key of await sample(all, 5, String(seed))) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    // 1,000 draws at 5 of 20: 250 each, with a standard deviation of 14.
    for (const count of counts.values()) expect(Math.abs(count - 250)).toBeLessThan(70);
  });
});
