/** Instances to send: small, sound, of one study. */
import { hash } from 'node:crypto';
import type { OutgoingInstance } from '../../core/stow/outcome.ts';
import { buildImage, type BuiltImage } from '../support/build-dicom.ts';

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
