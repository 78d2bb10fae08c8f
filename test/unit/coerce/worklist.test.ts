import { describe, expect, it } from 'vitest';

import { coerce } from '../../../core/coerce/coerce.ts';
import { decideWorklist, type WorklistDecision } from '../../../core/coerce/decide-worklist.ts';
import { parseItem, serializeItem } from '../../../core/coerce/kept-item.ts';
import { parseRuleSet, ruleSetDigest, serializeRuleSet, type RuleSet } from '../../../core/coerce/rule-set.ts';
import { rulesOfItem } from '../../../core/coerce/worklist-item.ts';
import { checkWorklistRule, worklistQuery, type WorklistRule } from '../../../core/coerce/worklist-rule.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { textValues } from '../../../core/dicom/text-values.ts';
import { buildImage, type BuiltElement } from '../../support/build-dicom.ts';
import { joined, thrownBy } from '../dicom/flat-elements.ts';

const RULE: WorklistRule = {
  match: 'accession',
  attributes: ['AccessionNumber', 'ReferringPhysicianName', 'StudyDescription'],
  onNoMatch: 'quarantine',
  onSeveral: 'quarantine',
};
const SOURCE = { callingAET: 'CT1', callingIP: '10.0.0.7', receivedAt: new Date('2026-11-24T10:00:00Z') };

function image(...extra: readonly BuiltElement[]): Part10 {
  return readPart10(buildImage({ extra }));
}

describe('what may be taken', () => {
  it.each([
    ['attributes by keyword', ['AccessionNumber', 'PatientID', 'PatientSize', 'InstitutionName'], undefined],
    ['a word that is no keyword', ['Accession'], /"Accession" is no keyword/],
    ['a path', ['RequestAttributesSequence[0].ScheduledProcedureStepID'], /is no keyword/],
    ['a sequence', ['RequestAttributesSequence'], /RequestAttributesSequence is a sequence/],
    ['bytes', ['PixelData'], /PixelData is a sequence, or bytes/],
    ['what identifies the instance', ['StudyInstanceUID'], /StudyInstanceUID identifies the instance/],
    ['the character set', ['SpecificCharacterSet'], /SpecificCharacterSet says how/],
    ['what the pixel data is read by', ['Rows'], /Rows says how the pixel data/],
  ])('%s', (_name, attributes, message) => {
    const check = (): void => checkWorklistRule({ ...RULE, attributes });
    if (message === undefined) expect(check).not.toThrow();
    else expect(thrownBy(check)).toMatchObject({ code: 'RULES_INVALID', message: expect.stringMatching(message) as string });
  });
});

describe('what the worklist is asked for', () => {
  const accession = (value: string): BuiltElement => ({ tag: TAG.AccessionNumber, vr: 'SH', value });
  const patient = (id: string, date: string): BuiltElement[] => [
    { tag: TAG.PatientID, vr: 'LO', value: id },
    { tag: TAG.StudyDate, vr: 'DA', value: date },
  ];
  it.each<[string, WorklistRule['match'], BuiltElement[], ReturnType<typeof worklistQuery>]>([
    ['the accession number', 'accession', [accession(' A-17 ')], { match: 'accession', accessionNumber: 'A-17' }],
    ['none', 'accession', [], undefined],
    ['an empty one', 'accession', [accession('')], undefined],
    ['several', 'accession', [accession('A-17\\A-18')], undefined],
    ['a pattern', 'accession', [accession('*')], undefined],
    ['a pattern of one character', 'accession', [accession('A-1?')], undefined],
    ['one that is longer than it may be', 'accession', [accession('A'.repeat(65))], undefined],
    ['one that is not in its character set', 'accession', [accession('A\x1b$)Z-17')], undefined],
    [
      'patient and date',
      'patientAndDate',
      patient('P1', '20261124'),
      { match: 'patientAndDate', patientID: 'P1', date: '20261124' },
    ],
    ['a patient without a date', 'patientAndDate', patient('P1', ''), undefined],
    ['a range of dates', 'patientAndDate', patient('P1', '20261124-'), undefined],
    ['a date without a patient', 'patientAndDate', patient('', '20261124'), undefined],
    ['any patient', 'patientAndDate', patient('*', '20261124'), undefined],
  ])('%s', (_name, match, elements, query) => {
    expect(worklistQuery(image(...elements).dataSet, { match })).toEqual(query);
  });
});

