/** What an uploader logs, as the system's log gets it: by the real `logger`, into a socket such as /dev/log. */
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const ENTRY = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));
const utilLinux = /util-linux/.test(spawnSync('logger', ['--version'], { encoding: 'utf8' }).stdout ?? '');
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

describe('the log of an uploader', () => {
  it.skipIf(requirePeer('logger of util-linux, python3', utilLinux && python))(
    'goes to syslog where asked, a line each, with its severity; and stays on standard error',
    async () => {
      const socket = join(folder.path, 'log.socket');
      daemon = spawn('python3', ['-c', DAEMON, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
      let heard = '';
      daemon.stdout?.setEncoding('utf8').on('data', (text: string) => (heard += text));
      await waitUntil('the socket is there', () => heard.startsWith('bound'));
      const { code, stderr } = await runStorestow(ARGS, {
        cwd: folder.path,
        env: { STORESTOW_CONFIG: configured({ syslog: socket }) },
      });
      expect(code).toBe(1);
      const [line = ''] = stderr.split('\n');
      expect(JSON.parse(line)).toMatchObject({ level: 50, name: 'upload' });
      // RFC 5424 6.2.1: facility 3 (daemon) × 8 + severity 3 (error).
      await waitUntil('the line is in the log', () => /^<27>/m.test(heard));
      const [, tag, message = ''] = /^<27>.*? (\S+?)(?:\[\d+\])?: (\{.*\})$/m.exec(heard) ?? [];
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

  it('is left to who started it with a channel, as up does: no line comes twice', async () => {
    // Where it is asked for a logger, it says that there is none.
    const env = { ...process.env, STORESTOW_CONFIG: configured({ syslog: true }), PATH: folder.path };
    const child = fork(ENTRY, ARGS, { cwd: folder.path, execArgv: [], silent: true, env });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(said).toMatch(/^\{"level":50,/);
    expect(said).not.toContain('logger cannot write');
  });

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
