/** Each rule set that was ever used stays in the bucket, so that what was sent can be computed again. */
import { asStorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { ruleSetKey } from './kept-rule-sets.ts';
import type { KeptRuleSet } from './ports.ts';

const kept = new WeakMap<ObjectStore, Map<string, Promise<void>>>();

/** Once a process, bucket and rule set; a failed try is tried again. */
export async function keepRuleSet(store: ObjectStore, { digest, json }: KeptRuleSet): Promise<void> {
  const ofStore = kept.get(store) ?? new Map<string, Promise<void>>();
  kept.set(store, ofStore);
  const keeping = ofStore.get(digest) ?? put(store, ruleSetKey(digest), json);
  ofStore.set(digest, keeping);
  try {
    await keeping;
  } catch (error) {
    ofStore.delete(digest);
    throw error;
  }
}

async function put(store: ObjectStore, key: string, json: string): Promise<void> {
  try {
    await store.put(key, new TextEncoder().encode(json), { ifAbsent: true, contentType: 'application/json' });
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
  }
}
