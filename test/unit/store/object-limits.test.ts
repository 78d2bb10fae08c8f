import { describe, expect, it } from 'vitest';
import { checkKey, checkPut, checkTags, clipRange } from '../../../core/store/object-limits.ts';

const invalid = expect.objectContaining({ code: 'STORE_INVALID', retryable: false }) as unknown;
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('keys', () => {
  it.each([
    ['a', true],
    ['k'.repeat(1024), true],
    ['k'.repeat(1025), false],
    ['病'.repeat(341), true],
    ['病'.repeat(342), false],
    ['', false],
    ['a\0', false],
    ['\ud83d', false],
    ['💙', true],
    ['a//b', true],
  ])('%j may be read: %s', (key, valid) => expect(thrown(() => checkKey(key))).toEqual(valid ? undefined : invalid));

  it.each([
    ['a/b', true],
    ['a//b', false],
    ['/a', false],
    ['a/', false],
    ['a/../b', false],
    ['.', false],
    ['...', true],
    ['a/.b', true],
  ])('%j may be written: %s', (key, valid) => expect(thrown(() => checkPut(key, {}))).toEqual(valid ? undefined : invalid));
});

describe('tags', () => {
  const tags = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [String(index), '']));
  it.each([
    [tags(10), true],
    [tags(11), false],
    [{ ['k'.repeat(128)]: 'v'.repeat(256) }, true],
    [{ ['k'.repeat(129)]: '' }, false],
    [{ k: 'v'.repeat(257) }, false],
    [{ k: 'a=3D b+c-._:/@' }, true],
    [{ k: 'é' }, false],
    [{ k: 'a;b' }, false],
    [{ k: 'a\n' }, false],
    [{ 'AWS:k': '' }, false],
    [{ '': '' }, false],
  ])('%j: %s', (given, valid) => expect(thrown(() => checkTags('key', given))).toEqual(valid ? undefined : invalid));
});

describe('metadata', () => {
  it.each([
    [{ 'calling-aet': 'CT 1' }, true],
    [{ a: '' }, true],
    [{ a: ' a' }, false],
    [{ a: 'a\t' }, false],
    [{ a: 'é' }, false],
    [{ a: 'x\r\nx-amz-tagging: a' }, false],
    [{ 'a:b': '' }, false],
    [{ A: '' }, false],
    [{ a: 'v'.repeat(2047) }, true],
    [{ a: 'v'.repeat(2048) }, false],
  ])('%j: %s', (metadata, valid) =>
    expect(thrown(() => checkPut('key', { metadata: metadata }))).toEqual(valid ? undefined : invalid),
  );
});

describe('ranges', () => {
  it.each([
    [{ start: 0, end: 0 }, 10, { start: 0, end: 0 }],
    [{ start: 3, end: 100 }, 10, { start: 3, end: 9 }],
    [{ start: 10, end: 10 }, 10, invalid],
    [{ start: 0, end: 0 }, 0, invalid],
    [{ start: 2, end: 1 }, 10, invalid],
    [{ start: -1, end: 1 }, 10, invalid],
    [{ start: 0.5, end: 1 }, 10, invalid],
    [undefined, 10, { start: 0, end: 9 }],
  ])('%j of %d bytes', (range, size, expected) => expect(thrown(() => clipRange('key', range, size))).toEqual(expected));
});
