import { describe, expect, it } from 'vitest';
import { previewText, type Paint } from '../../../cli/difference-text.ts';
import type { DifferenceLine } from '../../../functions/process/difference-line.ts';
import type { FilePreview } from '../../../functions/process/preview-file.ts';

const plain: Paint = (_format, text) => text;

function preview(differences: readonly DifferenceLine[], unexplained = 0): FilePreview {
  return { input: 'ct/1.dcm', outcome: 'changes', encoded: true, differences, unexplained };
}

function textual(before: string, after: string): DifferenceLine {
  return {
    kind: 'changed',
    attribute: 'StudyID',
    tag: '(0020,0010)',
    vr: 'SH',
    before: { form: 'text', text: before },
    after: { form: 'text', text: after },
    reason: 'default rule: set StudyID',
  };
}

describe('the text of a preview', () => {
  it('has the differences by their reasons: unexplained ones first, group lengths last', () => {
    const lines: DifferenceLine[] = [
      { ...textual('1', '2'), attribute: 'A', reason: 'group length corrected' },
      { ...textual('1', '2'), attribute: 'B' },
      { ...textual('1', '2'), attribute: 'C', reason: 'institution mapping' },
      { ...textual('1', '2'), attribute: 'D' },
      {
        kind: 'bytes',
        attribute: 'preamble',
        before: { form: 'note', text: '<128 bytes>' },
        after: { form: 'note', text: '<0 bytes>' },
      },
    ];
    expect(previewText(preview(lines, 1), plain).split('\n')).toEqual([
      'ct/1.dcm: 5 differences, 1 UNEXPLAINED',
      '  UNEXPLAINED: no rule and no encoding accounts for this',
      '    ~ preamble  <128 bytes> -> <0 bytes>',
      '  default rule: set StudyID',
      '    ~ B (0020,0010) SH  "1" -> "2"',
      '    ~ D (0020,0010) SH  "1" -> "2"',
      '  institution mapping',
      '    ~ C (0020,0010) SH  "1" -> "2"',
      '  group length corrected',
      '    ~ A (0020,0010) SH  "1" -> "2"',
      '',
    ]);
  });

  it.each<[string, DifferenceLine, string[]]>([
    ['a change', textual('A', ''), ['    ~ StudyID (0020,0010) SH  "A" -> ""']],
    [
      'another VR, and a note',
      { ...textual('A', 'A'), vrBefore: 'LO', note: 'remark' },
      ['    ~ StudyID (0020,0010) LO -> SH  "A" -> "A"  remark'],
    ],
    [
      'a removed private element',
      {
        kind: 'removed',
        attribute: '(0009,1010)',
        tag: '(0009,1010)',
        vr: 'UN',
        creator: 'GEIIS',
        before: { form: 'note', text: '<20 bytes>' },
        reason: 'r',
      },
      ['    - (0009,1010) UN [GEIIS]  <20 bytes>'],
    ],
    [
      'an added item with what it holds',
      {
        kind: 'added',
        attribute: 'OriginalAttributesSequence[1]',
        tag: '(0400,0561)',
        vr: 'SQ',
        after: { form: 'note', text: '<item of 1 element>' },
        content: [
          { attribute: 'ModifyingSystem', tag: '(0400,0563)', vr: 'LO', value: { form: 'text', text: 'storestow' } },
          { attribute: '(0009,1010)', tag: '(0009,1010)', vr: 'US', value: { form: 'number', text: '7' } },
        ],
        reason: 'r',
      },
      [
        '    + OriginalAttributesSequence[1] (0400,0561) SQ  <item of 1 element>',
        '        ModifyingSystem (0400,0563) LO  "storestow"',
        '        (0009,1010) US  7',
      ],
    ],
    [
      'long values, cut where they begin to differ',
      textual(`${'a'.repeat(100)}B${'c'.repeat(100)}`, `${'a'.repeat(100)}D`),
      [
        `    ~ StudyID (0020,0010) SH  "…${'a'.repeat(12)}B${'c'.repeat(59)}…" (201 characters) -> "…${'a'.repeat(12)}D" (101 characters)`,
      ],
    ],
    [
      'a short value beside a long one, whole',
      textual('A', 'b'.repeat(80)),
      [`    ~ StudyID (0020,0010) SH  "A" -> "${'b'.repeat(72)}…" (80 characters)`],
    ],
    [
      'control characters, made visible',
      textual('\u001b[2J', 'A\u202eB'),
      ['    ~ StudyID (0020,0010) SH  "\ufffd[2J" -> "A\ufffdB"'],
    ],
    ['characters of two code units, whole', textual('𝒳', '𝒴'), ['    ~ StudyID (0020,0010) SH  "𝒳" -> "𝒴"']],
  ])('shows %s', (_name, line, expected) => {
    expect(
      previewText(preview([line]), plain)
        .split('\n')
        .slice(2, -1),
    ).toEqual(expected);
  });

  it('says why pixel data stays, what was refused, and where nothing would change', () => {
    const unchanged: FilePreview = {
      input: 'a.dcm',
      outcome: 'unchanged',
      encoded: false,
      reason: 'ALREADY_COMPRESSED',
      differences: [],
      unexplained: 0,
    };
    expect(previewText(unchanged, plain)).toBe('a.dcm: nothing would change\n  pixel data stays as it is: ALREADY_COMPRESSED\n');
    const refused: FilePreview = { input: 'b\u001b.dcm', outcome: 'refused', code: 'NOT_PART10', message: 'no DICOM file' };
    expect(previewText(refused, plain)).toBe('b\ufffd.dcm\n  refused NOT_PART10: no DICOM file\n');
  });

  it('colours what is added, removed and unexplained', () => {
    const marked: Paint = (format, text) => `<${format}>${text}</>`;
    const { kind, attribute, before, after } = textual('A', 'B');
    const line = { kind, attribute, ...(before && { before }), ...(after && { after }) };
    const text = previewText(preview([line], 1), marked);
    expect(text).toContain('<red>UNEXPLAINED</>');
    expect(text).toContain('<yellow>~</>');
    expect(text).toContain('<red>"A"</> -> <green>"B"</>');
  });
});
