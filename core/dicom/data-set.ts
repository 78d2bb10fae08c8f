/**
 * What the reader finds in a Part 10 file: every element with its place in the bytes. Nothing here holds a decoded
 * value; values are views into the bytes, so what no change names can be copied as it is.
 */

import type { SourceRange } from './byte-source.ts';

/** Group in the upper, element in the lower 16 bits, as an unsigned 32-bit number. */
export type Tag = number;

/** PS3.5 6.2 */
export const VALUE_REPRESENTATIONS = [
  'AE', 'AS', 'AT', 'CS', 'DA', 'DS', 'DT', 'FD', 'FL', 'IS', 'LO', 'LT', 'OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'PN',
  'SH', 'SL', 'SQ', 'SS', 'ST', 'SV', 'TM', 'UC', 'UI', 'UL', 'UN', 'UR', 'US', 'UT', 'UV',
] as const; // prettier-ignore
export type VR = (typeof VALUE_REPRESENTATIONS)[number];

/** Offsets are in bytes from the start of `Part10.body` (`Part10.file` for the file meta information). */
export interface Element {
  readonly tag: Tag;
  /** As encoded; from the dictionary in Implicit VR (`UN` where that knows none). */
  readonly vr: VR;
  /** Of the tag. */
  readonly offset: number;
  readonly valueOffset: number;
  /** Bytes of the value. With undefined length: up to, not including, the delimitation item. */
  readonly length: number;
  readonly undefinedLength: boolean;
  /** First byte after the element, its delimitation item included. */
  readonly end: number;
  /** Of a sequence: SQ, or UN that has undefined length or whose tag is that of a sequence (PS3.5 6.2.2). */
  readonly items?: readonly Item[];
  /** Of encapsulated pixel data (PS3.5 A.4); the first one is the Basic Offset Table. */
  readonly fragments?: readonly Fragment[];
}

/** One item of a sequence: a data set within its item header. */
export interface Item {
  readonly offset: number;
  readonly valueOffset: number;
  readonly length: number;
  readonly undefinedLength: boolean;
  readonly end: number;
  readonly dataSet: DataSet;
}

export interface Fragment {
  readonly offset: number;
  readonly valueOffset: number;
  readonly length: number;
}

/** How the elements of a data set are written: one for the file, another within UN of undefined length (PS3.5 6.2.2). */
export interface Encoding {
  readonly explicitVR: boolean;
  readonly bigEndian: boolean;
}

/** Elements in the order of the file; `get` finds the first one of a tag. */
export interface DataSet {
  readonly elements: readonly Element[];
  /** What the elements' offsets count in. */
  readonly bytes: Uint8Array;
  readonly encoding: Encoding;
  /** The data set that holds this one in a sequence: the character set comes from there (PS3.3 C.12.1.1.2). */
  readonly parent: DataSet | undefined;
  get(tag: Tag): Element | undefined;
}

/** How a transfer syntax lays out the data set (PS3.5 10 and A). */
export interface TransferSyntax {
  readonly uid: string;
  readonly explicitVR: boolean;
  readonly bigEndian: boolean;
  readonly deflated: boolean;
  /** Pixel data comes in fragments (compressed syntaxes). */
  readonly encapsulated: boolean;
}

/**
 * What a large file leaves out of memory: the value of its top-level pixel data. Offsets before the gap are those of the file,
 * those behind it are less by its length; `Element.length` and the places of fragments are given as if the value were there.
 */
export interface Gap {
  /** Where the value would begin in `Part10.body`. */
  readonly at: number;
  /** The bytes that are not there. */
  readonly range: SourceRange;
  /** Of an encapsulated value: where its fragments lie, counted as if the value began at `at`. */
  readonly fragments?: readonly Fragment[];
}

export interface Part10 {
  /** The file as received, or what of it is in memory. */
  readonly file: Uint8Array;
  /** Offset of the group 0002 elements in `file`: 132 with a preamble and prefix. */
  readonly metaOffset: number;
  /** First byte after the file meta information, in `file`. */
  readonly metaEnd: number;
  readonly meta: DataSet;
  readonly transferSyntax: TransferSyntax;
  /** What the data set's offsets count in: `file` itself, or the inflated data set where the syntax is deflated. */
  readonly body: Uint8Array;
  /** First byte of the data set in `body`. */
  readonly dataSetOffset: number;
  /** First byte after the last element of the data set in `body`; what follows is trailing padding, kept as it is. */
  readonly dataSetEnd: number;
  readonly dataSet: DataSet;
  /** Of a large file. */
  readonly gap?: Gap;
}
