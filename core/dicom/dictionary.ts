/**
 * The data dictionary of PS3.6: tag ↔ keyword, and the VR that an Implicit VR data set leaves out. Standard elements only:
 * what a private element means depends on its creator, and storestow never needs to know.
 */
import type { Tag, VR } from './data-set.ts';
import { DICTIONARY_TABLE } from './dictionary-table.ts';
import { isGroupLength, isPrivate } from './tag-text.ts';
import { vrOfBytes } from './value-representation.ts';

/** Where the lines begin that were found. Of the table's own tags only: there are billions of others, and who sends them is not known. */
const found = new Map<Tag, number>();

/** Where the line of a tag of the table begins. The table is sorted; few runs need more than some dozen of its lines. */
function lineStarting(tag: Tag): number | undefined {
  const known = found.get(tag);
  if (known !== undefined) return known;
  // The table begins with a line break, as each line ends with one.
  let [low, high] = [0, DICTIONARY_TABLE.length - 1];
  while (low < high) {
    const line = DICTIONARY_TABLE.lastIndexOf('\n', (low + high) >>> 1) + 1;
    const there = Number.parseInt(DICTIONARY_TABLE.slice(line, line + 8), 16);
    if (there === tag) {
      found.set(tag, line);
      return line;
    }
    if (there < tag) low = DICTIONARY_TABLE.indexOf('\n', line);
    else high = line - 1;
  }
  return undefined;
}

function lineOf(tag: Tag): number | undefined {
  if (isPrivate(tag)) return undefined;
  const exact = lineStarting(tag);
  if (exact !== undefined) return exact;
  const ofRange = lineStarting(firstOfRange(tag));
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
