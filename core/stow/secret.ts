/** A secret: a value of the configuration, or the content of a file, read each time it is needed so that another one counts at once. */
import { readFile } from 'node:fs/promises';
import { StorestowError } from '../errors.ts';

export interface SecretSource {
  readonly value: string | undefined;
  /** Path; the value wins, for it may come from the environment. */
  readonly file: string | undefined;
  /** `archive.auth.token`: the file's setting is this one followed by `File`. */
  readonly setting: string;
  readonly environment: string;
}

/** A line break at a file's end does not count. Throws `CONFIG_INVALID`, retryable: a file may be written anew at this moment. */
export async function readSecret({ value, file, setting, environment }: SecretSource): Promise<string> {
  if (value !== undefined) return value;
  if (file === undefined) {
    throw new StorestowError(
      'CONFIG_INVALID',
      `${setting} is missing; set it, ${setting}File, or ${environment} in the environment`,
    );
  }
  const text = await readText(file, `${setting}File`);
  const secret = text.replace(/\r?\n$/, '');
  if (secret !== '') return secret;
  throw new StorestowError('CONFIG_INVALID', `the file of ${setting}File is empty; write the secret into it`, {
    object: file,
    retryable: true,
  });
}

async function readText(file: string, setting: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new StorestowError('CONFIG_INVALID', `cannot read ${file} of ${setting}; check the path and its permissions`, {
      object: file,
      cause,
      retryable: true,
    });
  }
}
