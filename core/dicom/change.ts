/**
 * What the steps return: changes, as values. The splicer applies them to a file; nothing else writes.
 */
import type { Segment } from './byte-source.ts';
import type { Tag, VR } from './data-set.ts';

/** From the data set down to a nested one: the item `item` (from 0) of the sequence `tag`, and so on. Empty: top level. */
export type ItemPath = readonly { readonly tag: Tag; readonly item: number }[];

/**
 * An element to write. `value` is in little endian whatever the file's syntax (the splicer swaps by VR where the file is
 * big endian), without padding to even length (the splicer pads by VR, PS3.5 6.2).
 * `raw` is a whole element copied from the same file, in the file's own encoding.
 */
export type NewElement =
  | { readonly tag: Tag; readonly vr: Exclude<VR, 'SQ'>; readonly value: Uint8Array }
  | { readonly tag: Tag; readonly vr: 'SQ'; readonly items: readonly (readonly NewElement[])[] }
  | { readonly tag: Tag; readonly raw: Uint8Array }
  /**
   * Encapsulated pixel data: one fragment a frame. The Basic Offset Table is computed, or empty where an Extended one stands
   * beside it (PS3.5 A.4, PS3.3 C.7.6.3.1.8).
   */
  | { readonly tag: Tag; readonly vr: 'OB'; readonly frames: readonly Segment[]; readonly extendedOffsets?: boolean };

export type Change =
  /** Replaces the element of that tag, or inserts it in tag order. */
  | { readonly kind: 'set'; readonly path: ItemPath; readonly element: NewElement; readonly reason: string }
  /** Removes it; not an error where it is absent. */
  | { readonly kind: 'remove'; readonly path: ItemPath; readonly tag: Tag; readonly reason: string }
  /** Adds an item behind those that the sequence has; makes the sequence where there is none. */
  | {
      readonly kind: 'append';
      readonly path: ItemPath;
      readonly tag: Tag;
      readonly item: readonly NewElement[];
      readonly reason: string;
    };

/** Bytes in pieces, many of them views or ranges of the original file: what a splice gives and a sender streams. */
export interface Segments {
  readonly segments: readonly Segment[];
  /** Sum of the segments' lengths in bytes. */
  readonly length: number;
}
