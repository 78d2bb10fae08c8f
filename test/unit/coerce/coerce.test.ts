import { describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import { coerce, type Coercion, type Source } from '../../../core/coerce/coerce.ts';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import type { Rule } from '../../../core/coerce/rules.ts';
import type { DataSet } from '../../../core/dicom/data-set.ts';
import { valueBytes } from '../../../core/dicom/element-value.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import {
  buildDicom,
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  imageElements,
  type BuiltElement,
} from '../../support/build-dicom.ts';

const SOURCE: Source = { callingAET: 'CT1', callingIP: '10.0.0.5', receivedAt: new Date('2026-11-24T09:30:00.123Z') };
const SYNTAXES = [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE];

const ruleSet = (rules: readonly Rule[], more: Partial<RuleSet> = {}): RuleSet => ({
  rules,
  unknownSource: 'quarantine',
  originalAttributes: false,
  ...more,
});
const build = (elements: readonly BuiltElement[], transferSyntaxUID = EXPLICIT_LE): Uint8Array =>
  buildDicom({ transferSyntaxUID, elements: [...elements].sort((a, b) => a.tag - b.tag) });

interface Run extends Coercion {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly dataSet: DataSet;
}

function run(file: Uint8Array, rules: RuleSet, source: Source = SOURCE): Run {
  const part10 = readPart10(file);
  const coercion = coerce(part10, rules, source);
  const { segments, length } = splice(part10, coercion.changes);
  const after = new Uint8Array(Buffer.concat(inMemory(segments), length));
  return { ...coercion, before: file, after, dataSet: readPart10(after).dataSet };
}

/** Latin-1, padding and all; `undefined` where absent. */
function valueAt(dataSet: DataSet, ...path: number[]): string | undefined {
  const [tag = 0, item, ...rest] = path;
  const element = dataSet.get(tag);
  if (item !== undefined) {
    const inner = element?.items?.[item]?.dataSet;
    return inner === undefined ? undefined : valueAt(inner, ...rest);
  }
  return element === undefined ? undefined : Buffer.from(valueBytes(dataSet, element)).toString('latin1');
}

const STUDY_ID = 0x00200010;
const INSTITUTION = 0x00080080;
const SQ = 0x00400275;
const STEP = 0x00400009;
const ORIGINAL = 0x04000561;
const MODIFIED = 0x04000550;

const requests = (...steps: (string | undefined)[]): BuiltElement => ({
  tag: SQ,
  vr: 'SQ',
  value: steps.map((step) => [
    ...(step === undefined ? [] : [{ tag: STEP, vr: 'SH', value: step }]),
    { tag: 0x00401001, vr: 'SH', value: 'RP1 ' },
  ]),
});
const creator = (block: number, name: string, group = 0x0009): BuiltElement => ({
  tag: (group << 16) | block,
  vr: 'LO',
  value: name,
});
const privately = (tag: number, value = 'secret'): BuiltElement => ({ tag, vr: 'LO', value });

