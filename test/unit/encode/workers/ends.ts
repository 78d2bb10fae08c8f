/** A worker that ends, never answers, or runs out of memory, by the frame's first byte; any other frame is its own codestream. */
interface Task {
  readonly frame: Uint8Array;
}

export default async function work({ frame }: Task): Promise<unknown> {
  // eslint-disable-next-line no-restricted-properties -- in a thread it ends the thread, which is what is tested
  if (frame[0] === 1) process.exit(7);
  if (frame[0] === 2) for (;;);
  if (frame[0] === 3) throw new Error('thrown in the worker');
  if (frame[0] === 4) {
    const kept: unknown[] = [];
    for (;;) kept.push(Array.from({ length: 100_000 }, (_, index) => ({ index })));
  }
  return { proved: true, codestream: frame };
}
