/** What became of an object, on the object itself: written beside the site's own tags, never over them. */
import type { AuditRecord } from '../../core/audit/record.ts';
import { AUDIT_TAGS, fromTags, mergeTags } from '../../core/audit/tags.ts';
import { asStorestowError, type ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';

/** The tags are read anew: the site may have set its own since. */
export async function writeOutcome(store: ObjectStore, key: string, record: AuditRecord, log: Log): Promise<void> {
  const { tags, dropped } = mergeTags(await store.getTags(key), record);
  if (dropped.length > 0) log.warn({ key, dropped }, 'tags of the site dropped: an object has room for ten');
  await store.putTags(key, tags);
}

/**
 * After the last try of a message: the object is `failed`, with the code, unless it has its outcome (the message only came
 * too often) or is gone. Gives whether it was marked.
 */
export async function markFailed(
  store: ObjectStore,
  key: string,
  code: ErrorCode,
  { log, now }: { readonly log: Log; readonly now: () => Date },
): Promise<boolean> {
  try {
    const kind = fromTags(await store.getTags(key))?.status.kind;
    if (kind === 'stowed' || kind === 'quarantined') return false;
    await writeOutcome(store, key, { status: { kind: 'failed', reason: code }, detail: { at: now().toISOString() } }, log);
  } catch (thrown) {
    const error = asStorestowError(thrown, key);
    if (error.code === 'OBJECT_NOT_FOUND') return false;
    throw error;
  }
  log.error({ key, code }, 'failed: not tried again until it is sent through again');
  return true;
}

/**
 * Takes an outcome off, so that the next event tries the object again; where `isDue` says so of the outcome as it is now. The site's
 * tags stay. Gives whether it was taken off.
 */
export async function clearOutcome(
  store: ObjectStore,
  key: string,
  isDue: (record: AuditRecord | undefined) => boolean = () => true,
): Promise<boolean> {
  const tags = await store.getTags(key);
  if (!isDue(fromTags(tags))) return false;
  const kept = Object.entries(tags).filter(([name]) => !AUDIT_TAGS.some((audit) => audit === name));
  await store.putTags(key, Object.fromEntries(kept));
  return true;
}
