/**
 * 200 CT files coerced by the default rules, previous values recorded: storestow's steps in one process, against dcmodify of DCMTK
 * in one process and dcmjs in one process. Whole processes are timed, their start included, in turn, with the files in the page
 * cache. Nobody of the three waits for the disk (fsync); `storestow process`, which does, is told beside.
 *
 *   npm run build && node bench/coerce.ts [rounds, default 5] [slices, default 200] [patient|phantom, default both]
 *
 * Takes five times the bytes of the study for each round as space for temporary files.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describePixels } from '../core/dicom/describe-pixels.ts';
import { asciiText, valueBytes } from '../core/dicom/element-value.ts';
import { readPart10 } from '../core/dicom/read-part10.ts';
import { TAG } from '../core/dicom/tags.ts';
import { bundle } from '../scripts/build-functions.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { ctKinds, writeCtStudy, type CtKind } from './ct-study.ts';

const run = promisify(execFile);
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const rounds = Number(process.argv[2] ?? 5);
const slices = Number(process.argv[3] ?? 200);
/** Below the repository, where the packages are found that are not packed. */
const PACKED = here('../dist/bench');
const kinds = ctKinds().filter((kind) => (process.argv[4] ?? kind) === kind);

/** The default rules and the record of what was there, in dcmodify's words. */
const DCMODIFY = [
  ...['-nb', '-q', '-imt'],
  ...['-i', '(0008,1060)=-^-^-', '-i', '(0020,0010)=29991231235959', '-i', '(0008,0090)=-^-^-^-'],
  ...['-e', '(0032,1034)', '-e', '(0009,1110)'],
  ...['-i', '(0400,0561)[0].(0400,0550)[0].(0008,0090)=Referring^Doctor'],
  ...['-i', '(0400,0561)[0].(0400,0550)[0].(0020,0010)=STUDY7'],
  ...['-i', '(0400,0561)[0].(0400,0562)=20261124120000.000+0000'],
  ...['-i', '(0400,0561)[0].(0400,0563)=dcmodify', '-i', '(0400,0561)[0].(0400,0564)=BENCH'],
  ...['-i', '(0400,0561)[0].(0400,0565)=COERCE'],
];

interface Contender {
  readonly name: string;
  /** Takes the files of one folder; leaves the results in the other. */
  readonly coerce: (input: string, output: string) => Promise<unknown>;
}

async function node(script: string, ...args: readonly string[]): Promise<void> {
  await run(process.execPath, [script, ...args]);
}

/** As the functions are packed: one file, so that the start is not the search for a hundred. */
async function packed(name: string, input: string, output: string): Promise<void> {
  await node(join(PACKED, `${name}.mjs`), input, output);
}

const STORESTOW = 'storestow';
const DCMTK = 'dcmodify';
const DCMJS = 'dcmjs';
const CONTENDERS: readonly Contender[] = [
  { name: STORESTOW, coerce: (input, output) => packed('coerce-storestow', input, output) },
  {
    name: DCMTK,
    // In place: it gets a copy of its own (untimed).
    coerce: async (_, output) => run('dcmodify', [...DCMODIFY, ...(await readdir(output)).map((name) => join(output, name))]),
  },
  { name: DCMJS, coerce: (input, output) => packed('coerce-dcmjs', input, output) },
  {
    name: 'storestow with its digests',
    coerce: (input, output) => packed('prepare-storestow', input, output),
  },
  {
    name: 'storestow process --no-encode, which syncs each file',
    coerce: (input, output) => node(here('../dist/cli/storestow.js'), 'process', input, '--out', output, '--no-encode'),
  },
];

/** Who did not do the work is not compared. */
async function check(name: string, original: string, output: string): Promise<void> {
  const files = await readdir(output);
  if (files.length !== slices) throw new Error(`${name} wrote ${files.length} of ${slices} files`);
  for (const file of [files[0] ?? '', files.at(-1) ?? '']) {
    const [before, after] = [readPart10(await readFile(join(original, file))), readPart10(await readFile(join(output, file)))];
    const pixels = [before, after].map((part10) => {
      const element = describePixels(part10)?.element;
      return element === undefined ? undefined : Buffer.from(valueBytes(part10.dataSet, element));
    });
    const same = pixels[0] !== undefined && pixels[1]?.equals(pixels[0]) === true;
    const isCoerced = asciiText(after.dataSet, TAG.StudyID) === '29991231235959';
    const isRecorded = after.dataSet.get(TAG.OriginalAttributesSequence) !== undefined;
    if (!same || !isCoerced || !isRecorded) throw new Error(`${name} did not coerce ${file} as it should`);
  }
}

async function timed({ name, coerce }: Contender, input: string, output: string): Promise<number> {
  if (name === DCMTK) await cp(input, output, { recursive: true });
  else await mkdir(output);
  // What the one before has written goes to the disk in its time, not in this one's.
  await run('sync');
  const start = performance.now();
  await coerce(input, output);
  const seconds = (performance.now() - start) / 1000;
  await check(name, input, output);
  return seconds;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function bench(kind: CtKind, folder: string): Promise<void> {
  const input = join(folder, 'study');
  await writeCtStudy(input, slices, kind);
  const times = new Map<string, number[]>(CONTENDERS.map(({ name }) => [name, []]));
  // Each leaves its files: where many were deleted just before, ext4 looks long for the place of a new one.
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of CONTENDERS.entries()) {
      times.get(contender.name)?.push(await timed(contender, input, join(folder, `${round}-${index}`)));
    }
  }
  await rm(folder, { recursive: true });
  const medians = new Map([...times].map(([name, seconds]) => [name, median(seconds)]));
  console.log(`${kind}, ${slices} files, median of ${rounds} rounds`);
  for (const [name, seconds] of medians) console.log(`  ${seconds.toFixed(3)} s  ${name}`);
  const ours = medians.get(STORESTOW) ?? NaN;
  console.log(`  ${(ours / (medians.get(DCMTK) ?? NaN)).toFixed(2)} of dcmodify's time (bar 1.5)`);
  console.log(`  ${((medians.get(DCMJS) ?? NaN) / ours).toFixed(1)} times as fast as dcmjs (bar 5)`);
}

await bundle(
  PACKED,
  {
    'coerce-storestow': 'bench/coerce-storestow.ts',
    'prepare-storestow': 'bench/prepare-storestow.ts',
    // Its types are gone, as ours are; the package itself is one file already, and is loaded as it is.
    'coerce-dcmjs': 'bench/coerce-dcmjs.ts',
    'frame-worker': 'core/encode/frame-worker.ts',
  },
  ['piscina', '@cornerstonejs/codec-openjpeg', '@cornerstonejs/codec-openjph', 'iconv-lite'],
);
const folder = await temporaryFolder('bench');
try {
  for (const kind of kinds) await bench(kind, join(folder.path, kind));
} finally {
  await folder.remove();
}
