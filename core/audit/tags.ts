/** The audit record as tags of the original object, and back. A tag's text is checked on the way in: anyone may have set it. */
import type { Tags } from '../store/object-store.ts';
import type { AuditDetail, AuditRecord, Status } from './record.ts';
import { escapeTagValue, unescapeTagValue } from './tag-value.ts';

/** Of one object, in S3. */
export const MAX_TAGS = 10;

/** The tags that storestow writes; every other one is the site's. */
export const AUDIT_TAGS = ['status', 'institution', 'pixel-length', 'pixel-md5', 'sent-md5', 'detail'] as const;

export function toTags(record: AuditRecord): Tags {
  const { status, institution, pixelLength, pixelMd5, sentMd5 } = record;
  const detail = record.detail === undefined ? '' : packDetail(record.detail);
  return {
    status: escapeTagValue(status.kind === 'stowed' ? status.kind : `${status.kind}/${status.reason}`),
    ...(institution === undefined || institution === '' ? {} : { institution: escapeTagValue(institution) }),
    ...(pixelLength === undefined ? {} : { 'pixel-length': String(pixelLength) }),
    ...(pixelMd5 === undefined ? {} : { 'pixel-md5': pixelMd5 }),
    ...(sentMd5 === undefined ? {} : { 'sent-md5': sentMd5 }),
    ...(detail === '' ? {} : { detail }),
  };
}

/** `undefined` for an object without an outcome: no `status`, or none that storestow writes. Values out of form are left out. */
export function fromTags(tags: Tags): AuditRecord | undefined {
  const status = parseStatus(tags['status']);
  if (status === undefined) return undefined;
  const institution = tags['institution'];
  const pixelLength = matching(tags['pixel-length'], /^\d{1,15}$/);
  const pixelMd5 = matching(tags['pixel-md5'], MD5);
  const sentMd5 = matching(tags['sent-md5'], MD5);
  const detail = tags['detail'];
  return {
    status,
    ...(institution === undefined || institution === '' ? {} : { institution: unescapeTagValue(institution) }),
    ...(pixelLength === undefined ? {} : { pixelLength: Number(pixelLength) }),
    ...(pixelMd5 === undefined ? {} : { pixelMd5 }),
    ...(sentMd5 === undefined ? {} : { sentMd5 }),
    ...(detail === undefined || detail === '' ? {} : { detail: unpackDetail(detail) }),
  };
}

const MD5 = /^[0-9a-f]{32}$/;

function matching(value: string | undefined, pattern: RegExp): string | undefined {
  return value !== undefined && pattern.test(value) ? value : undefined;
}

function parseStatus(value: string | undefined): Status | undefined {
  if (value === 'stowed') return { kind: 'stowed' };
  const [, kind, reason] = /^(quarantined|failed)\/(.+)$/s.exec(value ?? '') ?? [];
  if (reason === undefined || (kind !== 'quarantined' && kind !== 'failed')) return undefined;
  return { kind, reason: unescapeTagValue(reason) };
}

/** Of a field of `detail`: without the space and, in a UID, the slash, which separate. */
const FIELD = /^[A-Za-z0-9+\-._:/@]$/;
const FIELD_OF_SYNTAX = /^[A-Za-z0-9+\-._:@]$/;

/**
 * Characters a field may take, so that `detail` as a whole stays within 256: 7 + 38 + 1 + 38, 7 + 40, 7 + 12, 7 + 10, 10 + 32,
 * 8 + 4, 4 + 24.
 * A transfer syntax that storestow reads has 25 at most.
 */
const FIELD_LENGTH = { syntax: 38, codec: 40, rules: 12, proof: 10, archived: 32, reason: 4, at: 24 } as const;

export function packDetail({
  syntaxReceived,
  syntaxSent,
  codec,
  rules,
  proof,
  archivedMd5,
  archiveReason,
  at,
}: AuditDetail): string {
  const fields: string[] = [];
  if (syntaxReceived !== undefined || syntaxSent !== undefined) {
    const [received, sent] = [syntaxReceived ?? '', syntaxSent ?? ''].map((uid) =>
      escapeTagValue(uid, FIELD_LENGTH.syntax, FIELD_OF_SYNTAX),
    );
    fields.push(`syntax:${received}/${sent}`);
  }
  for (const [name, value] of Object.entries({ codec, rules, proof, archived: archivedMd5, reason: archiveReason, at })) {
    if (value !== undefined)
      fields.push(`${name}:${escapeTagValue(value, FIELD_LENGTH[name as keyof typeof FIELD_LENGTH], FIELD)}`);
  }
  return fields.join(' ');
}

/** Fields that storestow does not know are passed over, so that a later version may add some. */
export function unpackDetail(value: string): AuditDetail {
  const fields = new Map(
    value.split(' ').map((field): [string, string] => {
      const colon = field.indexOf(':');
      return colon < 0 ? [field, ''] : [field.slice(0, colon), field.slice(colon + 1)];
    }),
  );
  const [syntaxReceived = '', syntaxSent = ''] = (fields.get('syntax') ?? '').split('/');
  const found: Record<keyof AuditDetail, string> = {
    syntaxReceived,
    syntaxSent,
    codec: fields.get('codec') ?? '',
    rules: fields.get('rules') ?? '',
    proof: fields.get('proof') ?? '',
    archivedMd5: fields.get('archived') ?? '',
    archiveReason: fields.get('reason') ?? '',
    at: fields.get('at') ?? '',
  };
  return Object.fromEntries(
    Object.entries(found)
      .filter(([, text]) => text !== '')
      .map(([name, text]) => [name, unescapeTagValue(text)]),
  );
}

export interface MergedTags {
  /** All tags the object is to have; at most ten. */
  readonly tags: Tags;
  /** Names of the site's tags that found no room, for the log. */
  readonly dropped: readonly string[];
}

/**
 * The record's tags in place of an earlier record's, beside the site's own. S3 allows ten; six are storestow's and four
 * the site's. Where a site set more than leaves room, its tags with the last names go: without the record's tags
 * the object would have no outcome, and be sent again for ever.
 */
export function mergeTags(existing: Tags, record: AuditRecord): MergedTags {
  const own = toTags(record);
  const foreign = Object.keys(existing)
    .filter((name) => !AUDIT_TAGS.some((audit) => audit === name))
    .sort();
  const room = MAX_TAGS - Object.keys(own).length;
  const kept = Object.fromEntries(foreign.slice(0, room).map((name) => [name, existing[name] ?? '']));
  return { tags: { ...kept, ...own }, dropped: foreign.slice(room) };
}
