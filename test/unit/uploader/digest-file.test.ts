import { hash } from 'node:crypto';
import { open, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFileDigester, digestFile } from '../../../local-uploader/arrival/digest-file.ts';
import { seededBytes } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const MIB = 1024 * 1024;

describe('the digests of a large file', () => {
  let folder: TemporaryFolder;
  let handle: FileHandle | undefined;

  const opened = async (bytes: Uint8Array): Promise<FileHandle> => {
    const path = join(folder.path, 'large');
    await writeFile(path, bytes);
    return (handle = await open(path));
  };

  beforeEach(async () => {
    folder = await temporaryFolder('digest');
  });
  afterEach(async () => {
    await handle?.close();
    handle = undefined;
    await folder.remove();
  });

  it('are of the whole and of each part, more files than threads at once', async () => {
    const bytes = seededBytes(17 * MIB + 3, 5);
    const file = await opened(bytes);
    const parts = [0, 8, 16].map((start) => hash('sha256', bytes.subarray(start * MIB, (start + 8) * MIB)));
    const digests = await Promise.all(Array.from({ length: 5 }, () => digestFile(file, bytes.length)));
    for (const each of digests) expect(each).toEqual({ sha256: hash('sha256', bytes), parts });
  });

  it('are none where the file has become shorter', async () => {
    const file = await opened(seededBytes(9 * MIB, 5));
    await truncate(join(folder.path, 'large'), 8 * MIB);
    expect(await digestFile(file, 9 * MIB)).toBeUndefined();
  });

  it('are none where it cannot be read, and the next file has its own', async () => {
    const file = await opened(new Uint8Array(0));
    const unreadable = { fd: 1_000_000 } as FileHandle;
    await expect(digestFile(unreadable, MIB)).rejects.toThrow('EBADF');
    expect(await digestFile(file, 0)).toEqual({ sha256: hash('sha256', ''), parts: [] });
  });

  it('are none where what starts threads cannot be loaded now, as without a free descriptor, and the next file has one', async () => {
    const file = await opened(new Uint8Array(0));
    const digest = createFileDigester();
    vi.doMock('piscina', () => {
      throw new Error('EMFILE');
    });
    await expect(digest(file, 0)).rejects.toThrow();
    vi.doUnmock('piscina');
    expect(await digest(file, 0)).toEqual({ sha256: hash('sha256', ''), parts: [] });
  });

  it('are none where the thread does not start, and the next file has a new one', async () => {
    const thread = join(folder.path, 'thread.mjs');
    await writeFile(thread, 'throw new Error("no thread")');
    const file = await opened(new Uint8Array(0));
    const digest = createFileDigester(thread);
    for (let round = 0; round < 3; round++) await expect(digest(file, 0)).rejects.toThrow();
  });

  it('are none where the thread dies at its work, and the next file has a new one', async () => {
    const thread = join(folder.path, 'thread.mjs');
    const dies = 'export default ({ size }) => (size === 1 ? process.exit(1) : { sha256: "", parts: [] });';
    await writeFile(thread, dies);
    const file = await opened(new Uint8Array(0));
    const digest = createFileDigester(thread);
    for (let round = 0; round < 2; round++) {
      await expect(digest(file, 1)).rejects.toThrow();
      expect(await digest(file, 0)).toEqual({ sha256: '', parts: [] });
    }
  });
});
