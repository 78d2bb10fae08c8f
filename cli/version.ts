/** storestow's version, by its package file. */
import { readFile } from 'node:fs/promises';

export async function version(): Promise<string> {
  // From sources the package file is one folder up, from dist/ two.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(await readFile(new URL(path, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
