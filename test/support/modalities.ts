/**
 * Modalities that open an association for each image: small instances of many studies, each sent by a `storescu` of its own. A study
 * is of one modality, whose AE title calls.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { forEachConcurrently } from '../../core/concurrency.ts';
import { buildImage, imagePixels, type BuiltImage } from './build-dicom.ts';

const run = promisify(execFile);

export interface ModalityInstance {
  readonly path: string;
  readonly callingAET: string;
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
}

export interface ModalityOptions {
  readonly instances: number;
  readonly studies: number;
  readonly modalities: number;
  /** Of each image, whose pixels are of one size. Default 128 × 128, 16 bits: 33 kB. */
  readonly image?: BuiltImage;
}

const ROOT = '1.2.826.0.1.3680043.10.77';
const DIFFERENT_PIXELS = 16;

/** One after the other from study to study, as if all were scanning at once; two series a study. */
export async function writeModalityInstances(
  folder: string,
  { instances, studies, modalities, image = { rows: 128, columns: 128, bitsStored: 12 } }: ModalityOptions,
): Promise<readonly ModalityInstance[]> {
  await mkdir(folder, { recursive: true });
  const pixels = Array.from({ length: DIFFERENT_PIXELS }, (_, seed) => imagePixels(image, seed + 1));
  const written: ModalityInstance[] = [];
  for (let index = 0; index < instances; index++) {
    const study = index % studies;
    const number = Math.floor(index / studies);
    const studyInstanceUID = `${ROOT}.${study + 1}`;
    const seriesInstanceUID = `${studyInstanceUID}.${(number % 2) + 1}`;
    const sopInstanceUID = `${seriesInstanceUID}.${number + 1}`;
    const path = join(folder, `${String(index).padStart(6, '0')}.dcm`);
    const uids = { studyUID: studyInstanceUID, seriesUID: seriesInstanceUID, sopUID: sopInstanceUID };
    await writeFile(path, buildImage({ ...image, ...uids, pixels: pixels[index % DIFFERENT_PIXELS] as Uint8Array }));
    const callingAET = `MODALITY${(study % modalities) + 1}`;
    written.push({ path, callingAET, studyInstanceUID, seriesInstanceUID, sopInstanceUID });
  }
  return written;
}

/** Tries of one image, as a modality makes them that was not let in. */
const TRIES = 5;

/** All modalities at once, each with one image after the other. Resolves with the number of tries that failed. */
export async function sendEachAlone(instances: readonly ModalityInstance[], port: number, calledAET: string): Promise<number> {
  let failures = 0;
  const send = async ({ path, callingAET }: ModalityInstance): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        await run('storescu', ['-aet', callingAET, '-aec', calledAET, '127.0.0.1', String(port), path]);
        return;
      } catch (error) {
        failures += 1;
        if (tries === TRIES) throw error;
      }
    }
  };
  const modalities = Map.groupBy(instances, ({ callingAET }) => callingAET);
  await Promise.all([...modalities.values()].map((ofOne) => forEachConcurrently(ofOne, 1, send)));
  return failures;
}

/** Of an instance and of a key alike: where from, and which. */
export function originOf(parts: Omit<ModalityInstance, 'path'>): string {
  return [parts.callingAET, parts.studyInstanceUID, parts.seriesInstanceUID, parts.sopInstanceUID].join(' ');
}
