/**
 * What a deflated data set inflates to, read where it is needed and never held: each read inflates from the beginning. For who wants some
 * pieces of what may be a thousand times as large as the file.
 */
import { pipeline } from 'node:stream/promises';
import type { InflateRaw } from 'node:zlib';
import { segmentBytes, type ByteSource, type SourceRange } from './byte-source.ts';
import { inflateError, checkBehindStream, tooLargeInflated } from './inflate.ts';
import { zlib } from './zlib.ts';

/** Bytes that are inflated at once. */
const CHUNK = 256 * 1024;

/**
 * Of what is deflated from `offset` on. Rejects with `TRUNCATED` and `MALFORMED` as `inflateDataSet` throws them, and as the source does.
 */
export async function inflatedSource(file: ByteSource, offset: number, limit: number): Promise<ByteSource> {
  const deflated = { source: file, start: offset, length: file.length - offset };
  const length = await inflatedLength(deflated, limit);
  return { length, read: (start, end) => readInflated(deflated, start, end) };
}

/** All of it is inflated once, and what stands behind the stream is looked at. */
async function inflatedLength(deflated: SourceRange, limit: number): Promise<number> {
  const { source, start } = deflated;
  const inflate = newInflate();
  let length = 0;
  let crc = 0;
  try {
    for await (const chunk of inflated(deflated, inflate)) {
      length += chunk.length;
      crc = zlib().crc32(chunk, crc);
      if (length > limit) throw tooLargeInflated(start, limit);
    }
  } catch (error) {
    throw inflateError(error, start, limit);
  }
  const streamEnd = start + inflate.bytesWritten;
  const behind = { source, start: streamEnd, length: source.length - streamEnd };
  let at = streamEnd;
  for await (const block of segmentBytes(behind)) {
    checkBehindStream(block, at, at === streamEnd ? { length, crc } : undefined);
    at += block.length;
  }
  return length;
}

async function readInflated(deflated: SourceRange, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  let at = 0;
  if (end === start) return bytes;
  for await (const chunk of inflated(deflated, newInflate())) {
    const from = Math.max(0, start - at);
    if (from < chunk.length) bytes.set(chunk.subarray(from, end - at), Math.max(0, at - start));
    at += chunk.length;
    if (at >= end) break;
  }
  if (at < end) throw new RangeError(`bytes ${start} to ${end} were wanted of a data set that inflates to ${at}`);
  return bytes;
}

function newInflate(): InflateRaw {
  return zlib().createInflateRaw({ chunkSize: CHUNK });
}

async function* inflated(deflated: SourceRange, inflate: InflateRaw): AsyncGenerator<Uint8Array> {
  // What fails on the way ends the stream, which says so; behind its end it takes no more, and is not waited for.
  void pipeline(segmentBytes(deflated), inflate).catch(() => undefined);
  try {
    for await (const chunk of inflate) yield chunk as Uint8Array;
  } finally {
    inflate.destroy();
  }
}
