/**
 * What lies in a folder of the spool. Symbolic links are never followed, so nothing outside the folder is ever listed; and nothing that
 * lies in it is passed over in silence.
 */
import { isUtf8 } from 'node:buffer';
import { lstat, readdir } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { STATE_FOLDER } from '../../core/spool-layout.ts';
import { identityOf, type FileIdentity } from './file-identity.ts';

export interface ListedFile {
  readonly path: string;
  readonly identity: FileIdentity;
}

export interface FolderListing {
  /** Regular files, by name within their folder. */
  readonly files: readonly ListedFile[];
  /**
   * Symbolic links, sockets, devices, folders that cannot be read, what cannot be looked at (a path that is too long, a damaged disk),
   * names that are not UTF-8: left where they are.
   */
  readonly others: readonly string[];
  /** Sub-folders, the inner ones first. */
  readonly folders: readonly string[];
  /** When the folder and those walked below it changed last, in nanoseconds since 1970, before they were read. */
  readonly changed: ReadonlyMap<string, bigint>;
}

/**
 * With `recursive` sub-folders are walked too, but for `.storestow`: the folder's own is none of its content, and one further below is
 * among the `others`. A folder that is gone has nothing in it: another uploader may have
 * emptied it. Throws `SPOOL_INVALID` where `folder` cannot be read, or is not one.
 */
export async function listFolder(folder: string, { recursive }: { readonly recursive: boolean }): Promise<FolderListing> {
  const files: ListedFile[] = [];
  const others: string[] = [];
  const walked = await walkFolder(
    folder,
    { recursive },
    { file: (file) => void files.push(file), other: (path) => void others.push(path) },
  );
  return { files, others, ...walked };
}

export interface FolderVisitor {
  readonly file: (file: ListedFile) => void;
  readonly other: (path: string) => void;
}

/** As `listFolder`, for who needs no list: each file is told when it is met, in the list's order. Rejects when `signal` is aborted. */
export async function walkFolder(
  folder: string,
  { recursive, signal }: { readonly recursive: boolean; readonly signal?: AbortSignal | undefined },
  { file, other }: FolderVisitor,
): Promise<Pick<FolderListing, 'folders' | 'changed'>> {
  const folders: string[] = [];
  const changed = new Map<string, bigint>();
  /** One that cannot be read does not keep those beside it from the bucket. */
  const readable = (path: string): Promise<Dirent<Buffer>[] | undefined> =>
    entriesOf(path, changed).catch((error: unknown) => {
      if (error instanceof StorestowError) return undefined;
      throw error;
    });
  const walk = async (current: string, entries: readonly Dirent<Buffer>[]): Promise<void> => {
    for (const entry of entries) {
      signal?.throwIfAborted();
      const path = join(current, shownName(entry.name));
      if (!isUtf8(entry.name)) {
        other(path);
      } else if (entry.isDirectory()) {
        if (!recursive || path === join(folder, STATE_FOLDER)) continue;
        const inner = entry.name.toString() === STATE_FOLDER ? undefined : await readable(path);
        if (inner === undefined) {
          other(path);
        } else {
          await walk(path, inner);
          folders.push(path);
        }
      } else {
        const stats = await lstat(path, { bigint: true }).catch((error: unknown) => (isMissing(error) ? undefined : 'unseen'));
        if (stats === undefined) continue;
        if (stats === 'unseen') other(path);
        else if (stats.isFile()) file({ path, identity: identityOf(stats) });
        else if (!stats.isDirectory()) other(path);
      }
    }
  };
  await walk(folder, await entriesOf(folder, changed));
  return { folders, changed };
}

/** Whether nothing has come into these folders, or gone from them, since: what is written in place changes none. */
export async function areUnchanged(changed: FolderListing['changed']): Promise<boolean> {
  for (const [path, time] of changed) {
    const stats = await lstat(path, { bigint: true }).catch(() => undefined);
    if (stats?.mtimeNs !== time) return false;
  }
  return true;
}

/** A name that Node cannot give back to the file system: its bytes beyond ASCII as `\xNN`, so that two of them stay two. */
function shownName(name: Buffer): string {
  if (isUtf8(name)) return name.toString();
  return name.toString('latin1').replace(/[^ -~]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

async function entriesOf(folder: string, changed: Map<string, bigint>): Promise<Dirent<Buffer>[]> {
  try {
    const stats = await lstat(folder, { bigint: true });
    if (!stats.isDirectory()) throw notAFolder(folder);
    changed.set(folder, stats.mtimeNs);
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
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
