/**
 * What a round of the uploader brought to the bucket, written down there: a manifest for each study and sender. A file is put away only
 * when a manifest that names it is in the bucket, so a run that dies loses no knowledge: the next one finds the file and names it.
 */
import { asStorestowError } from '../../core/errors.ts';
import { MAX_MANIFEST_INSTANCES, manifestObject, type Manifest, type ManifestInstance } from '../../core/audit/manifest.ts';
import type { ObjectKeyParts } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { Tries } from './upload-file.ts';

/** Milliseconds that a file waits at most for others of its round; an upload can take hours. */
const GATHER = 5000;

/** An object that the bucket holds, verified. */
export interface UploadedObject extends Pick<ManifestInstance, 'key' | 'size' | 'sha256' | 'receivedAt'> {
  readonly parts: ObjectKeyParts;
}

interface Group {
  readonly manifest: Omit<Manifest, 'instances'>;
  instances: ManifestInstance[];
  written: PromiseWithResolvers<void>;
}

export interface RoundOptions {
  readonly store: ObjectStore;
  readonly tries: Tries;
  /** Files of the round, each of which is then either added or passed. */
  readonly files: number;
  /** Default 5 s. */
  readonly gather?: number;
}

export class RoundManifests {
  readonly #options: RoundOptions;
  readonly #groups = new Map<string, Group>();
  #underWay: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.#underWay = options.files;
  }

  /** Resolves when a manifest with it is in the bucket. Throws what the store throws after the last try. */
  async add(object: UploadedObject): Promise<void> {
    const group = this.#groupOf(object);
    const { promise } = group.written;
    if (group.instances.length === MAX_MANIFEST_INSTANCES) this.#write(group);
    this.#timer ??= setTimeout(() => this.#writeAll(), this.#options.gather ?? GATHER);
    this.passed();
    return promise;
  }

  /** One file less is waited for. */
  passed(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#writeAll();
  }

  #groupOf({ parts, key, size, sha256, receivedAt }: UploadedObject): Group {
    const { site, callingAET, callingIP, studyInstanceUID, seriesInstanceUID, sopInstanceUID } = parts;
    const id = JSON.stringify([callingAET, callingIP, studyInstanceUID]);
    const group = this.#groups.get(id) ?? {
      manifest: { version: 1, site, studyInstanceUID, callingAET, callingIP },
      instances: [],
      written: Promise.withResolvers<void>(),
    };
    this.#groups.set(id, group);
    group.instances.push({ seriesInstanceUID, sopInstanceUID, key, size, sha256, receivedAt });
    return group;
  }

  #writeAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const group of this.#groups.values()) if (group.instances.length > 0) this.#write(group);
  }

  #write(group: Group): void {
    const { instances, written } = group;
    group.instances = [];
    group.written = Promise.withResolvers<void>();
    this.#put({ ...group.manifest, instances }).then(written.resolve, written.reject);
  }

  /** One that is there already says the same: its key is made of its content. */
  async #put(manifest: Manifest): Promise<void> {
    const { store, tries } = this.#options;
    const { key, body, sha256 } = manifestObject(manifest);
    await tries(async () => {
      try {
        await store.put(key, body, { sha256, contentType: 'application/json', ifAbsent: true });
      } catch (thrown) {
        if (asStorestowError(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
      }
    });
  }
}
