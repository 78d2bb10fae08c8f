/** What each thread that takes the digests of files runs. */
import { readSync } from 'node:fs';
import { PartDigester, type PartDigests } from '../../core/store/part-digests.ts';

export interface FileToDigest {
  /** Of a file that stays open meanwhile: descriptors are the process's, not a thread's. */
  readonly fd: number;
  /** Bytes. */
  readonly size: number;
}

/** What stays in the processor's cache between being read and being hashed twice. */
const CHUNK = 256 * 1024;

const buffer = Buffer.allocUnsafeSlow(CHUNK);

/** `undefined` where the file has fewer bytes. Throws as `readSync` does. */
export default function digestOpenFile({ fd, size }: FileToDigest): PartDigests | undefined {
  const digester = new PartDigester(size);
  for (let at = 0; at < size;) {
    const bytesRead = readSync(fd, buffer, 0, Math.min(CHUNK, size - at), at);
    if (bytesRead === 0) return undefined;
    digester.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return digester.digests();
}
