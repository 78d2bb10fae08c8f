import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSharedDatabase } from '../../core/shared-database.ts';
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

  it('says at once what cannot be opened', () => {
    expect(() => openSharedDatabase(join(folder.path, 'absent', 'x.sqlite'))).toThrow(expect.objectContaining({ errcode: 14 }));
  });
});
