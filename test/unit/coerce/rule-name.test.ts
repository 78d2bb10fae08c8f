import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import { parseRuleSet, serializeRuleSet } from '../../../core/coerce/rule-set.ts';
import { nameOfRule } from '../../../core/coerce/rule-name.ts';
import type { Rule } from '../../../core/coerce/rules.ts';

const SITE: readonly Rule[] = [
  { action: 'setIfEmpty', target: 'AccessionNumber', value: 'NONE' },
  { action: 'remove', target: '(0009,xx10)[GEIIS]' },
];
const kept = parseRuleSet(
  serializeRuleSet({ rules: [...DEFAULT_RULES, ...SITE], unknownSource: 'pass', originalAttributes: true }),
  'kept',
).rules;

describe('the name of a rule', () => {
  it.each<[string, readonly Rule[], number, string]>([
    ['a default one', [...DEFAULT_RULES, ...SITE], 1, 'default rule: set StudyID'],
    ["the site's first behind the default ones", [...DEFAULT_RULES, ...SITE], 6, 'site rule [0]: setIfEmpty AccessionNumber'],
    ["the site's alone", SITE, 1, 'site rule [1]: remove (0009,xx10)[GEIIS]'],
    ['a default one that a site has written itself', DEFAULT_RULES.slice(1), 0, 'site rule [0]: set StudyID'],
    [
      'other values than the default ones',
      DEFAULT_RULES.map((rule) => (rule.action === 'remove' ? rule : { ...rule, value: 'X' })),
      0,
      'site rule [0]: set NameOfPhysiciansReadingStudy',
    ],
    ['a default one of a rule set that was kept', kept, 2, 'default rule: set ReferringPhysicianName'],
    ["the site's of a rule set that was kept", kept, 7, 'site rule [1]: remove (0009,xx10)[GEIIS]'],
  ])('%s', (_name, rules, index, name) => {
    expect(nameOfRule(rules, index)).toBe(name);
  });
});
