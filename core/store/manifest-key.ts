/**
 * The key of an uploader's manifest, `manifests/{site}/{StudyInstanceUID}/{received-at}-{id}.json`: when the first of its instances was
 * received, and a digest of what it says, so that the same manifest written again is the same object.
 */
import { encodeKeyPart } from './object-key.ts';

export const MANIFESTS_PREFIX = 'manifests/';

export interface ManifestKeyParts {
  readonly site: string;
  readonly studyInstanceUID: string;
  readonly receivedAt: Date;
  /** 12 hex digits. */
  readonly id: string;
}

export function manifestKey({ site, studyInstanceUID, receivedAt, id }: ManifestKeyParts): string {
  return `${studyManifestsPrefix(encodeKeyPart(site), studyInstanceUID)}${basicTime(receivedAt)}-${id}.json`;
}

/** `site` as it stands in keys. */
export function studyManifestsPrefix(site: string, studyInstanceUID: string): string {
  return `${MANIFESTS_PREFIX}${site}/${encodeKeyPart(studyInstanceUID)}/`;
}

/** ISO 8601 in its basic form: a colon would be percent-encoded in a key. */
function basicTime(time: Date): string {
  return time.toISOString().replaceAll(/[-:]/g, '');
}
