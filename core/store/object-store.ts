/**
 * The port to a bucket: what storestow needs of S3, and nothing more. One contract suite (`test/contract`) holds every
 * adapter to it. Failures are `StorestowError`s: `OBJECT_NOT_FOUND`, `PRECONDITION_FAILED`, `CHECKSUM_MISMATCH`,
 * `STORE_DENIED`, `STORE_INVALID`, `STORE_FULL`, `STORE_UNAVAILABLE` (retryable).
 */
import type { Readable } from 'node:stream';

/** Bytes in memory, or a file that the adapter streams (and, above its threshold, sends in parts). */
export type ObjectBody = Uint8Array | FileBody;

export interface FileBody {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of each of its parts (part-digests.ts), 64 hex digits, where whoever read it has taken them with that of the whole. */
  readonly parts?: readonly string[];
}

export type Tags = Readonly<Record<string, string>>;

export interface PutOptions {
  /** Lower-case keys, ASCII values; set once, at the PUT. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Tags;
  readonly contentType?: string;
  /** SHA-256 of the body, 64 hex digits: the store refuses other bytes (`CHECKSUM_MISMATCH`). */
  readonly sha256?: string;
  /** Only where no object has the key (`If-None-Match: *`), else `PRECONDITION_FAILED`. */
  readonly ifAbsent?: boolean;
  /** Only where the object has this ETag (`If-Match`), else `PRECONDITION_FAILED`. */
  readonly ifMatch?: string;
}

export interface PutAnswer {
  readonly etag: string;
  /** Of the object that was written, 64 hex digits: where the store tells it, as it found it in the bytes that it got. */
  readonly sha256?: string;
}

export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Opaque, with its quotes stripped. */
  readonly etag: string;
  readonly lastModified: Date;
}

export interface ObjectHead extends ObjectInfo {
  readonly metadata: Readonly<Record<string, string>>;
  /** 64 hex digits, where the store keeps a checksum of the whole object. */
  readonly sha256?: string;
  /** Of `head`: when the store answered, by the clock that `lastModified` is of; absent where it does not say. */
  readonly asOf?: Date;
}

export interface DeleteOptions {
  /** Only where the object has this ETag (`If-Match`), else `PRECONDITION_FAILED`. AWS holds to it; MinIO deletes all the same. */
  readonly ifMatch?: string;
}

export interface StoredObject {
  readonly head: ObjectHead;
  /**
   * The range that was asked for, or the whole, which is held to `head.sha256` where the store keeps one (`CHECKSUM_MISMATCH`).
   * Consume exactly one of the two, once.
   */
  stream(): Readable;
  bytes(): Promise<Uint8Array>;
}

/** Bytes `start` to `end`, both included, as in HTTP. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface ListOptions {
  readonly prefix?: string;
  /** Keys after this one, in UTF-8 byte order. */
  readonly after?: string;
}

export interface ObjectStore {
  /** For people: `folder /var/…`, `s3://bucket at https://…`; no credentials. */
  readonly description: string;
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<PutAnswer>;
  get(key: string, range?: ByteRange): Promise<StoredObject>;
  /** `undefined` where no object has the key. */
  head(key: string): Promise<ObjectHead | undefined>;
  /** All tags of the object; at most ten. */
  getTags(key: string): Promise<Tags>;
  /** Replaces all tags of the object. */
  putTags(key: string, tags: Tags): Promise<void>;
  /** In key order, page by page as the caller goes on. */
  list(options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Not an error where the key has no object. */
  delete(key: string, options?: DeleteOptions): Promise<void>;
  /** Releases connections and handles. */
  close(): Promise<void>;
}
