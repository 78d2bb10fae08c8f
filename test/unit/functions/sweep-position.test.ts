import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { keepSweepPosition, readSweepPosition, sweepAllNext } from '../../../functions/sweep/sweep-position.ts';

const ROUND = { number: 3, begun: 2000, seen: 1000, after: 'incoming/x' };

describe('the position of the sweep', () => {
  it.each([ROUND, { number: 0, begun: 5 }])('is kept: %o', async (round) => {
    const store = createMemoryStore();
    const before = await readSweepPosition(store);
    expect(before).toEqual({});
    await keepSweepPosition(store, before, { number: 1, begun: 1 });
    await keepSweepPosition(store, await readSweepPosition(store), round);
    expect((await readSweepPosition(store)).round).toEqual(round);
  });

  const odd: [string, string][] = [
    ['nothing', ''],
    ['a key alone, as it was kept once', 'incoming/x'],
    ['a key elsewhere', JSON.stringify({ ...ROUND, after: 'rules/x' })],
    ['a key that is too long', JSON.stringify({ ...ROUND, after: `incoming/${'x'.repeat(1024)}` })],
    ['half a round', JSON.stringify({ number: 1.5, begun: 1 })],
    ['a time that is none', JSON.stringify({ number: 1, begun: 'yesterday' })],
    ['another thing beside it', JSON.stringify({ ...ROUND, all: true })],
  ];
  it.each(odd)('is none where there is %s, and is written over', async (_name, text) => {
    const store = createMemoryStore();
    await store.put('sweep/position', new TextEncoder().encode(text));
    const position = await readSweepPosition(store);
    expect(position.round).toBeUndefined();
    await keepSweepPosition(store, position, ROUND);
    expect((await readSweepPosition(store)).round).toEqual(ROUND);
  });

  it('is none when somebody asks for all', async () => {
    const store = createMemoryStore();
    await keepSweepPosition(store, {}, ROUND);
    await sweepAllNext(store);
    expect((await readSweepPosition(store)).round).toBeUndefined();
  });

  it.each(['with a position', 'with none', 'by one who asked as well'])(
    'is not kept over what somebody asked for meanwhile, %s',
    async (name) => {
      const store = createMemoryStore();
      if (name === 'with a position') await keepSweepPosition(store, {}, ROUND);
      if (name === 'by one who asked as well') await sweepAllNext(store);
      const before = await readSweepPosition(store);
      await sweepAllNext(store);
      await keepSweepPosition(store, before, ROUND);
      expect((await readSweepPosition(store)).round).toBeUndefined();
    },
  );

  it('throws what the store throws else', async () => {
    const failing = Object.assign(createMemoryStore(), { put: async () => Promise.reject(new Error('no')) });
    await expect(keepSweepPosition(failing, {}, ROUND)).rejects.toThrow('no');
  });
});