describe('the default rules', () => {
  const elements = imageElements({
    extra: [
      { tag: 0x00081060, vr: 'PN', value: 'Reader^One\\Reader^Two' },
      creator(0x0010, 'OTHER'),
      creator(0x0011, 'THIRD'),
      creator(0x0012, 'GEIIS '),
      privately(0x00091010, 'kept'),
      privately(0x00091110, 'removed literally'),
      privately(0x00091112, 'kept'),
      privately(0x00091210, 'removed of GEIIS'),
      privately(0x00091211, 'kept'),
      { tag: 0x00321034, vr: 'SQ', value: [[{ tag: 0x00080100, vr: 'SH', value: 'CODE' }]] },
    ],
  });

  it.each(SYNTAXES)('do what the design says, in %s', (syntax) => {
    const institutions = new Map([['CT1', 'Klinik Köln']]);
    const { dataSet, applied, institution } = run(
      build(elements, syntax),
      ruleSet(DEFAULT_RULES, { institutions, originalAttributes: true }),
    );
    expect(valueAt(dataSet, 0x00081060)).toBe('-^-^- ');
    expect(valueAt(dataSet, STUDY_ID)).toBe('29991231235959');
    expect(valueAt(dataSet, 0x00080090)).toBe('-^-^-^- ');
    expect(valueAt(dataSet, INSTITUTION)).toBe('Klinik K\u00f6ln ');
    expect(dataSet.get(0x00321034)).toBeUndefined();
    expect(dataSet.get(0x00091110)).toBeUndefined();
    expect(dataSet.get(0x00091210)).toBeUndefined();
    for (const tag of [0x00091010, 0x00091112, 0x00091211, 0x00090010, 0x00090012]) expect(dataSet.get(tag)).toBeDefined();
    expect(institution).toBe('Klinik Köln');
    expect(applied).toEqual([
      { rule: 0, action: 'set', attribute: 'NameOfPhysiciansReadingStudy' },
      { rule: 1, action: 'set', attribute: 'StudyID' },
      { rule: 2, action: 'set', attribute: 'ReferringPhysicianName' },
      { rule: 3, action: 'remove', attribute: 'RequestingServiceCodeSequence' },
      { rule: 4, action: 'remove', attribute: '(0009,1210)' },
      { rule: 5, action: 'remove', attribute: '(0009,1110)' },
      { rule: 'institution', action: 'set', attribute: 'InstitutionName' },
    ]);
    const recorded = dataSet
      .get(ORIGINAL)
      ?.items?.[0]?.dataSet.get(MODIFIED)
      ?.items?.[0]?.dataSet.elements.map(({ tag }) => tag);
    expect(recorded).toEqual([
      INSTITUTION,
      0x00080090,
      0x00081060,
      0x00090011,
      0x00090012,
      0x00091110,
      0x00091210,
      STUDY_ID,
      0x00321034,
    ]);
  });

  it('change nothing the second time', () => {
    const rules = ruleSet(DEFAULT_RULES, { originalAttributes: true });
    const once = run(build(elements), rules).after;
    const twice = run(once, rules);
    expect(twice.changes).toEqual([]);
    expect(twice.applied).toEqual([]);
    expect(twice.after).toEqual(once);
  });
});

describe('an attribute that is there several times, which it may not', () => {
  const twice = (...values: readonly string[]): BuiltElement[] => values.map((value) => ({ tag: STUDY_ID, vr: 'SH', value }));
  const set = ruleSet([{ action: 'set', target: 'StudyID', value: 'A' }]);
  const studyIDs = ({ dataSet }: Run): number => dataSet.elements.filter(({ tag }) => tag === STUDY_ID).length;

  it.each<[string, readonly BuiltElement[]]>([
    ['the value last', twice('B', 'A')],
    ['the value first: archives may go by the last', twice('A', 'B')],
  ])('is there once, as the rule has it: %s', (_, elements) => {
    const result = run(build(elements), set);
    expect(studyIDs(result)).toBe(1);
    expect(valueAt(result.dataSet, STUDY_ID)).toBe('A ');
    expect(result.applied).toHaveLength(1);
    expect(run(result.after, set).changes).toEqual([]);
  });

  it.each<[string, readonly BuiltElement[]]>([
    ['behind an empty one', twice('', 'B')],
    ["behind the rule's value", twice('A', 'B')],
    ['first', twice('B', 'A')],
  ])('is recorded with the value that it loses: %s', (_, elements) => {
    const { dataSet } = run(build(elements), { ...set, originalAttributes: true });
    expect(valueAt(dataSet, ORIGINAL, 0, MODIFIED, 0, STUDY_ID)).toBe('B ');
  });

  it('has a value where one of them has', () => {
    const ifEmpty = ruleSet([{ action: 'setIfEmpty', target: 'StudyID', value: 'A' }]);
    expect(run(build(twice('', 'B')), ifEmpty).changes).toEqual([]);
  });
});

