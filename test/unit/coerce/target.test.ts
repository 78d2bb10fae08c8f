import { describe, expect, it } from 'vitest';
import { formatAttribute, parseTarget, type Target } from '../../../core/coerce/target.ts';

const containing = (text: string): unknown => expect.stringContaining(text);

const tag = (number: number) => ({ kind: 'tag', tag: number }) as const;
const geiis = { kind: 'private', group: 0x0009, element: 0x10, creator: 'GEIIS' } as const;

describe('parseTarget', () => {
  it.each<[string, Target]>([
    ['StudyID', { steps: [], attribute: tag(0x00200010) }],
    ['(0020,0010)', { steps: [], attribute: tag(0x00200010) }],
    ['0020,0010', { steps: [], attribute: tag(0x00200010) }],
    ['00200010', { steps: [], attribute: tag(0x00200010) }],
    [' (0008,103e) ', { steps: [], attribute: tag(0x0008103e) }],
    ['(0009,1110)', { steps: [], attribute: tag(0x00091110) }],
    ['(0009,xx10)[GEIIS]', { steps: [], attribute: geiis }],
    ['0009XX10[GEIIS]', { steps: [], attribute: geiis }],
    ['0009,xx10[ GEIIS ]', { steps: [], attribute: geiis }],
    [
      '(0029,xx0A)[SIEMENS CSA HEADER 1.0/(x)]',
      { steps: [], attribute: { kind: 'private', group: 0x29, element: 0x0a, creator: 'SIEMENS CSA HEADER 1.0/(x)' } },
    ],
    [
      'RequestAttributesSequence[0].ScheduledProcedureStepID',
      { steps: [{ sequence: tag(0x00400275), item: 0 }], attribute: tag(0x00400009) },
    ],
    [
      '(0040,0275)[*].(0009,xx10)[GEIIS][12].StudyID',
      {
        steps: [
          { sequence: tag(0x00400275), item: '*' },
          { sequence: geiis, item: 12 },
        ],
        attribute: tag(0x00200010),
      },
    ],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
  });

  it.each([
    ['', 'neither a keyword nor a tag'],
    ['StudyIdentifier', 'no keyword of the dictionary'],
    ['(0020,001)', 'neither a keyword nor a tag'],
    ['002000100', 'neither a keyword nor a tag'],
    ['(0009,xx10)', '(0009,xx10)[CREATOR]'],
    ['(0009,xx10)[]', '(0009,xx10)[CREATOR]'],
    ['(0009,xx10)[GE\u00c4]', '(0009,xx10)[CREATOR]'],
    ['(0008,xx10)[GEIIS]', 'only odd groups are private'],
    ['RequestAttributesSequence.StudyID', '[NUMBER]. or [*].'],
    ['RequestAttributesSequence[0]', '[NUMBER]. or [*].'],
    ['RequestAttributesSequence[-1].StudyID', '[NUMBER]. or [*].'],
    ['RequestAttributesSequence[0].', 'neither a keyword nor a tag'],
    ['StudyID\\', '[NUMBER]. or [*].'],
  ])('refuses %j', (text, message) => {
    expect(() => parseTarget(text)).toThrow(expect.objectContaining({ code: 'RULES_INVALID', message: containing(message) }));
  });
});

describe('formatAttribute', () => {
  it.each([
    [tag(0x00200010), 'StudyID'],
    [tag(0x00091110), '(0009,1110)'],
    [tag(0x00081fff), '(0008,1FFF)'],
    [geiis, '(0009,xx10)[GEIIS]'],
  ])('%j → %s', (attribute, text) => {
    expect(formatAttribute(attribute)).toBe(text);
  });
});
