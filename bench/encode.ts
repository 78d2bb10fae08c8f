/**
 * MB of native pixels a second, on all processors: storestow's frame pool, each frame proved (decoded again and compared), to
 * JPEG 2000 and to HTJ2K; against opj_compress (OpenJPEG, native) and grk_compress (Grok), all threads, which prove nothing, and
 * each of them followed by its own decoder. The pool is warm, as it is in a running storestow; the peers' start, and their files
 * (in the page cache), are in their times.
 *
 *   npm run build && node bench/encode.ts [rounds, default 3] [slices, default 60] [patient|phantom, default both]
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describePixels } from '../core/dicom/describe-pixels.ts';
import { valueBytes } from '../core/dicom/element-value.ts';
import { readPart10 } from '../core/dicom/read-part10.ts';
import { decideEncoding } from '../core/encode/eligibility.ts';
import type { FrameSyntax } from '../core/encode/frame-codec.ts';
import type { FrameLayout } from '../core/encode/frame-layout.ts';
import type * as FramePool from '../core/encode/frame-pool.ts';
import type * as WarmUp from '../core/encode/warm-up.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { compiled } from './compiled.ts';
import { ctKinds, writeCtStudy, type CtKind } from './ct-study.ts';

const { createFramePool } = await compiled<typeof FramePool>('core/encode/frame-pool');
const { warmUp } = await compiled<typeof WarmUp>('core/encode/warm-up');

const run = promisify(execFile);
const rounds = Number(process.argv[2] ?? 3);
const slices = Number(process.argv[3] ?? 60);
const kinds = ctKinds().filter((kind) => (process.argv[4] ?? kind) === kind);

interface Frame {
  readonly pixels: Uint8Array;
  readonly layout: FrameLayout;
}

interface Contender {
  readonly name: string;
  /** Encodes the frames, which also lie in the folder as PGX files, and gives the bytes of what they became. */
  readonly encode: (frames: readonly Frame[], folder: string) => Promise<number>;
  readonly close?: () => Promise<void>;
}

async function storestow(syntax: FrameSyntax): Promise<Contender> {
  const pool = createFramePool({ syntax });
  await warmUp(pool);
  const encodeFrame = async ({ pixels, layout }: Frame): Promise<number> => {
    const encoded = await pool.encodeFrame(pixels, layout);
    if (!encoded.proved) throw new Error(`a frame was not encoded: ${encoded.reason}`);
    return encoded.codestream.length;
  };
  return {
    name: `storestow, ${syntax} with proof (${pool.codec})`,
    encode: async (frames) => sum(await Promise.all(frames.map(encodeFrame))),
    close: () => pool.close(),
  };
}

/** A peer's commands, of which the first one encodes; `undefined` where it is not installed. */
async function peer(
  name: string,
  commands: (folder: string, out: string) => readonly string[][],
): Promise<Contender | undefined> {
  const [program = ''] = commands('', '')[0] ?? [];
  const installed = await run('which', [program]).then(
    () => true,
    () => false,
  );
  if (!installed) {
    console.log(`${program} is not installed, so ${name} is not compared (Debian: libopenjp2-tools, grokj2k-tools)`);
    return undefined;
  }
  return {
    name,
    encode: async (frames, folder) => {
      const out = join(folder, 'out');
      await rm(out, { recursive: true, force: true });
      await mkdir(out);
      for (const [command = '', ...args] of commands(folder, out)) await run(command, args, { cwd: out, maxBuffer: 2 ** 26 });
      return encodedBytes(frames.length, [folder, out]);
    },
  };
}

/** opj_compress puts its results beside the images, grk_compress where it is told. */
async function encodedBytes(count: number, folders: readonly string[]): Promise<number> {
  const listed = await Promise.all(folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))));
  const encoded = listed.flat().filter((path) => path.toLowerCase().endsWith('.j2k'));
  if (encoded.length !== count) throw new Error(`${encoded.length} of ${count} frames were encoded`);
  return sum(await Promise.all(encoded.map(async (path) => (await stat(path)).size)));
}

const OPJ = (folder: string): string[] => ['opj_compress', '-ImgDir', folder, '-OutFor', 'J2K', '-threads', 'ALL_CPUS'];
const GROK = (folder: string, out: string): string[] => ['grk_compress', '-y', folder, '-O', 'J2K', '-a', out];
const CONTENDERS: readonly Contender[] = [
  await storestow('j2k'),
  await storestow('htj2k'),
  await peer('opj_compress, all threads', (folder) => [OPJ(folder)]),
  await peer('opj_compress, then opj_decompress', (folder) => [
    OPJ(folder),
    ['opj_decompress', '-ImgDir', folder, '-OutFor', 'RAWL', '-threads', 'ALL_CPUS', '-quiet'],
  ]),
  await peer('grk_compress, all threads', (folder, out) => [GROK(folder, out)]),
  await peer('grk_compress, then grk_decompress', (folder, out) => [
    GROK(folder, out),
    ['grk_decompress', '-y', out, '-O', 'pgx', '-a', out],
  ]),
].filter((contender) => contender !== undefined);

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function readFrames(folder: string): Promise<readonly Frame[]> {
  return Promise.all(
    (await readdir(folder)).map(async (name) => {
      const part10 = readPart10(await readFile(join(folder, name)));
      const description = describePixels(part10);
      const decided = decideEncoding(description, part10.transferSyntax);
      if (description === undefined || !decided.eligible) throw new Error(`${name} is not a slice to encode`);
      return { pixels: valueBytes(part10.dataSet, description.element), layout: decided.plan.layout };
    }),
  );
}

/** PGX, of 15444-4: what both peers read, with sign and depth. */
async function writePgx(folder: string, frames: readonly Frame[]): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [index, { pixels, layout }] of frames.entries()) {
    const { signed, bitsStored, columns, rows } = layout;
    const header = `PG LM ${signed ? '-' : '+'}${bitsStored} ${columns} ${rows}\n`;
    await writeFile(join(folder, `${index}.pgx`), [header, pixels]);
  }
}

async function bench(kind: CtKind, folder: string): Promise<void> {
  await writeCtStudy(join(folder, 'study'), slices, kind);
  const frames = await readFrames(join(folder, 'study'));
  const megabytes = sum(frames.map(({ pixels }) => pixels.length)) / 1e6;
  const results = CONTENDERS.map((contender) => ({ contender, seconds: [] as number[], bytes: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      const images = join(folder, 'images');
      await writePgx(images, frames);
      const start = performance.now();
      result.bytes = await result.contender.encode(frames, images);
      result.seconds.push((performance.now() - start) / 1000);
    }
  }
  console.log(`${kind}: ${slices} slices, ${megabytes.toFixed(1)} MB, median of ${rounds} rounds`);
  for (const { contender, seconds, bytes } of results) {
    const speed = megabytes / median(seconds);
    console.log(`  ${speed.toFixed(1).padStart(6)} MB/s, ${((megabytes * 1e6) / bytes).toFixed(2)}:1  ${contender.name}`);
  }
}

const folder = await temporaryFolder('bench');
try {
  for (const kind of kinds) {
    await mkdir(join(folder.path, kind));
    await bench(kind, join(folder.path, kind));
  }
} finally {
  await folder.remove();
  for (const { close } of CONTENDERS) await close?.();
}