describe('decideWorklist', () => {
  const one = { AccessionNumber: ['A-17'], StudyDescription: ['Head'], PatientName: ['Not^Taken'] };
  const sameStep = { ...one, PatientName: ['Also^Not^Taken'] };
  const other = { ...one, StudyDescription: ['Foot'] };
  const taken = { AccessionNumber: ['A-17'], StudyDescription: ['Head'] };
  const take: WorklistDecision = { kind: 'take', item: taken };
  const pass: WorklistDecision = { kind: 'pass' };
  const noMatch: WorklistDecision = { kind: 'refuse', code: 'WORKLIST_NO_MATCH' };
  const ambiguous: WorklistDecision = { kind: 'refuse', code: 'WORKLIST_AMBIGUOUS' };
  it.each<[string, Parameters<typeof decideWorklist>[0], WorklistRule['onNoMatch'], WorklistRule['onSeveral'], WorklistDecision]>(
    [
      ['nothing to ask by', undefined, 'quarantine', 'pass', noMatch],
      ['nothing to ask by', undefined, 'pass', 'quarantine', pass],
      ['no item', [], 'quarantine', 'pass', noMatch],
      ['no item', [], 'pass', 'quarantine', pass],
      ['one item', [one], 'quarantine', 'quarantine', take],
      ['one item', [one], 'pass', 'pass', take],
      ['several that agree', [one, sameStep], 'quarantine', 'quarantine', take],
      ['several that differ', [one, other], 'pass', 'quarantine', ambiguous],
      ['several that differ', [one, other], 'quarantine', 'pass', pass],
      ['several of which one lacks a value', [one, { AccessionNumber: ['A-17'] }], 'pass', 'quarantine', ambiguous],
    ],
  )('%s, %#', (_name, items, onNoMatch, onSeveral, decision) => {
    expect(decideWorklist(items, { ...RULE, onNoMatch, onSeveral })).toEqual(decision);
  });
});

describe('rules of an item', () => {
  it('are of the attributes that it has, in their order', () => {
    const item = { StudyDescription: ['Head'], PatientID: ['P1'], AccessionNumber: ['A-17'] };
    expect(rulesOfItem(item, RULE.attributes)).toEqual([
      { action: 'set', target: 'AccessionNumber', value: ['A-17'] },
      { action: 'set', target: 'StudyDescription', value: ['Head'] },
    ]);
  });

  it.each([
    ['a value that is too long', 'AccessionNumber', ['Jane Roe, long story']],
    ['a backslash, which would make two values', 'StudyDescription', ['Roe\\Jane']],
    ['a control character', 'StudyDescription', ['Roe\x1b[2J']],
    ['a date that is none', 'PatientBirthDate', ['Roe']],
    ['a name of too many groups', 'ReferringPhysicianName', ['Roe=Roe=Roe=Roe']],
    ['a number that is none', 'PatientSize', ['Roe']],
  ])('are refused for %s, without saying it', (_name, keyword, values) => {
    const error = thrownBy(() => rulesOfItem({ [keyword]: values }, [keyword])) as Error;
    expect(error).toMatchObject({ code: 'WORKLIST_INVALID', retryable: false });
    // That would quote the value
    expect(error.cause).toBeUndefined();
    expect(error.message).toContain(keyword);
    expect(error.message).not.toContain('Roe');
  });

  it('pass over what the prototype of an object has', () => {
    expect(rulesOfItem({}, ['constructor', 'toString'])).toEqual([]);
  });
});

describe('a kept item', () => {
  it('comes back as it was', () => {
    for (const item of [{}, { ReferringPhysicianName: ['Grün^Jörg'], PatientComments: ['a "b"'] }]) {
      expect(parseItem(serializeItem(item))).toEqual(item);
    }
  });

  it.each([
    '',
    '[]',
    '{"item":{}}',
    '{"format":2,"item":{}}',
    '{"format":1,"item":{"StudyID":"1"}}',
    '{"format":1,"item":{"StudyID":[]}}',
  ])('is not %s', (json) => {
    expect(parseItem(json)).toBeUndefined();
  });
});

