/** What people call a rule: whose it is, its number in the site's own file, and what it says. */
import { DEFAULT_RULES } from './default-rules.ts';
import type { Rule } from './rules.ts';

/**
 * `default rule: set StudyID`, `site rule [0]: remove (0009,1110)`. The number is the one that the messages about the site's
 * file have, from 0; it does not count the default rules, where these come first.
 */
export function nameOfRule(rules: readonly Rule[], index: number): string {
  const rule = rules[index];
  const what = rule === undefined ? '' : `: ${rule.action} ${rule.target}`;
  const defaults = DEFAULT_RULES.every((standard, at) => isSame(standard, rules[at])) ? DEFAULT_RULES.length : 0;
  return index < defaults ? `default rule${what}` : `site rule [${index - defaults}]${what}`;
}

/** By content: a rule set that was kept and read again holds other objects. */
function isSame(standard: Rule, rule: Rule | undefined): boolean {
  if (rule?.action !== standard.action || rule.target !== standard.target) return false;
  return standard.action === 'remove' || rule.action === 'remove' || rule.value === standard.value;
}
