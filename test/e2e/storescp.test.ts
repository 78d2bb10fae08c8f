/** The receiver with DCMTK's own programs: what is sent to it arrives whole, and nothing in it is ever run. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { buildImage, type BuiltImage } from '../support/build-dicom.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const STORESTOW = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));
const hasPgrep = spawnSync('pgrep', ['--version']).status === 0;
const installed = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);

describe.skipIf(requirePeer("DCMTK's storescp and storescu", installed))('storescp', () => {
  let folder: TemporaryFolder;
  let receiver: RunningStorescp | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('storescp');
  });

  afterEach(async () => {
    await receiver?.close();
    receiver = undefined;
    vi.unstubAllEnvs();
    await folder.remove();
  });

  const spool = (): string => join(folder.path, 'spool');
  const bucket = (): string => join(folder.path, 'bucket');

  async function start(execCommand: readonly string[], onExit?: () => void): Promise<number> {
    receiver = await startStorescp({
      port: 0,
      aet: 'STORESTOW',
      spool: spool(),
      execCommand,
      log: createLog({ level: 'silent' }),
      ...(onExit === undefined ? {} : { onExit }),
    });
    return receiver.port;
  }

  async function send(port: number, images: readonly BuiltImage[], callingAET = 'MODALITY'): Promise<void> {
    const files = join(folder.path, `to-send-${callingAET.replace(/\W/g, '_')}`);
    await mkdir(files, { recursive: true });
    const paths = images.map((_, index) => join(files, `${index}.dcm`));
    for (const [index, image] of images.entries()) await writeFile(paths[index] ?? '', buildImage(image));
    await run('storescu', ['-aet', callingAET, '-aec', 'STORESTOW', '127.0.0.1', String(port), ...paths]);
  }

  /** Every file below a folder, relative to it. */
  async function filesIn(path: string): Promise<string[]> {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
  }

  async function received(count: number): Promise<string[]> {
    const path = join(spool(), 'received', '127.0.0.1');
    return waitUntil(`${count} instances moved to their sender's folder`, async () => {
      const names = await filesIn(path);
      return names.length === count && names.map((name) => join(path, name));
    });
  }

  it.each([['$(touch pwned)'], ["';id>pwned;'"], ['`touch pwned`']])(
    'runs no command that a calling title %j holds; the instance arrives with it',
    async (title) => {
      const port = await start(['true']);
      await send(port, [{}], title);
      const [path = ''] = await received(1);
      expect((await readFile(path)).includes(title)).toBe(true);
      expect((await readdir(folder.path, { recursive: true })).filter((name) => basename(name) === 'pwned')).toEqual([]);
    },
  );

  it('runs no command and leaves no folder for UIDs of shell characters, slashes and dots', async () => {
    const port = await start(['true']);
    const hostile = [
      '$(touch${IFS}pwned)',
      '`touch${IFS}pwned`',
      "1';touch${IFS}pwned;'",
      '../../../pwned',
      '1.2;touch${IFS}pwned',
    ];
    await send(
      port,
      hostile.map((uid, index) => ({ studyUID: uid, sopUID: index % 2 === 0 ? uid : `1.2.3.${index}` })),
    );
    await received(hostile.length);
    const everything = await readdir(folder.path, { recursive: true });
    expect(everything.filter((name) => basename(name) === 'pwned')).toEqual([]);
  });

  it('keeps the data set byte for byte, and starts the command once for many instances', async () => {
    const starts = join(folder.path, 'starts');
    const port = await start([
      'sh',
      '-c',
      `echo started >> ${starts}; ls ${join(spool(), 'received', '127.0.0.1')} > ${starts}.listing`,
    ]);
    const images = Array.from({ length: 20 }, (_, index) => ({ sopUID: `1.2.3.${index + 1}`, studyUID: `1.2.3.9${index % 2}` }));
    await send(port, images);
    const paths = await received(images.length);
    await waitUntil(
      'the last start sees every instance',
      async () => (await readFile(`${starts}.listing`, 'utf8')).trim().split('\n').length === 20,
    );
    expect((await readFile(starts, 'utf8')).trim().split('\n').length).toBeLessThan(images.length);
    const dataSets = await Promise.all(paths.map(async (path) => dataSetOf(await readFile(path))));
    expect(dataSets.sort()).toEqual(images.map((image) => dataSetOf(Buffer.from(buildImage(image)))).sort());
  });

  it('has each instance on the disk before it counts as received', async () => {
    const tools = join(folder.path, 'tools');
    const log = join(folder.path, 'log');
    await mkdir(tools);
    const tell = (tool: string): string => `#!/bin/sh\necho "${tool} $*" >> ${log}\nPATH=/usr/bin:/bin exec ${tool} "$@"\n`;
    for (const tool of ['sync', 'mv']) await writeFile(join(tools, tool), tell(tool), { mode: 0o755 });
    vi.stubEnv('PATH', `${tools}:${process.env['PATH'] ?? ''}`);
    const port = await start(['true']);
    await send(port, [{ sopUID: '1.2.3.1' }, { sopUID: '1.2.3.2' }]);
    const names = (await received(2)).map((path) => basename(path));
    const lines = (await readFile(log, 'utf8')).trim().split('\n');
    for (const name of names) {
      const [first = '', second = ''] = lines.filter((line) => line.includes(`receiving/${name}`));
      expect(first).toBe(`sync receiving/${name}`);
      expect(second).toMatch(/^mv /);
    }
  });

  it('brings what is sent into the bucket, by title and address, and empties the spool', async () => {
    const settings = ['--bucket', `folder:${bucket()}`, '--data', join(folder.path, 'data')];
    const port = await start([process.execPath, STORESTOW, 'upload', '--all', '--spool', spool(), ...settings]);
    await Promise.all([
      send(port, [{ sopUID: '1.2.3.1' }, { sopUID: '1.2.3.2', studyUID: '1.2.4' }], 'CT ROOM 1'),
      send(port, [{ sopUID: '1.2.3.3' }], '$(touch pwned)'),
    ]);
    const keys = await waitUntil('three objects', async () => {
      const found = await keysIn(bucket());
      return found.length === 3 && found;
    });
    expect(
      keys.map((key) => parseObjectKey(key)).map((parts) => [parts?.callingAET, parts?.callingIP, parts?.sopInstanceUID]),
    ).toEqual(
      expect.arrayContaining([
        ['CT ROOM 1', '127.0.0.1', '1.2.3.1'],
        ['CT ROOM 1', '127.0.0.1', '1.2.3.2'],
        ['$(touch pwned)', '127.0.0.1', '1.2.3.3'],
      ]),
    );
    await waitUntil('the spool is empty', async () => (await filesIn(spool())).every((name) => name.startsWith('.storestow')));
  });

  it.skipIf(requirePeer('pgrep (procps)', hasPgrep))('is started again when it dies', async () => {
    let exits = 0;
    const port = await start(['true'], () => (exits += 1));
    const { stdout } = await run('pgrep', ['-f', `storescp.*--output-directory ${join(spool(), 'receiving')}`]);
    for (const pid of stdout.trim().split('\n')) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ESRCH');
      }
    }
    await waitUntil('its end is told', () => exits === 1);
    await waitUntil('it accepts again', async () => {
      await send(port, [{}]);
      return true;
    });
    await received(1);
  });

  it('says that a port is taken, and that DCMTK is missing', async () => {
    const port = await start(['true']);
    const again = { port, aet: 'A', spool: spool(), execCommand: ['true'], log: createLog({ level: 'silent' }) };
    await expect(startStorescp(again)).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await expect(startStorescp({ ...again, port: 0, binary: 'no-such-storescp' })).rejects.toMatchObject({
      code: 'PROCESS_FAILED',
    });
  });

  it('ends with the process that started it, however that ends', async () => {
    const starter = fileURLToPath(new URL('./storescp-process.ts', import.meta.url));
    const child = execFile(process.execPath, [starter, spool()]);
    const port = await new Promise<number>((resolve) => child.stdout?.once('data', (text: string) => resolve(Number(text))));
    child.kill('SIGKILL');
    await waitUntil('nobody listens', async () => {
      await run('storescu', ['127.0.0.1', String(port), dirname(starter)]).catch(() => undefined);
      receiver = await startStorescp({
        port,
        aet: 'A',
        spool: spool(),
        execCommand: ['true'],
        log: createLog({ level: 'silent' }),
      });
      return true;
    });
    expect(receiver?.port).toBe(port);
  });
});

async function keysIn(bucket: string): Promise<string[]> {
  const store = await openFolderStore(bucket);
  try {
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: 'incoming/' })) keys.push(key);
    return keys;
  } finally {
    await store.close();
  }
}

/** The bytes behind the file meta information, which starts with its own length (PS3.10 7.1). */
function dataSetOf(file: Buffer): string {
  return file.subarray(144 + file.readUInt32LE(140)).toString('latin1');
}
