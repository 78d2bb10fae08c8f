/**
 * Which configuration a subcommand works by:
 *
 * | given                            | configuration                                        |
 * |----------------------------------|------------------------------------------------------|
 * | `--config`                       | that file                                            |
 * | else `STORESTOW_CONFIG`          | that file, or the JSON itself                        |
 * | else `DATA/running.json`         | what `storestow up` runs, or ran last, in DATA       |
 * | else                             | built-in defaults: the embedded bucket in DATA       |
 *
 * `--bucket` and the other options of a subcommand go over it.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isInline, loadConfig } from '../core/config/load.ts';
import type { BucketConfig, Config } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { parseBucketAddress } from './bucket-address.ts';

export interface SettingsOptions {
  readonly config?: string | undefined;
  /** Folder of everything that is not placed elsewhere. */
  readonly data: string;
  readonly bucket?: string | undefined;
  /** For whom it is looked up. Default: for this process. */
  readonly asker?: Asker;
}

/** Another process of the same user, which asks this one to do its work. */
export interface Asker {
  /** Absolute: what its relative paths are relative to. */
  readonly cwd: string;
  /** `STORESTOW_CONFIG` of its environment. Secrets that stand in an environment are those of this process's own. */
  readonly environment: string | undefined;
}

export interface Settings {
  readonly config: Config;
  readonly bucket: BucketConfig;
  /** Absolute. */
  readonly data: string;
}

export function runningConfigPath(data: string): string {
  return join(resolve(data), 'running.json');
}

export async function loadSettings({ asker, ...options }: SettingsOptions): Promise<Settings> {
  if (asker === undefined) return load(options, process.env);
  const { cwd, environment = '' } = asker;
  const { config, bucket } = options;
  const loaded = await load(
    {
      ...(config === undefined ? {} : { config: resolve(cwd, config) }),
      data: resolve(cwd, options.data),
      bucket,
    },
    { ...process.env, STORESTOW_CONFIG: environment === '' || isInline(environment) ? environment : resolve(cwd, environment) },
  );
  return { ...loaded, bucket: bucketAt(loaded.bucket, cwd) };
}

/** The embedded one with the path that it has for who is there. */
export function bucketAt(bucket: BucketConfig, cwd: string): BucketConfig {
  return bucket.kind === 'folder' ? { ...bucket, path: resolve(cwd, bucket.path) } : bucket;
}

async function load({ config: path, data, bucket }: SettingsOptions, env: NodeJS.ProcessEnv): Promise<Settings> {
  const config = await loadConfig({ ...configSource(path, data, env), env });
  const folder = resolve(data);
  if (bucket === undefined)
    return { config, bucket: config.bucket ?? { kind: 'folder', path: join(folder, 'bucket') }, data: folder };
  const address = parseBucketAddress(bucket, join(folder, 'bucket'));
  if (address.kind === 'minio') {
    throw new StorestowError('USAGE', 'only up starts MinIO; while it runs, leave --bucket out and give its --data folder');
  }
  return { config, bucket: address.config, data: folder };
}

function configSource(path: string | undefined, data: string, env: NodeJS.ProcessEnv): { readonly path?: string } {
  if (path !== undefined) return { path };
  if ((env['STORESTOW_CONFIG'] ?? '') !== '') return {};
  const running = runningConfigPath(data);
  return existsSync(running) ? { path: running } : {};
}
