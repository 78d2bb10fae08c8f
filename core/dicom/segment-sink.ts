/** Collects the pieces of a spliced file. Views that lie side by side in one array become one, so that little remains to send. */
import type { Segments } from './change.ts';

interface Piece {
  readonly bytes: Uint8Array;
  readonly start: number;
  end: number;
}

export class SegmentSink {
  readonly #pieces: Piece[] = [];
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds `bytes` from `start` to `end` without copying them. */
  view(bytes: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    this.#length += end - start;
    const last = this.#pieces.at(-1);
    if (last?.bytes === bytes && last.end === start) last.end = end;
    else this.#pieces.push({ bytes, start, end });
  }

  add(bytes: Uint8Array): void {
    this.view(bytes, 0, bytes.length);
  }

  addAll(sink: SegmentSink): void {
    for (const { bytes, start, end } of sink.#pieces) this.view(bytes, start, end);
  }

  toSegments(): Segments {
    const segments = this.#pieces.map(({ bytes, start, end }) =>
      start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end),
    );
    return { segments, length: this.#length };
  }
}
