/** Collects the pieces of a spliced file. Views that lie side by side in one array become one, so that little remains to send. */
import type { Segment, SourceRange } from './byte-source.ts';
import type { Segments } from './change.ts';
import type { Gap } from './data-set.ts';

interface View {
  readonly bytes: Uint8Array;
  readonly start: number;
  end: number;
}

type Piece = View | SourceRange;

export class SegmentSink {
  readonly #pieces: Piece[] = [];
  readonly #gapped: { readonly bytes: Uint8Array; readonly gap: Gap } | undefined;
  #length = 0;

  /** With a gap of `bytes`: a view that reaches it from before has the bytes that are missing there. */
  constructor(bytes?: Uint8Array, gap?: Gap) {
    this.#gapped = bytes === undefined || gap === undefined ? undefined : { bytes, gap };
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Adds `bytes` from `start` to `end` without copying them. */
  view(bytes: Uint8Array, start: number, end: number): void {
    const gap = this.#gapped?.bytes === bytes ? this.#gapped.gap : undefined;
    if (gap !== undefined && start < gap.at && gap.at <= end) {
      this.#view(bytes, start, gap.at);
      this.#range(gap.range);
      this.#view(bytes, gap.at, end);
    } else {
      this.#view(bytes, start, end);
    }
  }

  #view(bytes: Uint8Array, start: number, end: number): void {
    if (end <= start) return;
    this.#length += end - start;
    const last = this.#pieces.at(-1);
    if (last !== undefined && 'bytes' in last && last.bytes === bytes && last.end === start) last.end = end;
    else this.#pieces.push({ bytes, start, end });
  }

  #range(range: SourceRange): void {
    if (range.length === 0) return;
    this.#length += range.length;
    this.#pieces.push(range);
  }

  add(segment: Segment): void {
    if (segment instanceof Uint8Array) this.#view(segment, 0, segment.length);
    else this.#range(segment);
  }

  addAll(sink: SegmentSink): void {
    for (const piece of sink.#pieces) {
      if ('bytes' in piece) this.view(piece.bytes, piece.start, piece.end);
      else this.#range(piece);
    }
  }

  toSegments(): Segments {
    const segments = this.#pieces.map((piece) => {
      if (!('bytes' in piece)) return piece;
      const { bytes, start, end } = piece;
      return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    });
    return { segments, length: this.#length };
  }
}
