/**
 * What storescp starts, in CPU time (user and system, of the whole process): Node with nothing to do, the exec that finds a resident
 * uploader and leaves a study to it, the exec that finds none and uploads the study itself. In turn, the median of each.
 *
 *   npm run build && node bench/exec.ts [rounds, default 25] [slices, default 10]
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startStorestow } from '../test/support/storestow-process.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { writeCtStudy } from './ct-study.ts';

const run = promisify(execFile);
/** What a site runs. */
const COMPILED = fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url));
const rounds = Number(process.argv[2] ?? 25);
const slices = Number(process.argv[3] ?? 10);
/** Milliseconds beyond Node's own start. */
const BAR = 50;

const NOTHING = 'node -e 0';
const LEFT = 'left to a resident uploader';
const ITSELF = 'uploaded by itself';

interface Measured {
  /** Milliseconds. */
  readonly cpu: number;
  readonly stdout: string;
}

/** Bash tells thousandths of a second of what it ran; Node tells nothing of a child that has ended. */
async function measured(args: readonly string[]): Promise<Measured> {
  const { stdout, stderr } = await run('bash', [
    ...['-c', 'TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null', 'bash'],
    ...[process.execPath, ...args],
  ]);
  const [user = NaN, system = NaN] = stderr.trim().split(' ').map(Number);
  return { cpu: (user + system) * 1000, stdout };
}

function check({ cpu, stdout }: Measured, expected: RegExp): number {
  if (!expected.test(stdout)) throw new Error(`the exec said ${JSON.stringify(stdout)}, which is not ${expected}`);
  return cpu;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

const folder = await temporaryFolder('bench');
const at = (...names: string[]): string => join(folder.path, ...names);
const received = (spool: string): string => join(spool, 'received', '10.0.0.1');
const upload = (spool: string, bucket: string): string[] => [
  ...[COMPILED, 'upload', '--all', '--spool', spool],
  ...['--bucket', `folder:${bucket}`, '--data', at('data')],
];

/** As storescp and its exec do: written aside, then moved in one step. */
async function arrive(spool: string, round: number): Promise<void> {
  await cp(at('study'), join(spool, 'receiving', String(round)), { recursive: true });
  await rename(join(spool, 'receiving', String(round)), join(received(spool), String(round)));
}

for (const spool of [at('watched'), at('alone')]) {
  await mkdir(received(spool), { recursive: true });
  await mkdir(join(spool, 'receiving'));
}
const resident = startStorestow(
  [...['upload', '--watch', '--spool', at('watched')], ...['--bucket', `folder:${at('bucket')}`, '--data', at('data')]],
  { entry: COMPILED },
);
try {
  await writeCtStudy(at('study'), slices, 'phantom');
  await waitUntil('the resident uploader listens', async () => (await readdir(at('watched', '.storestow'))).includes('resident'));
  const contenders: Readonly<Record<string, (round: number) => Promise<number>>> = {
    [NOTHING]: async () => (await measured(['-e', '0'])).cpu,
    [LEFT]: async (round) => {
      await arrive(at('watched'), round);
      return check(await measured(upload(at('watched'), at('bucket'))), /^left to the resident uploader\n$/);
    },
    // A bucket of its own each time: it has the study already where it has been.
    [ITSELF]: async (round) => {
      await arrive(at('alone'), round);
      return check(await measured(upload(at('alone'), at(`bucket-${round}`))), new RegExp(`^${slices} uploaded, 0 there`));
    },
  };
  const times = Object.fromEntries(Object.keys(contenders).map((name): [string, number[]] => [name, []]));
  // The first round is for the caches: of files, and of compiled code.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, measure] of Object.entries(contenders)) {
      const cpu = await measure(round);
      if (round > 0) times[name]?.push(cpu);
    }
    await waitUntil('the resident uploader has uploaded it', async () => {
      const entries = await readdir(received(at('watched')), { recursive: true, withFileTypes: true });
      return !entries.some((entry) => entry.isFile());
    });
  }
  const start = median(times[NOTHING] ?? []);
  for (const [name, values] of Object.entries(times)) {
    const cpu = median(values);
    console.log(`${name}: ${cpu.toFixed(0)} ms of CPU, ${(cpu - start).toFixed(0)} ms beyond Node's start`);
  }
  console.log(
    `medians of ${rounds} rounds, a study of ${slices} CT slices; bar of what is left to a resident uploader: ${BAR} ms`,
  );
} finally {
  await resident.stop();
  await folder.remove();
}
