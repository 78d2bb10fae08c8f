/**
 * An SQLite file that several processes use at once and that survives a power failure: a committed transaction is on the disk
 * (WAL, synchronous=FULL).
 */
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
/** Milliseconds; transactions are a few rows, so the wait for another process is short unless the disk is stuck. */
const BUSY_TIMEOUT = 10_000;
/** Milliseconds between two tries to open. */
const PAUSE = 10;

/** Opens, and creates where absent. Throws what `node:sqlite` throws. */
export function openSharedDatabase(path: string): DatabaseSync {
  const deadline = Date.now() + BUSY_TIMEOUT;
  for (;;) {
    const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT });
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      return database;
    } catch (error) {
      database.close();
      if (!isBusy(error) || Date.now() > deadline) throw error;
      // SQLite's own time-out does not hold here: of two processes that turn a new file to WAL, one is refused at once.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
    }
  }
}

/** Whether another process had it locked. */
export function isBusy(error: unknown): boolean {
  return resultOf(error) === SQLITE_BUSY;
}

/** Whether what is in the file can be read no more, or never was a database. */
export function isDamaged(error: unknown): boolean {
  const result = resultOf(error);
  return result === SQLITE_CORRUPT || result === SQLITE_NOTADB;
}

/** SQLite tells more in the upper bits, such as that it recovers what a killed process has left. */
function resultOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** Takes the write lock first, so that what `work` reads still holds when it commits. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite itself rolls back on some failures, a full disk among them.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
