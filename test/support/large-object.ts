/**
 * A multi-frame object of any size, written as a stream: 16 bits, Multi-frame Grayscale Word Secondary Capture (PS3.3 A.8.4).
 * Frames are flat tiles, which a codec is quick with, and one tile of noise that is another in each frame, so that a frame
 * lost, doubled or moved shows.
 */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { buildDicom, elementBytes, imageElements, seededBytes } from './build-dicom.ts';

export interface LargeObject {
  readonly frames: number;
  readonly rows: number;
  readonly columns: number;
  readonly studyUID?: string;
  readonly sopUID?: string;
}

export interface WrittenObject {
  /** Bytes of the Pixel Data value. */
  readonly pixelLength: number;
  readonly pixelMd5: string;
  /** Bytes of the file. */
  readonly length: number;
}

const TILE = 64;
const PIXEL_DATA = 0x7fe00010;

/** Frame number (from 0) → its bytes, little endian. `rows` and `columns` are multiples of 64. */
export function largeFrame({ rows, columns }: LargeObject, index: number): Uint8Array {
  const samples = new Uint16Array(rows * columns);
  const across = columns / TILE;
  const tiles = (rows / TILE) * across;
  for (let y = 0; y < rows; y++) {
    for (let tile = 0; tile < across; tile++) {
      const number = Math.floor(y / TILE) * across + tile;
      samples.fill(((number * 37 + index) % 251) * 16, y * columns + tile * TILE, y * columns + (tile + 1) * TILE);
    }
  }
  const noise = seededBytes(TILE * TILE, index + 1);
  const noisy = index % tiles;
  const corner = Math.floor(noisy / across) * TILE * columns + (noisy % across) * TILE;
  noise.forEach((value, at) => (samples[corner + Math.floor(at / TILE) * columns + (at % TILE)] = value * 16));
  return new Uint8Array(samples.buffer);
}

/** The elements of one with so many frames, Pixel Data apart. */
function elementsOf({ frames, rows, columns, studyUID, sopUID }: LargeObject): ReturnType<typeof imageElements> {
  return imageElements({
    frames,
    rows,
    columns,
    bitsStored: 12,
    modality: 'OT',
    sopClassUID: '1.2.840.10008.5.1.4.1.1.7.3',
    ...(studyUID === undefined ? {} : { studyUID }),
    ...(sopUID === undefined ? {} : { sopUID }),
    pixels: new Uint8Array(0),
    extra: [
      { tag: 0x00080030, vr: 'TM', value: '101112' },
      { tag: 0x00080050, vr: 'SH', value: 'A7' },
      { tag: 0x00080064, vr: 'CS', value: 'WSD' },
      { tag: 0x00080070, vr: 'LO', value: '' },
      { tag: 0x00100030, vr: 'DA', value: '' },
      { tag: 0x00100040, vr: 'CS', value: '' },
      { tag: 0x00181063, vr: 'DS', value: '40' },
      { tag: 0x00200011, vr: 'IS', value: '1' },
      { tag: 0x00200020, vr: 'CS', value: '' },
      { tag: 0x00200060, vr: 'CS', value: '' },
      { tag: 0x00280009, vr: 'AT', value: [0x00181063] },
      { tag: 0x00280301, vr: 'CS', value: 'NO' },
      { tag: 0x00281052, vr: 'DS', value: '0' },
      { tag: 0x00281053, vr: 'DS', value: '1' },
      { tag: 0x00281054, vr: 'LO', value: 'US' },
      { tag: 0x20500020, vr: 'CS', value: 'IDENTITY' },
    ],
  }).filter(({ tag }) => tag !== PIXEL_DATA);
}

export async function writeLargeObject(path: string, object: LargeObject): Promise<WrittenObject> {
  const pixelLength = object.frames * object.rows * object.columns * 2;
  const digest = createHash('md5');
  const file = await open(path, 'w');
  try {
    await file.writeFile(buildDicom({ elements: elementsOf(object) }));
    await file.writeFile(elementBytes({ tag: PIXEL_DATA, vr: 'OW', value: new Uint8Array(0), wrongLength: pixelLength }));
    for (let index = 0; index < object.frames; index++) {
      const frame = largeFrame(object, index);
      digest.update(frame);
      await file.writeFile(frame);
    }
  } finally {
    await file.close();
  }
  return { pixelLength, pixelMd5: digest.digest('hex'), length: (await stat(path)).size };
}
