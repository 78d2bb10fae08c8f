/**
 * What the uploaders of a spool did, for whoever asks (`storestow status`): an SQLite file beside their locks. It proves nothing and no
 * decision about a file rests on it: what a crash or a full disk keeps from it is missing in the counts, and nowhere else.
 *
 * Kept in memory and written once a second, by each uploader in a transaction of its own. What is written is not kept: of a spool that
 * waits for days these are hundreds of thousands of files.
 */
import { lstatSync, renameSync, rmSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { Log } from '../../core/logging.ts';
import { inTransaction, isBusy, isDamaged, openSharedDatabase } from '../../core/shared-database.ts';
import { stateFolder } from '../../core/spool-layout.ts';
import type { FileReport } from './upload-report.ts';

const JOURNAL_FILE = 'uploads.sqlite';

/** `minute` counts minutes since 1970; `day` is the machine's own; `at` is milliseconds since 1970. */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS days(day TEXT, study TEXT, instances INTEGER, bytes INTEGER, PRIMARY KEY(day, study)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minutes(minute INTEGER PRIMARY KEY, instances INTEGER, bytes INTEGER, freeBytes INTEGER, freeFiles INTEGER);
CREATE TABLE IF NOT EXISTS remaining(path TEXT PRIMARY KEY, outcome TEXT, study TEXT, code TEXT, retryable INTEGER, at INTEGER);
CREATE TABLE IF NOT EXISTS running(pid INTEGER, path TEXT, study TEXT, at INTEGER, PRIMARY KEY(pid, path)) WITHOUT ROWID;
`;

/** Milliseconds between two writes. */
const INTERVAL = 1000;
/** Milliseconds that another uploader is waited for; what could not be written then is written with the next. */
const BUSY_TIMEOUT = 100;
const DAY = 24 * 60 * 60 * 1000;
/** A week back is kept. */
const KEPT = 7 * DAY;
/** Milliseconds: what an uploader sends is noted each second, so older words are those of one that was killed, or of another clock. */
const DEAD = 60_000;
/** What stays as it was need not be written each time that it is looked at. */
const REPEATED_AFTER = DAY;
/** Files held at most where nothing can be written: a disk that is full, and an outage that fills it. Those beyond are noted when they are met again. */
export const MOST_HELD = 100_000;

export function journalPath(spool: string): string {
  return join(stateFolder(spool), JOURNAL_FILE);
}

/** The machine's own day, `2026-11-25`. */
export function localDay(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

interface Room {
  readonly bavail: number;
  readonly bsize: number;
  readonly ffree: number;
}

interface Sum {
  instances: number;
  bytes: number;
}

export class UploadJournal {
  readonly #spool: string;
  readonly #log: Log;
  readonly #now: () => Date;
  readonly #sending = new Map<string, string>();
  readonly #remaining = new Map<string, FileReport>();
  readonly #gone = new Set<string>();
  readonly #days = new Map<string, Sum & { day: string; study: string }>();
  readonly #minutes = new Map<number, Sum>();
  #database: DatabaseSync | undefined;
  /** Of the file that was opened last. */
  #inode: bigint | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The day on which what is too old was removed last. */
  #clearedOn = '';
  /** Whether it was said that nothing can be noted. */
  #told = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(spool: string, { log, now }: { readonly log: Log; readonly now: () => Date }) {
    this.#spool = spool;
    this.#log = log;
    this.#now = now;
  }

  /** A file is on its way to the bucket. */
  sending({ path, studyInstanceUID }: { readonly path: string; readonly studyInstanceUID: string }): void {
    this.#sending.set(path, studyInstanceUID);
    this.#arm();
  }

  /** A file has got its outcome. */
  ended(report: FileReport): void {
    const { path, outcome, after, studyInstanceUID = '', size = 0 } = report;
    this.#sending.delete(path);
    if (outcome === 'waiting') return;
    if (outcome === 'uploaded' || (outcome === 'present' && after !== 'kept')) this.#count(studyInstanceUID, size);
    if (after === 'removed' || after === 'moved' || after === 'set-aside') {
      this.#remaining.delete(path);
      if (this.#gone.size < MOST_HELD) this.#gone.add(path);
    } else {
      this.#gone.delete(path);
      if (this.#remaining.size < MOST_HELD) this.#remaining.set(path, report);
    }
    this.#arm();
  }

  /** How full the disk is now is noted, though nothing is uploaded. */
  look(): void {
    this.#arm();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#sending.clear();
    if (this.#database !== undefined || this.#hasNews()) await this.#write();
    this.#database?.close();
    this.#database = undefined;
  }

  #count(study: string, bytes: number): void {
    const now = this.#now();
    const day = localDay(now);
    const ofStudy = this.#days.get(`${day} ${study}`) ?? { day, study, instances: 0, bytes: 0 };
    const minute = Math.floor(now.getTime() / 60_000);
    const ofMinute = this.#minutes.get(minute) ?? { instances: 0, bytes: 0 };
    for (const sum of [ofStudy, ofMinute]) {
      sum.instances += 1;
      sum.bytes += bytes;
    }
    this.#days.set(`${day} ${study}`, ofStudy);
    this.#minutes.set(minute, ofMinute);
  }

  #hasNews(): boolean {
    return this.#sending.size + this.#remaining.size + this.#gone.size + this.#days.size > 0;
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#write(), INTERVAL).unref();
  }

  /** One after the other. */
  async #write(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#writeNow());
    return this.#turn;
  }

  async #writeNow(): Promise<void> {
    const disk = await statfs(this.#spool).catch(() => undefined);
    try {
      this.#writeAll(disk);
    } catch (error) {
      if (isBusy(error)) return;
      // What is to be noted is kept, and tried again: a disk that is full need not stay so.
      this.#forgetDatabase();
      if (!this.#told)
        this.#log.warn({ err: error }, 'what is uploaded cannot be noted; storestow status does not know of it yet');
      this.#told = true;
      return;
    }
    this.#told = false;
    this.#forgetWritten();
    if (this.#hasNews()) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A file that is damaged stays so: it makes room for another one. */
  #writeAll(disk: Room | undefined): void {
    const write = (): void => {
      const database = (this.#database ??= this.#open());
      inTransaction(database, () => this.#writeRows(database, disk));
    };
    try {
      write();
    } catch (error) {
      if (!isDamaged(error)) throw error;
      this.#forgetDatabase();
      this.#putAside(error);
      write();
    }
  }

  #open(): DatabaseSync {
    const path = journalPath(this.#spool);
    this.#inode = inodeOf(path);
    const database = open(path);
    this.#inode ??= inodeOf(path);
    return database;
  }

  #forgetDatabase(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  /** Another uploader may have done so before, and what lies there now is its new one. */
  #putAside(cause: unknown): void {
    const path = journalPath(this.#spool);
    if (this.#inode === undefined || inodeOf(path) !== this.#inode) return;
    const aside = `${path}.damaged`;
    renameSync(path, aside);
    for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true });
    this.#log.warn({ err: cause, aside }, 'what was noted of uploads is damaged, and put aside; storestow status counts anew');
  }

  #writeRows(database: DatabaseSync, disk: Room | undefined): void {
    const now = this.#now();
    const at = now.getTime();
    this.#removeOld(database, now);
    const addToDay = database.prepare(
      `INSERT INTO days VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET instances = instances + excluded.instances, bytes = bytes + excluded.bytes`,
    );
    for (const { day, study, instances, bytes } of this.#days.values()) addToDay.run(day, study, instances, bytes);
    const addToMinute = database.prepare(
      `INSERT INTO minutes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET instances = instances + excluded.instances,
       bytes = bytes + excluded.bytes, freeBytes = excluded.freeBytes, freeFiles = excluded.freeFiles`,
    );
    const free = disk === undefined ? [null, null] : [disk.bavail * disk.bsize, disk.ffree];
    const minutes = new Map(this.#minutes).set(
      Math.floor(at / 60_000),
      this.#minutes.get(Math.floor(at / 60_000)) ?? { instances: 0, bytes: 0 },
    );
    for (const [minute, { instances, bytes }] of minutes)
      addToMinute.run(minute, instances, bytes, ...(free as [number, number]));
    const remain = database.prepare(
      `INSERT INTO remaining VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET outcome = excluded.outcome, study = excluded.study,
       code = excluded.code, retryable = excluded.retryable, at = excluded.at
       WHERE outcome IS NOT excluded.outcome OR code IS NOT excluded.code OR retryable IS NOT excluded.retryable
       OR abs(excluded.at - at) >= ${REPEATED_AFTER}`,
    );
    for (const { path, outcome, after, studyInstanceUID, code, retryable } of this.#remaining.values())
      remain.run(
        path,
        after === 'kept' ? 'kept' : outcome,
        studyInstanceUID ?? null,
        code ?? null,
        retryable === true ? 1 : 0,
        at,
      );
    const forget = database.prepare('DELETE FROM remaining WHERE path = ?');
    for (const path of this.#gone) forget.run(path);
    database.prepare('DELETE FROM running WHERE pid = ? OR abs(at - ?) > ?').run(process.pid, at, DEAD);
    const runs = database.prepare('INSERT INTO running VALUES (?, ?, ?, ?)');
    for (const [path, study] of this.#sending) runs.run(process.pid, path, study, at);
  }

  /** Once a day: an uploader may stay for years. */
  #removeOld(database: DatabaseSync, now: Date): void {
    const today = localDay(now);
    if (this.#clearedOn === today) return;
    this.#clearedOn = today;
    const oldest = now.getTime() - KEPT;
    database.prepare('DELETE FROM days WHERE day < ?').run(localDay(new Date(oldest)));
    database.prepare('DELETE FROM minutes WHERE minute < ?').run(Math.floor(oldest / 60_000));
    database.prepare('DELETE FROM remaining WHERE at < ?').run(oldest);
  }

  #forgetWritten(): void {
    for (const news of [this.#remaining, this.#gone, this.#days, this.#minutes]) news.clear();
  }
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** A commit need not be on the disk: see above. */
function open(path: string): DatabaseSync {
  const database = openSharedDatabase(path);
  database.exec(`PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = ${BUSY_TIMEOUT}; ${SCHEMA}`);
  return database;
}
