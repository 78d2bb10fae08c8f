/**
 * The data dictionary of PS3.6: tag ↔ keyword, and the VR that an Implicit VR data set leaves out. Standard elements only:
 * what a private element means depends on its creator, and storestow never needs to know.
 */
import type { Tag, VR } from './data-set.ts';
import { DICTIONARY_TABLE } from './dictionary-table.ts';
import { isGroupLength, isPrivate } from './tag-text.ts';
import { vrOfBytes } from './value-representation.ts';

/** Where the line of each tag begins in the table; of a range under its first tag. */
let lines: ReadonlyMap<Tag, number> | undefined;

/** Read when it is first needed: not every run needs it, and those that do wait for it. */
function readLines(): ReadonlyMap<Tag, number> {
  const read = new Map<Tag, number>();
  // The table begins with a line break.
  for (let at = 1; at < DICTIONARY_TABLE.length; at = DICTIONARY_TABLE.indexOf('\n', at) + 1) {
    read.set(Number.parseInt(DICTIONARY_TABLE.slice(at, at + 8), 16), at);
  }
  return read;
}

function lineOf(tag: Tag): number | undefined {
  if (isPrivate(tag)) return undefined;
  lines ??= readLines();
  const exact = lines.get(tag);
  if (exact !== undefined) return exact;
  const ofRange = lines.get(firstOfRange(tag));
  return ofRange !== undefined && DICTIONARY_TABLE[ofRange + 11] === '*' ? ofRange : undefined;
}

/** `?` US or SS, `+` another choice of VRs, a space where there is none. */
function choiceOf(tag: Tag): string {
  const line = lineOf(tag);
  return line === undefined ? ' ' : DICTIONARY_TABLE.charAt(line + 10);
}

/** Curves, overlays, variable pixel data (PS3.5 7.6) and Source Image IDs: the first tag of the range that has this one. */
function firstOfRange(tag: Tag): Tag {
  switch (tag >>> 24) {
    case 0x50:
    case 0x60:
    case 0x7f:
      return (tag & 0xff00ffff) >>> 0;
    default:
      return (tag & 0xffffff00) >>> 0;
  }
}

/** 0x00100010 → `PatientName`; undefined for private and unknown tags. A retired keyword comes without a mark. */
export function keywordOf(tag: Tag): string | undefined {
  const line = lineOf(tag);
  return line === undefined ? undefined : DICTIONARY_TABLE.slice(line + 13, DICTIONARY_TABLE.indexOf('\n', line));
}

/** `PatientName` → 0x00100010; of a repeating group the first (`OverlayData` → 0x60003000); undefined where unknown. */
export function tagOf(keyword: string): Tag | undefined {
  if (!/^[A-Za-z0-9]+$/.test(keyword)) return undefined;
  const at = DICTIONARY_TABLE.indexOf(` ${keyword}\n`);
  return at === -1 ? undefined : Number.parseInt(DICTIONARY_TABLE.slice(at - 12, at - 4), 16);
}

/**
 * The VR of an element in Implicit VR Little Endian; undefined for private and unknown tags. Group lengths are UL in
 * every standard group (PS3.5 7.2).
 */
export function vrOf(tag: Tag): VR | undefined {
  if (isGroupLength(tag) && !isPrivate(tag)) return 'UL';
  const line = lineOf(tag);
  return line === undefined ? undefined : vrOfBytes(DICTIONARY_TABLE.charCodeAt(line + 8), DICTIONARY_TABLE.charCodeAt(line + 9));
}

/** Whether the VR is US or SS, depending on other elements (PS3.6): `signed-values.ts` decides. `vrOf` gives US. */
export function isSignOpen(tag: Tag): boolean {
  return choiceOf(tag) === '?';
}

/** Whether PS3.6 leaves the VR open, as in `OB or OW`: `vrOf` gives what Implicit VR has. */
export function hasOpenVR(tag: Tag): boolean {
  return choiceOf(tag) !== ' ';
}
