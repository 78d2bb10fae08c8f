/**
 * A study of 30 instances as modalities send them: CT, MR (signed), colour US by pixel and by plane, multi-frame,
 * structured reports, and CT that was compressed before. Each with what must become of it.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  buildDicom,
  buildImage,
  imagePixels,
  imageElements,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
  EXPLICIT_LE,
  type BuiltImage,
} from './build-dicom.ts';

const run = promisify(execFile);

export interface StudyInstance {
  readonly path: string;
  readonly sopInstanceUID: string;
  readonly file: Uint8Array;
  /** In which it must arrive. */
  readonly sentSyntax: string;
  /** Native Pixel Data value, by pixel; absent without pixel data, or where it came compressed. */
  readonly pixels?: Uint8Array;
  readonly samplesPerPixel: number;
}

export interface MixedStudy {
  readonly studyInstanceUID: string;
  /** Sent with uncompressed syntaxes. */
  readonly native: readonly StudyInstance[];
  /** JPEG lossless, by DCMTK's dcmcjpeg. */
  readonly compressed: readonly StudyInstance[];
}

const ROOT = '1.2.826.0.1.3680043.10.3';

interface Kind {
  readonly name: string;
  readonly count: number;
  readonly image: BuiltImage;
}

const KINDS: readonly Kind[] = [
  {
    name: 'ct',
    count: 9,
    image: { sopClassUID: '1.2.840.10008.5.1.4.1.1.2', modality: 'CT', rows: 96, columns: 128, bitsStored: 12 },
  },
  {
    name: 'mr',
    count: 7,
    image: { sopClassUID: '1.2.840.10008.5.1.4.1.1.4', modality: 'MR', rows: 64, columns: 80, signed: true },
  },
  {
    name: 'us',
    count: 4,
    image: {
      sopClassUID: '1.2.840.10008.5.1.4.1.1.6.1',
      modality: 'US',
      rows: 60,
      columns: 81,
      samplesPerPixel: 3,
      bitsAllocated: 8,
    },
  },
  {
    name: 'us-planar',
    count: 2,
    image: {
      sopClassUID: '1.2.840.10008.5.1.4.1.1.6.1',
      modality: 'US',
      rows: 60,
      columns: 80,
      samplesPerPixel: 3,
      bitsAllocated: 8,
      planarConfiguration: 1,
    },
  },
  {
    name: 'us-multiframe',
    count: 3,
    image: { sopClassUID: '1.2.840.10008.5.1.4.1.1.3.1', modality: 'US', rows: 48, columns: 64, bitsAllocated: 8, frames: 5 },
  },
];
const REPORTS = 2;
const COMPRESSED = 3;

/** Needs DCMTK. `root` tells studies apart. */
export async function writeMixedStudy(folder: string, root = ROOT): Promise<MixedStudy> {
  const studyInstanceUID = root;
  await mkdir(join(folder, 'native'), { recursive: true });
  await mkdir(join(folder, 'compressed'), { recursive: true });
  const native: StudyInstance[] = [];
  for (const [series, { name, count, image }] of KINDS.entries()) {
    for (let index = 1; index <= count; index++) {
      const sopInstanceUID = `${root}.${series + 1}.${index}`;
      const pixels = imagePixels(image, series * 100 + index);
      const file = buildImage({ ...image, studyUID: root, seriesUID: `${root}.${series + 1}`, sopUID: sopInstanceUID, pixels });
      const path = join(folder, 'native', `${name}-${index}.dcm`);
      await writeFile(path, file);
      native.push({
        path,
        sopInstanceUID,
        file,
        sentSyntax: J2K_LOSSLESS,
        pixels: byPixel(pixels, image),
        samplesPerPixel: image.samplesPerPixel ?? 1,
      });
    }
  }
  for (let index = 1; index <= REPORTS; index++) native.push(await writeReport(folder, root, index));
  const compressed: StudyInstance[] = [];
  for (let index = 1; index <= COMPRESSED; index++) compressed.push(await writeCompressed(folder, root, index));
  return { studyInstanceUID, native, compressed };
}

function byPixel(pixels: Uint8Array, { planarConfiguration, samplesPerPixel = 1 }: BuiltImage): Uint8Array {
  if (planarConfiguration !== 1) return pixels;
  const plane = pixels.length / samplesPerPixel;
  return Uint8Array.from(pixels, (_, at) => pixels[(at % samplesPerPixel) * plane + Math.floor(at / samplesPerPixel)] ?? 0);
}

async function writeReport(folder: string, root: string, index: number): Promise<StudyInstance> {
  const sopInstanceUID = `${root}.90.${index}`;
  const elements = imageElements({
    sopClassUID: '1.2.840.10008.5.1.4.1.1.88.11',
    modality: 'SR',
    studyUID: root,
    seriesUID: `${root}.90`,
    sopUID: sopInstanceUID,
  }).filter(({ tag }) => tag < 0x00280000);
  const content = [
    { tag: 0x0040a040, vr: 'CS', value: 'CONTAINER' },
    { tag: 0x0040a050, vr: 'CS', value: 'SEPARATE' },
    { tag: 0x0040a491, vr: 'CS', value: 'COMPLETE' },
    { tag: 0x0040a493, vr: 'CS', value: 'UNVERIFIED' },
  ];
  const file = buildDicom({ elements: [...elements, ...content] });
  const path = join(folder, 'native', `sr-${index}.dcm`);
  await writeFile(path, file);
  return { path, sopInstanceUID, file, sentSyntax: EXPLICIT_LE, samplesPerPixel: 0 };
}

async function writeCompressed(folder: string, root: string, index: number): Promise<StudyInstance> {
  const sopInstanceUID = `${root}.80.${index}`;
  const image: BuiltImage = { rows: 64, columns: 64, bitsStored: 12 };
  const source = buildImage({ ...image, studyUID: root, seriesUID: `${root}.80`, sopUID: sopInstanceUID });
  const path = join(folder, 'compressed', `jpeg-${index}.dcm`);
  await writeFile(`${path}.native`, source);
  await run('dcmcjpeg', ['+e1', '+un', `${path}.native`, path]);
  await run('rm', [`${path}.native`]);
  return { path, sopInstanceUID, file: await readFile(path), sentSyntax: JPEG_LOSSLESS, samplesPerPixel: 1 };
}
