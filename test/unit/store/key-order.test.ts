import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareKeys, listingStart } from '../../../core/store/key-order.ts';

const key = fc.string({ unit: 'binary', maxLength: 6 });

describe('compareKeys', () => {
  it('orders by code point, as UTF-8 does, where UTF-16 would not', () => {
    expect(compareKeys('！', '💙')).toBe(-1);
    expect('！' < '💙').toBe(false);
    expect(['a/b', 'a.b', 'a', 'a-b'].sort(compareKeys)).toEqual(['a', 'a-b', 'a.b', 'a/b']);
  });
});

describe('listingStart', () => {
  it.each([
    ['p/', undefined, { key: 'p/', inclusive: true }],
    ['p/', 'a', { key: 'p/', inclusive: true }],
    ['p/', 'p', { key: 'p/', inclusive: true }],
    ['p/', 'p/x', { key: 'p/x', inclusive: false }],
    ['p/', 'p/', { key: 'p/', inclusive: false }],
    ['p/', 'p0', undefined],
    ['', 'a', { key: 'a', inclusive: false }],
  ])('prefix %j after %j', (prefix, after, expected) => expect(listingStart(prefix, after)).toEqual(expected));

  it('selects what the two conditions together select', () => {
    fc.assert(
      fc.property(key, key, key, (prefix, after, candidate) => {
        const start = listingStart(prefix, after);
        const order = start === undefined ? -1 : compareKeys(candidate, start.key);
        const selected = candidate.startsWith(prefix) && (start?.inclusive === true ? order >= 0 : order > 0);
        expect(selected).toBe(candidate.startsWith(prefix) && compareKeys(candidate, after) > 0);
      }),
      { numRuns: 2000 },
    );
  });
});
