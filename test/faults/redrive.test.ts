/** `storestow redrive` killed in the middle: each object keeps its outcome, or has none and is found by the sweep. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mapConcurrently } from '../../core/concurrency.ts';
import { createLog } from '../../core/logging.ts';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import { sweep } from '../../functions/sweep/sweep.ts';
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';
import { repeatSweep } from '../../local-cloud/repeat-sweep.ts';
import { fakeObject } from '../support/ingest-double.ts';
import { runStorestow, startStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const COUNT = 400;

describe('redrive, killed', () => {
  let folder: TemporaryFolder;
  let store: FolderStore;
  let keys: readonly string[];

  beforeEach(async () => {
    folder = await temporaryFolder('redrive-killed');
    store = await openFolderStore(join(folder.path, 'bucket'));
    const objects = Array.from({ length: COUNT }, (_, index) => fakeObject({ sop: `1.2.3.${index}` }));
    await mapConcurrently(objects, 16, ({ key, file }) =>
      store.put(key, file, { tags: { status: 'quarantined/UNKNOWN_SOURCE' } }),
    );
    keys = objects.map(({ key }) => key).toSorted();
    // Their arrivals are long done.
    await withQueue((queue) =>
      queue.delete(queue.receive({ max: COUNT, visibilityTimeout: 60_000 }).map(({ receipt }) => receipt)),
    );
  });

  afterEach(async () => {
    await store.close();
    await folder.remove();
  });

  async function withQueue<T>(work: (queue: ArrivalsQueue) => T): Promise<T> {
    const queue = new ArrivalsQueue({ path: store.databasePath });
    try {
      return work(queue);
    } finally {
      queue.close();
    }
  }
  const statuses = async (): Promise<readonly (string | undefined)[]> =>
    mapConcurrently(keys, 16, async (key) => (await store.getTags(key))['status']);
  async function swept(): Promise<readonly string[]> {
    const found: string[] = [];
    await sweep(store, async (batch) => void found.push(...batch), {
      pendingAfter: 5,
      failedAfter: 60,
      log: createLog({ level: 'silent' }),
      now: () => new Date(Date.now() + 10 * 60_000),
    });
    return found.toSorted();
  }

  /** Kills a redrive of all when so many outcomes are taken off; gives the keys that have none then. */
  async function killedAfter(outcomes: number): Promise<readonly string[]> {
    const redrive = startStorestow(['redrive', '--all', '--data', folder.path]);
    const cleared = async (): Promise<number> => (await statuses()).filter((status) => status === undefined).length;
    await waitUntil('outcomes are taken off', async () => (await cleared()) >= outcomes, { interval: 1 });
    redrive.child.kill('SIGKILL');
    await redrive.finished;
    const after = await statuses();
    expect(after.every((status) => status === undefined || status === 'quarantined/UNKNOWN_SOURCE')).toBe(true);
    return keys.filter((_, index) => after[index] === undefined);
  }

  it('weeks after they arrived: a machine that has been running all the while finds them within a day', async () => {
    const log = createLog({ level: 'silent' });
    const day = 24 * 60 * 60_000;
    let time = Date.now();
    const found: string[] = [];
    const task = repeatSweep(
      (bucket, enqueue, timing) =>
        sweep(bucket, enqueue, { ...timing, failedAfter: 60, log, now: () => new Date(time) }).then(() => undefined),
      store,
      async (batch) => void found.push(...batch),
      () => time,
    );
    const runFor = async (milliseconds: number): Promise<void> => {
      for (const end = time + milliseconds; time < end;) time += await task.run();
    };
    await runFor(3 * day);
    expect(found).toEqual([]);
    const left = await killedAfter(1);
    await runFor(day);
    expect([...new Set(found)].toSorted()).toEqual(left);
  });

  it.each([1, 130, 270])('after %i outcomes: nothing is lost, and a second one goes on', async (outcomes) => {
    const left = await killedAfter(outcomes);
    expect(await swept()).toEqual(left);

    const second = await runStorestow(['redrive', '--all', '--data', folder.path, '--json']);
    expect(second.code, second.stderr).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({ redriven: COUNT - left.length });
    expect((await statuses()).every((status) => status === undefined)).toBe(true);
    // What the first one had not queued yet is the sweep's; nothing is queued twice.
    const queued = await withQueue((queue) => queue.receive({ max: 2 * COUNT, visibilityTimeout: 60_000 }).map(({ key }) => key));
    expect(new Set(queued).size).toBe(queued.length);
    expect(await swept()).toEqual(keys);
  });
});
