/**
 * What an uploader brought to the bucket, written down by itself: one manifest for each study, sender and run, or several where there is
 * much. It says what was received independently of whether the objects are still there. No patient's data stands in it.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { mapInOrder } from '../concurrency.ts';
import { StorestowError } from '../errors.ts';
import { listSegments } from '../store/list-segments.ts';
import { manifestKey, MANIFESTS_PREFIX, studyManifestsPrefix } from '../store/manifest-key.ts';
import { encodeKeyPart, parseObjectKey } from '../store/object-key.ts';
import type { ObjectInfo, ObjectStore } from '../store/object-store.ts';
import { decodeJson } from './decode-json.ts';

/** Instances of one manifest: some hundred kilobytes. */
export const MAX_MANIFEST_INSTANCES = 1000;
/** Bytes that are read at most: each instance has a key of 1,024 and its parts once more. */
const MAX_BYTES = MAX_MANIFEST_INSTANCES * 4096;
/** A modality that sends slowly, one association an image, makes one for each. */
const READ_AT_ONCE = 16;

const instanceSchema = z.strictObject({
  seriesInstanceUID: z.string().min(1),
  sopInstanceUID: z.string().min(1),
  key: z.string().min(1).max(1024),
  /** Bytes. */
  size: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** ISO 8601, UTC. */
  receivedAt: z.iso.datetime(),
});

const manifestSchema = z.strictObject({
  version: z.literal(1),
  site: z.string().min(1),
  studyInstanceUID: z.string().min(1),
  /** Empty where the file names none. */
  callingAET: z.string(),
  /** Empty where it is not known. */
  callingIP: z.string(),
  instances: z.array(instanceSchema).min(1).max(MAX_MANIFEST_INSTANCES),
});

export type Manifest = z.output<typeof manifestSchema>;
export type ManifestInstance = z.output<typeof instanceSchema>;

/** The object that a manifest becomes: a function of what it says, whatever the order of its instances. */
export function manifestObject(manifest: Manifest): { readonly key: string; readonly body: Uint8Array; readonly sha256: string } {
  const instances = manifest.instances.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const body = new TextEncoder().encode(JSON.stringify({ ...manifest, instances }));
  const sha256 = hash('sha256', body);
  return { key: keyOf(manifest, sha256), body, sha256 };
}

function keyOf({ site, studyInstanceUID, instances }: Manifest, sha256: string): string {
  const first = instances.map(({ receivedAt }) => receivedAt).toSorted()[0] ?? '';
  return manifestKey({ site, studyInstanceUID, receivedAt: new Date(first), id: sha256.slice(0, 12) });
}

/**
 * Throws `MANIFEST_INVALID` for what an uploader does not write: not of its form, under another key than it says, or with an instance
 * whose key tells something else than stands beside it.
 */
export function parseManifest(body: Uint8Array, key: string): Manifest {
  const parsed = manifestSchema.safeParse(decodeJson(body, (cause) => invalid(key, 'is not JSON', cause)));
  if (!parsed.success) throw invalid(key, 'is not of the form of a manifest', parsed.error);
  const manifest = parsed.data;
  if (keyOf(manifest, hash('sha256', body)) !== key) throw invalid(key, 'has the key of another manifest');
  const odd = manifest.instances.find((instance) => !agreesWithKey(manifest, instance));
  if (odd !== undefined) throw invalid(key, `names the object ${odd.key}, whose key tells another instance`);
  return manifest;
}

function agreesWithKey(manifest: Manifest, { key, seriesInstanceUID, sopInstanceUID, sha256 }: ManifestInstance): boolean {
  const parts = parseObjectKey(key);
  return (
    parts !== undefined &&
    parts.site === manifest.site &&
    parts.callingAET === manifest.callingAET &&
    parts.callingIP === manifest.callingIP &&
    parts.studyInstanceUID === manifest.studyInstanceUID &&
    parts.seriesInstanceUID === seriesInstanceUID &&
    parts.sopInstanceUID === sopInstanceUID &&
    parts.digest === sha256.slice(0, 12)
  );
}

function invalid(key: string, what: string, cause?: unknown): StorestowError {
  return new StorestowError('MANIFEST_INVALID', `${key} ${what}; see what else writes below ${MANIFESTS_PREFIX}`, {
    object: key,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Of a study, in the order of their keys; what cannot be read as one comes as its error. Throws what the store throws. */
export async function* readManifests(
  store: ObjectStore,
  studyInstanceUID: string,
  site?: string,
): AsyncGenerator<Manifest | StorestowError> {
  const sites = site === undefined ? listSegments(store, MANIFESTS_PREFIX) : [encodeKeyPart(site)];
  for await (const each of sites) {
    const listed = store.list({ prefix: studyManifestsPrefix(each, studyInstanceUID) });
    yield* mapInOrder(listed, READ_AT_ONCE, (object) => readManifest(store, object), READ_AT_ONCE);
  }
}

async function readManifest(store: ObjectStore, { key, size }: ObjectInfo): Promise<Manifest | StorestowError> {
  if (size > MAX_BYTES) return invalid(key, 'is larger than a manifest can be');
  const body = await (await store.get(key)).bytes();
  try {
    return parseManifest(body, key);
  } catch (thrown) {
    if (thrown instanceof StorestowError) return thrown;
    throw thrown;
  }
}
