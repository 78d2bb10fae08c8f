/**
 * What `--direct` has sent: the memory that the bucket's tags are elsewhere. An archive that lists a SOP Instance UID may hold
 * other content under it; what this machine sent before is its own, and only that may count as stowed without being sent.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorestowError } from '../../core/errors.ts';
import { inTransaction, openSharedDatabase } from '../../core/shared-database.ts';

export interface SentInstance {
  readonly studyInstanceUID: string;
  readonly sopInstanceUID: string;
  /** `sent:` and the MD5 of the bytes as sent, or `original:` and the digest of those received, which comes again with them. */
  readonly content: string;
}

export interface SentJournal {
  /** On the disk when it returns; gives those that were not in it. */
  add(instances: readonly SentInstance[]): readonly SentInstance[];
  remove(instances: readonly SentInstance[]): void;
  has(instance: SentInstance): boolean;
  close(): void;
}

/** Milliseconds that an entry is kept: by then its file has long been put away, or looked at by a person. */
const KEPT = 90 * 24 * 60 * 60_000;

/** An SQLite file, made where absent, shared by processes; `:memory:` for none. Throws `SPOOL_INVALID`. */
export function openSentJournal(path: string): SentJournal {
  const database = open(path);
  const insert = database.prepare('INSERT OR IGNORE INTO sent (study, sop, content, at) VALUES (?, ?, ?, ?)');
  const forget = database.prepare('DELETE FROM sent WHERE study = ? AND sop = ? AND content = ?');
  const find = database.prepare('SELECT 1 FROM sent WHERE study = ? AND sop = ? AND content = ?');
  return {
    add: (instances) =>
      inTransaction(database, () =>
        instances.filter(
          ({ studyInstanceUID, sopInstanceUID, content }) =>
            insert.run(studyInstanceUID, sopInstanceUID, content, Date.now()).changes > 0,
        ),
      ),
    remove: (instances) => {
      for (const { studyInstanceUID, sopInstanceUID, content } of instances)
        forget.run(studyInstanceUID, sopInstanceUID, content);
    },
    has: ({ studyInstanceUID, sopInstanceUID, content }) => find.get(studyInstanceUID, sopInstanceUID, content) !== undefined,
    close: () => database.close(),
  };
}

function open(path: string): DatabaseSync {
  try {
    const database = openSharedDatabase(path);
    database.exec(
      'CREATE TABLE IF NOT EXISTS sent (study TEXT, sop TEXT, content TEXT, at INTEGER, PRIMARY KEY (study, sop, content)) WITHOUT ROWID',
    );
    database.prepare('DELETE FROM sent WHERE at < ?').run(Date.now() - KEPT);
    return database;
  } catch (cause) {
    throw new StorestowError('SPOOL_INVALID', `cannot write ${path}; check its owner and permissions`, { object: path, cause });
  }
}
