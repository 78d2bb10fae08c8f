/**
 * The most memory that `storestow upload` has resident while the largest instances go to a bucket, MinIO and a folder: a native Pixel
 * Data value of 0xFFFFFFFE bytes, the longest that a length can tell (PS3.5 7.1.1), and an encapsulated one of 5 GiB, more than S3 takes in
 * one PUT. The files are sparse; the buckets are not: 5.4 GB of temporary files at a time.
 *
 *   npm run build && node bench/largest-object.ts [GiB of the encapsulated one, default 5]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { BucketConfig } from '../core/config/schema.ts';
import { openStore } from '../core/store/open-store.ts';
import { findMinio } from '../local-cloud/minio.ts';
import { buildDicom, elementBytes, imageElements, JPEG_LOSSLESS, type BuiltElement } from '../test/support/build-dicom.ts';
import { startTestMinio } from '../test/support/minio.ts';
import { peakMemoryDuring } from '../test/support/peak-memory.ts';
import { startStorestow } from '../test/support/storestow-process.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';

const COMPILED = { entry: fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url)) };
const LIMIT = 512;
const GIB = 2 ** 30;
const LONGEST = 0xfffffffe;
const PIXEL_DATA = 0x7fe00010;
const encapsulated = Number(process.argv[2] ?? 5);

const item = (tag: number, length: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
};

/** What is written of a file, and where; between them are holes. */
type Pieces = readonly (Uint8Array | { readonly hole: number })[];

function before(sopUID: string, pixelData: BuiltElement, transferSyntaxUID?: string): Uint8Array {
  const image = { sopUID, studyUID: '1.2.826.0.1.3680043.10.88', seriesUID: '1.2.826.0.1.3680043.10.88.1', callingAET: 'LARGE' };
  const elements = imageElements({
    ...image,
    sopClassUID: '1.2.840.10008.5.1.4.1.1.7.3',
    rows: 32768,
    columns: 32768,
    pixels: new Uint8Array(0),
  });
  const head = buildDicom({
    ...(transferSyntaxUID === undefined ? {} : { transferSyntaxUID }),
    elements: elements.filter(({ tag }) => tag !== PIXEL_DATA),
    meta: [{ tag: 0x00020016, vr: 'AE', value: image.callingAET }],
  });
  return Buffer.concat([head, elementBytes(pixelData)]);
}

const INSTANCES: readonly (readonly [name: string, pieces: Pieces])[] = [
  [
    'native, 0xFFFFFFFE bytes',
    [
      before('1.2.826.0.1.3680043.10.88.1.1', { tag: PIXEL_DATA, vr: 'OW', value: new Uint8Array(0), wrongLength: LONGEST }),
      { hole: LONGEST },
    ],
  ],
  [
    `encapsulated, ${encapsulated} GiB`,
    [
      before(
        '1.2.826.0.1.3680043.10.88.1.2',
        { tag: PIXEL_DATA, vr: 'OB', value: new Uint8Array(0), wrongLength: 0xffffffff },
        JPEG_LOSSLESS,
      ),
      item(0xfffee000, 0),
      ...Array.from({ length: encapsulated }, () => [item(0xfffee000, GIB), { hole: GIB }]).flat(),
      item(0xfffee0dd, 0),
    ],
  ],
];

async function writeSparse(path: string, pieces: Pieces): Promise<void> {
  const file = await open(path, 'w');
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) await file.write(piece, 0, piece.length, at);
    at += piece instanceof Uint8Array ? piece.length : piece.hole;
  }
  await file.truncate(at);
  await file.close();
  const longAgo = new Date(Date.now() - 3_600_000);
  await utimes(path, longAgo, longAgo);
}

async function sha256(bytes: NodeJS.ReadableStream): Promise<string> {
  const digest = createHash('sha256');
  await pipeline(bytes, digest);
  return digest.digest('hex');
}

/** Uploads the one file of the folder, reads it back, and takes it out of the bucket again. */
async function bench(name: string, folder: string, bucket: BucketConfig): Promise<void> {
  const path = join(folder, 'study', 'large.dcm');
  const { size } = await stat(path);
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify({ site: 'bench', bucket }));
  const start = performance.now();
  const storestow = startStorestow(['upload', join(folder, 'study'), '--after', 'keep', '--config', config], COMPILED);
  const peaks = await peakMemoryDuring(storestow.finished, storestow.child.pid ?? 0, 'storestow');
  const seconds = (performance.now() - start) / 1000;
  const { code, stderr } = await storestow.finished;
  if (code !== 0) throw new Error(`storestow ended with ${code}\n${stderr}`);
  const peak = Math.max(...peaks.map((seen) => seen.peak)) / 2 ** 20;
  const store = await openStore(bucket);
  try {
    const [object] = await Array.fromAsync(store.list({ prefix: 'incoming/' }));
    if (object?.size !== size) throw new Error(`the bucket has ${object?.size ?? 0} of ${size} bytes`);
    const [there, here] = [
      await sha256((await store.get(object.key)).stream()),
      await sha256(createReadStream(path, { highWaterMark: 1 << 20 })),
    ];
    if (there !== here) throw new Error('the bucket has other bytes');
    console.log(`${name}: ${size} bytes, ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MiB at most (bar ${LIMIT})`);
    for await (const { key } of store.list()) await store.delete(key);
  } finally {
    await store.close();
  }
}

const folder = await temporaryFolder('bench');
try {
  await mkdir(join(folder.path, 'study'));
  for (const [name, pieces] of INSTANCES) {
    await writeSparse(join(folder.path, 'study', 'large.dcm'), pieces);
    const path = join(folder.path, 'bucket');
    await bench(`${name}, to a folder`, folder.path, { kind: 'folder', path });
    await rm(path, { recursive: true });
    if ((await findMinio()) === undefined) {
      console.log('MinIO is not installed, and left out');
      continue;
    }
    const minio = await startTestMinio();
    try {
      await bench(`${name}, to MinIO`, folder.path, minio.bucket);
    } finally {
      await minio.close();
    }
  }
} finally {
  await folder.remove();
}
