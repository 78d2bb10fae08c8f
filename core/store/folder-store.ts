/**
 * The embedded bucket: a folder with the objects' bytes as files (object-files.ts) and everything else in one SQLite file
 * (object-index.ts). Several processes may have it open at once. It keeps what S3 promises: a put is all or nothing and durable
 * when it resolves, put if absent, put if the ETag matches, tags, ranges, listing in key order, an arrival for each object put below `incoming/`.
 */
import type { FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { StorestowError } from '../errors.ts';
import { insertArrival } from './arrivals.ts';
import { DATABASE_NAME, databaseError, openBucketDatabase } from './bucket-database.ts';
import { GroupCommit } from './group-commit.ts';
import { listingStart } from './key-order.ts';
import { fileError, ObjectFiles, type WrittenFile } from './object-files.ts';
import { ObjectIndex, type ObjectRow } from './object-index.ts';
import { INCOMING_PREFIX } from './object-key.ts';
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
import { verifiedBytes, verifiedStream } from './verified-stream.ts';

export interface FolderStore extends ObjectStore {
  /** Absolute. */
  readonly path: string;
  /** `bucket.sqlite`, which has the table of arrivals too. */
  readonly databasePath: string;
}

const PAGE = 1000;
const READ_CHUNK = 1024 * 1024;
/** Milliseconds without a write after which a file in `writing/` counts as left behind by a process that died. */
const ABANDONED_AFTER = 3_600_000;

class OpenFolderStore implements FolderStore {
  readonly path: string;
  readonly databasePath: string;
  readonly description: string;
  readonly #files: ObjectFiles;
  readonly #database: DatabaseSync;
  readonly #index: ObjectIndex;
  readonly #commits: GroupCommit;

  constructor(path: string, databasePath: string, files: ObjectFiles, database: DatabaseSync) {
    this.path = path;
    this.databasePath = databasePath;
    this.description = `folder ${path}`;
    this.#files = files;
    this.#database = database;
    this.#index = new ObjectIndex(database);
    this.#commits = new GroupCommit(database, databasePath);
  }

  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<PutAnswer> {
    checkPut(key, options);
    // Again inside the transaction; here it saves writing bytes that would be thrown away.
    this.#checkPreconditions(
      key,
      this.#read(() => this.#index.find(key)),
      options,
    );
    const written = await this.#files.write(key, body);
    const replaced = await this.#publish(key, written, options);
    await leaveToRecovery(this.#files.settle(written.name));
    if (replaced !== undefined) await leaveToRecovery(this.#removeDiscarded(replaced.file));
    return { etag: written.sha256, sha256: written.sha256 };
  }

  async #publish(key: string, written: WrittenFile, options: PutOptions): Promise<ObjectRow | undefined> {
    const { name, size, sha256 } = written;
    try {
      if (options.sha256 !== undefined && options.sha256 !== sha256) throw checksumMismatch(key);
      return await this.#commits.run(() => {
        const present = this.#index.find(key);
        this.#checkPreconditions(key, present, options);
        if (!this.#files.existsNow(name)) throw abandoned(key);
        const at = new Date();
        const head = { key, size, etag: sha256, sha256, lastModified: at, metadata: options.metadata ?? {} };
        this.#index.write({ head, tags: options.tags ?? {}, file: name });
        if (present !== undefined) this.#index.discard(present.file);
        if (key.startsWith(INCOMING_PREFIX)) insertArrival(this.#database, { key, size, etag: sha256, at: at.getTime() });
        return present;
      });
    } catch (error) {
      // After a failed commit only the database knows whether the row is there. Where it cannot say now, the next open asks it.
      await leaveToRecovery(this.#reclaim(name));
      throw error;
    }
  }

  #checkPreconditions(key: string, present: ObjectRow | undefined, { ifAbsent, ifMatch }: PutOptions): void {
    if (ifAbsent === true && present !== undefined) throw preconditionFailed(key);
    if (ifMatch !== undefined && present?.head.etag !== ifMatch) throw preconditionFailed(key);
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject> {
    checkKey(key);
    const { row, handle } = await this.#open(key);
    try {
      const { head } = row;
      const { start, end } = clipRange(key, range, head.size);
      const expected = { size: end - start + 1, ...(range === undefined ? { sha256: head.sha256 } : {}) };
      const stream = (): Readable => {
        const source = handle.createReadStream({ start, ...(head.size === 0 ? {} : { end }), highWaterMark: READ_CHUNK });
        return verifiedStream(source, key, expected, (error) => fileError(error, row.file));
      };
      const bytes = async (): Promise<Uint8Array> => {
        const whole = await readRange(handle, start, expected.size).catch((error: unknown) => {
          throw fileError(error, row.file);
        });
        return verifiedBytes(whole, key, expected);
      };
      return { head, stream, bytes };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The file is open before anyone can unlink it, or the row has changed and is read again. */
  async #open(key: string): Promise<{ row: ObjectRow; handle: FileHandle }> {
    let missing: string | undefined;
    for (;;) {
      const row = this.#read(() => this.#index.find(key));
      if (row === undefined) throw objectNotFound(key);
      if (row.file === missing) throw bytesLost(key, row.file);
      const handle = await this.#files.open(row.file);
      if (handle !== undefined) return { row, handle };
      missing = row.file;
    }
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    checkKey(key);
    const row = this.#read(() => this.#index.find(key));
    return row === undefined ? undefined : { ...row.head, asOf: new Date() };
  }

  async getTags(key: string): Promise<Tags> {
    checkKey(key);
    const row = this.#read(() => this.#index.find(key));
    if (row === undefined) throw objectNotFound(key);
    return row.tags;
  }

  async putTags(key: string, tags: Tags): Promise<void> {
    checkKey(key);
    checkTags(key, tags);
    await this.#commits.run(() => {
      if (this.#index.find(key) === undefined) throw objectNotFound(key);
      this.#index.writeTags(key, tags);
    });
  }

  async *list({ prefix = '', after }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let start = listingStart(prefix, after);
    while (start !== undefined) {
      const { key: from, inclusive } = start;
      const page = this.#read(() => this.#index.page(from, inclusive, PAGE));
      for (const { head } of page) {
        if (!head.key.startsWith(prefix)) return;
        const { key, size, etag, lastModified } = head;
        yield { key, size, etag, lastModified };
      }
      const last = page.at(-1);
      start = last === undefined || page.length < PAGE ? undefined : { key: last.head.key, inclusive: false };
    }
  }

  async delete(key: string, { ifMatch }: DeleteOptions = {}): Promise<void> {
    checkKey(key);
    const removed = await this.#commits.run(() => {
      const present = this.#index.find(key);
      if (present === undefined) return undefined;
      if (ifMatch !== undefined && present.head.etag !== ifMatch) throw preconditionFailed(key);
      this.#index.remove(key);
      this.#index.discard(present.file);
      return present;
    });
    if (removed !== undefined) await leaveToRecovery(this.#removeDiscarded(removed.file));
  }

  async close(): Promise<void> {
    this.#commits.flush();
    if (this.#database.isOpen) this.#database.close();
  }

  /** Clears what processes that died have left (object-files.ts has the table). */
  async recover(): Promise<void> {
    for (const file of this.#read(() => this.#index.discarded())) await this.#removeDiscarded(file);
    for (const name of await this.#files.abandoned(new Date(Date.now() - ABANDONED_AFTER))) await this.#reclaim(name);
  }

  /** Under the write lock, so that no row for the file can appear meanwhile: `#publish` looks for the file under it. */
  async #reclaim(name: string): Promise<void> {
    await this.#commits.run(() => {
      if (!this.#index.namesFile(name)) this.#files.removeNow(name);
    });
    await this.#files.settle(name);
  }

  async #removeDiscarded(file: string): Promise<void> {
    await this.#files.remove(file);
    await this.#commits.run(() => this.#index.forget(file));
  }

  #read<Result>(query: () => Result): Result {
    try {
      return query();
    } catch (error) {
      throw databaseError(error, this.databasePath);
    }
  }
}

