/** The rows of the embedded bucket: which objects exist, what is known of them, and which file has their bytes. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ObjectHead, Tags } from './object-store.ts';

/** What S3 calls the ETag is the object's SHA-256 here. */
export interface ObjectRow {
  readonly head: ObjectHead & { readonly sha256: string };
  readonly tags: Tags;
  readonly file: string;
}

type SqlRow = Record<string, unknown>;

export class ObjectIndex {
  readonly #find: StatementSync;
  readonly #findFile: StatementSync;
  readonly #write: StatementSync;
  readonly #remove: StatementSync;
  readonly #writeTags: StatementSync;
  readonly #pageFrom: StatementSync;
  readonly #pageAfter: StatementSync;
  readonly #discard: StatementSync;
  readonly #discarded: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare('SELECT * FROM objects WHERE key = ?');
    this.#findFile = database.prepare('SELECT 1 FROM objects WHERE file = ?');
    this.#write = database.prepare(
      'INSERT OR REPLACE INTO objects (key, size, sha256, modified, file, metadata, tags) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#remove = database.prepare('DELETE FROM objects WHERE key = ?');
    this.#writeTags = database.prepare('UPDATE objects SET tags = ? WHERE key = ?');
    // The primary key's collation is BINARY: the order of UTF-8 bytes.
    this.#pageFrom = database.prepare('SELECT * FROM objects WHERE key >= ? ORDER BY key LIMIT ?');
    this.#pageAfter = database.prepare('SELECT * FROM objects WHERE key > ? ORDER BY key LIMIT ?');
    this.#discard = database.prepare('INSERT OR IGNORE INTO discarded (file) VALUES (?)');
    this.#discarded = database.prepare('SELECT file FROM discarded');
    this.#forget = database.prepare('DELETE FROM discarded WHERE file = ?');
  }

  find(key: string): ObjectRow | undefined {
    const row = this.#find.get(key);
    return row === undefined ? undefined : objectRow(row);
  }

  namesFile(file: string): boolean {
    return this.#findFile.get(file) !== undefined;
  }

  write({ head, tags, file }: ObjectRow): void {
    const { key, size, sha256, lastModified, metadata } = head;
    this.#write.run(key, size, sha256, lastModified.getTime(), file, JSON.stringify(metadata), JSON.stringify(tags));
  }

  remove(key: string): void {
    this.#remove.run(key);
  }

  writeTags(key: string, tags: Tags): void {
    this.#writeTags.run(JSON.stringify(tags), key);
  }

  /** At most `limit` objects in key order, from `key` on or after it. */
  page(key: string, inclusive: boolean, limit: number): ObjectRow[] {
    return (inclusive ? this.#pageFrom : this.#pageAfter).all(key, limit).map(objectRow);
  }

  /** The file may be unlinked once this is committed. */
  discard(file: string): void {
    this.#discard.run(file);
  }

  discarded(): string[] {
    return this.#discarded.all().map((row) => String(row['file']));
  }

  forget(file: string): void {
    this.#forget.run(file);
  }
}

function objectRow(row: SqlRow): ObjectRow {
  const sha256 = String(row['sha256']);
  return {
    head: {
      key: String(row['key']),
      size: Number(row['size']),
      etag: sha256,
      sha256,
      lastModified: new Date(Number(row['modified'])),
      metadata: JSON.parse(String(row['metadata'])) as Record<string, string>,
    },
    tags: JSON.parse(String(row['tags'])) as Tags,
    file: String(row['file']),
  };
}
