/** A rule set as it applied to one object: with what was taken of a worklist for it, as the bucket keeps that. */
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import { worklistQuery } from '../../core/coerce/worklist-rule.ts';
import { identify } from '../../core/dicom/identify.ts';
import { readLargePart10 } from '../../core/dicom/read-large.ts';
import { StorestowError } from '../../core/errors.ts';
import { createKeptMatcher } from '../../core/match-worklist.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { largeObject } from '../ingest/large-object.ts';

/** Throws `WORKLIST_NO_MATCH` where that is no longer kept, `OBJECT_NOT_FOUND`, and what reading the object throws. */
export async function appliedRules(ruleSet: RuleSet, key: string, store: ObjectStore): Promise<RuleSet> {
  const { worklist, ...rest } = ruleSet;
  if (worklist === undefined) return ruleSet;
  const head = await store.head(key);
  if (head === undefined) throw new StorestowError('OBJECT_NOT_FOUND', `${key} is gone`, { object: key });
  const part10 = await readLargePart10(largeObject(store, head));
  const { studyInstanceUID } = identify(part10);
  const taken = await createKeptMatcher(store).match(studyInstanceUID, worklistQuery(part10.dataSet, worklist), worklist);
  return { ...rest, rules: [...rest.rules, ...taken] };
}
