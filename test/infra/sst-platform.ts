/**
 * SST's own components and types in `.sst/platform`, without an account: `sst install` with the bun of the npm registry, and
 * in the place of Pulumi's engine a script that tells its version (only `sst deploy` runs the engine).
 */
import { spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PLATFORM = join(ROOT, '.sst', 'platform');

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const BUN = join(FOLDER, 'node_modules', '@oven', 'bun-linux-x64-baseline', 'bin', 'bun');

/** What SST 4.17 asks of `pulumi version`. */
const PULUMI_VERSION = 'v3.215.0';

export const platformSupported = process.platform === 'linux' && process.arch === 'x64';

/** Some seconds, and 424 MB; nothing where it was installed before. */
export function installPlatform(): void {
  if (installedVersion() === sstVersion()) return;
  if (!existsSync(BUN)) run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: FOLDER });
  const configHome = join(ROOT, '.cache', 'sst');
  const programs = join(configHome, 'sst', 'bin');
  mkdirSync(programs, { recursive: true });
  copyFileSync(BUN, join(programs, 'bun'));
  writeFileSync(join(programs, 'pulumi'), `#!/bin/sh\necho ${PULUMI_VERSION}\n`);
  for (const program of ['bun', 'pulumi']) chmodSync(join(programs, program), 0o755);
  run(join(ROOT, 'node_modules', '.bin', 'sst'), ['install'], {
    cwd: ROOT,
    env: { ...process.env, XDG_CONFIG_HOME: configHome, SST_STAGE: 'test', DO_NOT_TRACK: '1', STORESTOW_CONFIG: '' },
  });
}

function sstVersion(): string {
  const manifest = createRequire(import.meta.url)
    .resolve('sst')
    .replace(/\/node_modules\/sst\/.*$/, '/node_modules/sst/package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string }).version;
}

function installedVersion(): string | undefined {
  const components = existsSync(join(PLATFORM, 'node_modules', '@pulumi', 'aws', 'package.json'));
  return components ? readFileSync(join(PLATFORM, 'version'), 'utf8').trim() : undefined;
}

/** Throws with what it printed. */
export function run(command: string, args: readonly string[], options: SpawnSyncOptions): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...options,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}\n${String(stdout)}${String(stderr)}`);
  return String(stdout);
}
