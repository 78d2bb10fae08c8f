/** What the bucket knows of every received instance: the key's parts, and the record that its tags hold. */
import { mapInOrder } from '../concurrency.ts';
import { asStorestowError } from '../errors.ts';
import { listSegments } from '../store/list-segments.ts';
import { encodeKeyPart, INCOMING_PREFIX, parseObjectKey, type ObjectKeyParts } from '../store/object-key.ts';
import type { ObjectInfo, ObjectStore } from '../store/object-store.ts';
import type { AuditRecord, Status } from './record.ts';
import { asTagged } from './tag-value.ts';
import { fromTags } from './tags.ts';

/** Every condition that is given must hold. A condition on the record excludes what is still pending. */
export interface AuditFilter {
  readonly site?: string;
  readonly callingAET?: string;
  readonly callingIP?: string;
  readonly studyInstanceUID?: string;
  readonly institution?: string;
  /** `pending`: no outcome yet. */
  readonly status?: Status['kind'] | 'pending';
  /** Of `quarantined` and `failed`. */
  readonly reason?: string;
  /** When the bucket got the object (its Last-Modified: nothing rewrites an original); from included, to excluded. */
  readonly receivedFrom?: Date;
  readonly receivedTo?: Date;
  /** When the outcome was written; from included, to excluded. */
  readonly outcomeFrom?: Date;
  readonly outcomeTo?: Date;
}

export interface AuditRow extends ObjectKeyParts {
  readonly key: string;
  /** Bytes of the original. */
  readonly size: number;
  /** When the bucket got it. */
  readonly received: Date;
  /** Absent: pending. */
  readonly record?: AuditRecord;
}

export interface AuditOptions {
  /** Tag reads under way at once. */
  readonly concurrency?: number;
}

/** As long as the filter fixes the key's leading parts, and no longer. */
export function auditPrefix({ site, callingAET, callingIP, studyInstanceUID }: AuditFilter): string {
  if (site === undefined) return INCOMING_PREFIX;
  const ofSite = `${INCOMING_PREFIX}${encodeKeyPart(site)}/`;
  if (callingAET === undefined) return ofSite;
  const ofAET = `${ofSite}${encodeKeyPart(callingAET)}@`;
  if (callingIP === undefined) return ofAET;
  const ofSource = `${ofAET}${encodeKeyPart(callingIP)}/`;
  return studyInstanceUID === undefined ? ofSource : `${ofSource}${encodeKeyPart(studyInstanceUID)}/`;
}

/**
 * The same for a study whose source is not known: its place below each source, in key order. One request a source, instead of a
 * listing of everything.
 */
async function* auditPrefixes(store: ObjectStore, filter: AuditFilter): AsyncGenerator<string> {
  const { site, callingAET, callingIP, studyInstanceUID } = filter;
  if (studyInstanceUID === undefined || (callingAET !== undefined && callingIP !== undefined && site !== undefined)) {
    yield auditPrefix(filter);
    return;
  }
  const [title, address] = [callingAET, callingIP].map((part) => (part === undefined ? '' : encodeKeyPart(part)));
  for await (const ofSite of site === undefined ? listSegments(store, INCOMING_PREFIX) : [encodeKeyPart(site)]) {
    for await (const source of listSegments(store, `${INCOMING_PREFIX}${ofSite}/`)) {
      const [sourceTitle = '', sourceAddress = ''] = source.split('@');
      if ((title !== '' && title !== sourceTitle) || (address !== '' && address !== sourceAddress)) continue;
      yield `${INCOMING_PREFIX}${ofSite}/${source}/${encodeKeyPart(studyInstanceUID)}/`;
    }
  }
}

async function* listObjects(store: ObjectStore, filter: AuditFilter): AsyncGenerator<ObjectInfo> {
  for await (const prefix of auditPrefixes(store, filter)) yield* store.list({ prefix });
}

/** What can be told without a request for the object's tags. */
export function matchesKey(filter: AuditFilter, parts: ObjectKeyParts, received: Date): boolean {
  return (
    (filter.site === undefined || filter.site === parts.site) &&
    (filter.callingAET === undefined || filter.callingAET === parts.callingAET) &&
    (filter.callingIP === undefined || filter.callingIP === parts.callingIP) &&
    (filter.studyInstanceUID === undefined || filter.studyInstanceUID === parts.studyInstanceUID) &&
    within(received, filter.receivedFrom, filter.receivedTo)
  );
}

export function matchesRecord(filter: AuditFilter, record: AuditRecord | undefined): boolean {
  const { status, reason, institution, outcomeFrom, outcomeTo } = filter;
  if (status !== undefined && status !== (record?.status.kind ?? 'pending')) return false;
  if (reason !== undefined && (record === undefined || reasonOf(record.status) !== reason)) return false;
  // A long name was cut in the tag.
  if (institution !== undefined && record?.institution !== asTagged(institution)) return false;
  if (outcomeFrom === undefined && outcomeTo === undefined) return true;
  const at = Date.parse(record?.detail?.at ?? '');
  return !Number.isNaN(at) && within(new Date(at), outcomeFrom, outcomeTo);
}

export function reasonOf(status: Status): string | undefined {
  return status.kind === 'stowed' ? undefined : status.reason;
}

function within(time: Date, from: Date | undefined, to: Date | undefined): boolean {
  return (from === undefined || time >= from) && (to === undefined || time < to);
}

/** In key order. Tags are read ahead, `concurrency` at once. An object that is deleted meanwhile is left out. */
export async function* queryAudit(
  store: ObjectStore,
  filter: AuditFilter,
  { concurrency = 16 }: AuditOptions = {},
): AsyncGenerator<AuditRow> {
  const read = async ({ info, parts }: Listed): Promise<AuditRow | undefined> => readRow(store, info, parts);
  for await (const row of mapInOrder(listMatching(store, filter), concurrency, read, concurrency)) {
    if (row !== undefined && matchesRecord(filter, row.record)) yield row;
  }
}

interface Listed {
  readonly info: ObjectInfo;
  readonly parts: ObjectKeyParts;
}

/** What may match as far as its key tells. */
async function* listMatching(store: ObjectStore, filter: AuditFilter): AsyncGenerator<Listed> {
  for await (const info of listObjects(store, filter)) {
    const parts = parseObjectKey(info.key);
    if (parts !== undefined && matchesKey(filter, parts, info.lastModified)) yield { info, parts };
  }
}

async function readRow(store: ObjectStore, info: ObjectInfo, parts: ObjectKeyParts): Promise<AuditRow | undefined> {
  try {
    const record = fromTags(await store.getTags(info.key));
    const row = { ...parts, key: info.key, size: info.size, received: info.lastModified };
    return record === undefined ? row : { ...row, record };
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'OBJECT_NOT_FOUND') return undefined;
    throw thrown;
  }
}
