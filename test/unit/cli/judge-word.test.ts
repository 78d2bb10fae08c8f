import { describe, expect, it } from 'vitest';
import { judgeWord, type Asked, type Judgement, type Terms } from '../../../cli/judge-word.ts';

const TERMS: Terms = {
  bucket: { kind: 'folder', path: '/bucket' },
  options: { site: 'a', after: 'remove', concurrency: 16, settle: 1, manifests: true },
  marks: true,
};

function terms(options: Partial<Terms['options']> = {}, other: Partial<Terms> = {}): Terms {
  return { ...TERMS, ...other, options: { ...TERMS.options, ...options } };
}

const OTHER_SETTINGS: readonly (readonly [string, Terms])[] = [
  ['another site', terms({ site: 'b' })],
  ['another end of the files', terms({ after: 'keep' })],
  ['another place to move to', terms({ after: 'move', moveTo: '/done' })],
  ['another concurrency', terms({ concurrency: 1 })],
  ['another time to settle', terms({ settle: 2 })],
  ['no manifests', terms({ manifests: false })],
  ['no marks', terms({}, { marks: false })],
  ['another folder as the bucket', terms({}, { bucket: { kind: 'folder', path: '/other' } })],
];

describe('judgeWord', () => {
  // Each row: what is asked for, the exec's sender, the resident uploader's own → its answer.
  it.each<[Asked, Partial<Terms['options']>, Partial<Terms['options']>, Judgement]>([
    ['spool', {}, {}, 'round'],
    ['spool', { callingAET: 'CT1' }, { callingAET: 'CT1' }, 'round'],
    ['spool', { callingAET: 'CT1' }, {}, 'leave'],
    ['spool', {}, { callingAET: 'CT1' }, 'leave'],
    ['study', {}, {}, 'announce'],
    ['study', { callingIP: '10.0.0.1' }, {}, 'announce'],
    ['study', { callingIP: '10.0.0.1' }, { callingIP: '10.0.0.1' }, 'announce'],
    ['study', { callingIP: '10.0.0.1' }, { callingAET: 'CT1' }, 'leave'],
    ['study', {}, { callingAET: 'CT1' }, 'leave'],
    ['elsewhere', {}, {}, 'leave'],
  ])('%s, exec %j, own %j: %s', (asked, wanted, own, expected) => {
    expect(judgeWord(asked, terms(wanted), terms(own))).toBe(expected);
  });

  it.each(OTHER_SETTINGS)('leaves what would go to %s to the exec', (_, wanted) => {
    expect(judgeWord('spool', wanted, TERMS)).toBe('leave');
    expect(judgeWord('study', wanted, TERMS)).toBe('leave');
    expect(judgeWord('spool', wanted, wanted)).toBe('round');
  });
});
