/**
 * What an element of a data set in Implicit VR, or in big endian, must be after it was written in Explicit VR Little Endian: from PS3.5
 * alone, without what storestow does it by.
 */
import { vrOf } from '../../core/dicom/dictionary.ts';
import type { ComparedElement, ComparedItem, Held, Sameness } from './compare-objects.ts';

export interface WrittenAs {
  readonly explicitVR: boolean;
  readonly bigEndian: boolean;
}

/** PS3.5 7.3: what swaps together. */
const WORDS: readonly (readonly [size: 2 | 4 | 8, vrs: ReadonlySet<string>])[] = [
  [2, new Set('AT OW SS US'.split(' '))],
  [4, new Set('FL OF OL SL UL'.split(' '))],
  [8, new Set('FD OD OV SV UV'.split(' '))],
];

/** PS3.5 7.1.2: lengths of 16 bits. */
const SHORT = new Set('AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' '));

export function sameRewritten(from: WrittenAs): Sameness {
  return {
    element: (before, after) => sameElement(from, before, after),
    item: (before, after) => isOpenItem(before) === isOpenItem(after),
  };
}

function sameElement(from: WrittenAs, [before, old]: Held, [after, now]: Held): boolean {
  const vrs = isSpelled(before.body, old) ? [old.vr] : writtenVRs(old, from);
  if (now.vr === undefined || !vrs.includes(now.vr) || isOpen(old) !== isOpen(now)) return false;
  // PS3.5 7.2: of the group as it is written.
  if (isGroupLength(old) && (from.explicitVR || now.vr === 'UL')) return now.length === 4;
  const [was, is] = [bytes(before.body, old), bytes(after.body, now)];
  // PS3.5 6.2.2: Implicit VR Little Endian in any syntax.
  return Buffer.compare(from.bigEndian && now.vr !== 'UN' ? swapped(was, now.vr) : was, is) === 0;
}

function writtenVRs({ tag, vr, length }: ComparedElement, { explicitVR }: WrittenAs): readonly string[] {
  if (explicitVR) return vr === undefined ? [] : [vr];
  const [group, element] = [tag >>> 16, tag & 0xffff];
  // A second one of a private group is no group length, but an element that nobody knows.
  if (element === 0 && length === 4) return group % 2 === 1 ? ['UL', 'UN'] : ['UL'];
  const known = group % 2 === 1 ? (element >= 0x10 && element <= 0xff ? 'LO' : 'UN') : (vrOf(tag) ?? 'UN');
  if (length > 0xffff && SHORT.has(known)) return ['UN'];
  // US or SS: another element tells, which may stand anywhere above.
  return known === 'US' ? ['US', 'SS'] : [known];
}

/** In Explicit VR, which the items of a file in Implicit VR may have come in. */
function isSpelled(body: Uint8Array, { vr, offset }: ComparedElement): boolean {
  return vr !== undefined && Buffer.from(body.subarray(offset + 4, offset + 6)).toString('latin1') === vr;
}

function isGroupLength({ tag, length }: ComparedElement): boolean {
  return (tag & 0xffff) === 0 && length === 4;
}

function swapped(value: Uint8Array, vr: string): Uint8Array {
  const size = WORDS.find(([, vrs]) => vrs.has(vr))?.[0];
  const copy = Buffer.from(value);
  return size === undefined ? copy : size === 2 ? copy.swap16() : size === 4 ? copy.swap32() : copy.swap64();
}

/** With the delimitation item, if it has one: that of UN is little endian too. */
function bytes(body: Uint8Array, { valueOffset, end }: ComparedElement): Uint8Array {
  return body.subarray(valueOffset, end);
}

/** Of undefined length (PS3.5 7.5.2). */
function isOpen({ valueOffset, length, end }: ComparedElement): boolean {
  return end > valueOffset + length;
}

function isOpenItem({ offset, end, elements }: ComparedItem): boolean {
  return end > (elements.at(-1)?.end ?? offset + 8);
}
