/** Messages that were given up although their object got no outcome: the bucket failed when it was to be written. */
import { matchesKey } from '../../core/audit/query.ts';
import { fromTags } from '../../core/audit/tags.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { RedriveSelection } from './redrive.ts';

export interface DeadLetter {
  readonly key: string;
  /** Code of what failed last. */
  readonly error: string;
}

/**
 * Keys of the letters that the selection means. They stand for failures, with their error as the reason. An object with an outcome is
 * chosen by that, not by its letter. Throws what the store throws.
 */
export async function chooseDeadLetters(
  store: ObjectStore,
  letters: readonly DeadLetter[],
  selection: RedriveSelection,
): Promise<readonly string[]> {
  const { statuses, reason, institution, outcomeFrom, outcomeTo } = selection;
  // Without an outcome there is neither an institution nor a time of the outcome.
  if (!statuses.has('failed') || [institution, outcomeFrom, outcomeTo].some((condition) => condition !== undefined)) return [];
  const chosen: string[] = [];
  for (const { key, error } of letters) {
    const parts = parseObjectKey(key);
    if (parts === undefined || (reason !== undefined && reason !== error)) continue;
    const head = await store.head(key);
    if (head === undefined || !matchesKey(selection, parts, head.lastModified)) continue;
    if (fromTags(await store.getTags(key)) === undefined) chosen.push(key);
  }
  return chosen;
}
