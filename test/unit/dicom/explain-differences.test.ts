import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, ItemPath } from '../../../core/dicom/change.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { differences } from '../../../core/dicom/difference.ts';
import { explainDifferences } from '../../../core/dicom/explain-differences.ts';
import { nameChange, type NamedChange } from '../../../core/dicom/named-change.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { buildDicom, concat, DEFLATED_LE, EXPLICIT_LE, type BuiltElement } from '../../support/build-dicom.ts';
import { applyIntents, arbitraryFile, arbitraryIntents } from './arbitrary-file.ts';
import { joined } from './flat-elements.ts';
import { id, name, NAME, read, requests, SQ, step, STEP_ID, STUDY_ID, told } from './told-difference.ts';

const named = (kind: NamedChange['kind'], tag: number, path: ItemPath = []): NamedChange => ({ kind, path, tag, reason: kind });

function explained(before: Part10, after: Part10, changes: readonly NamedChange[]): string[] {
  return explainDifferences(differences(before, after), changes, after).map(
    ({ difference, reason }) => `${told(difference)}: ${reason ?? 'UNEXPLAINED'}`,
  );
}

describe('the reason of a difference', () => {
  const one = requests([step('1')]);
  const two = requests([step('1'), step('2')]);
  const within = [{ tag: SQ, item: 0 }];

  it.each<[string, readonly BuiltElement[], readonly BuiltElement[], NamedChange[], string[]]>([
    ['nothing named', [id('A')], [id('B')], [], ['changed (0020,0010): UNEXPLAINED']],
    ['another tag named', [id('A')], [id('B')], [named('set', NAME)], ['changed (0020,0010): UNEXPLAINED']],
    ['set', [id('A')], [id('B')], [named('set', STUDY_ID)], ['changed (0020,0010): set']],
    ['set, where it was absent', [], [id('B')], [named('set', STUDY_ID)], ['added (0020,0010): set']],
    ['set, but it is gone', [id('A')], [], [named('set', STUDY_ID)], ['removed (0020,0010): UNEXPLAINED']],
    [
      'set, where it stood twice',
      [id('A'), id('B')],
      [id('C')],
      [named('set', STUDY_ID)],
      ['changed (0020,0010): set', 'removed (0020,0010) #1: set'],
    ],
    ['removed', [id('A')], [], [named('remove', STUDY_ID)], ['removed (0020,0010): remove']],
    ['removed, but it is another', [id('A')], [id('B')], [named('remove', STUDY_ID)], ['changed (0020,0010): UNEXPLAINED']],
    ['the last word counts', [id('A')], [], [named('set', STUDY_ID), named('remove', STUDY_ID)], ['removed (0020,0010): remove']],
    [
      'set within an item',
      [one],
      [requests([step('9')])],
      [named('set', STEP_ID, within)],
      [`changed (0040,0275)[0].(0040,0009): set`],
    ],
    [
      'set within another item',
      [two],
      [requests([step('1'), step('9')])],
      [named('set', STEP_ID, within)],
      ['changed (0040,0275)[1].(0040,0009): UNEXPLAINED'],
    ],
    ['appended', [one], [two], [named('append', SQ)], ['added (0040,0275)[1]: append']],
    ['appended to none', [], [one], [named('append', SQ)], ['added (0040,0275): append']],
    [
      'appended, but an item that was there is another',
      [one],
      [requests([step('9'), step('2')])],
      [named('append', SQ)],
      ['changed (0040,0275)[0].(0040,0009): UNEXPLAINED', 'added (0040,0275)[1]: append'],
    ],
    ['appended, but one is gone', [two], [one], [named('append', SQ)], ['removed (0040,0275)[1]: UNEXPLAINED']],
    [
      'a sequence set',
      [two],
      [requests([step('9')])],
      [named('set', SQ)],
      ['changed (0040,0275)[0].(0040,0009): set', 'removed (0040,0275)[1]: set'],
    ],
    [
      'a sequence removed and made again',
      [two],
      [requests([step('9')])],
      [named('remove', SQ), named('append', SQ)],
      ['changed (0040,0275)[0].(0040,0009): append', 'removed (0040,0275)[1]: append'],
    ],
    [
      'moved',
      [id('A'), name],
      [name, id('A')],
      [named('set', STUDY_ID)],
      ['moved (0010,0010): UNEXPLAINED', 'moved (0020,0010): UNEXPLAINED'],
    ],
  ])('%s', (_name, before, after, changes, expected) => {
    expect(explained(read(before), read(after), changes)).toEqual(expected);
  });

  it('is no change of the file meta information for a data set that has its tag, nor the reverse', () => {
    const before = read([name]);
    const meta = read({ elements: [name], meta: [{ tag: 0x00020016, vr: 'AE', value: 'CT1' }] });
    expect(explained(before, meta, [named('set', 0x00020016)])).toEqual([
      'changed (0002,0000): group length corrected',
      'added (0002,0016): set',
    ]);
    expect(explained(before, meta, [named('set', 0x00020016, within)])).toEqual([
      'changed (0002,0000): UNEXPLAINED',
      'added (0002,0016): UNEXPLAINED',
    ]);
  });

  it('is no change of the file meta information for a tag of its group that strayed into the data set', () => {
    const strayed = (value: string): readonly BuiltElement[] => [name, { tag: 0x00020016, vr: 'AE', value }];
    expect(explained(read(strayed('CT1')), read(strayed('CT2')), [named('set', 0x00020016)])).toEqual([
      'changed (0002,0016): UNEXPLAINED',
    ]);
  });

  it('is none for bytes outside of elements', () => {
    expect(explained(read([name]), read({ elements: [name], preamble: false }), [named('set', NAME)])).toEqual([
      'bytes preamble: UNEXPLAINED',
    ]);
  });

  const length = (value: number, group = 0x0020): BuiltElement => ({ tag: group << 16, vr: 'UL', value: [value] });

  it.each<[string, readonly BuiltElement[], readonly BuiltElement[], string]>([
    ['the right one', [length(10), id('AB')], [length(12), id('ABCD')], 'group length corrected'],
    [
      'the right one, which counts a second one',
      [length(22), length(9), id('AB')],
      [length(24), length(9), id('ABCD')],
      'group length corrected',
    ],
    ['a wrong one', [length(10), id('AB')], [length(14), id('ABCD')], 'UNEXPLAINED'],
    ['of a group where nothing else changed', [length(0, 8), id('AB')], [length(2, 8), id('ABCD')], 'UNEXPLAINED'],
  ])('of a group length: %s', (_name, before, after, reason) => {
    const lines = explained(read(before), read(after), [named('set', STUDY_ID)]);
    expect(lines.filter((line) => line.includes(',0000)'))).toEqual([expect.stringContaining(`: ${reason}`)]);
  });

  it('of a group length counts what changed deeper, within that group', () => {
    const file = (value: string, size: number): readonly BuiltElement[] => [
      { tag: 0x00400000, vr: 'UL', value: [size] },
      requests([step(value)]),
    ];
    expect(explained(read(file('AB', 30)), read(file('ABCD', 32)), [named('set', STEP_ID, within)])).toEqual([
      'changed (0040,0000): group length corrected',
      'changed (0040,0275)[0].(0040,0009): set',
    ]);
  });
});

