import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';
import { FunctionRunner, type FunctionResult, type RunnerOptions } from '../../local-cloud/function-runner.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const HANDLER = join(import.meta.dirname, '../support/handlers/scripted.ts');

function key(name: string): string {
  return `incoming/${name}.dcm`;
}

describe('FunctionRunner', () => {
  let folder: TemporaryFolder;
  let queue: ArrivalsQueue;
  let notes: string;
  let runner: FunctionRunner | undefined;
  let results: FunctionResult[];
  let dead: [key: string, code: ErrorCode][];

  beforeEach(async () => {
    folder = await temporaryFolder('runner');
    queue = new ArrivalsQueue({ path: join(folder.path, 'queue.sqlite'), firstDelay: 1, maxDelay: 10, maxReceives: 4 });
    notes = join(folder.path, 'notes');
    writeFileSync(notes, '');
    results = [];
    dead = [];
    runner = undefined;
  });
  afterEach(async () => {
    await runner?.stop({ grace: 0 });
    queue.close();
    await folder.remove();
  });

  async function start(options: Partial<RunnerOptions> = {}): Promise<FunctionRunner> {
    runner = new FunctionRunner({
      queue,
      handler: HANDLER,
      env: { STORESTOW_TEST_NOTES: notes },
      bucket: 'b',
      log: createLog({ level: 'silent' }),
      gather: 1,
      poll: 10,
      onResult: (result) => results.push(result),
      onDead: async (name, code) => void dead.push([name, code]),
      ...options,
    });
    await runner.start();
    return runner;
  }
  function enqueue(...names: readonly string[]): void {
    queue.enqueue(names.map((name) => ({ key: key(name) })));
  }
  function batches(): readonly { readonly pid: number; readonly keys: readonly string[] }[] {
    return readFileSync(notes, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { pid: number; keys: string[] });
  }

  it('invokes with all that waits, tells each result, and is drained when all is done', async () => {
    enqueue('a', 'b ä+%', 'c');
    await (await start()).drained();
    expect(batches().map(({ keys }) => keys)).toEqual([[key('a'), key('b ä+%'), key('c')]]);
    expect(results).toEqual(['a', 'b ä+%', 'c'].map((name) => ({ key: key(name), state: 'stowed' })));
    expect(queue.depth()).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 0 });
  });

  it('takes no more than a batch at once', async () => {
    enqueue('a', 'b', 'c');
    await (await start({ maxBatch: 2 })).drained();
    expect(batches().map(({ keys }) => keys.length)).toEqual([2, 1]);
  });

  it('tries again what failed, and only that, until it is dead with the handler’s code', async () => {
    enqueue('good', 'fail');
    await (await start()).drained();
    expect(batches().map(({ keys }) => keys)).toEqual([[key('good'), key('fail')], [key('fail')], [key('fail')], [key('fail')]]);
    expect(dead).toEqual([[key('fail'), 'ARCHIVE_UNAVAILABLE']]);
    expect(queue.deadLetters()).toEqual([{ key: key('fail'), receives: 4, error: 'ARCHIVE_UNAVAILABLE' }]);
  });

  it('does not count a try for which the handler had no time', async () => {
    enqueue('late');
    await start();
    await waitUntil('more tries than the queue has', () => batches().length > 6);
    expect(dead).toEqual([]);
  });

  it('survives a crash: another process goes on, and only the message to blame dies', async () => {
    const good = Array.from({ length: 20 }, (_, index) => `good ${index}`);
    enqueue(...good.slice(0, 5), 'crash', ...good.slice(5));
    await (await start()).drained();
    expect(dead).toEqual([[key('crash'), 'PROCESS_FAILED']]);
    expect(results.map((result) => result.key).sort()).toEqual(good.map(key).sort());
    const [first, second, ...alone] = batches().filter(({ keys }) => keys.includes(key('crash')));
    expect(first?.keys).toHaveLength(21);
    expect(second?.keys.length).toBeLessThanOrEqual(10);
    expect(alone.map(({ keys }) => keys)).toEqual([[key('crash')], [key('crash')]]);
  });

  it('ends an invocation that takes too long, and goes on', async () => {
    enqueue('hang');
    const running = await start({ timeout: 300 });
    await running.drained();
    expect(dead).toEqual([[key('hang'), 'INVOCATION_TIMEOUT']]);
    enqueue('good');
    await running.drained();
    expect(results.map((result) => result.key)).toEqual([key('good')]);
  });

  it('does not count as a try that another instance is at the study', async () => {
    enqueue('held');
    await (await start()).drained();
    expect(dead).toEqual([]);
    expect(results.at(-1)).toMatchObject({ key: key('held'), state: 'stowed' });
    expect(batches().length).toBeGreaterThan(8);
  });

  it('tries again what a handler threw for, in the same process', async () => {
    enqueue('throw');
    await (await start()).drained();
    expect(dead).toEqual([[key('throw'), 'CONFIG_INVALID']]);
    expect(new Set(batches().map(({ pid }) => pid)).size).toBe(1);
  });

  it('takes an answer out of form for a failure of all', async () => {
    enqueue('nonsense', 'good');
    await (await start()).drained();
    expect(dead.map(([name]) => name)).toContain(key('nonsense'));
    // It may come back beside the other one, and fail again, or alone.
    expect(batches().filter(({ keys }) => keys.includes(key('good'))).length).toBeGreaterThan(1);
  });

  it('is not stopped by an object that cannot be marked as failed', async () => {
    enqueue('fail');
    const running = await start({
      onDead: async () => {
        throw new Error('as the test wants it');
      },
    });
    await running.drained();
    expect(queue.depth().dead).toBe(1);
  });

  it('survives kill -9 of the function process', async () => {
    const running = await start();
    enqueue('first');
    await running.drained();
    process.kill(batches()[0]?.pid ?? 0, 'SIGKILL');
    enqueue('second');
    await running.drained();
    expect(results.map((result) => result.key)).toEqual([key('first'), key('second')]);
  });

  it('keeps messages hidden for as long as their invocation goes on', async () => {
    const slow = new ArrivalsQueue({ path: join(folder.path, 'slow.sqlite'), firstDelay: 60_000 });
    slow.enqueue([{ key: key('hang') }]);
    // A second process would take the message as soon as it came in sight.
    await start({ queue: slow, timeout: 2_000, visibilityTimeout: 600, concurrency: 2 });
    await waitUntil('the first try to end', () => slow.depth().delayed === 1);
    expect(batches()).toHaveLength(1);
    await runner?.stop({ grace: 0 });
    slow.close();
  });

  it('gives back what it had when it is stopped, and that try does not count', async () => {
    enqueue('hang');
    const running = await start();
    const drained = running.drained();
    const rejected = expect(drained).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
    await waitUntil('the invocation', () => batches().length === 1);
    await running.stop({ grace: 0 });
    await rejected;
    expect(queue.receive({ max: 1, visibilityTimeout: 1_000 })).toMatchObject([{ receives: 1 }]);
  });

  it('lets what is under way finish when it is stopped', async () => {
    enqueue('good');
    const running = await start();
    await waitUntil('the invocation', () => batches().length === 1);
    await running.stop();
    expect(queue.depth()).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 0 });
    enqueue('after');
    expect(batches()).toHaveLength(1);
  });

  it('has started when the handler says that it is ready, not before', async () => {
    const ready = join(folder.path, 'ready');
    await start({ env: { STORESTOW_TEST_NOTES: notes, STORESTOW_TEST_READY: ready } });
    expect(existsSync(ready)).toBe(true);
  });

  it('gathers no more where what waits has waited long enough', async () => {
    queue.close();
    const path = join(folder.path, 'queue.sqlite');
    const yesterday = new ArrivalsQueue({ path, now: () => Date.now() - 86_400_000 });
    yesterday.enqueue([{ key: key('a') }]);
    yesterday.close();
    queue = new ArrivalsQueue({ path });
    // A day: who waits for it here is ended by the test's own time-out.
    await (await start({ gather: 86_400_000 })).drained();
    expect(results).toEqual([{ key: key('a'), state: 'stowed' }]);
  });

  it('says at the start that the handler cannot be loaded', async () => {
    const lines: string[] = [];
    const log = createLog({ level: 'silent' });
    log.warn = (fields: unknown) => void lines.push(JSON.stringify(fields));
    await expect(start({ handler: join(folder.path, 'absent.ts'), log })).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
    expect(lines.join()).toContain('ERR_MODULE_NOT_FOUND');
    runner = undefined;
  });

  it('runs its tasks at the start, and again; a failure does not end them', async () => {
    let failing = 0;
    let working = 0;
    await start({
      tasks: [
        {
          name: 'a task that fails',
          retryAfter: 1,
          run: async () => {
            failing += 1;
            throw new Error('as the test wants it');
          },
        },
        { name: 'a task that works', run: async () => ((working += 1), 1) },
      ],
    });
    await waitUntil('three runs of each', () => failing >= 3 && working >= 3);
  });

  it('runs several processes at once', async () => {
    const running = await start({ concurrency: 2, maxBatch: 1, timeout: 1_000 });
    enqueue('hang');
    await waitUntil('the first invocation', () => batches().length === 1);
    enqueue('good');
    await waitUntil('the other process', () => results.length === 1);
    await running.stop({ grace: 0 });
  });
});
