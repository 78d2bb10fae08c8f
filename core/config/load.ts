/**
 * Configuration from a file or the environment. `STORESTOW_CONFIG` is a path, or the JSON itself (a Lambda function has
 * no file). Secrets may stand in the environment instead, and one that does wins: `STORESTOW_ARCHIVE_TOKEN`,
 * `STORESTOW_ARCHIVE_PASSWORD`, `STORESTOW_ARCHIVE_CLIENT_SECRET`, `STORESTOW_ARCHIVE_TLS_PASSPHRASE`,
 * `STORESTOW_S3_SECRET_ACCESS_KEY`.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { StorestowError } from '../errors.ts';
import { configSchema, type ArchiveAuth, type ArchiveConfig, type Config } from './schema.ts';

/** What stands in the name's place where a command's options go over a configuration. */
export const COMMAND_LINE = 'what the command line gives';

/** Throws `CONFIG_INVALID`, naming every setting that is wrong. */
export function parseConfig(value: unknown, name: string): Config {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  throw new StorestowError('CONFIG_INVALID', `${name} is not a valid configuration; correct:\n${z.prettifyError(result.error)}`, {
    object: name,
    cause: result.error,
  });
}

export interface ConfigSource {
  /** `--config`; wins over `STORESTOW_CONFIG`. */
  readonly path?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export async function loadConfig({ path, env }: ConfigSource): Promise<Config> {
  const given = path ?? env['STORESTOW_CONFIG'] ?? '';
  if (given === '') return parseConfig({}, 'the default configuration');
  const inline = path === undefined && isInline(given);
  const name = inline ? 'STORESTOW_CONFIG' : given;
  const config = parseConfig(parseJson(inline ? given : await readText(given), name), name);
  return withSecrets(config, env);
}

/** Whether `STORESTOW_CONFIG` is the JSON itself. */
export function isInline(text: string): boolean {
  return text.trimStart().startsWith('{');
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new StorestowError('CONFIG_INVALID', `cannot read the configuration ${path}; check the path and its permissions`, {
      object: path,
      cause,
    });
  }
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StorestowError('CONFIG_INVALID', `${name} is not JSON; correct it (a JSON checker shows the line)`, {
      object: name,
      cause,
    });
  }
}

function withSecrets(config: Config, env: ConfigSource['env']): Config {
  const secretAccessKey = env['STORESTOW_S3_SECRET_ACCESS_KEY'];
  const { archive, bucket } = config;
  return {
    ...config,
    ...(archive === undefined ? {} : { archive: withArchiveSecrets(archive, env) }),
    ...(bucket?.kind === 's3' && secretAccessKey !== undefined ? { bucket: { ...bucket, secretAccessKey } } : {}),
  };
}

function withArchiveSecrets(archive: ArchiveConfig, env: ConfigSource['env']): ArchiveConfig {
  const passphrase = env['STORESTOW_ARCHIVE_TLS_PASSPHRASE'];
  const { auth, tls } = archive;
  return {
    ...archive,
    auth: withAuthSecret(auth, env),
    ...(tls?.key !== undefined && passphrase !== undefined ? { tls: { ...tls, passphrase } } : {}),
  };
}

function withAuthSecret(auth: ArchiveAuth, env: ConfigSource['env']): ArchiveAuth {
  switch (auth.kind) {
    case 'none':
      return auth;
    case 'basic':
      return { ...auth, password: env['STORESTOW_ARCHIVE_PASSWORD'] ?? auth.password };
    case 'bearer':
      return { ...auth, token: env['STORESTOW_ARCHIVE_TOKEN'] ?? auth.token };
    case 'oauth2':
      return { ...auth, clientSecret: env['STORESTOW_ARCHIVE_CLIENT_SECRET'] ?? auth.clientSecret };
  }
}
