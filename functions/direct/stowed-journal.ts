/**
 * What `--direct` has stowed: the memory that the bucket's tags are elsewhere. An original that comes again is coerced at another time,
 * which is in what would be sent: other content than the archive holds, and yet stowed from here.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorestowError } from '../../core/errors.ts';
import { openSharedDatabase } from '../../core/shared-database.ts';

export interface StowedInstance {
  readonly studyInstanceUID: string;
  readonly sopInstanceUID: string;
  /** Of the bytes received, as the object's key tells it. */
  readonly digest: string;
}

export interface StowedJournal {
  /** On the disk when it returns. */
  add(instance: StowedInstance): void;
  has(instance: StowedInstance): boolean;
  close(): void;
}

/** Milliseconds that an entry is kept: by then its file has long been put away, or looked at by a person. */
const KEPT = 90 * 24 * 60 * 60_000;

/** An SQLite file, made where absent, shared by processes; `:memory:` for none. Throws `SPOOL_INVALID`. */
export function openStowedJournal(path: string): StowedJournal {
  const database = open(path);
  const insert = database.prepare('INSERT OR IGNORE INTO stowed (study, sop, digest, at) VALUES (?, ?, ?, ?)');
  const find = database.prepare('SELECT 1 FROM stowed WHERE study = ? AND sop = ? AND digest = ?');
  return {
    add: ({ studyInstanceUID, sopInstanceUID, digest }) => void insert.run(studyInstanceUID, sopInstanceUID, digest, Date.now()),
    has: ({ studyInstanceUID, sopInstanceUID, digest }) => find.get(studyInstanceUID, sopInstanceUID, digest) !== undefined,
    close: () => database.close(),
  };
}

function open(path: string): DatabaseSync {
  try {
    const database = openSharedDatabase(path);
    database.exec(
      'CREATE TABLE IF NOT EXISTS stowed (study TEXT, sop TEXT, digest TEXT, at INTEGER, PRIMARY KEY (study, sop, digest)) WITHOUT ROWID',
    );
    database.prepare('DELETE FROM stowed WHERE at < ?').run(Date.now() - KEPT);
    return database;
  } catch (cause) {
    throw new StorestowError('SPOOL_INVALID', `cannot write ${path}; check its owner and permissions`, { object: path, cause });
  }
}
