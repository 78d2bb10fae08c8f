import { describe, expect, it } from 'vitest';
import { createSuspicion } from '../../../core/stow/suspicion.ts';

describe('createSuspicion', () => {
  it.each([
    ['nothing', '', false],
    ['fewer than its limit', 'ff', false],
    ['as many as its limit', 'fff', true],
    ['more', 'fffff', true],
    ['an answer in between', 'ffaf', false],
    ['an answer after', 'fffa', false],
    ['a while after', 'fff.', false],
    ['a while in between', 'ff.f', false],
    ['again, after a while', 'fff.fff', true],
  ])('%s', (_, events, grave) => {
    let now = 0;
    const suspicion = createSuspicion({ limit: 3, memory: 10, now: () => now });
    for (const event of events) {
      now += event === '.' ? 11 : 1;
      if (event === 'f') suspicion.failed();
      if (event === 'a') suspicion.answered();
    }
    expect(suspicion.grave).toBe(grave);
  });
});
