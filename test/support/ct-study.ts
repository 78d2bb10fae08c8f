/** A study of small CT slices, written to a folder for storescu or `storestow up FOLDER`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, imagePixels, type BuiltImage } from './build-dicom.ts';

export interface CtStudy {
  readonly studyInstanceUID: string;
  readonly sopInstanceUIDs: readonly string[];
  readonly paths: readonly string[];
}

/** Slices differ in their pixels. `root` tells studies apart. */
export async function writeCtStudy(
  folder: string,
  count: number,
  root = '1.2.826.0.1.3680043.10.4',
  image: BuiltImage = { rows: 64, columns: 64, bitsStored: 12 },
): Promise<CtStudy> {
  await mkdir(folder, { recursive: true });
  const slices = Array.from({ length: count }, (_, index) => ({
    sopUID: `${root}.1.${index + 1}`,
    path: join(folder, `slice-${String(index + 1).padStart(4, '0')}.dcm`),
    pixels: imagePixels(image, index + 1),
  }));
  for (const { sopUID, path, pixels } of slices)
    await writeFile(path, buildImage({ ...image, studyUID: root, seriesUID: `${root}.1`, sopUID, pixels }));
  return {
    studyInstanceUID: root,
    sopInstanceUIDs: slices.map(({ sopUID }) => sopUID),
    paths: slices.map(({ path }) => path),
  };
}
