/** What an uploader logs, as the system's log gets it: by the real `logger`, into a socket such as /dev/log. */
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const ENTRY = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));
const utilLinux = /util-linux/.test(spawnSync('logger', ['--version'], { encoding: 'utf8' }).stdout ?? '');
const storescp = spawnSync('storescp', ['--version']).status === 0;
const python = spawnSync('python3', ['--version']).status === 0;

/** A socket of datagrams, as syslog daemons have one; each message becomes a line. */
const DAEMON = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(65536).decode().rstrip('\\n'), flush=True)
`;

let folder: TemporaryFolder;
let daemon: ChildProcess | undefined;

beforeEach(async () => {
  folder = await temporaryFolder('syslog');
  await mkdir(join(folder.path, 'spool', 'study'), { recursive: true });
  await writeFile(join(folder.path, 'spool', 'study', 'cut'), buildImage({}).subarray(0, 600));
});

afterEach(async () => {
  daemon?.kill();
  daemon = undefined;
  await folder.remove();
});

const configured = (log: object): string =>
  JSON.stringify({ bucket: { kind: 'folder', path: join(folder.path, 'bucket') }, upload: { settle: 0 }, log });
const ARGS = ['upload', '--all', '--spool', 'spool'];

async function startDaemon(): Promise<{ readonly socket: string; readonly text: () => string }> {
  const socket = join(folder.path, 'log.socket');
  daemon = spawn('python3', ['-c', DAEMON, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  daemon.stdout?.setEncoding('utf8').on('data', (text: string) => (heard += text));
  await waitUntil('the socket is there', () => heard.startsWith('bound'));
  return { socket, text: () => heard };
}

describe('the log of an uploader', () => {
  it.skipIf(requirePeer('logger of util-linux, python3', utilLinux && python))(
    'goes to syslog where asked, a line each, with its severity; and stays on standard error',
    async () => {
      const { socket, text } = await startDaemon();
      const { code, stderr } = await runStorestow(ARGS, {
        cwd: folder.path,
        env: { STORESTOW_CONFIG: configured({ syslog: socket }) },
      });
      expect(code).toBe(1);
      const [line = ''] = stderr.split('\n');
      expect(JSON.parse(line)).toMatchObject({ level: 50, name: 'upload' });
      // RFC 5424 6.2.1: facility 3 (daemon) × 8 + severity 3 (error).
      await waitUntil('the line is in the log', () => /^<27>/m.test(text()));
      const [, tag, message = ''] = /^<27>.*? (\S+?)(?:\[\d+\])?: (\{.*\})$/m.exec(text()) ?? [];
      expect(tag).toBe('storestow-upload');
      expect(JSON.parse(message)).toEqual(JSON.parse(line));
    },
  );

  it('says once that there is no logger, and goes on', async () => {
    const { code, stdout, stderr } = await runStorestow([...ARGS, '--syslog'], {
      cwd: folder.path,
      env: { STORESTOW_CONFIG: configured({}), PATH: folder.path },
    });
    expect(code).toBe(1);
    expect(stdout).toContain('1 failed');
    expect(stderr.match(/logger cannot write/g)).toHaveLength(1);
  });

  it.each([
    ['goes there under a process manager that gives it a channel, as pm2 does: nobody else brings it there', [], 1],
    ['goes there not with --no-syslog, whatever the configuration says', ['--no-syslog'], 0],
  ])('%s', async (_, options, times) => {
    // Where it is asked for a logger, it says that there is none.
    const env = { ...process.env, STORESTOW_CONFIG: configured({ syslog: true }), PATH: folder.path };
    const child = fork(ENTRY, [...ARGS, ...options], { cwd: folder.path, execArgv: [], silent: true, env });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toMatch(/^\{"level":50,/m);
    expect(said.match(/logger cannot write/g) ?? []).toHaveLength(times);
  });

  it.skipIf(requirePeer('logger of util-linux, python3, storescp', utilLinux && python && storescp))(
    'goes there by up alone where up has started the uploader: no line twice',
    async () => {
      const heard = await startDaemon();
      // A study would wait a minute for the exec that says who sent it.
      await mkdir(join(folder.path, 'data', 'spool', 'received'), { recursive: true });
      await rename(join(folder.path, 'spool', 'study'), join(folder.path, 'data', 'spool', 'received', '10.0.0.1'));
      const port = String(await freePort());
      const up = startStorestow(['up', '--data', 'data', '--port', port], {
        cwd: folder.path,
        env: { STORESTOW_CONFIG: configured({ syslog: heard.socket }) },
      });
      try {
        const lines = (): readonly string[] => heard.text().match(/.*cannot be uploaded.*/g) ?? [];
        await waitUntil('the line is in the log', () => lines().length > 0);
        await up.stop();
        expect(lines()).toEqual([expect.stringContaining('storestow-up') as string]);
      } finally {
        await up.stop();
      }
    },
  );

  it('says its severity where standard error is the journal', async () => {
    const path = join(folder.path, 'journal');
    const journal = openSync(path, 'w');
    const { dev, ino } = fstatSync(journal);
    const child = spawn(process.execPath, [ENTRY, ...ARGS], {
      cwd: folder.path,
      stdio: ['ignore', 'ignore', journal],
      env: { ...process.env, STORESTOW_CONFIG: configured({ syslog: true }), JOURNAL_STREAM: `${dev}:${ino}` },
    });
    await once(child, 'exit');
    closeSync(journal);
    const text = await readFile(path, 'utf8');
    expect(text).toMatch(/^<3>\{"level":50,/);
    expect(text).not.toContain('logger cannot write');
  });
});
