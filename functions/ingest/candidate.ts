/** An object that still needs an outcome, and how those of one batch relate. */
import { fromTags } from '../../core/audit/tags.ts';
import { INCOMING_PREFIX, instancePrefix, parseObjectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { instanceSource, type InstanceSource } from './instance-source.ts';
import type { IngestResult } from './ports.ts';

export interface Candidate {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** In the bucket, by the bucket's clock. */
  readonly arrived: Date;
  readonly source: InstanceSource;
  /** As the key tells; what the file says decides. */
  readonly studyInstanceUID: string | undefined;
  readonly sopInstanceUID: string | undefined;
}

/**
 * | the key, the object                      | is                     |
 * |------------------------------------------|------------------------|
 * | not below `incoming/`                    | skipped                |
 * | no longer there                          | skipped, `OBJECT_NOT_FOUND` |
 * | `stowed`, `quarantined`                  | skipped                |
 * | `failed`, or without an outcome          | a candidate            |
 *
 * Throws what the store throws.
 */
export async function inspectObject(store: ObjectStore, key: string, site: string): Promise<Candidate | IngestResult> {
  if (!key.startsWith(INCOMING_PREFIX)) return { key, state: 'skipped' };
  const head = await store.head(key);
  if (head === undefined) return { key, state: 'skipped', code: 'OBJECT_NOT_FOUND' };
  if (await hasOutcome(store, key)) return { key, state: 'skipped' };
  const parts = parseObjectKey(key);
  return {
    key,
    size: head.size,
    arrived: head.lastModified,
    source: instanceSource(head, site),
    studyInstanceUID: parts?.studyInstanceUID,
    sopInstanceUID: parts?.sopInstanceUID,
  };
}

/** Whether nothing more is to be done with it. Throws what the store throws. */
export async function hasOutcome(store: ObjectStore, key: string): Promise<boolean> {
  const kind = fromTags(await store.getTags(key))?.status.kind;
  return kind === 'stowed' || kind === 'quarantined';
}

export function isCandidate(inspected: Candidate | IngestResult): inspected is Candidate {
  return 'source' in inspected;
}

/** Candidates with different content under one SOP Instance UID together, the earliest received first. */
export function groupRivals(candidates: readonly Candidate[]): readonly (readonly Candidate[])[] {
  const inOrder = candidates.toSorted(
    (a, b) => a.source.receivedAt.getTime() - b.source.receivedAt.getTime() || (a.key < b.key ? -1 : 1),
  );
  return [...Map.groupBy(inOrder, ({ key }) => rivalPrefix(key) ?? key).values()];
}

/** What rivals have in common; `undefined` for a key that does not tell an instance. */
function rivalPrefix(key: string): string | undefined {
  return parseObjectKey(key) === undefined ? undefined : instancePrefix(key);
}

export function areRivals(one: string, other: string): boolean {
  return one !== other && rivalPrefix(one) !== undefined && rivalPrefix(one) === rivalPrefix(other);
}
