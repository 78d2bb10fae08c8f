import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { isJournal, journalPrefix, loggerCommand, severityOf, Syslog } from '../../core/syslog.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

describe('severityOf', () => {
  it.each([
    [70, 'crit', '<2>'],
    [60, 'crit', '<2>'],
    [50, 'err', '<3>'],
    [40, 'warning', '<4>'],
    [30, 'info', '<6>'],
    [20, 'debug', '<7>'],
    [10, 'debug', '<7>'],
  ] as const)('level %i: %s, %s in the journal', (level, severity, prefix) => {
    expect(severityOf(level)).toBe(severity);
    expect(journalPrefix(severity)).toBe(prefix);
  });
});

describe('loggerCommand', () => {
  it.each([
    ['linux', undefined, ['logger', '-t', 'storestow-upload', '-p', 'daemon.err', '--size', '32KiB']],
    ['linux', '/run/log', ['logger', '-t', 'storestow-upload', '-p', 'daemon.err', '--size', '32KiB', '-u', '/run/log']],
    ['darwin', undefined, ['logger', '-t', 'storestow-upload', '-p', 'daemon.err']],
  ] as const)('%s, socket %s', (platform, socket, command) => {
    expect(loggerCommand('err', { tag: 'storestow-upload', platform, socket })).toEqual(command);
  });
});

describe('isJournal', () => {
  const descriptor = openSync(import.meta.filename, 'r');
  const { dev, ino } = fstatSync(descriptor);

  it.each([
    [descriptor, `${dev}:${ino}`, true],
    [descriptor, `${dev}:${ino + 1}`, false],
    [descriptor, undefined, false],
    [9999, `${dev}:${ino}`, false],
  ])('descriptor %s, JOURNAL_STREAM %s: %s', (given, stream, expected) => {
    expect(isJournal(given, stream)).toBe(expected);
  });
});

describe('the logger', () => {
  const MODULE = new URL('../../core/syslog.ts', import.meta.url).href;
  let folder: TemporaryFolder;

  beforeEach(async () => {
    folder = await temporaryFolder('logger');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await folder.remove();
  });
  const script = (body: string): string[] => ['--input-type=module', '-e', `import { Syslog } from '${MODULE}';\n${body}`];

  it('that cannot be started for want of descriptors is told as one that is not there', async () => {
    const body = `
      import { openSync } from 'node:fs';
      const syslog = new Syslog({ tag: 'x' }, () => console.log('unavailable'));
      try { for (;;) openSync('/dev/null'); } catch {}
      syslog.write('err', 'a line\\n');
      console.log('goes on');`;
    const limited = ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, ...script(body)];
    const { stdout } = await promisify(execFile)('sh', limited);
    expect(stdout).toBe('goes on\nunavailable\n');
  });

  it('gets the last lines of a process that Ctrl-C ends, which goes to all processes of a terminal', async () => {
    const log = join(folder.path, 'log');
    await writeFile(join(folder.path, 'logger'), `#!/bin/sh\nexec cat >> '${log}'\n`, { mode: 0o755 });
    const body = `
      const syslog = new Syslog({ tag: 'x' }, () => undefined);
      const kept = setInterval(() => undefined, 1000);
      process.once('SIGINT', () => { syslog.write('info', 'the last\\n'); clearInterval(kept); });
      syslog.write('info', 'the first\\n');`;
    const PATH = `${folder.path}:${process.env['PATH'] ?? ''}`;
    const child = spawn(process.execPath, script(body), { detached: true, stdio: 'inherit', env: { ...process.env, PATH } });
    const text = async (): Promise<string> => readFile(log, 'utf8').catch(() => '');
    await waitUntil('the first line is in the log', async () => (await text()) === 'the first\n');
    const ended = once(child, 'exit');
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toEqual([0, null]);
    await waitUntil('the last line is in the log', async () => (await text()) === 'the first\nthe last\n');
  });

  it('that ended is started again with a line that comes a minute later, and is told once', async () => {
    const log = join(folder.path, 'log');
    await writeFile(join(folder.path, 'logger'), `#!/bin/sh\nhead -n 1 >> '${log}'\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${folder.path}:${process.env['PATH'] ?? ''}`);
    const ended = vi.fn<() => void>();
    let time = 0;
    const clock = vi.fn(() => time);
    const syslog = new Syslog({ tag: 'x', now: clock }, ended);
    const text = async (): Promise<string> => readFile(log, 'utf8').catch(() => '');
    syslog.write('info', 'the first\n');
    await waitUntil('it ended', () => ended.mock.calls.length === 1);
    time = 59_999;
    syslog.write('info', 'too soon\n');
    time = 60_000;
    clock.mockClear();
    syslog.write('info', 'the second\n');
    await waitUntil('the second line is in the log', async () => (await text()) === 'the first\nthe second\n');
    // It looks at the clock when it starts one, and when that has ended.
    await waitUntil('it ended again', () => clock.mock.calls.length === 2);
    time = 120_000;
    syslog.write('info', 'the third\n');
    await waitUntil('the third line is in the log', async () => (await text()).endsWith('the second\nthe third\n'));
    expect(ended).toHaveBeenCalledTimes(1);
  });

  it('that hangs keeps no more than some lines in memory, is told, and gets the next ones when it goes on', async () => {
    const [log, go] = [join(folder.path, 'log'), join(folder.path, 'go')];
    const body = `#!/bin/sh\nwhile [ ! -e '${go}' ]; do sleep 0.02; done\nexec cat >> '${log}'\n`;
    await writeFile(join(folder.path, 'logger'), body, { mode: 0o755 });
    vi.stubEnv('PATH', `${folder.path}:${process.env['PATH'] ?? ''}`);
    const told = vi.fn<() => void>();
    const syslog = new Syslog({ tag: 'x' }, told);
    for (let line = 0; line < 2000; line++) syslog.write('info', `${String(line).padEnd(1000)}\n`);
    expect(told).toHaveBeenCalledTimes(1);
    await writeFile(go, '');
    const text = async (): Promise<string> => readFile(log, 'utf8').catch(() => '');
    await waitUntil('a later line is in the log', async () => {
      syslog.write('info', 'later\n');
      return (await text()).includes('later\n');
    });
    const lines = (await text()).split('\n').filter((line) => /^\d/.test(line));
    expect(lines.map(Number)).toEqual(lines.map((_, index) => index));
    expect(lines.length).toBeGreaterThan(90);
    expect(lines.length).toBeLessThan(400);
  });

  it('that is not there is told where the log is', async () => {
    vi.stubEnv('PATH', folder.path);
    const to = join(folder.path, 'log');
    createLog({ name: 'upload', to, syslog: true }).warn('a line');
    const lines = async (): Promise<unknown[]> =>
      (await readFile(to, 'utf8')).split('\n', 2).map((line) => (line === '' ? undefined : (JSON.parse(line) as unknown)));
    await waitUntil('it is told', async () => (await lines())[1] !== undefined);
    expect(await lines()).toMatchObject([
      { level: 40, name: 'upload', msg: 'a line' },
      { level: 40, name: 'upload', msg: expect.stringMatching(/^logger cannot write/) as string },
    ]);
  });
});
