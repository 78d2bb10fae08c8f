/**
 * Writes core/dicom/dictionary-table.ts from dcmjs's dictionary: to be run when dcmjs changes. A test says when it has.
 *
 *   node scripts/dictionary-table.ts
 */
import { writeFile } from 'node:fs/promises';
import dictionary from 'dcmjs/dictionary';
import { VALUE_REPRESENTATIONS } from '../core/dicom/data-set.ts';
import { isPrivate } from '../core/dicom/tag-text.ts';

const TABLE = new URL('../core/dicom/dictionary-table.ts', import.meta.url);

const EXACT_TAG = /^\(([0-9A-F]{4}),([0-9A-F]{4})\)$/;
/** `(6000-60FF,3000)` and `(0020,3100-31FF)`: PS3.5 7.6, PS3.6 6. */
const REPEATING_TAG = /^\(([0-9A-F]{4})(?:-[0-9A-F]{4})?,([0-9A-F]{4})(?:-[0-9A-F]{4})?\)$/;

/**
 * VRs that the dictionary leaves open, as Implicit VR Little Endian has them (PS3.5 A.1): OB or OW → OW, US or OW → OW.
 * US or SS depends on Pixel Representation; US, marked, since both have the same size and byte order.
 */
const OPEN_VR: Readonly<Record<string, string>> = { ox: 'OW', lt: 'OW', xs: 'US', up: 'UL' };

/** Where dcmjs has not the VR of PS3.6. */
const CORRECTED_VR: Readonly<Record<string, string>> = {
  LongPrimitivePointIndexList: 'OL',
  LongTrianglePointIndexList: 'OL',
  LongEdgePointIndexList: 'OL',
  LongVertexPointIndexList: 'OL',
  ViewOrientationModifier: 'SQ',
  NumberOfVolumetricCurvePoints: 'UL',
  ComponentTypeCodeSequence: 'SQ',
};

const KNOWN_VR: ReadonlySet<string> = new Set(VALUE_REPRESENTATIONS);

/** One line an element, by tag: `00100010PN   PatientName`. */
export function dictionaryLines(): readonly string[] {
  return Object.entries(dictionary)
    .flatMap(([text, { vr: code = '', name = '' }]) => {
      const exact = EXACT_TAG.exec(text);
      const match = exact ?? REPEATING_TAG.exec(text);
      const keyword = name.replace(/^RETIRED_/, '');
      const vr = CORRECTED_VR[keyword] ?? OPEN_VR[code] ?? code;
      if (match === null || !KNOWN_VR.has(vr) || keyword === '') return [];
      const [, group = '', element = ''] = match;
      if (isPrivate(Number.parseInt(group + element, 16))) return [];
      const choice = code === 'xs' ? '?' : Object.hasOwn(OPEN_VR, code) ? '+' : ' ';
      const range = exact === null ? '*' : ' ';
      return [`${group}${element}${vr}${choice}${range} ${keyword}`];
    })
    .sort();
}

export function dictionaryModule(): string {
  return `/**
 * The elements of PS3.6, written by scripts/dictionary-table.ts: tag, VR, marks, keyword. One string, because a program reads that
 * a hundred times faster than as many objects. Marks: \`?\` US or SS, \`+\` another choice of VRs; \`*\` the first tag of a range (PS3.5 7.6).
 */
export const DICTIONARY_TABLE = \`
${dictionaryLines().join('\n')}
\`;
`;
}

if (import.meta.main) await writeFile(TABLE, dictionaryModule());
