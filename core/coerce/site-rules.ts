/** A site's own rules, from a JSON file: an array of rules, applied in order after the default ones. */
import { z } from 'zod';
import { VALUE_REPRESENTATIONS } from '../dicom/data-set.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import { resolveRule, type Rule } from './rules.ts';

const target = z.string().min(1).max(1024);
const scalar = z.union([z.string().max(65534), z.number()]);

const ruleSchema = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal(['set', 'setIfEmpty']),
    target,
    value: z.union([scalar, z.array(scalar).min(1).max(1024)]),
    vr: z.literal(VALUE_REPRESENTATIONS).exactOptional(),
  }),
  z.strictObject({ action: z.literal('remove'), target }),
]);

const rulesSchema = z.array(ruleSchema).max(10_000);

/** `name` is the file's, for messages. Throws `RULES_INVALID`, naming every rule that is wrong by its index, from 0. */
export function parseSiteRules(json: string, name: string): Rule[] {
  return parseRules(parseJson(json, name), name);
}

function parseJson(json: string, name: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new StorestowError('RULES_INVALID', `${name} is not JSON; correct it (a JSON checker shows the line)`, {
      object: name,
      cause,
    });
  }
}

/** As `parseSiteRules`, of a JSON value. */
export function parseRules(value: unknown, name: string): Rule[] {
  const result = rulesSchema.safeParse(value);
  if (!result.success) {
    throw new StorestowError('RULES_INVALID', `${name} is not an array of rules; correct:\n${z.prettifyError(result.error)}`, {
      object: name,
      cause: result.error,
    });
  }
  const problems = result.data.flatMap((rule, index) => problemOf(rule).map((problem) => `rule [${index}]: ${problem}`));
  if (problems.length === 0) return result.data;
  throw new StorestowError('RULES_INVALID', `${name} has rules that cannot be applied; correct:\n${problems.join('\n')}`, {
    object: name,
  });
}

function problemOf(rule: Rule): string[] {
  try {
    resolveRule(rule);
    return [];
  } catch (thrown) {
    const error = asStorestowError(thrown);
    if (error.code !== 'RULES_INVALID') throw thrown;
    return [error.message];
  }
}
