/** Where bytes wait that are too many for memory: a file that has no name, so that nothing of it stays. */
import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorestowError } from '../errors.ts';
import type { ByteSource, SourceRange } from './byte-source.ts';
import { readExactly } from './file-source.ts';

export interface NamelessFile extends ByteSource {
  /** Behind what it has. Rejects with `STORE_FULL` or `STORE_UNAVAILABLE` (both retryable). */
  write(bytes: Uint8Array): Promise<SourceRange>;
  /** Ranges can no longer be read. */
  close(): Promise<void>;
}

/**
 * In `folder`: the system's for temporary files (`TMPDIR`) where it is not given. The file is there for this process alone and is
 * gone when it ends, however that ends. Rejects as `write` does.
 */
export async function openNamelessFile(folder: string = tmpdir()): Promise<NamelessFile> {
  const path = join(folder, `storestow-${randomUUID()}.bytes`);
  try {
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path).catch(async (cause: unknown) => {
      await handle.close();
      throw cause;
    });
    return new OpenFile(handle, folder);
  } catch (cause) {
    throw fileError(folder, cause);
  }
}

class OpenFile implements NamelessFile {
  readonly #handle: FileHandle;
  readonly #folder: string;
  #length = 0;

  constructor(handle: FileHandle, folder: string) {
    this.#handle = handle;
    this.#folder = folder;
  }

  get length(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<SourceRange> {
    const start = this.#length;
    this.#length += bytes.length;
    try {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, start + at);
        at += bytesWritten;
      }
    } catch (cause) {
      throw fileError(this.#folder, cause);
    }
    return { source: this, start, length: bytes.length };
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    try {
      return await readExactly(this.#handle, start, end, () => new Error('the file ends too early'));
    } catch (cause) {
      throw fileError(this.#folder, cause);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function fileError(folder: string, cause: unknown): StorestowError {
  const system = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const full = system === 'ENOSPC' || system === 'EDQUOT';
  return new StorestowError(
    full ? 'STORE_FULL' : 'STORE_UNAVAILABLE',
    full
      ? `${folder} has no room for what a large object needs; free space, or set TMPDIR to a larger disk`
      : `${folder} cannot take what a large object needs; check the folder, or set TMPDIR`,
    { object: folder, cause },
  );
}
