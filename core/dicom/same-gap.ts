/** What two large files leave out of memory, compared. */
import type { SourceRange } from './byte-source.ts';
import type { Part10 } from './data-set.ts';

/** Bytes of each file in memory at once. */
const BLOCK = 4 * 1024 * 1024;

/** Whether both leave something out, and the same bytes. Rejects as the sources do. */
export async function sameGap({ gap: before }: Part10, { gap: after }: Part10): Promise<boolean> {
  if (before === undefined || after === undefined || before.range.length !== after.range.length) return false;
  for (let at = 0; at < before.range.length; at += BLOCK) {
    const [was, is] = await Promise.all([readBlock(before.range, at), readBlock(after.range, at)]);
    if (Buffer.compare(was, is) !== 0) return false;
  }
  return true;
}

async function readBlock({ source, start, length }: SourceRange, at: number): Promise<Uint8Array> {
  return source.read(start + at, start + Math.min(length, at + BLOCK));
}
