/** Instances to send: small, of one study, sound or not; and what an outcome is in short. */
import { hash } from 'node:crypto';
import type { OutgoingInstance, Outcome } from '../../core/stow/outcome.ts';
import { buildDicom, buildImage, imageElements, type BuiltElement, type BuiltImage } from '../support/build-dicom.ts';

const SOP_CLASS = '1.2.840.10008.5.1.4.1.1.2';

export function outgoing(studyInstanceUID: string, number: number, image: BuiltImage = {}): OutgoingInstance {
  const seriesInstanceUID = `${studyInstanceUID}.1`;
  const sopInstanceUID = `${seriesInstanceUID}.${String(number)}`;
  const file = buildImage({ studyUID: studyInstanceUID, seriesUID: seriesInstanceUID, sopUID: sopInstanceUID, ...image });
  const cut = Math.floor(file.length / 2);
  return {
    studyInstanceUID,
    seriesInstanceUID,
    sopInstanceUID,
    sopClassUID: SOP_CLASS,
    md5: hash('md5', file),
    segments: [file.subarray(0, cut), file.subarray(cut)],
    length: file.length,
  };
}

/** Numbered from 1. */
export function outgoingStudy(studyInstanceUID: string, count: number, image: BuiltImage = {}): readonly OutgoingInstance[] {
  return Array.from({ length: count }, (_, index) => outgoing(studyInstanceUID, index + 1, image));
}

/** Under the UIDs that it would have; the bytes are the test's. */
export function withBytes(studyInstanceUID: string, number: number, file: Uint8Array): OutgoingInstance {
  return { ...outgoing(studyInstanceUID, number), md5: hash('md5', file), segments: [file], length: file.length };
}

export interface Altered {
  readonly without?: readonly number[];
  /** In place of those of the same tag. */
  readonly extra?: readonly BuiltElement[];
}

/** Announced under the UIDs that it would have; its bytes may say otherwise. */
export function altered(studyInstanceUID: string, number: number, { without = [], extra = [] }: Altered): OutgoingInstance {
  const { seriesInstanceUID, sopInstanceUID } = outgoing(studyInstanceUID, number);
  const elements = imageElements({ studyUID: studyInstanceUID, seriesUID: seriesInstanceUID, sopUID: sopInstanceUID, extra });
  return withBytes(studyInstanceUID, number, buildDicom({ elements: elements.filter(({ tag }) => !without.includes(tag)) }));
}

/** Ends a little before its end. */
export function cutShort(studyInstanceUID: string, number: number): OutgoingInstance {
  const [file = new Uint8Array(0)] = altered(studyInstanceUID, number, {}).segments;
  if (!(file instanceof Uint8Array)) throw new TypeError('an instance in memory was built');
  return withBytes(studyInstanceUID, number, file.subarray(0, file.length - 100));
}

/** `stored`, `there` (before it was sent), `warned B000`, `retryable CODE 0110`, `permanent CODE A778`. */
export function told(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'none';
  if (outcome.kind === 'stored') return outcome.alreadyThere ? 'there' : 'stored';
  const { reason } = outcome;
  return [
    outcome.kind,
    ...('code' in outcome ? [outcome.code] : []),
    ...(reason === undefined ? [] : [reason.toString(16).toUpperCase().padStart(4, '0')]),
  ].join(' ');
}
