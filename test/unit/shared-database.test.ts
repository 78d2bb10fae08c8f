import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isBusy, openSharedDatabase } from '../../core/shared-database.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

describe('openSharedDatabase', () => {
  let folder: TemporaryFolder;

  beforeEach(async () => {
    folder = await temporaryFolder('shared-database');
  });
  afterEach(async () => {
    await folder.remove();
  });

  it('opens a new file for all that create it at the same moment', async () => {
    const threads = 4;
    const rounds = 60;
    const gate = new SharedArrayBuffer(8);
    const workers = Array.from(
      { length: threads },
      () =>
        new Worker(join(import.meta.dirname, 'shared-database-opener.ts'), {
          workerData: { folder: folder.path, gate, threads, rounds },
        }),
    );
    const opened = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown));
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(opened).toEqual(Array.from({ length: threads }, () => ({ opened: rounds, refused: [] })));
  });

  it('waits for who holds the file meanwhile', async () => {
    const path = join(folder.path, 'held.sqlite');
    const gate = new SharedArrayBuffer(8);
    const holder = new Worker(join(import.meta.dirname, 'shared-database-holder.ts'), { workerData: { path, gate } });
    await once(holder, 'message');
    const database = openSharedDatabase(path);
    expect(Atomics.load(new Int32Array(gate), 0)).toBe(1);
    database.close();
    await holder.terminate();
  });

  it('keeps WAL for the next one, and syncs each commit', () => {
    const path = join(folder.path, 'kept.sqlite');
    const database = openSharedDatabase(path);
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    database.exec('CREATE TABLE kept (value)');
    database.close();
    const again = new DatabaseSync(path);
    expect(again.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    again.close();
  });

  it('one who reads what another has written over meanwhile is told that it is busy, with more in the upper bits', () => {
    const path = join(folder.path, 'snapshot.sqlite');
    const [reader, writer] = [openSharedDatabase(path), openSharedDatabase(path)];
    writer.exec('CREATE TABLE numbers (value); INSERT INTO numbers VALUES (1)');
    reader.exec('BEGIN; SELECT * FROM numbers');
    writer.exec('UPDATE numbers SET value = 2');
    let thrown: unknown;
    try {
      reader.exec('UPDATE numbers SET value = 3');
    } catch (error) {
      thrown = error;
    }
    reader.close();
    writer.close();
    expect(thrown).toMatchObject({ errcode: 517 });
    expect(isBusy(thrown)).toBe(true);
  });

  /** https://www.sqlite.org/rescode.html: the primary code is in the low 8 bits. */
  it.each([
    ['BUSY', 5, true],
    ['BUSY_RECOVERY', 261, true],
    ['BUSY_SNAPSHOT', 517, true],
    ['BUSY_TIMEOUT', 773, true],
    ['LOCKED', 6, false],
    ['FULL', 13, false],
    ['IOERR_SHMSIZE', 4874, false],
    ['no code', undefined, false],
  ])('%s (%s) is busy: %s', (_, errcode, busy) => {
    expect(isBusy(Object.assign(new Error('of SQLite'), { errcode }))).toBe(busy);
    expect(isBusy({ errcode })).toBe(false);
  });

  it('says at once what cannot be opened', () => {
    expect(() => openSharedDatabase(join(folder.path, 'absent', 'x.sqlite'))).toThrow(expect.objectContaining({ errcode: 14 }));
  });
});
