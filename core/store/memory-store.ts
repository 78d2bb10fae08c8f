/** The bucket in memory, for tests and doubles. */
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { compareKeys, listingStart } from './key-order.ts';
import { bodyBytes } from './object-body.ts';
import { checkKey, checkPut, checkTags, clipRange } from './object-limits.ts';
import type {
  ByteRange,
  DeleteOptions,
  ListOptions,
  ObjectBody,
  ObjectHead,
  ObjectInfo,
  ObjectStore,
  PutAnswer,
  PutOptions,
  StoredObject,
  Tags,
} from './object-store.ts';
import { checksumMismatch, objectNotFound, preconditionFailed } from './store-errors.ts';

interface Entry {
  readonly head: ObjectHead;
  readonly bytes: Uint8Array;
  readonly tags: Tags;
}

const PAGE = 1000;

class MemoryStore implements ObjectStore {
  readonly description = 'memory';
  readonly #entries = new Map<string, Entry>();

  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<PutAnswer> {
    checkPut(key, options);
    const bytes = Uint8Array.from(await bodyBytes(key, body));
    const sha256 = hash('sha256', bytes, 'hex');
    if (options.sha256 !== undefined && options.sha256 !== sha256) throw checksumMismatch(key);
    const present = this.#entries.get(key);
    if (options.ifAbsent === true && present !== undefined) throw preconditionFailed(key);
    if (options.ifMatch !== undefined && present?.head.etag !== options.ifMatch) throw preconditionFailed(key);
    const head = { key, size: bytes.length, etag: sha256, lastModified: new Date(), metadata: { ...options.metadata }, sha256 };
    this.#entries.set(key, { head, bytes, tags: { ...options.tags } });
    return { etag: sha256, sha256 };
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject> {
    const { head, bytes } = this.#entry(key);
    const { start, end } = clipRange(key, range, bytes.length);
    const part = bytes.slice(start, end + 1);
    return { head, stream: () => Readable.from(part.length === 0 ? [] : [part], { objectMode: false }), bytes: async () => part };
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    checkKey(key);
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : { ...entry.head, asOf: new Date() };
  }

  async getTags(key: string): Promise<Tags> {
    return this.#entry(key).tags;
  }

  async putTags(key: string, tags: Tags): Promise<void> {
    const entry = this.#entry(key);
    checkTags(key, tags);
    this.#entries.set(key, { ...entry, tags: { ...tags } });
  }

  async *list({ prefix = '', after }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let start = listingStart(prefix, after);
    while (start !== undefined) {
      const { key: from, inclusive } = start;
      const page = [...this.#entries.keys()]
        .filter((key) => key.startsWith(prefix) && compareKeys(key, from) >= (inclusive ? 0 : 1))
        .sort(compareKeys)
        .slice(0, PAGE);
      for (const key of page) {
        const entry = this.#entries.get(key);
        if (entry === undefined) continue;
        const { size, etag, lastModified } = entry.head;
        yield { key, size, etag, lastModified };
      }
      const last = page.at(-1);
      start = last === undefined || page.length < PAGE ? undefined : { key: last, inclusive: false };
    }
  }

  async delete(key: string, { ifMatch }: DeleteOptions = {}): Promise<void> {
    checkKey(key);
    const present = this.#entries.get(key);
    if (ifMatch !== undefined && present !== undefined && present.head.etag !== ifMatch) throw preconditionFailed(key);
    this.#entries.delete(key);
  }

  /** Holds nothing that would need releasing. */
  async close(): Promise<void> {}

  #entry(key: string): Entry {
    checkKey(key);
    const entry = this.#entries.get(key);
    if (entry === undefined) throw objectNotFound(key);
    return entry;
  }
}

export function createMemoryStore(): ObjectStore {
  return new MemoryStore();
}
