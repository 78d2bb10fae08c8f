import { existsSync } from 'node:fs';
import { mkdir, open as openFile, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { JournalReader } from '../../../local-uploader/status/journal-reader.ts';
import { journalPath, localDay, MOST_HELD, UploadJournal } from '../../../local-uploader/upload/upload-journal.ts';
import type { FileReport } from '../../../local-uploader/upload/upload-report.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

const DAY = 24 * 60 * 60 * 1000;
const NO_DATABASE = 'not a database, and long enough to be looked at as one'.repeat(20);

function notedPaths(spool: string): string[] {
  if (!existsSync(journalPath(spool))) return [];
  const database = new DatabaseSync(journalPath(spool), { readOnly: true });
  try {
    return database
      .prepare('SELECT path FROM remaining')
      .all()
      .map(({ path }) => String(path));
  } finally {
    database.close();
  }
}

describe('UploadJournal', () => {
  let folder: TemporaryFolder;
  let time: Date;
  beforeEach(async () => {
    folder = await temporaryFolder('journal');
    await mkdir(join(folder.path, '.storestow'));
    time = new Date(2026, 10, 25, 12, 0, 30);
  });
  afterEach(() => folder.remove());

  const at = (name: string): string => join(folder.path, name);
  const open = (): UploadJournal => new UploadJournal(folder.path, { log: createLog({ level: 'silent' }), now: () => time });
  const report = (name: string, more: Partial<FileReport> = {}): FileReport => ({
    path: at(name),
    outcome: 'uploaded',
    studyInstanceUID: '1.2.3',
    size: 100,
    after: 'removed',
    ...more,
  });

  /** As `storestow status` reads it, `noted` of all paths that are there. */
  const notes = (now = time) => {
    const reader = new JournalReader(folder.path, { now });
    try {
      const noted = new Map(notedPaths(folder.path).map((path) => [path, reader.noteOf(path)]));
      return { ...reader.notes, sending: reader.sending, noted };
    } finally {
      reader.close();
    }
  };

  it('adds up what several uploaders did today, a study once', async () => {
    for (const names of [['a', 'b'], ['c']]) {
      const journal = open();
      for (const name of names) journal.ended(report(name));
      journal.ended(report('d', { studyInstanceUID: '1.2.4' }));
      await journal.close();
    }
    const { today, minutes, noted } = notes();
    expect(today).toEqual({ studies: 2, instances: 5, bytes: 500 });
    expect(minutes).toMatchObject([{ at: new Date(2026, 10, 25, 12, 0), instances: 5, bytes: 500 }]);
    expect(minutes[0]?.freeBytes).toBeGreaterThan(0);
    expect(noted.size).toBe(0);
    expect(notes(new Date(2026, 10, 26, 1)).today.instances).toBe(0);
  });

  it('does not count what was in the bucket before and is kept', async () => {
    const journal = open();
    journal.ended(report('a', { outcome: 'present', after: 'kept' }));
    journal.ended(report('b', { outcome: 'present', after: 'removed' }));
    await journal.close();
    const { today, noted } = notes();
    expect(today.instances).toBe(1);
    expect(noted.get(at('a'))?.outcome).toBe('kept');
  });

  it('knows why a file stayed, until it goes', async () => {
    const journal = open();
    journal.ended({ path: at('a'), outcome: 'failed', studyInstanceUID: '1.2.3', code: 'STORE_UNAVAILABLE', retryable: true });
    await journal.close();
    expect(notes().noted.get(at('a'))).toEqual({
      ...{ outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true, study: '1.2.3', at: time },
    });
    const later = open();
    later.ended(report('a'));
    await later.close();
    expect(notes().noted.size).toBe(0);
  });

  it('writes what stays as it was once a day, and at once when it is another', async () => {
    const ends = async (more: Partial<FileReport>): Promise<unknown> => {
      const journal = open();
      journal.ended({ path: at('a'), outcome: 'failed', ...more });
      await journal.close();
      return notes().noted.get(at('a'));
    };
    const [first, down] = [time, { code: 'STORE_UNAVAILABLE', retryable: true }] as const;
    await ends({ ...down, studyInstanceUID: '1.2.3' });
    time = new Date(first.getTime() + DAY - 1);
    // Not even read this time: its study is known all the same.
    expect(await ends(down)).toEqual({ outcome: 'failed', ...down, study: '1.2.3', at: first });
    expect(await ends({ code: 'STORE_FULL', retryable: true })).toMatchObject({ code: 'STORE_FULL', at: time });
    expect(await ends({ code: 'STORE_FULL', retryable: false })).toMatchObject({ retryable: false, at: time });
    // Not put away.
    expect(await ends({ outcome: 'present', code: 'STORE_FULL', retryable: false })).toMatchObject({ outcome: 'present' });
    expect(await ends({ outcome: 'present', after: 'kept' })).toMatchObject({ outcome: 'kept', at: time });
    time = new Date(time.getTime() + DAY);
    expect(await ends({ outcome: 'present', after: 'kept' })).toMatchObject({ outcome: 'kept', at: time });
  });

  it('holds so many files at most where it cannot write, and notes the others when they are met again', async () => {
    await mkdir(journalPath(folder.path));
    const journal = open();
    const meet = (index: number): void =>
      journal.ended({ path: at(`${index}`), outcome: 'failed', code: 'STORE_FULL', retryable: true });
    for (let index = 0; index <= MOST_HELD; index++) meet(index);
    await rmdir(journalPath(folder.path));
    await waitUntil('it is written', () => notedPaths(folder.path).length > 0);
    expect(notedPaths(folder.path)).toHaveLength(MOST_HELD);
    meet(MOST_HELD);
    await journal.close();
    expect(notedPaths(folder.path)).toHaveLength(MOST_HELD + 1);
  });

  it('shows what is under way while it is, and nothing of an uploader that was killed', async () => {
    const database = new DatabaseSync(journalPath(folder.path));
    const journal = open();
    journal.ended(report('a'));
    await journal.close();
    database.prepare('INSERT INTO running VALUES (?, ?, ?, ?)').run(1, at('b'), '1.2.5', time.getTime() - 9000);
    database.prepare('INSERT INTO running VALUES (?, ?, ?, ?)').run(2, at('c'), '1.2.6', time.getTime() - 11_000);
    // Of before the clock was set back.
    database.prepare('INSERT INTO running VALUES (?, ?, ?, ?)').run(3, at('d'), '1.2.7', time.getTime() + 3_600_000);
    database.close();
    expect(notes().sending).toEqual(new Map([[at('b'), '1.2.5']]));
  });

  it('what a killed uploader left is gone with the next word of another one', async () => {
    const first = open();
    first.ended(report('a'));
    await first.close();
    const database = new DatabaseSync(journalPath(folder.path));
    const runs = database.prepare('INSERT INTO running VALUES (?, ?, ?, ?)');
    for (const [pid, age] of [59_000, 61_000, -3_600_000].entries()) runs.run(-pid - 1, at('b'), '1.2.5', time.getTime() - age);
    const second = open();
    second.ended(report('c'));
    await second.close();
    expect(database.prepare('SELECT pid FROM running').all()).toEqual([{ pid: -1 }]);
    database.close();
  });

  it('forgets what is a week old without being opened again', async () => {
    const journal = open();
    journal.ended(report('a', { after: 'kept' }));
    const database = new DatabaseSync(journalPath(folder.path));
    await waitUntil('it is written', () => database.prepare('SELECT path FROM remaining').all().length === 1);
    time = new Date(2026, 11, 3, 12);
    journal.look();
    await waitUntil('it is forgotten', () => database.prepare('SELECT path FROM remaining').all().length === 0);
    expect(database.prepare('SELECT minute FROM minutes').all()).toHaveLength(1);
    await journal.close();
    database.close();
  });

  it('forgets after a week', async () => {
    const journal = open();
    journal.ended(report('a', { after: 'kept' }));
    await journal.close();
    time = new Date(2026, 11, 3, 12);
    const later = open();
    later.ended(report('b'));
    await later.close();
    const { noted, minutes } = notes();
    expect([noted.size, minutes.length]).toEqual([0, 1]);
  });

  it('a file in its place that is no database is put aside, and another one begun', async () => {
    await writeFile(journalPath(folder.path), NO_DATABASE);
    expect(() => notes()).toThrow(expect.objectContaining({ code: 'SPOOL_INVALID' }) as Error);
    const journal = open();
    journal.ended(report('a'));
    await expect(journal.close()).resolves.toBeUndefined();
    expect(notes().today.instances).toBe(1);
    expect(await readFile(`${journalPath(folder.path)}.damaged`, 'utf8')).toBe(NO_DATABASE);
  });

  it('one that is damaged under two uploaders is put aside once; what both note then is in the new one', async () => {
    const journals = [open(), open()];
    for (const [index, journal] of journals.entries()) {
      journal.ended(report(`a${index}`, { after: 'kept', outcome: 'present' }));
      await waitUntil('it is noted', () => notes().noted.size > index);
    }
    const path = journalPath(folder.path);
    const database = new DatabaseSync(path);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    // Its pages behind the first one, in place.
    const file = await openFile(path, 'r+');
    const { size } = await file.stat();
    await file.write(Buffer.alloc(size - 4096, 0xff), 0, size - 4096, 4096);
    await file.close();
    for (const [index, journal] of journals.entries()) {
      journal.ended(report(`b${index}`));
      await journal.close();
    }
    expect(notes().today.instances).toBe(2);
  });

  it('keeps what it cannot write, says so once, and writes it when it can', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const warn = vi.fn();
      const log = { ...createLog({ level: 'silent' }), warn };
      const journal = new UploadJournal(folder.path, { log, now: () => time });
      // As on a disk that has no room: the file cannot come.
      await mkdir(journalPath(folder.path));
      journal.ended(report('a'));
      journal.ended({ path: at('b'), outcome: 'failed', studyInstanceUID: '1.2.3', code: 'STORE_FULL', retryable: true });
      vi.advanceTimersByTime(1000);
      await waitUntil('it is said', () => warn.mock.calls.length > 0, { interval: 5 });
      vi.advanceTimersByTime(3000);
      journal.ended(report('c'));
      await rmdir(journalPath(folder.path));
      vi.advanceTimersByTime(1000);
      await waitUntil('it is written', () => notes().today.instances > 0, { interval: 5 });
      const { today, noted } = notes();
      expect(today).toEqual({ studies: 1, instances: 2, bytes: 200 });
      expect(noted.get(at('b'))?.code).toBe('STORE_FULL');
      await journal.close();
      expect(notes().today.instances).toBe(2);
      expect(warn).toHaveBeenCalledTimes(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves no trace where nothing happened', async () => {
    await open().close();
    expect(existsSync(journalPath(folder.path))).toBe(false);
    expect(notes()).toMatchObject({ today: { instances: 0 }, minutes: [] });
  });

  it.each([
    [new Date(2026, 0, 5, 0, 0), '2026-01-05'],
    [new Date(2026, 10, 25, 23, 59), '2026-11-25'],
  ])('the day of %s', (date, day) => {
    expect(localDay(date)).toBe(day);
  });
});
