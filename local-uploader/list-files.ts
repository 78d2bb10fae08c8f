/** What lies in a folder of the spool. Symbolic links are never followed, so nothing outside the folder is ever listed. */
import { lstat, readdir } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { StorestowError } from '../core/errors.ts';
import { STATE_FOLDER } from '../core/spool-layout.ts';
import { identityOf, type FileIdentity } from './file-identity.ts';

export interface ListedFile {
  readonly path: string;
  readonly identity: FileIdentity;
}

export interface FolderListing {
  /** Regular files, by name within their folder. */
  readonly files: readonly ListedFile[];
  /** Symbolic links, sockets, devices: left where they are. */
  readonly others: readonly string[];
  /** Sub-folders, the inner ones first. */
  readonly folders: readonly string[];
}

/**
 * With `recursive` sub-folders are walked too, `.storestow` excepted. A folder that is gone has nothing in it: another uploader may have
 * emptied it. Throws `SPOOL_INVALID` where one cannot be read, or `folder` is not one.
 */
export async function listFolder(folder: string, { recursive }: { readonly recursive: boolean }): Promise<FolderListing> {
  const files: ListedFile[] = [];
  const others: string[] = [];
  const folders: string[] = [];
  const walk = async (current: string): Promise<void> => {
    for (const entry of await entriesOf(current)) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) {
        if (!recursive || entry.name === STATE_FOLDER) continue;
        await walk(path);
        folders.push(path);
      } else {
        const stats = await lstat(path, { bigint: true }).catch(ignoreMissing);
        if (stats === undefined) continue;
        if (stats.isFile()) files.push({ path, identity: identityOf(stats) });
        else if (!stats.isDirectory()) others.push(path);
      }
    }
  };
  await walk(folder);
  return { files, others, folders };
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    if (!(await lstat(folder)).isDirectory()) throw notAFolder(folder);
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isMissing(error)) return [];
    if (error instanceof StorestowError) throw error;
    throw new StorestowError('SPOOL_INVALID', `cannot read the folder ${folder}; check its owner and permissions`, {
      object: folder,
      cause: error,
    });
  }
}

function notAFolder(path: string): StorestowError {
  return new StorestowError(
    'SPOOL_INVALID',
    `${path} is not a folder (a symbolic link is not followed); name the folder itself`,
    {
      object: path,
    },
  );
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function ignoreMissing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}
