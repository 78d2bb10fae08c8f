/** The rule sets that were in force, as the bucket keeps them under `rules/`. */
import { parseRuleSet, ruleSetDigest, type RuleSet } from '../../core/coerce/rule-set.ts';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';

export const RULES_PREFIX = 'rules/';

export function ruleSetKey(digest: string): string {
  return `${RULES_PREFIX}${digest}.json`;
}

/** `undefined` for what is no rule set. */
export function digestOfKey(key: string): string | undefined {
  return /^rules\/([0-9a-f]{12})\.json$/.exec(key)?.[1];
}

/** Each is read once; a read that failed is tried again. */
export function openKeptRuleSets(store: ObjectStore): (digest: string) => Promise<RuleSet> {
  const known = new Map<string, Promise<RuleSet>>();
  return async (digest) => {
    const reading = known.get(digest) ?? read(store, digest);
    known.set(digest, reading);
    try {
      return await reading;
    } catch (error) {
      known.delete(digest);
      throw error;
    }
  };
}

async function read(store: ObjectStore, digest: string): Promise<RuleSet> {
  const key = ruleSetKey(digest);
  try {
    const ruleSet = parseRuleSet(new TextDecoder().decode(await (await store.get(key)).bytes()), key);
    if (ruleSetDigest(ruleSet) === digest) return ruleSet;
  } catch (cause) {
    if (asStorestowError(cause).code !== 'OBJECT_NOT_FOUND') throw cause;
    throw new StorestowError('OBJECT_NOT_FOUND', `the bucket no longer has ${key}, by which the instance was coerced`, {
      object: key,
      cause,
    });
  }
  throw new StorestowError('RULES_INVALID', `${key} is another rule set than its name says`, { object: key });
}
