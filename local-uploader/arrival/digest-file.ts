/**
 * The digests of large files, taken by threads of their own: what is sent meanwhile, and a word from an exec, do not wait for them.
 */
import { extname } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import type { PartDigests } from '../../core/store/part-digests.ts';
import type { FileToDigest } from './digest-thread.ts';

/** Beside this file, in the same form: TypeScript source or compiled. */
const THREAD = fileURLToPath(new URL(`./digest-thread${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

/** As many as large files are worked on at once. */
const THREADS = 2;

/** Milliseconds for which a thread waits for the next file. */
const IDLE = 10_000;

type Threads = Piscina<FileToDigest, PartDigests | undefined>;

/** `undefined` where the file has fewer bytes than `size`. Rejects where it cannot be read. */
export type DigestFile = (handle: FileHandle, size: number) => Promise<PartDigests | undefined>;

/** Shared by the uploads of one process. */
export const digestFile: DigestFile = createFileDigester();

/** `thread`: the module that the threads run. They start, and piscina is loaded, with the first large file: an exec is soon over. */
export function createFileDigester(thread: string = THREAD): DigestFile {
  let threads: Promise<Threads> | undefined;
  const start = async (): Promise<Threads> => {
    const { Piscina } = await import('piscina');
    const started: Threads = new Piscina({ filename: thread, minThreads: 0, maxThreads: THREADS, idleTimeout: IDLE });
    // A thread died beside its work. Piscina starts no other one then: what it has is rejected, and the next file has new threads.
    started.on('error', () => {
      threads = undefined;
      void started.destroy();
    });
    return started;
  };
  // What keeps them from starting now, no free descriptor, may have passed by the next file.
  const tryToStart = async (): Promise<Threads> =>
    start().catch((error: unknown) => {
      threads = undefined;
      throw error;
    });
  return async ({ fd }, size) => (await (threads ??= tryToStart())).run({ fd, size });
}
