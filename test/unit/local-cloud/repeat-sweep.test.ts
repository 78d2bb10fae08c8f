import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { repeatSweep, sweepTiming, type SweepTiming } from '../../../local-cloud/repeat-sweep.ts';

const HOUR = 60 * 60_000;
const NOW = Date.parse('2026-11-26T00:00:00Z');

describe('sweepTiming', () => {
  const table: [string, number | undefined, number | undefined][] = [
    ['never', undefined, undefined],
    ['just now', NOW, 2],
    ['almost a day ago', NOW - 24 * HOUR + 1, 2],
    ['a day ago', NOW - 24 * HOUR, undefined],
    ['later than now', NOW + HOUR, undefined],
  ];
  it.each(table)('the last whole one began %s', (_name, lastWhole, maxAge) => {
    expect(sweepTiming(lastWhole, NOW).maxAge).toBe(maxAge);
  });
});

describe('repeatSweep', () => {
  it('counts as whole what succeeded', async () => {
    const timings: SweepTiming[] = [];
    let fails = true;
    const task = repeatSweep(
      async (_store, _enqueue, timing) => {
        timings.push(timing);
        if (fails) throw new Error('the bucket is down');
      },
      createMemoryStore(),
      async () => undefined,
      () => NOW,
    );
    await expect(task.run()).rejects.toThrow('the bucket is down');
    fails = false;
    await task.run();
    await task.run();
    expect(timings.map(({ maxAge }) => maxAge)).toEqual([undefined, undefined, 2]);
  });
});
