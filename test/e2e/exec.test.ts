/** What storescp starts, with a resident uploader at the spool and without: a real storescp, the `storestow` command from its sources. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { shellQuote } from '../../local-cloud/storescp-command.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { announceSender } from '../../local-uploader/spool/announced-senders.ts';
import { buildImage, type BuiltImage } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow, type Finished, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const ENTRY = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));
const LOADED = fileURLToPath(new URL('../support/loaded-modules.ts', import.meta.url));
const LEFT = 'left to the resident uploader\n';
const installed = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);

describe('what storescp starts', () => {
  let folder: TemporaryFolder;
  let residents: RunningStorestow[] = [];
  let receiver: RunningStorescp | undefined;
  let plain: ChildProcess | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('exec');
    await mkdir(at('spool', 'receiving'), { recursive: true });
    [residents, receiver, plain] = [[], undefined, undefined];
  });
  afterEach(async () => {
    await receiver?.close();
    plain?.kill('SIGKILL');
    for (const resident of residents) await resident.stop('SIGKILL');
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, ...names);
  const spool = (): string => at('spool');
  const settings = (): string[] => ['--bucket', `folder:${at('bucket')}`, '--data', at('data')];
  const everything = (): string[] => ['upload', '--all', '--spool', spool(), ...settings()];
  const resting = async (): Promise<string[]> => readdir(at('spool', '.storestow'));

  async function stay(...args: string[]): Promise<RunningStorestow> {
    const resident = startStorestow(['upload', '--watch', '--spool', spool(), ...settings(), ...args]);
    residents.push(resident);
    await waitUntil('a resident uploader listens', async () => (await resting()).includes('resident'));
    return resident;
  }

  async function write(path: string, image: BuiltImage): Promise<void> {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, buildImage(image));
  }

  /** SOP Instance UID and calling address of what is in the bucket. */
  async function stored(bucket = at('bucket')): Promise<string[]> {
    const store = await openFolderStore(bucket);
    try {
      const found: string[] = [];
      for await (const { key } of store.list({ prefix: 'incoming/' })) {
        const { sopInstanceUID, callingIP } = parseObjectKey(key) ?? expect.fail(key);
        found.push(`${sopInstanceUID} from ${callingIP}`);
      }
      return found.sort();
    } finally {
      await store.close();
    }
  }

  async function untilStored(...expected: readonly string[]): Promise<void> {
    await waitUntil(`in the bucket: ${expected.join(', ')}`, async () => (await stored()).length >= expected.length);
    expect(await stored()).toEqual([...expected].sort());
  }

  async function modulesOf(args: readonly string[]): Promise<Finished & { readonly loaded: readonly string[] }> {
    const list = at(`loaded-${args.length}`);
    const finished = await runStorestow(args, {
      env: { LOADED_MODULES: list, NODE_OPTIONS: `--import ${pathToFileURL(LOADED).href}`, NODE_DISABLE_COMPILE_CACHE: '1' },
    });
    return { ...finished, loaded: (await readFile(list, 'utf8')).trim().split('\n') };
  }

  it('loads no package where a resident uploader takes it, and does the work itself where none does', async () => {
    await write(at('spool', 'received', '10.0.0.1', 'a'), { sopUID: '1.2.3.1' });
    const own = await modulesOf(everything());
    expect(own.stdout).toMatch(/^1 uploaded/);
    expect(own.loaded.filter((url) => url.includes('/node_modules/'))).not.toEqual([]);
    await stay();
    const left = await modulesOf([...everything(), '--syslog']);
    expect(left).toMatchObject({ code: 0, stdout: LEFT, stderr: '' });
    expect(left.loaded.filter((url) => url.includes('/node_modules/'))).toEqual([]);
    expect(left.loaded.filter((url) => url.startsWith('file:')).length).toBeLessThan(15);
  });

  it('is left to the resident uploader, which uploads a study by the address that came with it', async () => {
    await stay();
    await write(at('spool', 'study_1', 'a'), { sopUID: '1.2.3.1' });
    await write(at('spool', 'study_1', 'deep', 'b'), { sopUID: '1.2.3.2' });
    const args = ['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...settings()];
    expect(await runStorestow(args)).toMatchObject({ code: 0, stdout: LEFT });
    await untilStored('1.2.3.1 from 10.0.0.7', '1.2.3.2 from 10.0.0.7');
  });

  it('uploads a study itself by the address that came with it, and leaves no note of it', async () => {
    await write(at('spool', 'study_1', 'a'), { sopUID: '1.2.3.1' });
    const args = ['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...settings()];
    expect((await runStorestow(args)).stdout).toMatch(/^1 uploaded/);
    expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.7']);
    expect(await readdir(spool())).not.toContain('study_1');
    expect((await resting()).filter((name) => name.endsWith('.from'))).toEqual([]);
  });

  it('takes its relative paths along', async () => {
    await stay();
    await write(at('spool', 'study_1', 'a'), { sopUID: '1.2.3.1' });
    const args = ['upload', 'spool/study_1', '--calling-ip', '10.0.0.7', '--bucket', 'folder:bucket', '--data', 'data'];
    expect(await runStorestow(args, { cwd: folder.path })).toMatchObject({ code: 0, stdout: LEFT });
    const elsewhere = await runStorestow(['upload', '--all', '--spool', spool(), '--bucket', 'folder:bucket'], {
      cwd: at('spool'),
    });
    expect(elsewhere.stdout).not.toBe(LEFT);
    await untilStored('1.2.3.1 from 10.0.0.7');
  });

  it('does the work itself where it is asked for anything but what the resident uploader does', async () => {
    await writeFile(at('config.json'), JSON.stringify({ site: 'elsewhere' }));
    await stay();
    for (const different of [
      ['--here'],
      ['--after', 'keep'],
      ['--after', 'move', '--move-to', at('moved')],
      ['--bucket', `folder:${at('other')}`],
      ['--calling-aet', 'CT1'],
      ['--config', 'config.json'],
    ]) {
      const finished = await runStorestow([...everything(), ...different], { cwd: folder.path });
      expect(finished, different.join(' ')).toMatchObject({ code: 0, stderr: '' });
      expect(finished.stdout, different.join(' ')).toMatch(/^0 uploaded/);
    }
    expect(await runStorestow(everything())).toMatchObject({ code: 0, stdout: LEFT });
  });

  it('follows a configuration that was changed under the resident uploader', async () => {
    await writeFile(at('config.json'), JSON.stringify({ site: 'before' }));
    await stay('--config', at('config.json'));
    const args = [...everything(), '--config', at('config.json')];
    expect((await runStorestow(args)).stdout).toBe(LEFT);
    await writeFile(at('config.json'), JSON.stringify({ site: 'after' }));
    expect((await runStorestow(args)).stdout).toMatch(/^0 uploaded/);
  });

  it('takes no folder of the spool for a study, nor the spool itself, beside a resident uploader or without one', async () => {
    const refused = async (...names: string[]): Promise<void> => {
      await mkdir(at('spool', ...names), { recursive: true });
      const finished = await runStorestow(['upload', at('spool', ...names), ...settings()]);
      expect(finished, names.join('/')).toMatchObject({ code: 2, stdout: '' });
      expect(finished.stderr, names.join('/')).toMatch(/^storestow: USAGE: .* --all --spool /);
    };
    for (const names of [['receiving'], ['received', '10.0.0.1'], []]) await refused(...names);
    expect(await readdir(spool())).toEqual(['received', 'receiving']);
    await stay();
    for (const name of ['received', 'receiving', 'set-aside', '.storestow']) await refused(name);
  });

  it('does the work itself beside a resident uploader that has no bucket', async () => {
    const archive = ['--direct', '--archive', `http://127.0.0.1:${await freePort()}/studies`];
    const resident = startStorestow(['upload', '--watch', '--spool', spool(), '--data', at('data'), ...archive]);
    residents.push(resident);
    await write(at('spool', 'received', '10.0.0.1', 'a'), { sopUID: '1.2.3.1' });
    await waitUntil('it is at the spool', async () => (await resting()).length > 0);
    expect((await runStorestow(everything())).stdout).not.toBe(LEFT);
    expect(await resting()).not.toContain('resident');
  });

  it('leaves a study alone that storescp may still be receiving, until its exec has said who sends it', async () => {
    await stay();
    await write(at('spool', 'study_1', 'a'), { sopUID: '1.2.3.1' });
    await write(at('spool', 'received', '10.0.0.1', 'b'), { sopUID: '1.2.3.2' });
    await runStorestow(everything());
    await untilStored('1.2.3.2 from 10.0.0.1');
    expect(await readdir(at('spool', 'study_1'))).toEqual(['a']);
    await runStorestow(['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...settings()]);
    await untilStored('1.2.3.1 from 10.0.0.7', '1.2.3.2 from 10.0.0.1');
  });

  it('and so does a sweep (--here); whoever asks for the whole spool without it says that all is there', async () => {
    await write(at('spool', 'study_1', 'a'), { sopUID: '1.2.3.1' });
    expect(await runStorestow([...everything(), '--here'])).toMatchObject({
      code: 75,
      stdout: expect.stringMatching(/^0 uploaded, 0 there already, 1 still being written/) as string,
    });
    await announceSender(at('spool', 'study_1'), at('spool', '.storestow'), {
      at: Date.now(),
      sender: { callingIP: '10.0.0.7' },
    });
    expect(await runStorestow([...everything(), '--here'])).toMatchObject({ code: 0 });
    await write(at('spool', 'study_2', 'b'), { sopUID: '1.2.3.2' });
    expect(await runStorestow([...everything(), '--here'])).toMatchObject({ code: 75 });
    const before = new Date(Date.now() - 61_000);
    await utimes(at('spool', 'study_2'), before, before);
    expect(await runStorestow([...everything(), '--here'])).toMatchObject({ code: 0 });
    await write(at('spool', 'study_3', 'c'), { sopUID: '1.2.3.3' });
    expect(await runStorestow(everything())).toMatchObject({ code: 0 });
    expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.7', '1.2.3.2 from ', '1.2.3.3 from ']);
  });

  describe.skipIf(requirePeer("DCMTK's storescp and storescu", installed))('with storescp', () => {
    async function send(port: number, images: readonly BuiltImage[], ...options: string[]): Promise<void> {
      const paths = images.map(({ sopUID }) => at('to-send', `${sopUID ?? ''}.dcm`));
      for (const [index, image] of images.entries()) await write(paths[index] ?? '', image);
      await run('storescu', [...options, '127.0.0.1', String(port), ...paths]);
    }

    const line = (args: readonly string[]): string =>
      `${[process.execPath, ENTRY, ...args].map(shellQuote).join(' ')} >> ${shellQuote(at('said'))} 2>&1`;
    const said = async (): Promise<string[]> => (await readFile(at('said'), 'utf8')).trimEnd().split('\n');
    const images = (first: number, count: number, studyUID: string): BuiltImage[] =>
      Array.from({ length: count }, (_, index) => ({ sopUID: `1.2.3.${first + index}`, studyUID }));

    it('is one line an instance at most (-xcr), left to the resident uploader', async () => {
      await stay();
      receiver = await startStorescp({
        ...{ port: 0, aet: 'STORESTOW', spool: spool(), log: createLog({ level: 'silent' }) },
        execCommand: ['sh', '-c', line(everything())],
      });
      await send(receiver.port, images(1, 5, '1.2.9'));
      await untilStored(...images(1, 5, '').map(({ sopUID }) => `${sopUID} from 127.0.0.1`));
      expect(new Set(await waitUntil('an exec has ended', said))).toEqual(new Set([LEFT.trimEnd()]));
      expect((await said()).length).toBeLessThanOrEqual(5);
    });

    it('is left to the resident uploader of storestow up, too', async () => {
      const up = startStorestow(['up', '--data', at('data'), '--port', String(await freePort())]);
      residents.push(up);
      await up.waitFor(/running/);
      expect(await runStorestow(['upload', '--all', '--data', at('data')])).toMatchObject({ code: 0, stdout: LEFT });
      await up.stop();
    });

    it('is one line a study (-xcs), whose address the resident uploader uploads it by; itself again when that is killed', async () => {
      const resident = await stay();
      const port = await freePort();
      const exec = line(['upload', '#p', '--calling-ip', '#r', ...settings()])
        .replace("'#p'", '#p')
        .replace("'#r'", '#r');
      plain = spawn(
        'storescp',
        ['--disable-host-lookup', '-od', spool(), '-su', 'study', '-uf', '-xcs', exec, '-tos', '1', String(port)],
        { stdio: 'ignore' },
      );
      await waitUntil('storescp listens', async () => {
        await run('echoscu', ['127.0.0.1', String(port)]);
        return true;
      });
      await send(port, images(1, 3, '1.2.9'));
      const first = images(1, 3, '').map(({ sopUID }) => `${sopUID} from 127.0.0.1`);
      await untilStored(...first);
      expect(await waitUntil('the exec has ended', said)).toEqual([LEFT.trimEnd()]);
      await resident.stop('SIGKILL');
      expect(await resting()).toContain('resident');
      await send(port, images(4, 3, '1.2.10'));
      await untilStored(...first, ...images(4, 3, '').map(({ sopUID }) => `${sopUID} from 127.0.0.1`));
      const lines = await waitUntil('the second exec has ended', async () => (await said()).length > 1 && (await said()));
      expect(lines.at(-1)).toMatch(/^3 uploaded/);
    });
  });
});
