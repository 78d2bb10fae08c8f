import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import { parseRuleSet, ruleSetDigest, serializeRuleSet, type RuleSet } from '../../../core/coerce/rule-set.ts';

const RULE_SET: RuleSet = {
  rules: [...DEFAULT_RULES, { vr: 'LO', value: ['a', 1], target: '(0009,1112)', action: 'set' }],
  institutions: new Map([
    ['CT1', 'Klinik Köln'],
    ['10.0.0.5', 'Other'],
    ['__proto__', 'x'],
  ]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};

describe('a rule set', () => {
  it('is written and read back', () => {
    const json = serializeRuleSet(RULE_SET);
    const back = parseRuleSet(json, 'rules/x.json');
    expect(back.rules).toEqual(RULE_SET.rules);
    expect(new Map(back.institutions)).toEqual(RULE_SET.institutions);
    expect(serializeRuleSet(back)).toBe(json);
    const { institutions, ...withoutMapping } = RULE_SET;
    expect(institutions?.size).toBe(3);
    expect(parseRuleSet(serializeRuleSet(withoutMapping), 'x')).toEqual(withoutMapping);
  });

  it('has one text, whatever order it was put together in', () => {
    const other: RuleSet = {
      originalAttributes: true,
      unknownSource: 'quarantine',
      institutions: new Map([...(RULE_SET.institutions ?? [])].reverse()),
      rules: [...DEFAULT_RULES, { action: 'set', target: '(0009,1112)', value: ['a', 1], vr: 'LO' }],
    };
    expect(serializeRuleSet(other)).toBe(serializeRuleSet(RULE_SET));
    expect(ruleSetDigest(RULE_SET)).toMatch(/^[0-9a-f]{12}$/);
  });

  it.each<[string, Partial<RuleSet>]>([
    ['the rules', { rules: DEFAULT_RULES }],
    ['their order', { rules: [...RULE_SET.rules].reverse() }],
    ['the mapping', { institutions: new Map() }],
    ['what becomes of unknown sources', { unknownSource: 'pass' }],
    ['whether previous values are recorded', { originalAttributes: false }],
  ])('has another digest with another %s', (_name, change) => {
    expect(ruleSetDigest({ ...RULE_SET, ...change })).not.toBe(ruleSetDigest(RULE_SET));
  });

  it('keeps its digest from version to version', () => {
    // Rule sets are kept under their digest: a change here orphans what was kept.
    expect(ruleSetDigest({ rules: DEFAULT_RULES, unknownSource: 'quarantine', originalAttributes: true })).toBe('595c6d3a38d7');
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['another format', serializeRuleSet(RULE_SET).replace('"format":1', '"format":2')],
    ['a wrong rule', serializeRuleSet(RULE_SET).replace('StudyID', 'StudyIDs')],
    ['a wrong mapping', serializeRuleSet(RULE_SET).replace('["CT1","Klinik Köln"]', '["CT1"]')],
    ['a key out of form', serializeRuleSet(RULE_SET).replace('"CT1"', '"CT1 "')],
    [
      'another order',
      serializeRuleSet(RULE_SET).replace(
        '["10.0.0.5","Other"],["CT1","Klinik Köln"]',
        '["CT1","Klinik Köln"],["10.0.0.5","Other"]',
      ),
    ],
    ['no word on unknown sources', serializeRuleSet(RULE_SET).replace('"quarantine"', '"drop"')],
    ['no word on previous values', serializeRuleSet(RULE_SET).replace('"originalAttributes":true', '"originalAttributes":1')],
    ['something more', serializeRuleSet(RULE_SET).replace('"format":1', '"format":1,"x":1')],
  ])('refuses %s', (_name, json) => {
    expect(() => parseRuleSet(json, 'rules/x.json')).toThrow(expect.objectContaining({ code: 'RULES_INVALID' }));
  });
});
