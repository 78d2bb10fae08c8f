/**
 * The bytes of the embedded bucket. Below its folder:
 *
 *     objects/{2 hex}/{SHA-256 of the key}.{16 random hex}    the bytes of one version of one object; never rewritten
 *     writing/{the same name}                                 the same file (a hard link) until its row is committed
 *
 * A key reaches the disk only as its digest, so no key can leave the folder or be too long for a file name. The row in
 * `bucket.sqlite` names the file and is what makes the object exist:
 *
 * | a crash after …                      | leaves                        | the next open, an hour later     |
 * |--------------------------------------|-------------------------------|----------------------------------|
 * | `writing/X` created, partly written  | `writing/X`                   | unlinks it                       |
 * | linked to `objects/`, folder synced  | both links, no row            | unlinks both                     |
 * | the row committed                    | both links, the object exists | unlinks `writing/X`              |
 * | an overwrite or delete committed     | a row in `discarded`          | (at once) unlinks the old file   |
 *
 * A reader that has a file open keeps its bytes when the object is overwritten or deleted.
 */
import { createHash, hash, randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { link, mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorestowError, type ErrorCode } from '../errors.ts';
import { bodyChunks } from './object-body.ts';
import type { ObjectBody } from './object-store.ts';
import { isUnsyncable } from './unsyncable-folder.ts';

export interface WrittenFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

export class ObjectFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Creates the folders, durably, before anything is stored in them. The last one comes when the others, and the way to them, are on the disk. */
  async prepare(): Promise<void> {
    try {
      const made = await mkdir(this.#root, { recursive: true, mode: 0o700 });
      await mkdir(join(this.#root, 'writing'), { recursive: true });
      const objects = join(this.#root, 'objects');
      if (await isFolder(join(objects, LAST_FOLDER))) return;
      for (let index = 0; index < 0xff; index += 1) await mkdir(join(objects, hexByte(index)), { recursive: true });
      await syncFolder(objects);
      await syncFolder(this.#root);
      await syncWay(this.#root, made ?? this.#root);
      await mkdir(join(objects, LAST_FOLDER), { recursive: true });
      await syncFolder(objects);
    } catch (cause) {
      throw fileError(cause, this.#root);
    }
  }

  /** On the disk under its final name when this resolves. Throws `FILE_CHANGED` (the body), `STORE_FULL`, `STORE_DENIED`, …. */
  async write(key: string, body: ObjectBody): Promise<WrittenFile> {
    const name = `${hash('sha256', key, 'hex')}.${randomBytes(8).toString('hex')}`;
    try {
      const written = await this.#writeBytes(name, key, body);
      await link(this.#writingPath(name), this.#path(name));
      await syncFolder(this.#folder(name));
      return written;
    } catch (cause) {
      // On a disk that fails, neither can it be taken back: the next open does that.
      await this.withdraw(name).catch(() => undefined);
      throw fileError(cause, this.#writingPath(name));
    }
  }

  async #writeBytes(name: string, key: string, body: ObjectBody): Promise<WrittenFile> {
    const handle = await open(this.#writingPath(name), 'wx');
    try {
      const digest = createHash('sha256');
      let size = 0;
      for await (const chunk of bodyChunks(key, body)) {
        digest.update(chunk);
        await handle.writeFile(chunk);
        size += chunk.length;
      }
      await handle.sync();
      return { name, size, sha256: digest.digest('hex') };
    } finally {
      await handle.close();
    }
  }

  /** The row is committed: the file is no longer being written. */
  async settle(name: string): Promise<void> {
    await rm(this.#writingPath(name), { force: true });
  }

  /** No row will name this file. */
  async withdraw(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
    await rm(this.#writingPath(name), { force: true });
  }

  /** For use inside a transaction, which is synchronous. */
  existsNow(name: string): boolean {
    return existsSync(this.#path(name));
  }

  /** For use inside a transaction, which is synchronous. */
  removeNow(name: string): void {
    rmSync(this.#path(name), { force: true });
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  /** `undefined` where the file is gone. */
  async open(name: string): Promise<FileHandle | undefined> {
    try {
      return await open(this.#path(name), 'r');
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') return undefined;
      throw fileError(cause, this.#path(name));
    }
  }

  /** Names in `writing/` that nobody has written to since `before`: their process died. */
  async abandoned(before: Date): Promise<string[]> {
    const folder = join(this.#root, 'writing');
    const names: string[] = [];
    for (const name of await readdir(folder)) {
      const found = await stat(join(folder, name)).catch(() => undefined);
      if (found !== undefined && found.mtime < before) names.push(name);
    }
    return names;
  }

  #folder(name: string): string {
    return join(this.#root, 'objects', name.slice(0, 2));
  }

  #path(name: string): string {
    return join(this.#folder(name), name);
  }

  #writingPath(name: string): string {
    return join(this.#root, 'writing', name);
  }
}

/** Of those below `objects/`. */
const LAST_FOLDER = 'ff';

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** A new name in a folder survives a power failure only once the folder itself is synced. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The names of `folder` and of those above it up to `top`, as far as the folders that have these names can be synced. */
async function syncWay(folder: string, top: string): Promise<void> {
  for (let current = folder; current.length >= top.length && current !== dirname(current); current = dirname(current))
    await syncFolder(dirname(current)).catch((error: unknown) => {
      if (!isUnsyncable(error)) throw error;
    });
}

function errorCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}

const SYSTEM_ERRORS: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['ENOSPC', ['STORE_FULL', 'the disk is full; free space']],
  ['EDQUOT', ['STORE_FULL', 'the disk quota is used up; free space']],
  ['EACCES', ['STORE_DENIED', 'permission denied; check the owner and mode of the folder']],
  ['EPERM', ['STORE_DENIED', 'operation not permitted; check the folder, and that its file system has hard links']],
  ['EROFS', ['STORE_DENIED', 'the file system is read-only']],
]);

/** By system error; what belongs to the family already comes back as it was. */
export function fileError(thrown: unknown, path: string): unknown {
  const system = errorCode(thrown);
  if (thrown instanceof StorestowError || system === undefined) return thrown;
  const [code, what] = SYSTEM_ERRORS.get(system) ?? ['STORE_UNAVAILABLE', `${system}; check the disk`];
  return new StorestowError(code, `the bucket cannot use ${path}: ${what}`, { object: path, cause: thrown });
}
