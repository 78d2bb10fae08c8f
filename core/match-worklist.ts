/**
 * Which worklist item an instance is coerced by. What was taken of it, or that nothing was, is kept in the bucket before it is
 * used, so a replay and an auditor find the same, whatever the worklist says by then:
 *
 *     worklist/{StudyInstanceUID}/{12 hex of the SHA-256 of what was asked and what is taken}.json
 */
import { hash } from 'node:crypto';
import { decideWorklist } from './coerce/decide-worklist.ts';
import { parseItem, serializeItem } from './coerce/kept-item.ts';
import type { SetRule } from './coerce/rules.ts';
import { rulesOfItem, type WorklistItem } from './coerce/worklist-item.ts';
import type { WorklistQuery, WorklistRule } from './coerce/worklist-rule.ts';
import { asStorestowError, StorestowError } from './errors.ts';
import type { ObjectStore } from './store/object-store.ts';
import type { Worklist, WorklistValues } from './stow/worklist.ts';

export interface WorklistMatcher {
  /**
   * What is set of the item: nothing, where nothing is taken. `query` is undefined where the instance has nothing to ask by. Throws `WORKLIST_NO_MATCH`, `WORKLIST_AMBIGUOUS`, `WORKLIST_INVALID`;
   * `WORKLIST_UNAVAILABLE` and what the store throws (retryable).
   */
  match(studyInstanceUID: string, query: WorklistQuery | undefined, rule: WorklistRule): Promise<readonly SetRule[]>;
}

export interface WorklistPorts {
  readonly store: Pick<ObjectStore, 'get' | 'put'>;
  readonly worklist: Worklist;
  /** Milliseconds; the system's clock where it is not given. */
  readonly now?: () => number;
}

/** Milliseconds for which an answer serves the instances of its study without a question; what was refused is asked again after it. */
export const WORKLIST_TTL = 60_000;

/** Milliseconds for which a worklist that did not answer is not asked, for any study: instances would wait in vain one after the other. */
export const WORKLIST_PAUSE = 10_000;

/** Answers remembered. */
const MAX_REMEMBERED = 1000;

interface Remembered {
  readonly until: number;
  readonly rules: Promise<readonly SetRule[]>;
}

export function createWorklistMatcher({ store, worklist, now = Date.now }: WorklistPorts): WorklistMatcher {
  const remembered = new Map<string, Remembered>();
  let away: { readonly until: number; readonly error: StorestowError } | undefined;

  function remember(key: string, rules: Promise<readonly SetRule[]>): void {
    remembered.delete(key);
    remembered.set(key, { until: now() + WORKLIST_TTL, rules });
    for (const oldest of remembered.keys()) {
      if (remembered.size <= MAX_REMEMBERED) break;
      remembered.delete(oldest);
    }
  }

  async function ask(query: WorklistQuery): Promise<readonly WorklistValues[]> {
    if (away !== undefined && now() < away.until) throw away.error;
    try {
      return await worklist.find(query);
    } catch (thrown) {
      const error = asStorestowError(thrown);
      if (error.code === 'WORKLIST_UNAVAILABLE') away = { until: now() + WORKLIST_PAUSE, error };
      throw error;
    }
  }

  async function find(key: string, query: WorklistQuery | undefined, rule: WorklistRule): Promise<readonly SetRule[]> {
    const kept = await readKept(store, key, rule);
    if (kept !== undefined) return kept;
    const decision = decideWorklist(query === undefined ? undefined : await ask(query), rule);
    if (decision.kind === 'refuse') throw refusal(decision.code, rule);
    const item = decision.kind === 'take' ? decision.item : {};
    const rules = rulesOfItem(item, rule.attributes);
    if (await keep(store, key, item)) return rules;
    // Another function instance was first.
    return (await readKept(store, key, rule)) ?? rules;
  }

  return {
    async match(studyInstanceUID, query, rule) {
      const key = keyOf(studyInstanceUID, query, rule);
      const known = remembered.get(key);
      if (known !== undefined && now() < known.until) return known.rules;
      const rules = find(key, query, rule);
      remember(key, rules);
      rules.catch((thrown: unknown) => {
        if (asStorestowError(thrown).retryable && remembered.get(key)?.rules === rules) remembered.delete(key);
      });
      return rules;
    },
  };
}

/** For who computes again what was sent: what is kept, and no question. Throws `WORKLIST_NO_MATCH` where nothing is kept. */
export function createKeptMatcher(store: Pick<ObjectStore, 'get'>): WorklistMatcher {
  return {
    async match(studyInstanceUID, query, rule) {
      const kept = await readKept(store, keyOf(studyInstanceUID, query, rule), rule);
      if (kept !== undefined) return kept;
      throw new StorestowError('WORKLIST_NO_MATCH', 'the bucket keeps no worklist item for this instance');
    },
  };
}

/** By what decides: the study, what is asked, and what is taken of the answer. */
function keyOf(studyInstanceUID: string, query: WorklistQuery | undefined, rule: WorklistRule): string {
  const { match, attributes, onNoMatch, onSeveral } = rule;
  const asked = query === undefined ? [] : query.match === 'accession' ? [query.accessionNumber] : [query.patientID, query.date];
  const decisive = JSON.stringify([studyInstanceUID, match, asked, attributes, onNoMatch, onSeveral]);
  return `worklist/${studyInstanceUID}/${hash('sha256', decisive, 'hex').slice(0, 12)}.json`;
}

/** Whether it was kept: not where something is kept already. Throws what the store throws. */
async function keep(store: Pick<ObjectStore, 'put'>, key: string, item: WorklistItem): Promise<boolean> {
  try {
    await store.put(key, new TextEncoder().encode(serializeItem(item)), { ifAbsent: true, contentType: 'application/json' });
    return true;
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
    return false;
  }
}

/** `undefined` where nothing is kept. Throws `WORKLIST_INVALID` where that is not what storestow wrote, and what the store throws. */
async function readKept(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  { attributes }: Pick<WorklistRule, 'attributes'>,
): Promise<readonly SetRule[] | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await (await store.get(key)).bytes();
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'OBJECT_NOT_FOUND') return undefined;
    throw thrown;
  }
  const item = parseItem(new TextDecoder().decode(bytes));
  if (item !== undefined) return rulesOfItem(item, attributes);
  throw new StorestowError(
    'WORKLIST_INVALID',
    `${key} is not as storestow keeps a worklist item; restore it, or delete it so that the worklist is asked again`,
    { object: key },
  );
}

function refusal(code: 'WORKLIST_NO_MATCH' | 'WORKLIST_AMBIGUOUS', { match }: WorklistRule): StorestowError {
  const by = match === 'accession' ? 'Accession Number' : 'Patient ID and Study Date';
  return code === 'WORKLIST_NO_MATCH'
    ? new StorestowError(code, `no item of the worklist has the instance's ${by}; correct the worklist, then redrive`)
    : new StorestowError(
        code,
        `several items of the worklist have the instance's ${by} and differ in what is taken; correct the worklist, then redrive`,
      );
}
