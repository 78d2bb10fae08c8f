import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import { parseSiteRules } from '../../../core/coerce/site-rules.ts';

const containing = (text: string): unknown => expect.stringContaining(text);

const parse = (rules: unknown) => parseSiteRules(JSON.stringify(rules), 'rules.json');

describe('parseSiteRules', () => {
  it('takes every form of a rule as it stands', () => {
    const rules = [
      { action: 'set', target: 'StudyDescription', value: 'X' },
      { action: 'set', target: 'ImageComments', value: '' },
      { action: 'setIfEmpty', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID', value: '1' },
      { action: 'set', target: '(0009,xx12)[GEIIS]', value: [1, '2'], vr: 'IS' },
      { action: 'set', target: 'SmallestImagePixelValue', value: -1, vr: 'SS' },
      { action: 'remove', target: '(0009,1110)' },
      { action: 'remove', target: 'IconImageSequence' },
      { action: 'remove', target: 'OverlayData' },
    ];
    expect(parse(rules)).toEqual(rules);
    expect(parse([])).toEqual([]);
    expect(parse(DEFAULT_RULES)).toEqual(DEFAULT_RULES);
  });

  it.each<[string, unknown, string]>([
    ['no array', { action: 'remove', target: 'StudyID' }, 'expected array'],
    ['an unknown action', [{ action: 'delete', target: 'StudyID' }], '[0].action'],
    ['no value', [{ action: 'set', target: 'StudyID' }], '[0].value'],
    ['a value to remove', [{ action: 'remove', target: 'StudyID', value: 'x' }], 'value'],
    ['a misspelt member', [{ action: 'remove', target: 'StudyID', vr: 'SH' }], 'vr'],
    ['an unknown VR', [{ action: 'set', target: '(0009,1112)', value: 'x', vr: 'XX' }], '[0].vr'],
    [
      'an unknown keyword',
      [
        { action: 'remove', target: 'StudyID' },
        { action: 'remove', target: 'Foo' },
      ],
      'rule [1]: the target "Foo"',
    ],
    [
      'a private attribute without VR',
      [{ action: 'set', target: '(0009,xx10)[X]', value: 'x' }],
      'rule [0]: the dictionary does not have (0009,xx10)[X]',
    ],
    [
      'another VR than the dictionary’s',
      [{ action: 'set', target: 'StudyID', value: 'x', vr: 'LO' }],
      'representation SH, not LO',
    ],
    ['a sequence to set', [{ action: 'set', target: 'RequestAttributesSequence', value: 'x' }], 'is a sequence'],
    ['bytes to set', [{ action: 'set', target: 'OverlayData', value: 'x' }], 'holds bytes'],
    ['a value too long', [{ action: 'set', target: 'StudyID', value: 'x'.repeat(17) }], 'longer than the 16 characters of SH'],
    ['an empty fallback', [{ action: 'setIfEmpty', target: 'StudyID', value: '' }], 'empty value'],
    ['items of what has none', [{ action: 'remove', target: 'StudyID[0].PatientID' }], 'StudyID is not a sequence'],
    ['file meta information', [{ action: 'set', target: 'TransferSyntaxUID', value: '1.2' }], 'file meta information'],
    ['pixel data', [{ action: 'remove', target: 'PixelData' }], 'belongs to the pixel data'],
    ['pixel data by tag', [{ action: 'remove', target: '7FE00001' }], 'belongs to the pixel data'],
    ['pixel data of an icon', [{ action: 'remove', target: 'IconImageSequence[0].PixelData' }], 'belongs to the pixel data'],
    ['the instance’s UID', [{ action: 'set', target: 'SOPInstanceUID', value: '1.2' }], 'identifies the instance'],
    ['the class', [{ action: 'set', target: 'SOPClassUID', value: '1.2' }], 'identifies the instance'],
    ['the study', [{ action: 'remove', target: 'StudyInstanceUID' }], 'identifies the instance'],
    ['the series', [{ action: 'remove', target: '(0020,000e)' }], 'identifies the instance'],
    ['the character set', [{ action: 'set', target: 'SpecificCharacterSet', value: 'ISO_IR 192' }], 'how every other text'],
    ['a group length', [{ action: 'remove', target: '(0008,0000)' }], 'group length'],
    ['a private creator', [{ action: 'remove', target: '(0009,0010)' }], 'private attributes of its block'],
    ['the record of changes', [{ action: 'remove', target: 'OriginalAttributesSequence' }], 'earlier systems changed'],
    [
      'an item of the record',
      [{ action: 'remove', target: 'OriginalAttributesSequence[0].ModifyingSystem' }],
      'earlier systems changed',
    ],
    ['how pixels are read', [{ action: 'set', target: 'BitsStored', value: 8 }], 'pixel data is to be read'],
    ['an item delimiter', [{ action: 'remove', target: '(FFFE,E00D)' }], 'no attribute of a data set'],
  ])('refuses %s', (_name, rules, message) => {
    expect(() => parse(rules)).toThrow(
      expect.objectContaining({ code: 'RULES_INVALID', object: 'rules.json', message: containing(message) }),
    );
  });

  it('names every rule that is wrong', () => {
    const wrong = [
      { action: 'remove', target: 'Foo' },
      { action: 'remove', target: 'StudyID' },
      { action: 'remove', target: 'PixelData' },
    ];
    expect(() => parse(wrong)).toThrow(/rule \[0\][\s\S]*rule \[2\]/);
  });

  it('refuses what is not JSON', () => {
    expect(() => parseSiteRules('[{', 'rules.json')).toThrow(expect.objectContaining({ code: 'RULES_INVALID' }));
  });
});
