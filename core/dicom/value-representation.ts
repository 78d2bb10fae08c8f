/** What PS3.5 6.2 and 7.1.2 say of each VR: the form of its header, its unit for byte order, its padding. */
import { VALUE_REPRESENTATIONS } from './data-set.ts';
import type { VR } from './data-set.ts';

/** PS3.5 7.1.2: two reserved bytes and a length of 32 bits in Explicit VR. */
const LONG_FORM: ReadonlySet<string> = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/** PS3.5 7.3: bytes that swap together; an AT is two numbers of 16 bits. */
const UNIT: Partial<Record<VR, number>> = {
  AT: 2, FD: 8, FL: 4, OD: 8, OF: 4, OL: 4, OV: 8, OW: 2, SL: 4, SS: 2, SV: 8, UL: 4, US: 2, UV: 8,
}; // prettier-ignore

/** PS3.5 6.2: UI pads with NUL, as binary values do; every other text with a space. */
const PADS_WITH_NUL: ReadonlySet<VR> = new Set<VR>([...(Object.keys(UNIT) as VR[]), 'OB', 'UI', 'UN']);

const LETTERS = 26;
const A = 0x41;

/** By two capital letters: index (first − A) × 26 + second − A. */
const BY_LETTERS: readonly (VR | undefined)[] = (() => {
  const table = Array.from({ length: LETTERS * LETTERS }, (): VR | undefined => undefined);
  for (const vr of VALUE_REPRESENTATIONS) table[(vr.charCodeAt(0) - A) * LETTERS + vr.charCodeAt(1) - A] = vr;
  return table;
})();

export function isCapital(byte: number): boolean {
  return byte >= A && byte < A + LETTERS;
}

/** The VR that these two bytes spell; undefined for any other bytes. */
export function vrOfBytes(first: number, second: number): VR | undefined {
  return isCapital(first) && isCapital(second) ? BY_LETTERS[(first - A) * LETTERS + second - A] : undefined;
}

export function hasLongForm(vr: VR): boolean {
  return LONG_FORM.has(vr);
}

/** Bytes that swap together between byte orders; 1 where nothing swaps. */
export function unitOf(vr: VR): number {
  return UNIT[vr] ?? 1;
}

export function padByteOf(vr: VR): number {
  return PADS_WITH_NUL.has(vr) ? 0x00 : 0x20;
}
