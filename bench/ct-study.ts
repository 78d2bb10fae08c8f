/**
 * CT studies for the benches, 512 × 512, 16 bits allocated. `patient`: a real slice of 5 mm from the public corpus beside the
 * repository, turned by a row from slice to slice (about 105 kB in J2KR, 5.0:1). `phantom`: built, with the noise of a thin slice
 * (about 170 kB, 3.1:1). The other real slices at hand lie between 132 and 185 kB.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describePixels } from '../core/dicom/describe-pixels.ts';
import { readPart10 } from '../core/dicom/read-part10.ts';
import { buildImage, seededBytes, type BuiltImage } from '../test/support/build-dicom.ts';

export type CtKind = 'patient' | 'phantom';

const REAL_SLICE = fileURLToPath(new URL('../../shared/corpus/693_UNCR.dcm', import.meta.url));

const SIZE = 512;
const FRAME = { rows: SIZE, columns: SIZE, bitsAllocated: 16 };

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

export function ctKinds(): readonly CtKind[] {
  return existsSync(REAL_SLICE) ? ['patient', 'phantom'] : ['phantom'];
}

/** Slice number → its image. */
type Slices = (index: number, count: number) => BuiltImage;

async function patientSlices(): Promise<Slices> {
  const part10 = readPart10(await readFile(REAL_SLICE));
  const pixels = describePixels(part10);
  if (pixels?.Rows !== SIZE || pixels.Columns !== SIZE || pixels.BitsAllocated !== 16 || pixels.BitsStored === undefined)
    throw new Error(`${REAL_SLICE} is not the slice that this bench expects`);
  const { element, BitsStored, PixelRepresentation } = pixels;
  const value = part10.dataSet.bytes.subarray(element.valueOffset, element.valueOffset + element.length);
  return (index) => {
    const turn = (index % SIZE) * SIZE * 2;
    const turned = Buffer.concat([value.subarray(turn), value.subarray(0, turn)]);
    return { ...FRAME, bitsStored: BitsStored, signed: PixelRepresentation === 1, pixels: turned };
  };
}

function phantomSlices(): Slices {
  return (index, count) => ({ ...FRAME, bitsStored: 12, pixels: slicePixels(index, count) });
}

/** Writes `count` slices of one series into `folder`; `study` (a number) tells studies apart. */
export async function writeCtStudy(folder: string, count: number, kind: CtKind = 'phantom', study = 1): Promise<void> {
  const slices = kind === 'patient' ? await patientSlices() : phantomSlices();
  await mkdir(folder, { recursive: true });
  const root = `1.2.826.0.1.3680043.10.2.${study}`;
  for (let index = 0; index < count; index++) {
    const slice = buildImage({
      studyUID: root,
      seriesUID: `${root}.1`,
      sopUID: `${root}.1.${index + 1}`,
      ...slices(index, count),
    });
    await writeFile(join(folder, `${String(index + 1).padStart(4, '0')}.dcm`), slice);
  }
}
