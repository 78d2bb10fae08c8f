/** Where an instance came from: by the metadata that the uploader set at the PUT, else by the object's key. */
import { parseObjectKey } from '../../core/store/object-key.ts';
import type { ObjectHead } from '../../core/store/object-store.ts';

export interface InstanceSource {
  readonly site: string;
  readonly callingAET: string;
  readonly callingIP: string;
  readonly receivedAt: Date;
}

/** `site` stands in for an object whose metadata and key name none. */
export function instanceSource({ key, metadata, lastModified }: ObjectHead, site: string): InstanceSource {
  const parts = parseObjectKey(key);
  return {
    site: decoded(metadata['site']) ?? parts?.site ?? site,
    callingAET: decoded(metadata['calling-aet']) ?? parts?.callingAET ?? '',
    callingIP: decoded(metadata['calling-ip']) ?? parts?.callingIP ?? '',
    receivedAt: validDate(decoded(metadata['received-at'])) ?? lastModified,
  };
}

/** The uploader percent-encodes what HTTP would not carry as it is. A stray `%` comes from elsewhere and stays. */
function decoded(value: string | undefined): string | undefined {
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return value;
  }
}

function validDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
