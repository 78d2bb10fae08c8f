/** A spliced file read as a file is: what it will be, before it was written. */
import { segmentBytes, type ByteSource, type Segment } from './byte-source.ts';
import type { Segments } from './change.ts';

interface Placed {
  readonly segment: Segment;
  /** Of its first byte in the whole. */
  readonly start: number;
  readonly end: number;
}

export class SegmentsSource implements ByteSource {
  readonly length: number;
  readonly #placed: readonly Placed[];

  constructor({ segments, length }: Segments) {
    this.length = length;
    let start = 0;
    this.#placed = segments.map((segment) => {
      const placed = { segment, start, end: start + segment.length };
      start = placed.end;
      return placed;
    });
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start);
    let at = 0;
    for (let index = this.#firstBehind(start); index < this.#placed.length; index++) {
      const placed = this.#placed[index];
      if (placed === undefined || placed.start >= end) break;
      const from = Math.max(start, placed.start) - placed.start;
      const to = Math.min(end, placed.end) - placed.start;
      for await (const piece of segmentBytes(part(placed.segment, from, to))) {
        bytes.set(piece, at);
        at += piece.length;
      }
    }
    if (at !== bytes.length) throw new RangeError(`bytes ${start} to ${end} of a file of ${this.length} were wanted`);
    return bytes;
  }

  /** The first segment that ends behind the offset: a file of many frames has two segments a frame, and is read fragment by fragment. */
  #firstBehind(offset: number): number {
    let low = 0;
    let high = this.#placed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#placed[middle]?.end ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function part(segment: Segment, from: number, to: number): Segment {
  if (segment instanceof Uint8Array) return segment.subarray(from, to);
  return { source: segment.source, start: segment.start + from, length: to - from };
}
