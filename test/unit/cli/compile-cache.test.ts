import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const COMMAND = fileURLToPath(new URL('../../../cli/storestow.ts', import.meta.url));

/** `storestow --version` with a cache folder of its own. */
function version(
  cache: string,
  env: NodeJS.ProcessEnv = {},
  cwd = process.cwd(),
): { readonly status: number | null; readonly stderr: string } {
  const inherited = { ...process.env };
  delete inherited['NODE_COMPILE_CACHE'];
  return spawnSync(process.execPath, [COMMAND, '--version'], {
    encoding: 'utf8',
    cwd,
    env: { ...inherited, XDG_CACHE_HOME: cache, ...env },
  });
}

async function emptyFolder(): Promise<string> {
  const folder = await temporaryFolder('compiled');
  onTestFinished(() => folder.remove());
  return folder.path;
}

it('compiled code is kept in a folder that only its user can open', async () => {
  const folder = await emptyFolder();
  expect(version(folder)).toMatchObject({ status: 0, stderr: '' });
  const kept = join(folder, 'storestow', 'compiled');
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  expect(readdirSync(kept, { recursive: true }).length).toBeGreaterThan(1);
});

it('what NODE_COMPILE_CACHE names is left as it is', async () => {
  const folder = await emptyFolder();
  const own = join(folder, 'own');
  expect(version(join(folder, 'other'), { NODE_COMPILE_CACHE: own })).toMatchObject({ status: 0, stderr: '' });
  expect(readdirSync(folder)).toEqual(['own']);
});

it('a cache that cannot be made is no failure', async () => {
  const folder = await emptyFolder();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(version(file)).toMatchObject({ status: 0, stderr: '' });
});

it.each([
  ['a relative XDG_CACHE_HOME counts as none: the home is taken', { XDG_CACHE_HOME: 'cache' }, true],
  ['an empty one too', { XDG_CACHE_HOME: '' }, true],
  ['a relative home is none, and nothing is kept', { XDG_CACHE_HOME: '', HOME: 'home' }, false],
  ['no home is none, and no failure', { XDG_CACHE_HOME: 'cache', HOME: '' }, false],
])('%s', async (_, given, keeps) => {
  const folder = await emptyFolder();
  const env = { HOME: folder, ...given };
  expect(version('', env, folder)).toMatchObject({ status: 0, stderr: '' });
  expect(readdirSync(folder)).toEqual(keeps ? ['.cache'] : []);
});
