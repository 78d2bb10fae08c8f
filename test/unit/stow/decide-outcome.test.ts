import { describe, expect, it } from 'vitest';
import { decideOutcome, needsListing, type Listing } from '../../../core/stow/decide-outcome.ts';
import type { Verdict } from '../../../core/stow/read-answer.ts';

const stored: Verdict = { kind: 'stored' };
const warned: Verdict = { kind: 'warned', reason: 0xb000 };
const duplicate: Verdict = { kind: 'duplicate', reason: 0x0111, message: 'm' };
const unknown: Verdict = { kind: 'unknown', code: 'ARCHIVE_UNAVAILABLE', message: 'm', reason: 0xa700 };
const underWay: Verdict = { kind: 'unknown', code: 'ARCHIVE_AMBIGUOUS', message: 'm', trouble: 'silent', underWay: true };
const refused: Verdict = { kind: 'refused', code: 'CONFLICT', message: 'm', reason: 0xa778 };
const rejected: Verdict = { kind: 'rejected', code: 'ARCHIVE_NOT_FOUND', message: 'm' };

const there = (proof: string, alreadyThere = false): object => ({ kind: 'stored', proof, alreadyThere });
const withWarning = (proof: string): object => ({ kind: 'warned', proof, alreadyThere: false, reason: 0xb000 });
const retryable = (code: string): object => ({ kind: 'retryable', code });
const permanent = (code: string): object => ({ kind: 'permanent', code });

describe('decideOutcome', () => {
  it.each<[string, Verdict, Listing, object]>([
    ['stored', stored, 'listed', there('listed')],
    ['stored', stored, 'absent', retryable('NOT_IN_ARCHIVE')],
    ['stored', stored, 'unanswered', retryable('ARCHIVE_AMBIGUOUS')],
    ['stored', stored, 'unasked', there('answered')],
    ['warned', warned, 'listed', withWarning('listed')],
    ['warned', warned, 'absent', retryable('NOT_IN_ARCHIVE')],
    ['warned', warned, 'unanswered', retryable('ARCHIVE_AMBIGUOUS')],
    ['warned', warned, 'unasked', withWarning('answered')],
    ['duplicate', duplicate, 'listed', there('listed', true)],
    ['duplicate', duplicate, 'absent', permanent('CONFLICT')],
    ['duplicate', duplicate, 'unanswered', retryable('ARCHIVE_AMBIGUOUS')],
    ['duplicate', duplicate, 'unasked', there('answered', true)],
    ['unknown', unknown, 'listed', there('listed')],
    ['unknown', unknown, 'absent', { ...retryable('ARCHIVE_UNAVAILABLE'), reason: 0xa700 }],
    ['unknown', unknown, 'unanswered', retryable('ARCHIVE_UNAVAILABLE')],
    ['unknown', unknown, 'unasked', retryable('ARCHIVE_UNAVAILABLE')],
    ['under way', underWay, 'listed', there('listed')],
    ['under way', underWay, 'absent', { ...retryable('ARCHIVE_AMBIGUOUS'), underWay: true }],
    ['under way', underWay, 'unanswered', { ...retryable('ARCHIVE_AMBIGUOUS'), underWay: true }],
    ['under way', underWay, 'unasked', { ...retryable('ARCHIVE_AMBIGUOUS'), underWay: true }],
    ['refused', refused, 'listed', { ...permanent('CONFLICT'), reason: 0xa778 }],
    ['refused', refused, 'absent', permanent('CONFLICT')],
    ['refused', refused, 'unanswered', permanent('CONFLICT')],
    ['refused', refused, 'unasked', permanent('CONFLICT')],
    ['rejected', rejected, 'listed', retryable('ARCHIVE_NOT_FOUND')],
    ['rejected', rejected, 'absent', retryable('ARCHIVE_NOT_FOUND')],
    ['rejected', rejected, 'unanswered', retryable('ARCHIVE_NOT_FOUND')],
    ['rejected', rejected, 'unasked', retryable('ARCHIVE_NOT_FOUND')],
  ])('%s (%#), %s', (_, verdict, listing, outcome) => {
    expect(decideOutcome(verdict, listing)).toMatchObject(outcome);
  });

  it('asks QIDO-RS only where that can change something', () => {
    expect([stored, warned, duplicate, unknown, refused, rejected].map(needsListing)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});
