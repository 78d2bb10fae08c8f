import { describe, expect, it } from 'vitest';
import { readRetryAfter } from '../../../core/stow/retry-after.ts';

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0);

describe('readRetryAfter', () => {
  it.each([
    ['5', 5000],
    [' 120 ', 120_000],
    ['0', 0],
    ['9999999999', 9_999_999_999_000],
    ['Wed, 25 Nov 2026 12:00:30 GMT', 30_000],
    ['Wed, 25 Nov 2026 11:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', Date.UTC(9999, 11, 31, 23, 59, 59) - NOW],
    ['', undefined],
    ['-5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['99999999999', undefined],
    ['5, 10', undefined],
    ['soon', undefined],
    ['2026-11-25T12:00:30Z', undefined],
    ['Wed, 99 Nov 2026 12:00:30 GMT', undefined],
    ['Wed, 25 Xyz 2026 12:00:30 GMT', undefined],
  ])('%j → %s', (header, milliseconds) => {
    expect(readRetryAfter(header, NOW)).toBe(milliseconds);
  });
});
