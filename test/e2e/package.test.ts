/** `npm pack` → installed elsewhere → the command works, from compiled JavaScript alone. */
import { spawnSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}\n${stdout}${stderr}`);
  return stdout;
}

describe('the package', () => {
  let folder: TemporaryFolder;
  let files: string[];

  beforeAll(async () => {
    folder = await temporaryFolder('package');
    // `npm pack` runs `prepare`, which compiles.
    const [tarball] = JSON.parse(run('npm', ['pack', '--json', '--silent', '--pack-destination', folder.path], ROOT)) as [
      { readonly filename: string },
    ];
    await writeFile(join(folder.path, 'package.json'), JSON.stringify({ name: 'a-site', private: true }));
    run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball.filename}`], folder.path);
    const installed = await readdir(join(folder.path, 'node_modules', 'storestow'), { recursive: true });
    files = installed.filter((file) => !file.startsWith('node_modules'));
  });

  afterAll(() => folder.remove());

  it('has JavaScript and types, the README with its documents and the licence, and no sources', () => {
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json', join('dist', 'cli', 'storestow.js')]));
    expect(files).toContain(join('dist', 'core', 'prepare-instance.d.ts'));
    expect(files).toContain(join('receiver', 'storescp.cfg'));
    // What the README points to.
    expect(files).toContain(join('docs', 'receiver.md'));
    expect(files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))).toEqual([]);
    expect(files.filter((file) => /^(test|bench|scripts|core|cli|functions)\b/.test(file))).toEqual([]);
  });

  it('says its version', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
    expect(run('npx', ['--no-install', 'storestow', '--version'], folder.path).trim()).toBe(version);
  });

  it('processes an instance: coerced, and encoded in its worker threads', async () => {
    const input = join(folder.path, 'ct.dcm');
    await writeFile(input, buildImage({ rows: 32, columns: 32, callingAET: 'CT1' }));
    run('npx', ['--no-install', 'storestow', 'process', input, '--out', 'out', '--report', 'report.ndjson'], folder.path);
    const report = (await readFile(join(folder.path, 'report.ndjson'), 'utf8')).trim().split('\n');
    expect(report.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ outcome: 'written', encoded: true }),
    ]);
    expect((await readFile(join(folder.path, 'out', 'ct.dcm'))).includes('1.2.840.10008.1.2.4.90')).toBe(true);
  });
});
