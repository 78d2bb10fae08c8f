/**
 * The table of arrivals in the embedded bucket: one row for each new object below `incoming/`, written in the transaction that
 * makes the object visible. `local-cloud/arrivals-queue.ts` is the queue over it.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * `at`: when the object arrived; `visible_at`: when the row may be received (again), both in ms since 1970; `receives`: how
 * often it was; `receipt`: whose it is; `dead`: 1 after the last try, with the `error`.
 */
export const ARRIVALS_DDL = `
  CREATE TABLE IF NOT EXISTS arrivals (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    etag       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    receives   INTEGER NOT NULL DEFAULT 0,
    receipt    TEXT,
    dead       INTEGER NOT NULL DEFAULT 0,
    error      TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS arrivals_by_visibility ON arrivals (dead, visible_at, id);
`;

export interface Arrival {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  /** Milliseconds since 1970; the row is visible from then on. */
  readonly at: number;
}

const statements = new WeakMap<DatabaseSync, StatementSync>();

/** In the caller's transaction, if there is one. */
export function insertArrival(database: DatabaseSync, { key, size, etag, at }: Arrival): void {
  let statement = statements.get(database);
  if (statement === undefined) {
    statement = database.prepare('INSERT INTO arrivals (key, size, etag, at, visible_at) VALUES (?, ?, ?, ?, ?)');
    statements.set(database, statement);
  }
  statement.run(key, size, etag, at, at);
}
