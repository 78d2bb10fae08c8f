/** Reads the body of a PUT, held to the size that its caller saw: a file that grew or shrank meanwhile is not stored. */
import { open, type FileHandle } from 'node:fs/promises';
import type { ObjectBody } from './object-store.ts';
import { bodyChanged } from './store-errors.ts';

const CHUNK = 1024 * 1024;

/** In chunks of at most 1 MiB, each a view that is valid until the next one. Throws `FILE_CHANGED`. */
export async function* bodyChunks(key: string, body: ObjectBody): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) {
    yield body;
    return;
  }
  const handle = await openFile(key, body.path);
  try {
    // One byte more than promised, so that a file that grew shows it in the last read.
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, body.size + 1));
    let position = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch((cause: unknown) => {
        throw bodyChanged(key, body.path, cause);
      });
      if (bytesRead === 0) break;
      position += bytesRead;
      if (position > body.size) break;
      yield buffer.subarray(0, bytesRead);
    }
    if (position !== body.size) throw bodyChanged(key, body.path);
  } finally {
    await handle.close();
  }
}

/** The whole body. The bytes of a body in memory are returned as they are, not copied. Throws `FILE_CHANGED`. */
export async function bodyBytes(key: string, body: ObjectBody): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const whole = Buffer.allocUnsafe(body.size);
  let position = 0;
  for await (const chunk of bodyChunks(key, body)) {
    whole.set(chunk, position);
    position += chunk.length;
  }
  return whole;
}

/** A body that is read in any order. */
export interface OpenBody {
  /** The bytes from `start` on, as many as the buffer has: in it, or a view of a body in memory. Throws `FILE_CHANGED`. */
  read(start: number, buffer: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Throws `FILE_CHANGED`. */
export async function openBody(key: string, body: ObjectBody): Promise<OpenBody> {
  if (body instanceof Uint8Array)
    return { read: async (start, { length }) => body.subarray(start, start + length), close: async () => undefined };
  const { path, size } = body;
  const handle = await openFile(key, path);
  if ((await handle.stat()).size !== size) {
    await handle.close();
    throw bodyChanged(key, path);
  }
  const read = async (start: number, buffer: Uint8Array): Promise<Uint8Array> => {
    for (let at = 0; at < buffer.length;) {
      const { bytesRead } = await handle.read(buffer, at, buffer.length - at, start + at).catch((cause: unknown) => {
        throw bodyChanged(key, path, cause);
      });
      if (bytesRead === 0) throw bodyChanged(key, path);
      at += bytesRead;
    }
    return buffer;
  };
  return { read, close: () => handle.close() };
}

async function openFile(key: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw bodyChanged(key, path, cause);
  }
}
