/** Files and folders named on the command line → the files in them, each with its path below what was named. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { StorestowError } from '../core/errors.ts';

export interface InputFile {
  readonly path: string;
  /** Below the folder that was named; the file's name where a file was named. */
  readonly relativePath: string;
}

/** In the order of the arguments, and by path within a folder. Symbolic links within a folder are not followed. */
export async function listInputFiles(inputs: readonly string[]): Promise<InputFile[]> {
  const found: InputFile[] = [];
  for (const input of inputs) {
    const info = await stat(input).catch((cause: unknown) => {
      throw new StorestowError('USAGE', `cannot read ${input}; check the path and its permissions`, { object: input, cause });
    });
    if (!info.isDirectory()) {
      found.push({ path: input, relativePath: basename(input) });
      continue;
    }
    const entries = await readdir(input, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    found.push(...files.sort().map((path) => ({ path, relativePath: relative(input, path) })));
  }
  return found;
}
