/** What is no longer as the rules set it, and what the archive says that it replaced. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { coerce } from '../../../core/coerce/coerce.ts';
import { checkCoercedValues, type CoercedValues } from '../../../functions/verify/coerced-values.ts';
import { buildDicom, imageElements, type BuiltElement } from '../../support/build-dicom.ts';

const SOURCE = { callingAET: 'CT1', callingIP: '10.0.0.5' };
const RULES: RuleSet = {
  rules: [
    ...DEFAULT_RULES,
    { action: 'setIfEmpty', target: 'StationName', value: 'CT-1' },
    { action: 'set', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID', value: 'STEP' },
    { action: 'set', target: '(0099,xx01)[STORE]', value: 'private', vr: 'LO' },
  ],
  institutions: new Map([['CT1', 'General']]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};
const STUDY_ID = 0x00200010;
const INSTITUTION = 0x00080080;
const REQUESTED: BuiltElement = {
  tag: 0x00400275,
  vr: 'SQ',
  value: [[{ tag: 0x00400009, vr: 'SH', value: 'OLD' }]],
};

function sent(extra: readonly BuiltElement[] = [REQUESTED], ruleSet = RULES): Uint8Array {
  const part10 = readPart10(buildDicom({ elements: imageElements({ extra }) }));
  const { changes } = coerce(part10, ruleSet, { ...SOURCE, receivedAt: new Date('2026-11-24T08:00:00Z') });
  return Buffer.concat(inMemory(splice(part10, changes).segments));
}

interface Replaced {
  readonly tag: number;
  readonly vr: 'LO' | 'SH' | 'PN';
  readonly value: string;
  /** What the archive records that was there before. */
  readonly recorded?: string;
}

/** As an archive merges it on retrieval. */
function merged(file: Uint8Array, { tag, vr, value, recorded }: Replaced): Uint8Array {
  const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  return Buffer.concat(
    inMemory(
      splice(readPart10(file), [
        { kind: 'set', path: [], element: { tag, vr, value: bytes(value) }, reason: 'test' },
        ...(recorded === undefined
          ? []
          : [
              {
                kind: 'append',
                path: [],
                tag: 0x04000561,
                item: [
                  { tag: 0x04000550, vr: 'SQ', items: [[{ tag, vr, value: bytes(recorded) }]] },
                  { tag: 0x04000563, vr: 'LO', value: bytes('DCM4CHEE') },
                ],
                reason: 'test',
              } as const,
            ]),
      ]).segments,
    ),
  );
}

function check(file: Uint8Array, institution = 'General', ruleSet = RULES): CoercedValues {
  return checkCoercedValues(readPart10(file), ruleSet, SOURCE, (name) => name === institution);
}

describe('checkCoercedValues', () => {
  it('finds nothing in what was sent', () => {
    expect(check(sent())).toEqual({ deviating: [], coercedByArchive: [] });
  });

  it.each([
    ['of a constant', { tag: STUDY_ID, vr: 'SH', value: 'OTHER' }, ['StudyID'], []],
    ['of a constant, recorded', { tag: STUDY_ID, vr: 'SH', value: 'OTHER', recorded: '29991231235959' }, [], ['StudyID']],
    ['of a constant, recorded as another', { tag: STUDY_ID, vr: 'SH', value: 'OTHER', recorded: 'X' }, ['StudyID'], []],
    ['of the institution', { tag: INSTITUTION, vr: 'LO', value: 'Elsewhere' }, ['InstitutionName'], []],
    [
      'of the institution, recorded',
      { tag: INSTITUTION, vr: 'LO', value: 'Elsewhere', recorded: 'General' },
      [],
      ['InstitutionName'],
    ],
    ['of what was set where it was empty', { tag: 0x00081010, vr: 'SH', value: '' }, ['StationName'], []],
    ['of what no rule names', { tag: 0x00100020, vr: 'LO', value: 'ANOTHER' }, [], []],
    [
      'of a private attribute, recorded, as no archive merges it',
      { tag: 0x00991001, vr: 'LO', value: 'x', recorded: 'private' },
      ['(0099,1001)'],
      [],
    ],
  ] as const)('with another value %s', (_what, replaced, deviating, coercedByArchive) => {
    expect(check(merged(sent(), replaced))).toEqual({ deviating, coercedByArchive });
  });

  it('a record that was there before ours is not the archive’s', () => {
    const before: BuiltElement = {
      tag: 0x04000561,
      vr: 'SQ',
      value: [
        [
          { tag: 0x04000550, vr: 'SQ', value: [[{ tag: STUDY_ID, vr: 'SH', value: '29991231235959' }]] },
          { tag: 0x04000563, vr: 'LO', value: 'MODALITY' },
        ],
      ],
    };
    const altered = merged(sent([REQUESTED, before]), { tag: STUDY_ID, vr: 'SH', value: 'OTHER' });
    expect(check(altered)).toEqual({ deviating: ['StudyID'], coercedByArchive: [] });
  });

  it('what was removed and stands there again, and what was set in an item', () => {
    const requesting: BuiltElement = { tag: 0x00321034, vr: 'SQ', value: [[]] };
    const other = { ...REQUESTED, value: [[{ tag: 0x00400009, vr: 'SH', value: 'MINE' }]] };
    const ruleSet = { ...RULES, rules: [] };
    const untouched = sent([requesting, other], ruleSet);
    expect(check(untouched).deviating).toEqual(
      expect.arrayContaining(['RequestingServiceCodeSequence', 'RequestAttributesSequence[0].ScheduledProcedureStepID']),
    );
  });

  it('takes an institution that nobody can read for none, as its tag does', () => {
    const ruleSet: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: true };
    const unreadable: BuiltElement[] = [
      { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 999' },
      { tag: INSTITUTION, vr: 'LO', value: 'H\xf4pital' },
    ];
    const file = sent(unreadable, ruleSet);
    expect(check(file, '', ruleSet).deviating).toEqual([]);
    expect(check(file, 'Another', ruleSet).deviating).toEqual(['InstitutionName']);
  });

  it('compares the institution with the tag where no rule sets it', () => {
    const ruleSet: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: true };
    const file = sent([REQUESTED], ruleSet);
    expect(check(file, 'Hospital as received', ruleSet).deviating).toEqual([]);
    expect(check(file, 'Another', ruleSet).deviating).toEqual(['InstitutionName']);
    const replaced = merged(file, { tag: INSTITUTION, vr: 'LO', value: 'X', recorded: 'Hospital as received' });
    expect(check(replaced, 'Hospital as received', ruleSet)).toEqual({ deviating: [], coercedByArchive: ['InstitutionName'] });
  });
});