describe('a rule set with a worklist', () => {
  const ruleSet: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: true, worklist: RULE };

  it('is kept with it, under another name', () => {
    const json = serializeRuleSet(ruleSet);
    expect(parseRuleSet(json, 'x')).toEqual(ruleSet);
    const without: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: true };
    const names = [without, ruleSet, { ...ruleSet, worklist: { ...RULE, onNoMatch: 'pass' as const } }].map(ruleSetDigest);
    expect(new Set(names).size).toBe(3);
  });

  it.each([
    ['another match', '"match":"accession"', '"match":"anything"'],
    ['an attribute that may not be taken', '"StudyDescription"', '"SOPInstanceUID"'],
    ['something more', '"onNoMatch"', '"x":1,"onNoMatch"'],
  ])('is refused with %s', (_name, from, to) => {
    const json = serializeRuleSet(ruleSet).replace(from, to);
    expect(thrownBy(() => parseRuleSet(json, 'x'))).toMatchObject({ code: 'RULES_INVALID' });
  });
});

describe('coercing by an item', () => {
  const none: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: true };
  const taken = rulesOfItem({ ReferringPhysicianName: ['Grün^Jörg'], AccessionNumber: ['A-17'] }, RULE.attributes);

  function after(part10: Part10, ruleSet: RuleSet = none): { file: Part10; coerced: ReturnType<typeof coerce> } {
    const coerced = coerce(part10, ruleSet, SOURCE, taken);
    return { coerced, file: readPart10(joined(splice(part10, coerced.changes).segments)) };
  }
  const text = ({ dataSet }: Part10, tag: number): string[] => textValues(dataSet, dataSet.get(tag)!);

  it('sets what was taken, in the character set of the object, and records what was there', () => {
    const { file, coerced } = after(image());
    expect(text(file, TAG.ReferringPhysicianName)).toEqual(['Grün^Jörg']);
    expect(text(file, TAG.AccessionNumber)).toEqual(['A-17']);
    expect(coerced.applied).toEqual([
      { rule: 'worklist', action: 'set', attribute: 'AccessionNumber' },
      { rule: 'worklist', action: 'set', attribute: 'ReferringPhysicianName' },
    ]);
    expect(new Set(coerced.changes.map(({ reason }) => reason.replace(/:.*/, '')))).toEqual(
      new Set(['worklist item', 'Original Attributes']),
    );
    const [record] = file.dataSet.get(TAG.OriginalAttributesSequence)?.items ?? [];
    const [before] = record?.dataSet.get(TAG.ModifiedAttributesSequence)?.items ?? [];
    expect(before && textValues(before.dataSet, before.dataSet.get(TAG.ReferringPhysicianName)!)).toEqual(['Referring^Doctor']);
  });

  it('has the last word over rules', () => {
    const rules = [{ action: 'set', target: 'ReferringPhysicianName', value: '-^-^-^-' }] as const;
    expect(text(after(image(), { ...none, rules }).file, TAG.ReferringPhysicianName)).toEqual(['Grün^Jörg']);
  });

  it('gives way to the institution mapping, and without one names the institution', () => {
    const ofItem = rulesOfItem({ InstitutionName: ['Item Clinic'] }, ['InstitutionName']);
    expect(coerce(image(), none, SOURCE, ofItem).institution).toBe('Item Clinic');
    const mapped = { ...none, institutions: new Map([['CT1', 'North Clinic']]) };
    expect(coerce(image(), mapped, SOURCE, ofItem).institution).toBe('North Clinic');
  });

  it('is refused where the object has no such character', () => {
    const ascii = image({ tag: TAG.SpecificCharacterSet, vr: 'CS', value: '' });
    const error = thrownBy(() => coerce(ascii, none, SOURCE, taken)) as Error;
    expect(error).toMatchObject({ code: 'VALUE_NOT_ENCODABLE' });
    expect(error.message).toContain('ReferringPhysicianName (worklist item)');
    expect(error.message).not.toMatch(/Grün|Jörg/);
  });
});
