/** Public DICOM files that are on this machine: beside the repository, and those of Debian's python3-pydicom. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PUBLIC_FOLDERS: readonly string[] = [
  fileURLToPath(new URL('../../../shared/corpus', import.meta.url)),
  '/usr/lib/python3/dist-packages/pydicom/data',
];

/** `*.dcm` below the folders that are there, in order. */
export async function findPublicFiles(folders: readonly string[]): Promise<readonly string[]> {
  const present = folders.filter((folder) => existsSync(folder));
  const found = await Promise.all(present.map(async (folder) => filesBelow(folder)));
  return found.flat();
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .map((name) => join(folder, name));
}