/** At most `size` bytes, fewer where the file ends before; the handle is closed. In one piece: no stream's chunks to join. */
async function readRange(handle: FileHandle, start: number, size: number): Promise<Uint8Array> {
  try {
    const whole = Buffer.allocUnsafeSlow(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await handle.read(whole, length, size - length, start + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return whole.subarray(0, length);
  } finally {
    await handle.close();
  }
}

/** Clearing up must not fail what was committed, nor hide why it was not: what is left now, the next open clears. */
async function leaveToRecovery(clearing: Promise<void>): Promise<void> {
  await clearing.catch(() => undefined);
}

function abandoned(key: string): StorestowError {
  return new StorestowError(
    'STORE_UNAVAILABLE',
    `writing ${key} took so long that its file counted as left behind; store it again`,
    {
      object: key,
    },
  );
}

function bytesLost(key: string, file: string): StorestowError {
  return new StorestowError(
    'STORE_UNAVAILABLE',
    `the file ${file} of ${key} is missing below the bucket's folder; restore it from a backup`,
    {
      object: key,
    },
  );
}

/** Creates the folder (readable by its owner alone: it holds patients' images) where it is absent. */
export async function openFolderStore(path: string): Promise<FolderStore> {
  const root = resolve(path);
  const databasePath = join(root, DATABASE_NAME);
  const files = new ObjectFiles(root);
  await files.prepare();
  const store = new OpenFolderStore(root, databasePath, files, openBucketDatabase(databasePath));
  try {
    await store.recover();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
