/**
 * The data dictionary of PS3.6: tag ↔ keyword, and the VR that an Implicit VR data set leaves out. Standard elements only:
 * what a private element means depends on its creator, and storestow never needs to know.
 *
 * Only dcmjs's dictionary is loaded, not its parser: a table without side effects, read in about 35 ms.
 */
import dictionary from 'dcmjs/dictionary';

import { VALUE_REPRESENTATIONS } from './data-set.ts';
import type { Tag, VR } from './data-set.ts';
import { isGroupLength, isPrivate } from './tag-text.ts';

interface Entry {
  readonly keyword: string;
  readonly vr: VR;
  /** PS3.6 has `US or SS`. */
  readonly signIsOpen: boolean;
  /** Any of those that PS3.6 leaves open. */
  readonly isOpen: boolean;
}

const EXACT_TAG = /^\(([0-9A-F]{4}),([0-9A-F]{4})\)$/;
/** `(6000-60FF,3000)` and `(0020,3100-31FF)`: PS3.5 7.6, PS3.6 6. */
const REPEATING_TAG = /^\(([0-9A-F]{4})(?:-[0-9A-F]{4})?,([0-9A-F]{4})(?:-[0-9A-F]{4})?\)$/;

/**
 * VRs that the dictionary leaves open, as Implicit VR Little Endian has them (PS3.5 A.1): OB or OW → OW, US or OW → OW.
 * US or SS depends on Pixel Representation; US here, since both have the same size and byte order, and values are not
 * decoded by it.
 */
const OPEN_VR: Readonly<Record<string, VR>> = { ox: 'OW', lt: 'OW', xs: 'US', up: 'UL' };

/** Where dcmjs has not the VR of PS3.6. */
const CORRECTED_VR: Readonly<Record<string, VR>> = {
  LongPrimitivePointIndexList: 'OL',
  LongTrianglePointIndexList: 'OL',
  LongEdgePointIndexList: 'OL',
  LongVertexPointIndexList: 'OL',
  ViewOrientationModifier: 'SQ',
  NumberOfVolumetricCurvePoints: 'UL',
  ComponentTypeCodeSequence: 'SQ',
};

const KNOWN_VR: ReadonlySet<string> = new Set(VALUE_REPRESENTATIONS);

function isVR(text: string): text is VR {
  return KNOWN_VR.has(text);
}

const byTag = new Map<Tag, Entry>();
/** By the first tag of the range. */
const byFirstTag = new Map<Tag, Entry>();
const byKeyword = new Map<string, Tag>();

for (const [text, { vr: code = '', name = '' }] of Object.entries(dictionary)) {
  const exact = EXACT_TAG.exec(text);
  const match = exact ?? REPEATING_TAG.exec(text);
  const keyword = name.replace(/^RETIRED_/, '');
  const vr = CORRECTED_VR[keyword] ?? OPEN_VR[code] ?? code;
  if (match === null || !isVR(vr) || name === '') continue;
  const tag = Number.parseInt(`${match[1]}${match[2]}`, 16);
  if (isPrivate(tag)) continue;
  (exact === null ? byFirstTag : byTag).set(tag, {
    keyword,
    vr,
    signIsOpen: code === 'xs',
    isOpen: Object.hasOwn(OPEN_VR, code),
  });
  if (!byKeyword.has(keyword)) byKeyword.set(keyword, tag);
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

function entryOf(tag: Tag): Entry | undefined {
  if (isPrivate(tag)) return undefined;
  return byTag.get(tag) ?? byFirstTag.get(firstOfRange(tag));
}

/** 0x00100010 → `PatientName`; undefined for private and unknown tags. A retired keyword comes without a mark. */
export function keywordOf(tag: Tag): string | undefined {
  return entryOf(tag)?.keyword;
}

/** `PatientName` → 0x00100010; of a repeating group the first (`OverlayData` → 0x60003000); undefined where unknown. */
export function tagOf(keyword: string): Tag | undefined {
  return byKeyword.get(keyword);
}

/**
 * The VR of an element in Implicit VR Little Endian; undefined for private and unknown tags. Group lengths are UL in
 * every standard group (PS3.5 7.2).
 */
export function vrOf(tag: Tag): VR | undefined {
  if (isGroupLength(tag) && !isPrivate(tag)) return 'UL';
  return entryOf(tag)?.vr;
}

/** Whether the VR is US or SS, depending on other elements (PS3.6): `signed-values.ts` decides. `vrOf` gives US. */
export function isSignOpen(tag: Tag): boolean {
  return entryOf(tag)?.signIsOpen ?? false;
}

/** Whether PS3.6 leaves the VR open, as in `OB or OW`: `vrOf` gives what Implicit VR has. */
export function hasOpenVR(tag: Tag): boolean {
  return entryOf(tag)?.isOpen ?? false;
}
