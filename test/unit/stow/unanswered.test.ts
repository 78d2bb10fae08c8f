import { describe, expect, it } from 'vitest';
import { createUnanswered } from '../../../core/stow/unanswered.ts';

describe('createUnanswered', () => {
  it('quarters what comes with an instance, down to the instance alone, until it is answered', () => {
    const unanswered = createUnanswered();
    expect(unanswered.limitOf('1')).toBe(Infinity);
    const limits = [20, 5, 2, 1].map((size) => {
      unanswered.noAnswer(size, ['1', '2']);
      return unanswered.limitOf('1');
    });
    expect(limits).toEqual([5, 2, 1, 1]);
    unanswered.answered(['1']);
    expect([unanswered.limitOf('1'), unanswered.limitOf('2')]).toEqual([Infinity, 1]);
  });

  it('remembers no more than it may', () => {
    const unanswered = createUnanswered(2);
    unanswered.noAnswer(8, ['1', '2', '3']);
    unanswered.noAnswer(8, ['4']);
    expect(['1', '2', '3', '4'].map((uid) => unanswered.limitOf(uid))).toEqual([Infinity, Infinity, Infinity, 2]);
  });
});