describe('a rule', () => {
  it.each<[string, Rule, readonly BuiltElement[], readonly (readonly [path: number[], value: string | undefined])[]]>([
    ['sets', { action: 'set', target: 'StudyID', value: 'A' }, [{ tag: STUDY_ID, vr: 'SH', value: 'B' }], [[[STUDY_ID], 'A ']]],
    ['inserts', { action: 'set', target: 'StudyID', value: 'A' }, [], [[[STUDY_ID], 'A ']]],
    ['sets several values', { action: 'set', target: 'ImageType', value: ['A', 'B\\C'] }, [], [[[0x00080008], 'A\\B\\C ']]],
    ['empties', { action: 'set', target: 'StudyID', value: '' }, [{ tag: STUDY_ID, vr: 'SH', value: 'B' }], [[[STUDY_ID], '']]],
    ['pads a UID with NUL', { action: 'set', target: 'FrameOfReferenceUID', value: '1.2' }, [], [[[0x00200052], '1.2\0']]],
    ['removes', { action: 'remove', target: 'StudyID' }, [{ tag: STUDY_ID, vr: 'SH', value: 'B' }], [[[STUDY_ID], undefined]]],
    ['removes a sequence', { action: 'remove', target: '(0040,0275)' }, [requests('1')], [[[SQ], undefined]]],
    ['fills what is absent', { action: 'setIfEmpty', target: 'StudyID', value: 'A' }, [], [[[STUDY_ID], 'A ']]],
    [
      'fills what is empty',
      { action: 'setIfEmpty', target: 'StudyID', value: 'A' },
      [{ tag: STUDY_ID, vr: 'SH', value: '' }],
      [[[STUDY_ID], 'A ']],
    ],
    [
      'fills what is blank',
      { action: 'setIfEmpty', target: 'StudyID', value: 'A' },
      [{ tag: STUDY_ID, vr: 'SH', value: '  ' }],
      [[[STUDY_ID], 'A ']],
    ],
    [
      'leaves what has a value',
      { action: 'setIfEmpty', target: 'StudyID', value: 'A' },
      [{ tag: STUDY_ID, vr: 'SH', value: 'B' }],
      [[[STUDY_ID], 'B ']],
    ],
    [
      'takes a zero for a value',
      { action: 'setIfEmpty', target: 'PixelAspectRatio', value: 1 },
      [{ tag: 0x00280034, vr: 'IS', value: '0' }],
      [[[0x00280034], '0 ']],
    ],
    [
      'acts on one item',
      { action: 'set', target: 'RequestAttributesSequence[1].ScheduledProcedureStepID', value: 'X' },
      [requests('1', '2', '3')],
      [
        [[SQ, 0, STEP], '1 '],
        [[SQ, 1, STEP], 'X '],
        [[SQ, 2, STEP], '3 '],
      ],
    ],
    [
      'acts on every item',
      { action: 'setIfEmpty', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID', value: 'X' },
      [requests('1', undefined, '')],
      [
        [[SQ, 0, STEP], '1 '],
        [[SQ, 1, STEP], 'X '],
        [[SQ, 2, STEP], 'X '],
      ],
    ],
    [
      'makes no items',
      { action: 'set', target: 'RequestAttributesSequence[3].ScheduledProcedureStepID', value: 'X' },
      [requests('1')],
      [
        [[SQ, 0, STEP], '1 '],
        [[SQ, 1, STEP], undefined],
      ],
    ],
    [
      'makes no sequences',
      { action: 'set', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID', value: 'X' },
      [],
      [[[SQ], undefined]],
    ],
    [
      'finds a private attribute in the block of its creator',
      { action: 'set', target: '(0009,xx10)[MINE]', value: 'new', vr: 'LO' },
      [creator(0x10, 'OTHER'), creator(0x42, 'MINE'), privately(0x00091010), privately(0x00094210)],
      [
        [[0x00091010], 'secret'],
        [[0x00094210], 'new '],
      ],
    ],
    [
      'finds a block that was reserved twice',
      { action: 'remove', target: '(0009,xx10)[MINE]' },
      [creator(0x10, 'MINE'), creator(0x11, 'MINE'), privately(0x00091010), privately(0x00091110)],
      [
        [[0x00091010], undefined],
        [[0x00091110], undefined],
      ],
    ],
    [
      'leaves a private attribute of another creator',
      { action: 'remove', target: '(0009,xx10)[MINE]' },
      [creator(0x10, 'MINE2'), privately(0x00091010), privately(0x00094210)],
      [
        [[0x00091010], 'secret'],
        [[0x00094210], 'secret'],
      ],
    ],
    [
      'reserves a block that nothing uses',
      { action: 'set', target: '(0009,xx10)[MINE]', value: 'new', vr: 'LO' },
      [creator(0x10, 'OTHER'), privately(0x00091110)],
      [
        [[0x00090011], undefined],
        [[0x00090012], 'MINE'],
        [[0x00091210], 'new '],
        [[0x00091110], 'secret'],
      ],
    ],
    [
      'looks for the creator in the item',
      { action: 'set', target: 'RequestAttributesSequence[0].(0009,xx10)[MINE]', value: 'new', vr: 'LO' },
      [creator(0x20, 'MINE'), { tag: SQ, vr: 'SQ', value: [[creator(0x30, 'MINE'), privately(0x00093010)]] }],
      [
        [[SQ, 0, 0x00093010], 'new '],
        [[0x00092010], undefined],
      ],
    ],
    [
      'takes a private tag as it stands',
      { action: 'set', target: '(0009,1010)', value: 'new', vr: 'LO' },
      [creator(0x10, 'ANY'), privately(0x00091010)],
      [[[0x00091010], 'new ']],
    ],
  ])('%s', (_name, rule, elements, expected) => {
    for (const syntax of SYNTAXES) {
      const { dataSet } = run(build(elements, syntax), ruleSet([rule]));
      for (const [path, value] of expected)
        expect(valueAt(dataSet, ...path), `${syntax} ${path.map((n) => n.toString(16)).join(' ')}`).toBe(value);
    }
  });

  it('refuses items that it names where they cannot be told apart: they would have gone as they came', () => {
    const rules = ruleSet([{ action: 'remove', target: '(0009,xx10)[MINE][*].PatientName' }]);
    const items = (vr: string): BuiltElement => ({
      tag: 0x00091010,
      vr,
      value: [[{ tag: 0x00100010, vr: 'PN', value: 'Test^Patient' }]],
    });
    for (const [syntax, vr] of [
      [IMPLICIT_LE, 'SQ'],
      [EXPLICIT_LE, 'UN'],
      [EXPLICIT_BE, 'UN'],
    ] as const) {
      const file = build([creator(0x10, 'MINE'), items(vr)], syntax);
      expect(() => run(file, rules), syntax).toThrow(expect.objectContaining({ code: 'CHANGE_NOT_APPLICABLE' }));
      expect(run(file, ruleSet([{ action: 'remove', target: '(0009,xx10)[MINE]' }])).applied).toHaveLength(1);
    }
    const bytes = build([creator(0x10, 'MINE'), { tag: 0x00091010, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4) }]);
    expect(run(bytes, rules).changes).toEqual([]);
  });

  it('refuses items that it names where the sequence is there several times, of which it would have found the first', () => {
    const rules = ruleSet([{ action: 'remove', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID' }]);
    const empty: BuiltElement = { tag: SQ, vr: 'SQ', value: [] };
    for (const first of [requests('1'), empty]) {
      const twice = build([first, requests('2')]);
      expect(() => run(twice, rules)).toThrow(expect.objectContaining({ code: 'CHANGE_NOT_APPLICABLE' }));
    }
    expect(valueAt(run(build([requests('1'), empty]), rules).dataSet, SQ, 0, STEP)).toBeUndefined();
  });

  it.each([
    ['US', 'RepresentativeFrameNumber', 0x00286010, [258], '0201', '0102'],
    ['UL', 'SimpleFrameList', 0x00081161, [1, 65536], '0100000000000100', '0000000100010000'],
    ['FD', 'DopplerCorrectionAngle', 0x00186034, [-2], '00000000000000c0', 'c000000000000000'],
    ['AT', 'FrameIncrementPointer', 0x00280009, ['(0018,1063)'], '18006310', '00181063'],
  ] as const)('writes %s in the byte order of the file', (_vr, target, tag, value, little, big) => {
    for (const [syntax, hex] of [
      [EXPLICIT_LE, little],
      [IMPLICIT_LE, little],
      [EXPLICIT_BE, big],
    ] as const) {
      const rules = ruleSet([{ action: 'set', target, value: [...value] }]);
      const { after, dataSet } = run(build([], syntax), rules);
      expect(Buffer.from(valueAt(dataSet, tag) ?? '', 'latin1').toString('hex')).toBe(hex);
      expect(run(after, rules).changes).toEqual([]);
    }
  });

  it.each([
    ['the value that is there', 'A', 'A '],
    ['another padding', 'A', 'A\0'],
    ['no value where there is none', '', ''],
    ['blanks for no value', '', '  '],
  ])('makes no change and no record for %s', (_name, value, present) => {
    const file = build([{ tag: STUDY_ID, vr: 'SH', value: present }]);
    const { changes, after } = run(file, ruleSet([{ action: 'set', target: 'StudyID', value }], { originalAttributes: true }));
    expect(changes).toEqual([]);
    expect(after).toEqual(file);
  });

  it('makes no change for what is absent already', () => {
    expect(run(build([]), ruleSet([{ action: 'remove', target: 'StudyID' }])).changes).toEqual([]);
  });
});

describe('rules in a row', () => {
  const set = (value: string, target = 'StudyID'): Rule => ({ action: 'set', target, value });
  const remove = (target = 'StudyID'): Rule => ({ action: 'remove', target });
  const fill = (value: string): Rule => ({ action: 'setIfEmpty', target: 'StudyID', value });
  const inItem = 'RequestAttributesSequence[*].ScheduledProcedureStepID';

  it.each<[string, Rule[], string | undefined, number[]]>([
    ['the last word counts', [set('A'), set('C')], 'C ', [1]],
    ['one sees what another did', [remove(), fill('C')], 'C ', [1]],
    ['one sees what another set', [set('A'), fill('C')], 'A ', [0]],
    ['one sees what another emptied', [set(''), fill('C')], 'C ', [1]],
    ['what is taken back is no change', [set('A'), set('B')], 'B ', []],
    ['a removal has the last word too', [set('A'), remove()], undefined, [1]],
  ])('%s', (_name, rules, value, applied) => {
    const result = run(build([{ tag: STUDY_ID, vr: 'SH', value: 'B' }]), ruleSet(rules, { originalAttributes: true }));
    expect(valueAt(result.dataSet, STUDY_ID)).toBe(value);
    expect(result.applied.map(({ rule }) => rule)).toEqual(applied);
    expect(result.dataSet.get(ORIGINAL) !== undefined).toBe(applied.length > 0);
  });

  it.each([
    ['before', [set('X', inItem), remove('RequestAttributesSequence')]],
    ['behind', [remove('RequestAttributesSequence'), set('X', inItem)]],
  ])('a removed sequence takes what a rule %s it does within along', (_name, rules) => {
    const { dataSet, applied } = run(build([requests('1', '2')]), ruleSet(rules));
    expect(dataSet.get(SQ)).toBeUndefined();
    expect(applied).toHaveLength(1);
  });

  it('share the private block that one reserved, and no block stays that nothing uses', () => {
    const mine = (element: string): Rule => ({ action: 'set', target: `(0009,xx${element})[MINE]`, value: 'x', vr: 'LO' });
    const two = run(build([]), ruleSet([mine('01'), mine('02'), { ...mine('01'), target: '(0009,xx01)[YOURS]' }]));
    expect(two.dataSet.elements.map(({ tag }) => tag)).toEqual([0x00090010, 0x00090011, 0x00091001, 0x00091002, 0x00091101]);
    expect(two.applied.filter(({ rule }) => rule === 'reserve').map(({ attribute }) => attribute)).toEqual([
      '(0009,0010)',
      '(0009,0011)',
    ]);
    const none = run(build([]), ruleSet([mine('01'), remove('(0009,xx01)[MINE]')]));
    expect(none.dataSet.elements).toEqual([]);
  });

  it('refuse a private group without a free block', () => {
    const full = Array.from({ length: 0xf0 }, (_, index) => creator(0x10 + index, `C${index}`));
    const rule: Rule = { action: 'set', target: '(0009,xx01)[MINE]', value: 'x', vr: 'LO' };
    expect(() => run(build(full), ruleSet([rule]))).toThrow(expect.objectContaining({ code: 'CHANGE_NOT_APPLICABLE' }));
  });
});

describe('character sets', () => {
  const set = (value: string, target = 'StudyDescription'): RuleSet => ruleSet([{ action: 'set', target, value }]);
  const declared = (terms: string): BuiltElement => ({ tag: 0x00080005, vr: 'CS', value: terms });

  it.each([
    ['ISO_IR 100', 'Köln', 'K\u00f6ln'],
    ['ISO_IR 192', 'Köln', 'K\u00c3\u00b6ln '],
    ['ISO_IR 144', 'Иван', '\u00b8\u00d2\u00d0\u00dd'],
    ['\\ISO 2022 IR 87', '山', '\u001b$B;3\u001b(B'],
    ['ISO_IR 999', 'ASCII', 'ASCII '],
  ])('writes in %s', (terms, value, bytes) => {
    const { dataSet } = run(build([declared(terms)]), set(value));
    expect(valueAt(dataSet, 0x00081030)).toBe(bytes);
  });

  it('writes in the character set of the item', () => {
    const item = [declared('ISO_IR 192'), { tag: 0x00400007, vr: 'LO', value: 'x' }];
    const file = build([declared('ISO_IR 100'), { tag: SQ, vr: 'SQ', value: [item, item.slice(1)] }]);
    const { dataSet } = run(file, set('ö', 'RequestAttributesSequence[*].ScheduledProcedureStepDescription'));
    expect(valueAt(dataSet, SQ, 0, 0x00400007)).toBe('\u00c3\u00b6');
    expect(valueAt(dataSet, SQ, 1, 0x00400007)).toBe('\u00f6 ');
  });

  it.each([
    ['ISO_IR 100', 'Иван', 'VALUE_NOT_ENCODABLE'],
    ['', 'Köln', 'VALUE_NOT_ENCODABLE'],
    ['ISO_IR 999', 'Köln', 'UNKNOWN_CHARACTER_SET'],
  ])('refuses in %j what it does not have, naming rule and attribute only', (terms, value, code) => {
    const file = build([
      declared(terms),
      { tag: 0x00100010, vr: 'PN', value: 'Secret^Patient' },
      { tag: 0x00081030, vr: 'LO', value: 'Before' },
    ]);
    let thrown: unknown;
    try {
      run(
        file,
        ruleSet([
          { action: 'remove', target: 'StudyID' },
          { action: 'set', target: 'StudyDescription', value },
        ]),
      );
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code,
      message: expect.stringMatching(/^cannot set StudyDescription \(site rule \[1\]: set StudyDescription\): /) as unknown,
    });
    expect(String(thrown)).not.toMatch(/Secret|Before/);
  });
});

describe('the institution', () => {
  const institutions = new Map([
    ['CT1', 'By title'],
    ['10.0.0.7', 'By address'],
  ]);
  const received: BuiltElement = { tag: INSTITUTION, vr: 'LO', value: 'Received ' };

  it.each<[string, Partial<RuleSet>, Partial<Source>, readonly BuiltElement[], string | undefined, string | undefined]>([
    ['by AE title', { institutions }, {}, [received], 'By title', 'By title'],
    ['by address', { institutions }, { callingAET: 'X', callingIP: '::ffff:10.0.0.7' }, [received], 'By address', 'By address'],
    ['where there was none', { institutions }, {}, [], 'By title', 'By title'],
    ['unknown, passed', { institutions, unknownSource: 'pass' }, { callingAET: 'X' }, [received], 'Received', 'Received'],
    ['unknown, passed, none received', { institutions, unknownSource: 'pass' }, { callingAET: 'X' }, [], undefined, undefined],
    ['no mapping', {}, {}, [received], 'Received', 'Received'],
    ['no mapping, blank', {}, {}, [{ ...received, value: '  ' }], undefined, ''],
    [
      'no mapping, a rule',
      { rules: [{ action: 'set', target: 'InstitutionName', value: 'Ruled' }] },
      {},
      [received],
      'Ruled',
      'Ruled',
    ],
    ['no mapping, removed', { rules: [{ action: 'remove', target: 'InstitutionName' }] }, {}, [received], undefined, undefined],
    [
      'mapping over a rule',
      { institutions, rules: [{ action: 'set', target: 'InstitutionName', value: 'Ruled' }] },
      {},
      [],
      'By title',
      'By title',
    ],
  ])('%s', (_name, rules, source, elements, institution, written) => {
    const result = run(build(elements), ruleSet([], rules), { ...SOURCE, ...source });
    expect(result.institution).toBe(institution);
    expect(valueAt(result.dataSet, INSTITUTION)?.trim()).toBe(written);
  });

  it('that was received in an unknown character set is left out of the audit, and passes', () => {
    const file = build([
      { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 999' },
      { ...received, value: 'K\u00f6ln' },
    ]);
    const result = run(file, ruleSet([]));
    expect(result.institution).toBeUndefined();
    expect(result.after).toEqual(file);
  });

  it('of an unknown source is an error that says what to do', () => {
    expect(() =>
      run(build([received]), ruleSet([], { institutions }), { ...SOURCE, callingAET: 'NEW\n', callingIP: '10.9.9.9' }),
    ).toThrow(
      expect.objectContaining({
        code: 'UNKNOWN_SOURCE',
        retryable: false,
        message:
          'the institution mapping has neither the calling AE title "NEW\\n" nor the IP "10.9.9.9"; add one of them to it, then redrive',
      }),
    );
  });
});

describe('Original Attributes Sequence', () => {
  const recording = (rules: readonly Rule[]): RuleSet => ruleSet(rules, { originalAttributes: true });
  const setStudyID: Rule = { action: 'set', target: 'StudyID', value: 'A' };
  const studyID: BuiltElement = { tag: STUDY_ID, vr: 'SH', value: 'B' };

  it.each(SYNTAXES)('says what was there, when, by whom and why, in %s', (syntax) => {
    const { dataSet } = run(build([studyID], syntax), recording([setStudyID]));
    const item = dataSet.get(ORIGINAL)?.items?.[0]?.dataSet;
    expect(item?.elements.map(({ tag }) => tag)).toEqual([MODIFIED, 0x04000562, 0x04000563, 0x04000564, 0x04000565]);
    expect(valueAt(dataSet, ORIGINAL, 0, MODIFIED, 0, STUDY_ID)).toBe('B ');
    expect(valueAt(dataSet, ORIGINAL, 0, 0x04000562)).toBe('20261124093000.123+0000 ');
    expect(valueAt(dataSet, ORIGINAL, 0, 0x04000563)).toBe('storestow ');
    expect(valueAt(dataSet, ORIGINAL, 0, 0x04000564)).toBe('CT1 ');
    expect(valueAt(dataSet, ORIGINAL, 0, 0x04000565)).toBe('COERCE');
    expect(dataSet.get(ORIGINAL)?.items).toHaveLength(1);
  });

  it.each([
    [' CT1 ', 'CT1 '],
    ['A\\B', ''],
    ['Köln', ''],
    ['a\nb', ''],
    ['', ''],
  ])('names the source %j as %j', (callingAET, text) => {
    const { dataSet } = run(build([studyID]), recording([setStudyID]), { ...SOURCE, callingAET });
    expect(valueAt(dataSet, ORIGINAL, 0, 0x04000564)).toBe(text);
  });

  it.each([
    ['absent', []],
    ['empty', [{ ...studyID, value: '' }]],
    ['blank', [{ ...studyID, value: '  ' }]],
  ])('does not record what was %s', (_name, elements) => {
    expect(run(build(elements), recording([setStudyID])).dataSet.get(ORIGINAL)).toBeUndefined();
  });

  it('can be turned off', () => {
    expect(run(build([studyID]), ruleSet([setStudyID])).dataSet.get(ORIGINAL)).toBeUndefined();
  });

  it('gets the whole sequence of the top level for what changed within, once', () => {
    const sequence = { ...requests('1', undefined), undefinedLength: true };
    const target = 'RequestAttributesSequence[*].ScheduledProcedureStepID';
    const { after, dataSet } = run(build([sequence]), recording([{ action: 'set', target, value: 'X' }]));
    expect(dataSet.get(ORIGINAL)?.items?.[0]?.dataSet.get(MODIFIED)?.items?.[0]?.dataSet.elements).toHaveLength(1);
    expect(Buffer.from(after).includes(Buffer.from(elementBytes(sequence)))).toBe(true);
    expect(valueAt(dataSet, ORIGINAL, 0, MODIFIED, 0, SQ, 0, STEP)).toBe('1 ');
    expect(valueAt(dataSet, SQ, 0, STEP)).toBe('X ');
  });

  it('gets a private attribute with its creator, and one without as it was', () => {
    const elements = [creator(0x10, 'MINE'), privately(0x00091001), privately(0x00094242)];
    const { dataSet } = run(
      build(elements),
      recording([
        { action: 'remove', target: '(0009,xx01)[MINE]' },
        { action: 'remove', target: '(0009,4242)' },
      ]),
    );
    const recorded = dataSet.get(ORIGINAL)?.items?.[0]?.dataSet.get(MODIFIED)?.items?.[0]?.dataSet.elements;
    expect(recorded?.map(({ tag }) => tag)).toEqual([0x00090010, 0x00091001, 0x00094242]);
    expect(valueAt(dataSet, 0x00090010)).toBe('MINE');
  });

  describe('that earlier systems began', () => {
    const earlier: BuiltElement = {
      tag: ORIGINAL,
      vr: 'SQ',
      value: [
        [
          { tag: MODIFIED, vr: 'SQ', value: [[{ tag: 0x00100020, vr: 'LO', value: 'OLD-1 ' }]] },
          { tag: 0x04000563, vr: 'LO', value: 'PACS' },
        ],
      ],
    };

    it.each(SYNTAXES.flatMap((syntax) => [true, false].map((undefinedLength) => [syntax, undefinedLength] as const)))(
      'gets one more item, and the others keep their bytes: %s, undefined length %s',
      (syntax, undefinedLength) => {
        const file = build([studyID, { ...earlier, undefinedLength }], syntax);
        const part10 = readPart10(file);
        const first = part10.dataSet.get(ORIGINAL)?.items?.[0];
        const { dataSet } = run(file, recording([setStudyID]));
        const items = dataSet.get(ORIGINAL)?.items ?? [];
        expect(items).toHaveLength(2);
        expect(Buffer.from(dataSet.bytes.subarray(items[0]?.offset, items[0]?.end))).toEqual(
          Buffer.from(part10.body.subarray(first?.offset, first?.end)),
        );
        expect(valueAt(dataSet, ORIGINAL, 1, MODIFIED, 0, STUDY_ID)).toBe('B ');
      },
    );

    it('and that became UN on its way gets an item in Implicit VR (PS3.5 6.2.2)', () => {
      const implicit = { explicit: false, little: true };
      const bytes = elementBytes(earlier, implicit);
      for (const syntax of [EXPLICIT_LE, EXPLICIT_BE]) {
        const unknown: BuiltElement = { tag: ORIGINAL, vr: 'UN', value: bytes.subarray(8) };
        const elements = [studyID, requests('1'), { tag: 0x00286010, vr: 'US', value: [258] }, unknown];
        const { dataSet } = run(
          build(elements, syntax),
          recording([
            setStudyID,
            { action: 'remove', target: 'RequestAttributesSequence' },
            { action: 'set', target: 'RepresentativeFrameNumber', value: 1 },
          ]),
        );
        expect(dataSet.get(ORIGINAL)).toMatchObject({ vr: 'UN' });
        expect(valueAt(dataSet, ORIGINAL, 0, MODIFIED, 0, 0x00100020)).toBe('OLD-1 ');
        expect(valueAt(dataSet, ORIGINAL, 1, MODIFIED, 0, STUDY_ID)).toBe('B ');
        expect(valueAt(dataSet, ORIGINAL, 1, MODIFIED, 0, SQ, 0, STEP)).toBe('1 ');
        expect(valueAt(dataSet, ORIGINAL, 1, MODIFIED, 0, 0x00286010)).toBe('\u0002\u0001');
        expect(valueAt(dataSet, ORIGINAL, 1, 0x04000565)).toBe('COERCE');
      }
    });

    it('and that holds no items is refused, saying what to do', () => {
      const unknown: BuiltElement = { tag: ORIGINAL, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4) };
      expect(() => run(build([studyID, unknown]), recording([setStudyID]))).toThrow(
        expect.objectContaining({
          code: 'CHANGE_NOT_APPLICABLE',
          message: expect.stringContaining('coerce.originalAttributes to false') as unknown,
        }),
      );
    });
  });
});
