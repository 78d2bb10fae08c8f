/** Small files for tests of differences, and a difference in one line. */
import type { Part10 } from '../../../core/dicom/data-set.ts';
import type { Difference } from '../../../core/dicom/difference.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { formatTag } from '../../../core/dicom/tag-text.ts';
import { buildDicom, type BuiltElement, type BuiltFile, type BuiltItem } from '../../support/build-dicom.ts';

export const STUDY_ID = 0x00200010;
export const NAME = 0x00100010;
export const SQ = 0x00400275;
export const STEP_ID = 0x00400009;

export const id = (value: string, vr = 'SH'): BuiltElement => ({ tag: STUDY_ID, vr, value });
export const name: BuiltElement = { tag: NAME, vr: 'PN', value: 'A^B' };
export const step = (value: string): BuiltItem => [{ tag: STEP_ID, vr: 'SH', value }];
export const requests = (items: readonly BuiltItem[], more: Partial<BuiltElement> = {}): BuiltElement => ({
  tag: SQ,
  vr: 'SQ',
  value: items,
  ...more,
});

export function read(file: BuiltFile | readonly BuiltElement[]): Part10 {
  return readPart10(buildDicom('elements' in file ? file : { elements: file }));
}

/** `changed (0040,0275)[1].(0040,0009)`, `added (0040,0275)[2]`, `bytes preamble`. */
export function told(difference: Difference): string {
  if (difference.kind === 'bytes') return `bytes ${difference.part}`;
  const { kind, path, tag, item, occurrence } = difference;
  const steps = path.map((at) => `${formatTag(at.tag)}[${at.item}].`).join('');
  return `${kind} ${steps}${formatTag(tag)}${item === undefined ? '' : `[${item}]`}${occurrence === 0 ? '' : ` #${occurrence}`}`;
}
