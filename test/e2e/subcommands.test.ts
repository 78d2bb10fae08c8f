/** Which subcommands are loaded: the one that runs; all of them for the help. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const LOADED = fileURLToPath(new URL('../support/loaded-modules.ts', import.meta.url));
const SUBCOMMANDS = ['up', 'upload', 'service', 'redrive', 'status', 'process', 'audit', 'doctor'];

describe('the command', () => {
  let folder: TemporaryFolder;

  beforeAll(async () => {
    folder = await temporaryFolder('subcommands');
  });
  afterAll(() => folder.remove());

  /** `loaded`: the subcommands among the modules. */
  async function run(...args: readonly string[]): Promise<Finished & { readonly loaded: readonly string[] }> {
    const list = join(folder.path, args.join(' '));
    const env = { LOADED_MODULES: list, NODE_OPTIONS: `--import ${pathToFileURL(LOADED).href}` };
    const finished = await runStorestow(args, { env });
    const urls = (await readFile(list, 'utf8')).split('\n').filter((url) => url.includes('/cli/'));
    const names = urls.map((url) => basename(url, '.ts')).filter((name) => SUBCOMMANDS.includes(name));
    return { ...finished, loaded: names.sort() };
  }

  it.each(SUBCOMMANDS)('%s loads itself alone', async (name) => {
    const { code, stdout, loaded } = await run(name, '--help');
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: storestow ${name} `);
    expect(loaded).toEqual([name]);
  });

  it('loads all of them for its own help, which names and describes each', async () => {
    const { code, stdout, loaded } = await run('--help');
    expect(code).toBe(0);
    for (const name of SUBCOMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} \\[options\\].* {2}[A-Z]`, 'm'));
    expect(loaded).toEqual(SUBCOMMANDS.toSorted());
  });

  it('says of a name that is none which was meant', async () => {
    const { code, stderr } = await run('uplaod');
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean upload?');
  });

  it('loads none for its version', async () => {
    const { code, stdout, loaded } = await run('--version');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(loaded).toEqual([]);
  });
});
