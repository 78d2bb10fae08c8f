/** Everything that coercion depends on beside the instance itself, as one value that can be kept and named. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { StorestowError } from '../errors.ts';
import { sourceKey, type InstitutionMapping } from './institution-mapping.ts';
import type { Rule } from './rules.ts';
import { parseRules } from './site-rules.ts';
import { checkWorklistRule, type WorklistRule } from './worklist-rule.ts';

export interface RuleSet {
  /** In the order in which they apply: the default ones, then the site's. */
  readonly rules: readonly Rule[];
  /** Absent: InstitutionName stays as received. Applies after the rules. */
  readonly institutions?: InstitutionMapping;
  /** What becomes of an instance that the mapping knows neither by AE title nor by IP. */
  readonly unknownSource: 'quarantine' | 'pass';
  /** Whether previous values are recorded in Original Attributes Sequence. */
  readonly originalAttributes: boolean;
  /** Absent: no worklist is asked. What is taken of its item applies after the rules, before the institution. */
  readonly worklist?: WorklistRule;
}

/** Of the JSON; another version may coerce differently. */
const FORMAT = 1;

/** Canonical JSON, one text for one rule set: what is kept under `rules/{digest}.json`. */
export function serializeRuleSet({ rules, institutions, unknownSource, originalAttributes, worklist }: RuleSet): string {
  return JSON.stringify({
    format: FORMAT,
    rules: rules.map(canonicalRule),
    institutions: institutions === undefined ? null : [...institutions].sort(([a], [b]) => (a < b ? -1 : 1)),
    unknownSource,
    originalAttributes,
    ...(worklist === undefined ? {} : { worklist: canonicalWorklist(worklist) }),
  });
}

function canonicalWorklist({ match, attributes, onNoMatch, onSeveral }: WorklistRule): WorklistRule {
  return { match, attributes, onNoMatch, onSeveral };
}

function canonicalRule(rule: Rule): unknown {
  const { action, target } = rule;
  return rule.action === 'remove' ? { action, target } : { action, target, value: rule.value, vr: rule.vr };
}

/** First 12 hex digits of the SHA-256 of the canonical JSON. */
export function ruleSetDigest(ruleSet: RuleSet): string {
  return hash('sha256', serializeRuleSet(ruleSet), 'hex').slice(0, 12);
}

/** What `serializeRuleSet` wrote; `name` is for messages. Throws `RULES_INVALID` for anything else. */
export function parseRuleSet(json: string, name: string): RuleSet {
  const { format, rules, institutions, unknownSource, originalAttributes, worklist } = asObject(json, name);
  if (format !== FORMAT) throw invalid(name, `has not the format ${FORMAT}; it is of another version of storestow`);
  if (unknownSource !== 'quarantine' && unknownSource !== 'pass')
    throw invalid(name, 'does not say what becomes of unknown sources');
  if (typeof originalAttributes !== 'boolean') throw invalid(name, 'does not say whether previous values are recorded');
  const ruleSet: RuleSet = {
    rules: parseRules(rules, name),
    unknownSource,
    originalAttributes,
    ...(institutions === null ? {} : { institutions: asMapping(institutions, name) }),
    ...(worklist === undefined ? {} : { worklist: asWorklist(worklist, name) }),
  };
  if (serializeRuleSet(ruleSet) !== json) throw invalid(name, 'was changed since it was written');
  return ruleSet;
}

function asObject(json: string, name: string): Partial<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw invalid(name, 'is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw invalid(name, 'is not a JSON object');
  return { ...value };
}

const worklistSchema = z.strictObject({
  match: z.enum(['accession', 'patientAndDate']),
  attributes: z.array(z.string()).min(1),
  onNoMatch: z.enum(['quarantine', 'pass']),
  onSeveral: z.enum(['quarantine', 'pass']),
});

function asWorklist(value: unknown, name: string): WorklistRule {
  const result = worklistSchema.safeParse(value);
  if (!result.success) throw invalid(name, 'does not say how the worklist is asked', result.error);
  checkWorklistRule(result.data);
  return result.data;
}

function asMapping(value: unknown, name: string): InstitutionMapping {
  const pairs: unknown[] = Array.isArray(value) ? value : [undefined];
  return new Map(
    pairs.map((pair): [string, string] => {
      const [source, institution] = Array.isArray(pair) ? (pair as unknown[]) : [];
      if (typeof source !== 'string' || typeof institution !== 'string' || source !== sourceKey(source)) {
        throw invalid(name, 'has no mapping of text to text');
      }
      return [source, institution];
    }),
  );
}

function invalid(name: string, what: string, cause?: unknown): StorestowError {
  return new StorestowError('RULES_INVALID', `the rule set ${name} ${what}`, { object: name, cause });
}
