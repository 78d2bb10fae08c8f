import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handoverSocket, parseWord, serializeWord } from '../../../local-uploader/handover/handover-word.ts';

const WORD = { cwd: '/at', data: 'data' };

describe('a word of an exec', () => {
  it('comes as it was said, on one line', () => {
    const word = { ...WORD, folder: '/spool/a\nb', config: 'c d', callingIP: '10.0.0.1', callingAET: '$(id)' };
    const line = serializeWord(word);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(parseWord(line)).toEqual(word);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', 'upload --all'],
    ['half of it', serializeWord(WORD).slice(0, -3)],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"upload"'],
    ['no current folder', JSON.stringify({ data: 'data' })],
    ['no data folder', JSON.stringify({ cwd: '/at' })],
    ['a relative current folder', JSON.stringify({ ...WORD, cwd: 'at' })],
    ['a relative study', JSON.stringify({ ...WORD, folder: 'study' })],
    ['an unknown field', JSON.stringify({ ...WORD, direct: 'yes' })],
    ['a prototype', '{"cwd":"/at","data":"data","__proto__":"x"}'],
    ['a number', JSON.stringify({ ...WORD, concurrency: 4 })],
    ['NUL', JSON.stringify({ ...WORD, folder: '/spool/a\0b' })],
  ])('is none where it is %s', (_, line) => {
    expect(parseWord(line)).toBeUndefined();
  });

  it('is none, and no failure, whatever comes', () => {
    const anything = fc.oneof(fc.string(), fc.json());
    fc.assert(fc.property(anything, (line) => parseWord(line) === undefined));
  });
});

describe('handoverSocket', () => {
  it('lies beside the locks', () => {
    expect(handoverSocket('/spool')).toBe('/spool/.storestow/resident');
  });

  it('is none where its path would be cut off', () => {
    const rest = Buffer.byteLength('/.storestow/resident');
    const longest = process.platform === 'linux' ? 107 : 103;
    const path = `/${'ä'.repeat(30)}`;
    const fits = path + 'x'.repeat(longest - rest - Buffer.byteLength(path));
    expect(handoverSocket(fits)).toBe(`${fits}/.storestow/resident`);
    expect(handoverSocket(`${fits}x`)).toBeUndefined();
  });
});
