/** A part of a request as it came: in memory where it is small, in a file of its own where it is not. */
import { open, rm, type FileHandle } from 'node:fs/promises';
import type { ByteSource } from '../../core/dicom/byte-source.ts';
import { readExactly } from '../../core/dicom/file-source.ts';

/** Of a part in memory, and of what is gathered of a larger one before it is written. */
export const MAX_BYTES_IN_MEMORY = 8 * 1024 * 1024;

export interface PartInMemory {
  readonly kind: 'in-memory';
  readonly bytes: Uint8Array;
}

export interface PartInFile extends ByteSource {
  readonly kind: 'in-file';
  /** Closes the file and removes it. */
  discard(): Promise<void>;
}

export type ReceivedPart = PartInMemory | PartInFile;

/** Reads the part to its end. Rejects as its stream or the file system does; then no file is left. */
export async function receivePart(chunks: AsyncIterable<Uint8Array>, temporary: string): Promise<ReceivedPart> {
  let gathered: Uint8Array[] = [];
  let length = 0;
  let file: TemporaryFile | undefined;
  try {
    for await (const chunk of chunks) {
      gathered.push(chunk);
      length += chunk.length;
      if (length <= MAX_BYTES_IN_MEMORY) continue;
      file ??= await TemporaryFile.create(temporary);
      await file.append(gathered);
      gathered = [];
      length = 0;
    }
    if (file === undefined) return { kind: 'in-memory', bytes: new Uint8Array(Buffer.concat(gathered)) };
    await file.append(gathered);
    return file;
  } catch (error) {
    await file?.discard();
    throw error;
  }
}

class TemporaryFile implements PartInFile {
  readonly kind = 'in-file';
  readonly #path: string;
  readonly #handle: FileHandle;
  #length = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<TemporaryFile> {
    return new TemporaryFile(path, await open(path, 'wx+'));
  }

  get length(): number {
    return this.#length;
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(pieces);
    await this.#handle.writeFile(bytes);
    this.#length += bytes.length;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    return readExactly(this.#handle, start, end, () => new RangeError(`${this.#path} does not go as far as byte ${String(end)}`));
  }

  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}
