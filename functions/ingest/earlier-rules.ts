/**
 * The rule sets that were in force before: a function that was killed after the archive had stored an instance, and before that was
 * written down, may have coerced it by one of these. The bucket keeps each of them; that it has come to be used is when it was kept.
 */
import { serializeRuleSet, type RuleSet } from '../../core/coerce/rule-set.ts';
import { asStorestowError } from '../../core/errors.ts';
import type { ObjectInfo, ObjectStore } from '../../core/store/object-store.ts';
import { digestOfKey, openKeptRuleSets, RULES_PREFIX } from './kept-rule-sets.ts';
import type { IngestPorts, RulesInForce } from './ports.ts';

/**
 * Digests, the latest first.
 *
 * | a rule set was first used             | an object that arrived then may have been coerced by it |
 * |---------------------------------------|----------------------------------------------------------|
 * | after the object arrived              | yes                                                      |
 * | before, and no other one in between   | yes                                                      |
 * | before that one                       | no, unless it came back into force: that is not told     |
 *
 * AWS tells Last-Modified in whole seconds: of two that are the same neither came first for certain, so the one before is taken too.
 */
export function inForceSince(arrived: Date, kept: readonly Pick<ObjectInfo, 'key' | 'lastModified'>[]): readonly string[] {
  const latestFirst = kept.toSorted((a, b) => b.lastModified.getTime() - a.lastModified.getTime());
  const before = latestFirst.findIndex(({ lastModified }) => lastModified < arrived);
  const candidates = before === -1 ? latestFirst : latestFirst.slice(0, before + 1);
  return candidates.flatMap(({ key }) => digestOfKey(key) ?? []);
}

/** That are given: each takes a preparing of the instance and a question to the archive. */
const MOST = 8;

/** The latest `MOST` of all but the one of the digest `current`, and but for what is no longer a rule set. Throws what the store throws. */
export function openEarlierRules(
  store: ObjectStore,
  current: string,
  prepareBy: (ruleSet: RuleSet) => IngestPorts['prepare'],
): IngestPorts['earlierRules'] {
  const ruleSetOf = openKeptRuleSets(store);
  return async function* (arrived): AsyncGenerator<RulesInForce> {
    const kept = await Array.fromAsync(store.list({ prefix: RULES_PREFIX }));
    let given = 0;
    for (const digest of inForceSince(arrived, kept)) {
      if (digest === current) continue;
      const ruleSet = await readable(ruleSetOf(digest));
      if (ruleSet === undefined) continue;
      yield { ruleSet: { digest, json: serializeRuleSet(ruleSet) }, prepare: prepareBy(ruleSet) };
      given += 1;
      if (given === MOST) return;
    }
  };
}

async function readable(reading: Promise<RuleSet>): Promise<RuleSet | undefined> {
  try {
    return await reading;
  } catch (thrown) {
    if (asStorestowError(thrown).retryable) throw thrown;
    return undefined;
  }
}
