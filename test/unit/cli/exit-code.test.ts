import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../../cli/exit-code.ts';
import { StorestowError, type ErrorCode } from '../../../core/errors.ts';

describe('the exit code of an error', () => {
  it.each<[ErrorCode, number]>([
    ['USAGE', 2],
    ['CONFIG_INVALID', 2],
    ['RULES_INVALID', 2],
    ['MAPPING_INVALID', 2],
    ['PORT_IN_USE', 2],
    ['ARCHIVE_UNAVAILABLE', 75],
    ['ARCHIVE_AMBIGUOUS', 75],
    ['STORE_UNAVAILABLE', 75],
    ['STORE_DENIED', 1],
    ['SPOOL_INVALID', 1],
    ['UNKNOWN_SOURCE', 1],
    ['MALFORMED', 1],
  ])('%s: %i', (code, exitCode) => {
    expect(exitCodeOf(new StorestowError(code, 'what to do'))).toBe(exitCode);
  });

  it('is 2 for a configuration even where the error calls itself retryable', () => {
    expect(exitCodeOf(new StorestowError('CONFIG_INVALID', 'what to do', { retryable: true }))).toBe(2);
  });

  it('is 1 for whatever is no error of the family: nobody knows whether another try helps', () => {
    expect([new TypeError('x'), 'x', undefined].map(exitCodeOf)).toEqual([1, 1, 1]);
  });
});
