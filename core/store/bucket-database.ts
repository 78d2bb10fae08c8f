/**
 * The embedded bucket's SQLite file, `bucket.sqlite`: opened the same way by every process that shares the folder, and its
 * failures as members of the error family.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { StorestowError, type ErrorCode } from '../errors.ts';
import { inTransaction, openSharedDatabase } from '../shared-database.ts';
import { ARRIVALS_DDL } from './arrivals.ts';

/** Below the bucket's folder. */
export const DATABASE_NAME = 'bucket.sqlite';

const SCHEMA_VERSION = 1;

/** `file`: where the bytes lie (object-files.ts); `discarded`: files that no object has any more, until they are unlinked. */
const DDL = `
  CREATE TABLE IF NOT EXISTS objects (
    key      TEXT    NOT NULL PRIMARY KEY,
    size     INTEGER NOT NULL,
    sha256   TEXT    NOT NULL,
    modified INTEGER NOT NULL,
    file     TEXT    NOT NULL UNIQUE,
    metadata TEXT    NOT NULL,
    tags     TEXT    NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS discarded (
    file TEXT NOT NULL PRIMARY KEY
  ) STRICT, WITHOUT ROWID;
  ${ARRIVALS_DDL}
`;

/** Opens, and creates where absent. Throws what `databaseError` gives. */
export function openBucketDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = openSharedDatabase(path);
    if (schemaVersion(database) !== SCHEMA_VERSION) createSchema(database, path);
    return database;
  } catch (cause) {
    database?.close();
    throw databaseError(cause, path);
  }
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

function createSchema(database: DatabaseSync, path: string): void {
  inTransaction(database, () => {
    const version = schemaVersion(database);
    if (version > SCHEMA_VERSION)
      throw new StorestowError('STORE_INVALID', `${path} was written by a newer storestow (schema ${version}); update this one`, {
        object: path,
      });
    database.exec(`${DDL} PRAGMA user_version = ${SCHEMA_VERSION};`);
  });
}

/** Primary result code (https://www.sqlite.org/rescode.html) → code of the family and what to do. */
const RESULT_CODES: ReadonlyMap<number, readonly [ErrorCode, string]> = new Map([
  [3, ['STORE_DENIED', 'may not be opened; check its permissions']],
  [5, ['STORE_UNAVAILABLE', 'is locked by another process; try again']],
  [6, ['STORE_UNAVAILABLE', 'is locked; try again']],
  [8, ['STORE_DENIED', 'is read-only; check its permissions and the file system']],
  [10, ['STORE_UNAVAILABLE', 'cannot be read or written; check the disk']],
  [11, ['STORE_INVALID', 'is corrupt; restore it from a backup']],
  [13, ['STORE_FULL', 'has no room to grow; free disk space']],
  [14, ['STORE_DENIED', 'cannot be opened; check that its folder exists and may be written']],
  [26, ['STORE_INVALID', 'is not an SQLite database; move it away']],
]);

const FULL = 13;
/** "Input/output error" and "cannot open" is all that SQLite says where a disk has no room for its log and the index of that. */
const VAGUE: ReadonlySet<number> = new Set([10, 14]);
const LOG_BYTES = 64 * 1024;
const LOG_FILES = 2;

function isFull(path: string): boolean {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(dirname(path));
    return bavail * bsize < LOG_BYTES || (files > 0 && ffree < LOG_FILES);
  } catch {
    return false;
  }
}

/** What `node:sqlite` threw, by its result code; anything else comes back as it was. */
export function databaseError(thrown: unknown, path: string): unknown {
  if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') return thrown;
  const result = thrown.errcode & 0xff;
  const [code, what] = RESULT_CODES.get(VAGUE.has(result) && isFull(path) ? FULL : result) ?? [
    'INTERNAL',
    'failed unexpectedly; see the cause and report it',
  ];
  return new StorestowError(code, `the bucket's database ${path} ${what}`, { object: path, cause: thrown });
}
