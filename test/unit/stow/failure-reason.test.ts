import { describe, expect, it } from 'vitest';
import { classifyFailureReason, reasonText } from '../../../core/stow/failure-reason.ts';

describe('classifyFailureReason', () => {
  it.each([
    [0x0110, 'ask', 'ARCHIVE_FAILED'],
    [0x0111, 'duplicate', undefined],
    [0x0122, 'permanent', 'ARCHIVE_REFUSED'],
    [0x0124, 'permanent', 'ARCHIVE_REFUSED'],
    [0x0117, 'permanent', 'ARCHIVE_REFUSED'],
    [0x0213, 'ask', 'ARCHIVE_UNAVAILABLE'],
    [0xa700, 'ask', 'ARCHIVE_UNAVAILABLE'],
    [0xa701, 'ask', 'ARCHIVE_UNAVAILABLE'],
    [0xa770, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa771, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa772, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa774, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa776, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa777, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa778, 'permanent', 'CONFLICT'],
    [0xa779, 'permanent', 'CONFLICT'],
    [0xa77a, 'ask', 'ARCHIVE_UNAVAILABLE'],
    [0xa77b, 'permanent', 'CONFLICT'],
    [0xa900, 'permanent', 'ARCHIVE_REFUSED'],
    [0xa9ff, 'permanent', 'ARCHIVE_REFUSED'],
    [0xb000, 'warning', undefined],
    [0xb006, 'warning', undefined],
    [0xb00e, 'duplicate', undefined],
    [0x0107, 'warning', undefined],
    [0xc000, 'permanent', 'ARCHIVE_REFUSED'],
    [0xc122, 'permanent', 'ARCHIVE_REFUSED'],
    [0xc409, 'permanent', 'CONFLICT'],
    [0xc499, 'permanent', 'ARCHIVE_REFUSED'],
    [0xcfff, 'permanent', 'ARCHIVE_REFUSED'],
    [0, 'ask', 'ARCHIVE_AMBIGUOUS'],
    [0xff00, 'ask', 'ARCHIVE_AMBIGUOUS'],
    [0x1a700, 'ask', 'ARCHIVE_AMBIGUOUS'],
    [-1, 'ask', 'ARCHIVE_AMBIGUOUS'],
  ])('%i → %s %s', (reason, kind, code) => {
    expect(classifyFailureReason(reason)).toMatchObject(code === undefined ? { kind } : { kind, code });
  });

  it('writes reasons as the standards do', () => {
    expect([reasonText(272), reasonText(42872)]).toEqual(['0110', 'A778']);
  });
});
