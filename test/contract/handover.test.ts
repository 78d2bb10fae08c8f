/** An exec and a resident uploader: the socket between them, whatever lies in its place and whatever comes over it. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, readdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { handOver } from '../../local-uploader/handover/hand-over.ts';
import { HandoverListener } from '../../local-uploader/handover/handover-listener.ts';
import { handoverSocket, MAX_WORD, serializeWord, type HandoverWord } from '../../local-uploader/handover/handover-word.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const PROCESS = fileURLToPath(new URL('./handover-process.ts', import.meta.url));
const WORD: HandoverWord = { cwd: '/at', data: 'data' };
const OFTEN = 20;

describe('handing over', () => {
  let folder: TemporaryFolder;
  let open: HandoverListener[] = [];
  let servers: Server[] = [];
  let children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder('handover');
    await mkdir(folder.path, { recursive: true });
    [open, servers, children] = [[], [], []];
  });
  afterEach(async () => {
    for (const listener of open) await listener.close();
    for (const server of servers) server.close();
    for (const child of children) child.kill('SIGKILL');
    await folder.remove();
  });

  const state = (): string => join(folder.path, '.storestow');
  const place = (): string => handoverSocket(folder.path) ?? expect.fail('the path is too long for this test');
  const logged = async (): Promise<string> => readFile(join(folder.path, 'log'), 'utf8').catch(() => '');

  /** Takes all, and keeps what it took. */
  async function listen(take?: (word: HandoverWord) => Promise<boolean>, every?: number): Promise<HandoverWord[]> {
    const taken: HandoverWord[] = [];
    const listener = await HandoverListener.open(folder.path, {
      log: createLog({ to: join(folder.path, 'log') }),
      take: take ?? (async (word) => taken.push(word) > 0),
      ...(every === undefined ? {} : { every }),
    });
    open.push(listener);
    return taken;
  }

  /** Another process, which takes all. */
  async function listenElsewhere(): Promise<ChildProcess> {
    const child = fork(PROCESS, [folder.path], { execArgv: [] });
    children.push(child);
    await once(child, 'message');
    return child;
  }

  /** Bytes as they are, and what is answered until the connection is closed. */
  async function say(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve) => {
      let answer = '';
      const socket = connect(place(), () => socket.write(bytes));
      socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
      socket.on('error', () => undefined).on('close', () => resolve(answer));
    });
  }

  it('takes a word, which comes as it was said', async () => {
    const taken = await listen();
    const word = { ...WORD, folder: '/spool/study', callingIP: '10.0.0.1' };
    expect(await handOver(place(), word)).toBe(true);
    expect(taken).toEqual([word]);
  });

  it('takes many at once', async () => {
    const taken = await listen();
    const words = Array.from({ length: 100 }, (_, number) => ({ ...WORD, folder: `/spool/${number}` }));
    expect(await Promise.all(words.map((word) => handOver(place(), word)))).toEqual(words.map(() => true));
    expect(taken.map((word) => word.folder).sort()).toEqual(words.map((word) => word.folder).sort());
  });

  it.each([
    ['refuses', async () => false],
    ['fails', async () => Promise.reject(new Error('as the test wants it'))],
  ])('is left to the exec where the uploader %s', async (_, take) => {
    await listen(take);
    expect(await handOver(place(), WORD)).toBe(false);
  });

  it('is for its user alone', async () => {
    await listen();
    expect((await lstat(state())).mode & 0o777).toBe(0o700);
    expect((await lstat(place())).mode & 0o777).toBe(0o700);
    expect(await readdir(state())).toEqual(['resident']);
  });

  it('ends with the uploader, and leaves nothing', async () => {
    await listen();
    await open[0]?.close();
    expect(await readdir(state())).toEqual([]);
    expect(await handOver(place(), WORD)).toBe(false);
  });

  it('is left to the exec where nobody listens, has been, or a link leads to one', async () => {
    expect(await handOver(place(), WORD)).toBe(false);
    await mkdir(state());
    await writeFile(place(), '');
    expect(await handOver(place(), WORD)).toBe(false);
    await unlink(place());
    await listen();
    await rename(place(), join(state(), 'moved'));
    await symlink('moved', place());
    expect(await handOver(place(), WORD)).toBe(false);
    expect(await handOver(join(state(), 'moved'), WORD)).toBe(true);
  });

  it.each([
    ['says nothing and goes', ''],
    ['says something else', 'takenx\n'],
    ['says half of it', 'taken'],
    ['refuses', 'left to you\n'],
    ['says too much', 'taken\n'.repeat(1000)],
  ])('is left to the exec where who listens %s', async (_, answer) => {
    await mkdir(state());
    const server = createServer((socket) => socket.on('error', () => undefined).end(answer));
    servers.push(server);
    await once(server.listen(place()), 'listening');
    expect(await handOver(place(), WORD)).toBe(false);
  });

  it('is left to the exec where who listens does not answer in time', async () => {
    const child = await listenElsewhere();
    child.kill('SIGSTOP');
    expect(await handOver(place(), WORD, 50)).toBe(false);
    child.kill('SIGCONT');
    expect(await handOver(place(), WORD)).toBe(true);
  });

  it('is left to the exec where the word is too long', async () => {
    const taken = await listen();
    expect(await handOver(place(), { ...WORD, environment: '{'.padEnd(MAX_WORD) })).toBe(false);
    expect(taken).toEqual([]);
  });

  it('replaces what a killed uploader has left, and at no moment before tells it from a live one wrongly', async () => {
    const child = await listenElsewhere();
    expect(await handOver(place(), WORD)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await lstat(place())).isSocket()).toBe(true);
    expect(await handOver(place(), WORD)).toBe(false);
    const taken = await listen();
    expect(await handOver(place(), WORD)).toBe(true);
    expect(taken).toHaveLength(1);
  });

  it('stays with the first of two uploaders, and goes to the second when that one is killed', async () => {
    const child = await listenElsewhere();
    const taken = await listen(undefined, OFTEN);
    expect(open[0]?.listening).toBe(false);
    expect(await handOver(place(), WORD)).toBe(true);
    expect(taken).toEqual([]);
    expect(await logged()).toContain('another resident uploader');
    child.kill('SIGKILL');
    await waitUntil('the second one listens', () => open[0]?.listening);
    expect(await handOver(place(), WORD)).toBe(true);
    expect(taken).toHaveLength(1);
  });

  it('has one listener in the place when many begin at the same stale socket', async () => {
    const child = await listenElsewhere();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const taken = await Promise.all(Array.from({ length: 5 }, () => listen(undefined, OFTEN)));
    await waitUntil('one listens', () => open.filter(({ listening }) => listening).length === 1);
    expect(await handOver(place(), WORD)).toBe(true);
    expect(taken.flat()).toHaveLength(1);
    expect(await readdir(state())).toEqual(['resident']);
  });

  it('removes the socket of one that was killed before it was in its place, and nothing else', async () => {
    const child = await listenElsewhere();
    await rename(place(), join(state(), 'r.0123ab'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const server = createServer();
    servers.push(server);
    await once(server.listen(join(state(), 'r.abcdef')), 'listening');
    await writeFile(join(state(), 'r.fedcba'), '');
    await listen();
    expect((await readdir(state())).sort()).toEqual(['r.abcdef', 'r.fedcba', 'resident']);
    expect(open[0]?.listening).toBe(true);
  });

  it('leaves others in this process, who make a folder meanwhile, one that they can enter', async () => {
    const umask = vi.spyOn(process, 'umask');
    onTestFinished(() => umask.mockRestore());
    await listen();
    expect(umask.mock.calls.map(([mask]) => Number(mask) & 0o700)).toEqual([0, 0]);
  });

  it('does not wait for one who got its answer and keeps the connection open', async () => {
    await listen();
    const stopped = connect({ path: place(), allowHalfOpen: true });
    onTestFinished(() => void stopped.destroy());
    stopped.write(serializeWord(WORD));
    expect(await once(stopped.setEncoding('utf8'), 'data')).toEqual(['taken\n']);
    await open[0]?.close();
    expect(stopped.writable).toBe(true);
  });

  it('comes again where its socket was removed', async () => {
    const taken = await listen(undefined, OFTEN);
    await rm(state(), { recursive: true });
    await waitUntil('it listens again', async () => handOver(place(), WORD));
    expect(taken).toHaveLength(1);
  });

  it('waits for a spool that is not there, and does not make it', async () => {
    await rm(folder.path, { recursive: true });
    const log = createLog({ level: 'silent' });
    const listener = await HandoverListener.open(folder.path, { log, take: async () => true, every: OFTEN });
    open.push(listener);
    expect(listener.listening).toBe(false);
    await expect(lstat(folder.path)).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(folder.path);
    await waitUntil('it listens', () => listener.listening);
  });

  it.each([
    ['a file', async (path: string) => writeFile(path, 'mine')],
    ['a folder', async (path: string) => mkdir(path)],
    ['a link', async (path: string) => symlink('elsewhere', path)],
  ])('leaves %s in its place as it is, and says so', async (_, make) => {
    await mkdir(state());
    await make(place());
    const before = await lstat(place(), { bigint: true });
    await listen(undefined, OFTEN);
    expect(open[0]?.listening).toBe(false);
    expect((await logged()).match(/this is no socket/g)).toHaveLength(1);
    expect((await lstat(place(), { bigint: true })).ino).toBe(before.ino);
    await rm(place(), { recursive: true });
    await waitUntil('it listens', () => open[0]?.listening);
  });

  it('makes no socket through a link in the place of its folder', async () => {
    await mkdir(join(folder.path, 'elsewhere'));
    await symlink('elsewhere', state());
    await listen();
    expect(open[0]?.listening).toBe(false);
    expect(await readdir(join(folder.path, 'elsewhere'))).toEqual([]);
  });

  it('makes none where its path would be cut off, and says so', async () => {
    const spool = join(folder.path, 'x'.repeat(120));
    await mkdir(spool);
    const listener = await HandoverListener.open(spool, {
      log: createLog({ to: join(folder.path, 'log') }),
      take: async () => true,
    });
    open.push(listener);
    expect(listener.listening).toBe(false);
    expect(await logged()).toContain('too long for a socket');
    expect(await readdir(spool)).toEqual([]);
  });

  it.each<[string, string | Buffer]>([
    ['no JSON', 'GET / HTTP/1.1\r\n\r\n'],
    ['bytes', Buffer.from([0, 255, 254, 10, 10])],
    ['an unknown field', `${JSON.stringify({ ...WORD, shell: 'id' })}\n`],
    ['a relative study', `${JSON.stringify({ ...WORD, folder: '../../etc' })}\n`],
    ['no end', 'x'.repeat(MAX_WORD + 1)],
  ])('leaves what is no word, such as %s, and takes the next one', async (_, bytes) => {
    const taken = await listen();
    expect(await say(bytes)).toBe('left to you\n');
    expect(taken).toEqual([]);
    expect(await handOver(place(), WORD)).toBe(true);
    expect(await logged()).not.toContain('../../etc');
  });

  it('cuts off who does not stop, and takes the next one', async () => {
    await listen();
    // The answer may be lost with the connection.
    expect(['left to you\n', '']).toContain(await say(Buffer.alloc(64 * MAX_WORD, 'x')));
    expect(await handOver(place(), WORD)).toBe(true);
  });

  it('takes one word of a connection, however it comes in pieces', async () => {
    const taken = await listen();
    const [line, second] = [serializeWord(WORD), serializeWord({ ...WORD, data: 'second' })];
    const socket = connect(place());
    const answer = once(socket.setEncoding('utf8'), 'data');
    socket.setNoDelay().write(line.slice(0, 5));
    socket.write(line.slice(5) + second);
    expect(await answer).toEqual(['taken\n']);
    await once(socket.resume(), 'close');
    expect(taken).toEqual([WORD]);
  });

  it('is not held up by connections that say nothing', async () => {
    await listen();
    const silent = Array.from({ length: 20 }, () => connect(place()));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    expect(await handOver(place(), WORD)).toBe(true);
    for (const socket of silent) socket.destroy();
  });
});
