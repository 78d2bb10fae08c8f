/** A CT study for the benches: a phantom with the noise of a scanner, so that the codecs have the work they have in life. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage, seededBytes } from '../test/support/build-dicom.ts';

const SIZE = 512;

/** One 512 × 512 slice, 16 bit allocated, 12 stored: air, a body ellipse, organs, bone; noise of about ±30 HU. */
function slicePixels(index: number, count: number): Uint8Array {
  const bytes = new Uint8Array(SIZE * SIZE * 2);
  const view = new DataView(bytes.buffer);
  const noise = seededBytes(SIZE * SIZE + 3, index + 1);
  const depth = index / count;
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const u = (x - SIZE / 2) / 210;
      const v = (y - SIZE / 2) / 150;
      const radius = u * u + v * v;
      const organ = Math.sin(x / 37 + depth * 9) * Math.cos(y / 29 - depth * 7);
      const tissue = radius > 1 ? 24 : radius > 0.9 ? 1000 : 1040 + organ * 60 + (Math.hypot(u - 0.3, v) < 0.15 ? 400 : 0);
      const at = y * SIZE + x;
      // The sum of four bytes is close to Gaussian.
      const grain = ((noise[at] ?? 0) + (noise[at + 1] ?? 0) + (noise[at + 2] ?? 0) + (noise[at + 3] ?? 0)) / 4 - 127.5;
      view.setUint16(at * 2, Math.max(0, Math.min(4095, Math.round(tissue + grain * (radius > 1 ? 0.15 : 0.6)))), true);
    }
  }
  return bytes;
}

/** Writes `count` slices of one series into `folder`; `study` (a number) tells studies apart. */
export async function writeCtStudy(folder: string, count: number, study = 1): Promise<void> {
  await mkdir(folder, { recursive: true });
  const root = `1.2.826.0.1.3680043.10.2.${study}`;
  for (let index = 0; index < count; index++) {
    const slice = buildImage({
      studyUID: root,
      seriesUID: `${root}.1`,
      sopUID: `${root}.1.${index + 1}`,
      rows: SIZE,
      columns: SIZE,
      bitsAllocated: 16,
      bitsStored: 12,
      pixels: slicePixels(index, count),
    });
    await writeFile(join(folder, `${String(index + 1).padStart(4, '0')}.dcm`), slice);
  }
}
