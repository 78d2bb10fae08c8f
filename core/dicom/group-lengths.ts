/** (gggg,0000) of the groups that change (PS3.5 7.2): reserved where they stand, set once the group was written. */
import type { Element, Encoding, Tag } from './data-set.ts';
import type { SegmentSink } from './segment-sink.ts';
import { groupOf, isGroupLength } from './tag-text.ts';
import { writeNumber } from './write-number.ts';

export class GroupLengths {
  readonly #encoding: Encoding;
  readonly #changes: (group: number) => boolean;
  readonly #sizes = new Map<number, number>();
  readonly #reserved = new Map<number, Uint8Array>();

  /** Of the groups that `changes` tells; the others keep theirs. `encoding` is that of the data set to be written. */
  constructor(encoding: Encoding, changes: (group: number) => boolean) {
    this.#encoding = encoding;
    this.#changes = changes;
  }

  /** An element of `size` bytes was written. */
  count(tag: Tag, size: number): void {
    const group = groupOf(tag);
    if (this.#changes(group)) this.#sizes.set(group, (this.#sizes.get(group) ?? 0) + size);
  }

  /** Whether the element is a group length to be set, and the first of its group. */
  awaits({ tag, length }: Element): boolean {
    const group = groupOf(tag);
    return isGroupLength(tag) && length === 4 && this.#changes(group) && !this.#reserved.has(group);
  }

  /** The whole element, whose last four bytes are overwritten later. It does not count itself; a second one of its group counts. */
  reserve(tag: Tag, bytes: Uint8Array, sink: SegmentSink): void {
    this.#reserved.set(groupOf(tag), bytes);
    this.count(tag, -bytes.length);
    sink.add(bytes);
  }

  settle(): void {
    for (const [group, bytes] of this.#reserved) {
      writeNumber(bytes, bytes.length - 4, 4, this.#sizes.get(group) ?? 0, this.#encoding.bigEndian);
    }
  }
}
