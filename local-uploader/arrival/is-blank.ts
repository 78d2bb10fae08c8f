/** Whether a file has no byte but zeros, or none: what a loss of power leaves of one whose name was on the disk before its bytes. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Bytes; a file system writes as many at once. */
const BLOCK = 4096;

/** Of its first block. False for what cannot be read. */
export async function isBlank(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(BLOCK), 0, BLOCK, 0);
    return buffer.subarray(0, bytesRead).every((byte) => byte === 0);
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}
