import { describe, expect, it } from 'vitest';
import { decideResend, type Answered, type Waiting } from '../../../core/stow/decide-resend.ts';
import type { Listing } from '../../../core/stow/decide-outcome.ts';
import type { Trouble, Verdict } from '../../../core/stow/read-answer.ts';

const troubled = (trouble: Trouble): Verdict => ({ kind: 'unknown', code: 'ARCHIVE_FAILED', message: 'm', trouble });
const verdicts = {
  stored: { kind: 'stored' },
  refused: { kind: 'refused', code: 'CONFLICT', message: 'm' },
  rejected: { kind: 'rejected', code: 'ARCHIVE_NOT_FOUND', message: 'm' },
  failed: { kind: 'unknown', code: 'ARCHIVE_FAILED', message: 'm', reason: 0x0110 },
  large: troubled('too large'),
  broken: troubled('broken'),
  busy: troubled('busy'),
  silent: troubled('silent'),
} satisfies Record<string, Verdict>;

/** `large absent` and the like. */
const answered = (...texts: readonly `${keyof typeof verdicts} ${Listing}`[]): Answered[] =>
  texts.map((text) => {
    const [verdict, listing] = text.split(' ') as [keyof typeof verdicts, Listing];
    return { verdict: verdicts[verdict], listing };
  });

describe('decideResend', () => {
  it.each<[string, Answered[], Waiting, object]>([
    ['all stored', answered('stored listed', 'stored listed'), 'not asked for', { kind: 'done' }],
    ['answered one by one', answered('stored listed', 'refused absent', 'failed absent'), 'not asked for', { kind: 'done' }],
    ['turned away', answered('rejected absent', 'rejected absent'), 'not asked for', { kind: 'halt' }],
    ['too large', answered('large absent', 'large absent'), 'not asked for', { kind: 'shrink', indices: [0, 1] }],
    ['too large, one there', answered('large listed', 'large absent'), 'not asked for', { kind: 'shrink', indices: [1] }],
    ['too large, QIDO-RS off', answered('large unasked', 'large unasked'), 'not asked for', { kind: 'shrink', indices: [0, 1] }],
    ['too large, not to be asked', answered('large unanswered', 'large unanswered'), 'not asked for', { kind: 'done' }],
    ['too large, alone', answered('large absent'), 'not asked for', { kind: 'done' }],
    [
      'broken',
      answered('broken absent', 'broken absent', 'broken absent'),
      'not asked for',
      { kind: 'halve', indices: [0, 1, 2] },
    ],
    ['broken in the middle', answered('broken listed', 'broken absent'), 'not asked for', { kind: 'halve', indices: [1] }],
    ['broken, all there', answered('broken listed', 'broken listed'), 'not asked for', { kind: 'done' }],
    ['broken, not to be asked', answered('broken listed', 'broken unanswered'), 'not asked for', { kind: 'done' }],
    ['broken, QIDO-RS off', answered('broken unasked', 'broken unasked'), 'not asked for', { kind: 'done' }],
    ['broken, alone', answered('broken absent'), 'not asked for', { kind: 'done' }],
    ['busy, waited', answered('busy absent', 'busy listed'), 'waited', { kind: 'again', indices: [0] }],
    ['busy, waited, alone', answered('busy absent'), 'waited', { kind: 'again', indices: [0] }],
    ['busy, waited, all there', answered('busy listed'), 'waited', { kind: 'done' }],
    ['busy, waited, not to be asked', answered('busy unanswered'), 'waited', { kind: 'done' }],
    ['busy, QIDO-RS off', answered('busy unasked'), 'waited', { kind: 'done' }],
    ['busy for too long', answered('busy absent', 'busy absent'), 'too long', { kind: 'halt' }],
    ['busy without a time', answered('busy absent', 'busy absent'), 'not asked for', { kind: 'done' }],
    ['silent', answered('silent absent', 'silent absent'), 'not asked for', { kind: 'done' }],
    ['stopped', [], 'not asked for', { kind: 'done' }],
  ])('%s', (_, of, waiting, resend) => {
    expect(decideResend(of, waiting, false)).toEqual(resend);
  });

  it.each<[string, Answered[], object]>([
    ['broken: the archive does that with everything', answered('broken absent', 'broken absent'), { kind: 'done' }],
    ['broken in the middle: something was stored', answered('broken listed', 'broken absent'), { kind: 'halve', indices: [1] }],
    ['too large', answered('large absent', 'large absent'), { kind: 'shrink', indices: [0, 1] }],
  ])('under suspicion, %s', (_, of, resend) => {
    expect(decideResend(of, 'not asked for', true)).toEqual(resend);
  });
});
