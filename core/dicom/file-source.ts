/** A file on disk as a source of bytes. */
import type { FileHandle } from 'node:fs/promises';
import type { ByteSource } from './byte-source.ts';

/** `length` bytes of an open file. Reads reject with what `tooShort` gives where the file has fewer, and as `FileHandle.read` does. */
export function fileSource(handle: FileHandle, length: number, tooShort: () => Error): ByteSource {
  return { length, read: async (start, end) => readExactly(handle, start, end, tooShort) };
}

/** The bytes from `start` to `end`, in memory of their own. Rejects as a `fileSource` does. */
export async function readExactly(handle: FileHandle, start: number, end: number, tooShort: () => Error): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(end - start);
  await readFully(handle, start, bytes, tooShort);
  return bytes;
}

/** Fills the buffer with the bytes from `start` on. Rejects as a `fileSource` does. */
export async function readFully(handle: FileHandle, start: number, buffer: Uint8Array, tooShort: () => Error): Promise<void> {
  for (let at = 0; at < buffer.length;) {
    const { bytesRead } = await handle.read(buffer, at, buffer.length - at, start + at);
    if (bytesRead === 0) throw tooShort();
    at += bytesRead;
  }
}
