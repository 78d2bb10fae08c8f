/** What the uploaders noted of a spool (`upload-journal.ts`), as it is asked for: of files one at a time, however many there are. */
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { isErrorCode, StorestowError } from '../../core/errors.ts';
import { journalPath, localDay } from '../upload/upload-journal.ts';
import { FILL_WINDOW, type NotedFile, type NotedMinute, type SpoolNotes } from './spool-status.ts';

/** Milliseconds since an uploader's last word from which it is not at work any more. */
const SILENT = 10_000;

export interface JournalOptions {
  readonly now: Date;
  /** Called once where what the uploaders noted cannot be read: nothing more is, then. Absent: it is thrown. */
  readonly onUnread?: ((error: StorestowError) => void) | undefined;
}

const NOTHING: SpoolNotes = { today: { studies: 0, instances: 0, bytes: 0 }, minutes: [] };

export class JournalReader {
  readonly #path: string;
  readonly #onUnread: JournalOptions['onUnread'];
  #database: DatabaseSync | undefined;
  #remaining: StatementSync | undefined;
  readonly notes: SpoolNotes;
  /** Paths that an uploader is sending → their study. */
  readonly sending: ReadonlyMap<string, string>;

  /** Where nothing was ever noted, there is nothing. Throws `SPOOL_INVALID`, and so does `noteOf`. */
  constructor(spool: string, { now, onUnread }: JournalOptions) {
    this.#path = journalPath(spool);
    this.#onUnread = onUnread;
    const read = this.#read(() => {
      if (!existsSync(this.#path)) return undefined;
      this.#database = new DatabaseSync(this.#path, { readOnly: true, timeout: 1000 });
      const sending = sendingIn(this.#database, now);
      const notes = { today: todayOf(this.#database, now), minutes: minutesIn(this.#database, now) };
      this.#remaining = this.#database.prepare('SELECT * FROM remaining WHERE path = ?');
      return { notes, sending };
    });
    this.notes = read?.notes ?? NOTHING;
    this.sending = read?.sending ?? new Map();
  }

  /** The last outcome of a file that stayed. */
  noteOf(path: string): NotedFile | undefined {
    const remaining = this.#remaining;
    if (remaining === undefined) return undefined;
    const row = this.#read(() => remaining.get(path));
    return row === undefined ? undefined : notedFile(row);
  }

  close(): void {
    this.#remaining = undefined;
    this.#database?.close();
    this.#database = undefined;
  }

  #read<Result>(work: () => Result): Result | undefined {
    try {
      return work();
    } catch (cause) {
      this.close();
      const error = new StorestowError(
        'SPOOL_INVALID',
        `cannot read ${this.#path}; ask as the user whose spool it is, or as root; a file that is damaged may be removed, it only counts`,
        { object: this.#path, cause },
      );
      if (this.#onUnread === undefined) throw error;
      this.#onUnread(error);
      return undefined;
    }
  }
}

function sendingIn(database: DatabaseSync, now: Date): Map<string, string> {
  const rows = database.prepare('SELECT path, study FROM running WHERE abs(at - ?) < ?').all(now.getTime(), SILENT);
  return new Map(rows.map(({ path, study }) => [String(path), String(study)]));
}

function minutesIn(database: DatabaseSync, now: Date): NotedMinute[] {
  const first = Math.floor((now.getTime() - FILL_WINDOW) / 60_000);
  return database.prepare('SELECT * FROM minutes WHERE minute >= ?').all(first).map(notedMinute);
}

type Row = Readonly<Record<string, unknown>>;

function notedFile({ outcome, study, code, retryable, at }: Row): NotedFile {
  const known = typeof code === 'string' && isErrorCode(code) ? code : undefined;
  return {
    outcome: outcome as NotedFile['outcome'],
    ...(typeof study === 'string' ? { study } : {}),
    ...(known === undefined ? {} : { code: known }),
    retryable: retryable === 1,
    at: new Date(Number(at)),
  };
}

function notedMinute({ minute, instances, bytes, freeBytes, freeFiles }: Row): NotedMinute {
  return {
    at: new Date(Number(minute) * 60_000),
    instances: Number(instances),
    bytes: Number(bytes),
    ...(typeof freeBytes === 'number' ? { freeBytes } : {}),
    ...(typeof freeFiles === 'number' ? { freeFiles } : {}),
  };
}

function todayOf(database: DatabaseSync, now: Date): SpoolNotes['today'] {
  const row = database
    .prepare('SELECT count(*) AS studies, total(instances) AS instances, total(bytes) AS bytes FROM days WHERE day = ?')
    .get(localDay(now));
  return { studies: Number(row?.['studies']), instances: Number(row?.['instances']), bytes: Number(row?.['bytes']) };
}
