/** The configuration of coercion → the rule set, from files, or from objects of the bucket (`bucket:KEY`). */
import { readFile } from 'node:fs/promises';
import { DEFAULT_RULES } from '../../core/coerce/default-rules.ts';
import { parseInstitutionMapping } from '../../core/coerce/parse-institution-mapping.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import { parseSiteRules } from '../../core/coerce/site-rules.ts';
import { checkWorklistRule, type WorklistRule } from '../../core/coerce/worklist-rule.ts';
import type { CoerceConfig, WorklistConfig } from '../../core/config/schema.ts';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';

/** Before the key of an object of the bucket. */
export const IN_BUCKET = 'bucket:';

/** Throws `CONFIG_INVALID` for what cannot be read, `RULES_INVALID`, `MAPPING_INVALID`, and what the store throws (retryable). */
export async function openRuleSet(config: CoerceConfig, store?: ObjectStore): Promise<RuleSet> {
  const { rules, institutions, unknownSource, originalAttributes, defaultRules, worklist } = config;
  const siteRules =
    rules === undefined ? [] : parseSiteRules(new TextDecoder().decode(await read(rules, 'coerce.rules', store)), rules);
  return {
    rules: [...(defaultRules ? DEFAULT_RULES : []), ...siteRules],
    unknownSource,
    originalAttributes,
    ...(institutions === undefined
      ? {}
      : { institutions: parseInstitutionMapping(await read(institutions, 'coerce.institutions', store), institutions) }),
    ...(worklist === undefined ? {} : { worklist: worklistRule(worklist) }),
  };
}

/** Its address is no part of it: what is taken is kept. */
function worklistRule({ match, attributes, onNoMatch, onSeveral }: WorklistConfig): WorklistRule {
  const rule = { match, attributes, onNoMatch, onSeveral };
  checkWorklistRule(rule);
  return rule;
}

async function read(source: string, setting: string, store: ObjectStore | undefined): Promise<Uint8Array> {
  try {
    if (!source.startsWith(IN_BUCKET)) return await readFile(source);
    if (store === undefined) {
      throw new StorestowError('CONFIG_INVALID', `${setting} is ${source}, but there is no bucket here; give a file's path`, {
        object: source,
      });
    }
    return await (await store.get(source.slice(IN_BUCKET.length))).bytes();
  } catch (cause) {
    const { code, retryable } = asStorestowError(cause);
    if (code === 'CONFIG_INVALID' || (retryable && code !== 'INTERNAL')) throw cause;
    throw new StorestowError('CONFIG_INVALID', `cannot read ${source}; correct ${setting}`, { object: source, cause });
  }
}