describe('what the splicer makes of any file', () => {
  it('differs in what the changes name and in nothing else', () => {
    fc.assert(
      fc.property(arbitraryFile, arbitraryIntents, (file, intents) => {
        const before = readPart10(buildDicom(file));
        const { changes } = applyIntents(file.elements, intents);
        const after = readPart10(joined(splice(before, changes).segments));
        expect(explained(before, after, changes.map(nameChange)).filter((line) => line.endsWith('UNEXPLAINED'))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it('differs visibly where a byte of a value that no change names is another', () => {
    const change: Change = {
      kind: 'set',
      path: [],
      element: { tag: STUDY_ID, vr: 'SH', value: Buffer.from('NEW') },
      reason: 'probe',
    };
    fc.assert(
      fc.property(arbitraryFile, fc.nat(), (built, seed) => {
        // Behind the others, and in a file whose bytes are not deflated.
        const marked: BuiltElement = { tag: 0x00081030, vr: 'LO', value: 'MARK' };
        const elements = [...built.elements.filter(({ tag }) => tag !== marked.tag), marked].sort((a, b) => a.tag - b.tag);
        const transferSyntaxUID =
          built.transferSyntaxUID === DEFLATED_LE ? EXPLICIT_LE : (built.transferSyntaxUID ?? EXPLICIT_LE);
        const before = readPart10(buildDicom({ ...built, elements, transferSyntaxUID }));
        const bytes = joined(splice(before, [change]).segments);
        const at = Buffer.from(bytes).lastIndexOf('MARK') + (seed % 4);
        const damaged = concat([bytes.subarray(0, at), Uint8Array.of((bytes[at] ?? 0) ^ 1), bytes.subarray(at + 1)]);
        const lines = explained(before, readPart10(damaged), [nameChange(change)]);
        expect(lines.filter((line) => line.endsWith('UNEXPLAINED'))).toEqual(['changed (0008,1030): UNEXPLAINED']);
      }),
      { numRuns: 200 },
    );
  });
});
