import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog, type Log } from '../../../core/logging.ts';
import { keepProcess, type KeptProcess } from '../../../local-cloud/kept-process.ts';
import { isRunning } from '../../support/process-tree.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

const MODULE = fileURLToPath(new URL('../../support/modules/kept.ts', import.meta.url));

describe('keepProcess', () => {
  let folder: TemporaryFolder;
  let kept: KeptProcess | undefined;
  const execPath = process.execPath;

  beforeEach(async () => {
    folder = await temporaryFolder('kept');
  });
  afterEach(async () => {
    process.execPath = execPath;
    await kept?.close();
    kept = undefined;
    await folder.remove();
  });

  const notes = (): string => join(folder.path, 'notes');
  const logFile = (): string => join(folder.path, 'log');

  function keep(does: string, log: Log = createLog({ level: 'silent' })): KeptProcess {
    return (kept = keepProcess({ module: MODULE, args: [notes(), does], name: 'the test', log, endTimeout: 500 }));
  }

  /** Ids of the processes that began, in order. */
  async function began(): Promise<readonly number[]> {
    const text = await readFile(notes(), 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map(Number);
  }

  async function afterStarts(count: number): Promise<readonly number[]> {
    return waitUntil(`${count} starts`, async () => (await began()).length >= count && (await began()), { interval: 20 });
  }

  async function logged(): Promise<readonly Record<string, unknown>[]> {
    const text = await readFile(logFile(), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('runs the module with its arguments, and knows its id', async () => {
    const process = keep('stays');
    expect(await afterStarts(1)).toEqual([process.pid]);
  });

  it("is in a group of its own, which a terminal's Ctrl-C does not reach", async () => {
    const { pid } = keep('stays');
    await afterStarts(1);
    expect(() => process.kill(-(pid ?? 0), 0)).not.toThrow();
  });

  it('has begun when the module says that it is ready', async () => {
    const { begun } = keep('readies');
    await afterStarts(1);
    let said = false;
    void begun.then(() => (said = true));
    await setImmediate();
    expect(said).toBe(false);
    await writeFile(`${notes()}.go`, '');
    await begun;
  });

  it('has begun where the module ends before it is ready', async () => {
    const { begun } = keep('ends');
    await begun;
  });

  it('starts a module again that ends, later each time, and says so', async () => {
    keep('ends', createLog({ to: logFile() }));
    const pids = await afterStarts(3);
    expect(new Set(pids).size).toBe(pids.length);
    const ends = (await logged()).filter(({ code }) => code === 3);
    expect(ends.slice(0, 2)).toMatchObject([
      { msg: 'the test ended; it is started again', signal: null, restartIn: 500 },
      { signal: null, restartIn: 1000 },
    ]);
  });

  it('starts a module again that is killed', async () => {
    const kept = keep('stays', createLog({ to: logFile() }));
    const [first = 0] = await afterStarts(1);
    process.kill(first, 'SIGKILL');
    const [, second] = await afterStarts(2);
    expect(second).not.toBe(first);
    expect(kept.pid).toBe(second);
    expect(await logged()).toMatchObject([{ code: null, signal: 'SIGKILL' }]);
  });

  it('ends it at close, and starts it no more', async () => {
    const kept = keep('stays');
    const [pid = 0] = await afterStarts(1);
    await kept.close();
    expect(await isRunning(pid)).toBe(false);
    expect(kept.pid).toBeUndefined();
    expect(await began()).toEqual([pid]);
  });

  it('starts nothing more where close comes between two runs', async () => {
    const kept = keep('ends');
    await afterStarts(1);
    await waitUntil('the first run is over', () => kept.pid === undefined, { interval: 5 });
    await kept.close();
    expect(await began()).toHaveLength(1);
  });

  it('ends a module that does not end when it is asked to', async () => {
    const kept = keep('deaf');
    const [pid = 0] = await afterStarts(1);
    await kept.close();
    expect(await isRunning(pid)).toBe(false);
  });

  it('tries again where no process can be started', async () => {
    process.execPath = join(folder.path, 'no-node');
    const kept = keep('stays', createLog({ to: logFile() }));
    await waitUntil('it could not be started', async () => (await logged()).some(({ restartIn }) => restartIn === 500));
    expect(kept.pid).toBeUndefined();
    process.execPath = execPath;
    expect(await afterStarts(1)).toEqual([kept.pid]);
  });

  it('takes what it prints into the log', async () => {
    keep('prints', createLog({ to: logFile() }));
    const lines = await waitUntil('a line', async () => (await logged()).length > 0 && (await logged()));
    expect(lines).toMatchObject([{ level: 40, msg: 'as the test wants it', name: 'storestow' }]);
  });
});
