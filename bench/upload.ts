/**
 * A folder of DICOM files into one MinIO: `storestow upload` against rclone with 16 transfers, `aws s3 sync` and s3cmd. 1,000 files of
 * 0.5 MB, then 5 of 1 GB; each contender as a whole process with its checksums on, in turn, into one bucket that is emptied after each.
 *
 *   npm run build && node bench/upload.ts [rounds, default 5] [small files, default 1000] [large files, default 5]
 *     [MiB of a large one, default 1024] [contenders, default all: storestow,rclone,aws,s3cmd]
 *
 * Takes three times the bytes of the large files as space for temporary files. Needs GNU time.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mapConcurrently } from '../core/concurrency.ts';
import { openStore } from '../core/store/open-store.ts';
import { ensureBucket } from '../core/store/s3-bucket-setup.ts';
import type { S3Config } from '../core/store/s3-client.ts';
import { startMinio } from '../local-cloud/minio.ts';
import { writeLargeObject } from '../test/support/large-object.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { writeCtStudy } from './ct-study.ts';

const run = promisify(execFile);
const COMPILED = fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url));
const BAR = 1.2;
const rounds = Number(process.argv[2] ?? 5);
const small = Number(process.argv[3] ?? 1000);
const large = Number(process.argv[4] ?? 5);
const largeFrames = Number(process.argv[5] ?? 1024);
const chosen = process.argv[6]?.split(',');

interface Target {
  readonly bucket: S3Config;
  /** For what a contender keeps: its configuration. */
  readonly folder: string;
}

interface Contender {
  readonly name: string;
  readonly program: string;
  /** Whose arguments; `files` is the folder that goes. */
  readonly args: (files: string, target: Target) => readonly string[];
  readonly env?: (target: Target) => Readonly<Record<string, string>>;
}

const STORESTOW = 'storestow';

/** storestow does what it does at a site: the files go when the bucket has them. The others leave them. */
const CONTENDERS: readonly Contender[] = [
  {
    name: STORESTOW,
    program: process.execPath,
    args: (files, { folder }) => [COMPILED, 'upload', files, '--config', configPath(folder)],
  },
  {
    name: 'rclone',
    program: 'rclone',
    args: (files, { bucket }) => ['copy', files, `:s3:${bucket.bucket}`, '--transfers', '16', '--s3-no-check-bucket'],
    env: ({ bucket, folder }) => ({
      RCLONE_CONFIG: join(folder, 'rclone.conf'),
      RCLONE_S3_PROVIDER: 'Minio',
      RCLONE_S3_ENDPOINT: bucket.endpoint ?? '',
      RCLONE_S3_ACCESS_KEY_ID: bucket.accessKeyId ?? '',
      RCLONE_S3_SECRET_ACCESS_KEY: bucket.secretAccessKey ?? '',
    }),
  },
  {
    name: 'aws',
    program: 'aws',
    args: (files, { bucket }) => [
      's3',
      'sync',
      files,
      `s3://${bucket.bucket}`,
      '--endpoint-url',
      bucket.endpoint ?? '',
      '--only-show-errors',
    ],
    env: ({ bucket, folder }) => ({
      AWS_ACCESS_KEY_ID: bucket.accessKeyId ?? '',
      AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey ?? '',
      AWS_DEFAULT_REGION: bucket.region,
      AWS_CONFIG_FILE: join(folder, 'aws.conf'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'aws-credentials.conf'),
    }),
  },
  {
    name: 's3cmd',
    program: 's3cmd',
    args: (files, { bucket, folder }) => [
      '-c',
      join(folder, 's3cmd.conf'),
      'sync',
      '--quiet',
      `${files}/`,
      `s3://${bucket.bucket}/`,
    ],
  },
];

function configPath(folder: string): string {
  return join(folder, 'storestow.json');
}

async function writeConfigurations({ bucket, folder }: Target): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(configPath(folder), JSON.stringify({ site: 'bench', bucket }));
  for (const name of ['rclone.conf', 'aws.conf', 'aws-credentials.conf']) await writeFile(join(folder, name), '');
  const { host } = new URL(bucket.endpoint ?? '');
  const s3cmd = [
    '[default]',
    `host_base = ${host}`,
    `host_bucket = ${host}`,
    'use_https = False',
    `access_key = ${bucket.accessKeyId ?? ''}`,
    `secret_key = ${bucket.secretAccessKey ?? ''}`,
  ];
  await writeFile(join(folder, 's3cmd.conf'), `${s3cmd.join('\n')}\n`);
}

interface Cost {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of processor time, the kernel's included. */
  readonly cpu: number;
  /** Bytes resident at most. */
  readonly peak: number;
}

/** GNU time: its last line tells of the process and its children. */
async function timed({ program, args, env }: Contender, files: string, target: Target): Promise<Cost> {
  const report = join(target.folder, 'time.txt');
  const start = performance.now();
  await run('/usr/bin/time', ['--output', report, '--format', '%U %S %M', program, ...args(files, target)], {
    env: { ...withoutAws(process.env), ...env?.(target) },
    maxBuffer: 1e8,
  });
  const wall = (performance.now() - start) / 1000;
  const [user = NaN, system = NaN, kilobytes = NaN] = (await run('tail', ['-n', '1', report])).stdout.split(' ').map(Number);
  return { wall, cpu: user + system, peak: kilobytes * 1024 };
}

/** rclone 1.60 fails where AWS_CA_BUNDLE is set; nothing else of a person's own is meant for this bucket either. */
function withoutAws(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(?:AWS|RCLONE|STORESTOW)_/.test(name)));
}

async function sha256(path: string): Promise<string> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), digest);
  return digest.digest('hex');
}

interface Files {
  readonly folder: string;
  readonly bytes: number;
  readonly digests: ReadonlySet<string>;
}

/** Long since written, so that none of them is waited for. */
async function filesIn(folder: string): Promise<Files> {
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const longAgo = new Date(Date.now() - 3_600_000);
  let bytes = 0;
  const digests = new Set<string>();
  for (const path of paths) {
    await utimes(path, longAgo, longAgo);
    bytes += (await stat(path)).size;
    digests.add(await sha256(path));
  }
  return { folder, bytes, digests };
}

/** A folder with the same files, which are in the page cache then. */
async function linked(folder: string): Promise<string> {
  const given = `${folder}-given`;
  await mkdir(given);
  for (const name of await readdir(folder)) {
    await link(join(folder, name), join(given, name));
    await sha256(join(given, name));
  }
  return given;
}

/** Who did not do the work is not compared. */
async function check(name: string, bucket: S3Config, { bytes, digests }: Files): Promise<void> {
  const store = await openStore(bucket);
  try {
    const objects = (await Array.fromAsync(store.list())).filter(({ key }) => key.endsWith('.dcm'));
    const total = objects.reduce((sum, { size }) => sum + size, 0);
    if (objects.length !== digests.size || total !== bytes)
      throw new Error(`${name} brought ${objects.length} of ${digests.size} objects, ${total} of ${bytes} bytes`);
    const last = objects.at(-1)?.key ?? '';
    const digest = createHash('sha256');
    await pipeline((await store.get(last)).stream(), digest);
    if (!digests.has(digest.digest('hex'))) throw new Error(`${name} brought other bytes as ${last}`);
  } finally {
    await store.close();
  }
}

async function empty(bucket: S3Config, drive: string): Promise<void> {
  const store = await openStore(bucket);
  try {
    const objects = await Array.fromAsync(store.list());
    await mapConcurrently(objects, 16, ({ key }) => store.delete(key));
  } finally {
    await store.close();
  }
  // Where MinIO keeps the bytes for some minutes more.
  const trash = join(drive, '.minio.sys', 'tmp', '.trash');
  for (const name of await readdir(trash).catch(() => [])) await rm(join(trash, name), { recursive: true, force: true });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

async function bench(
  title: string,
  files: Files,
  contenders: readonly Contender[],
  target: Target,
  drive: string,
): Promise<void> {
  const costs = new Map<string, Cost[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Who goes first is another one in each round.
    const turn = round % contenders.length;
    for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
      const given = await linked(files.folder);
      // What the one before has written goes to the disk in its time, not in this one's.
      await run('sync');
      costs.get(contender.name)?.push(await timed(contender, given, target));
      await check(contender.name, target.bucket, files);
      await empty(target.bucket, drive);
      await rm(given, { recursive: true, force: true });
    }
  }
  console.log(`${title}, median of ${rounds} rounds`);
  const walls = new Map([...costs].map(([name, of]) => [name, median(of.map(({ wall }) => wall))]));
  for (const [name, of] of costs) {
    const cpu = median(of.map((cost) => cost.cpu));
    const peak = Math.max(...of.map((cost) => cost.peak)) / 2 ** 20;
    const all = of.map(({ wall }) => wall.toFixed(2)).join(' ');
    console.log(
      `  ${(walls.get(name) ?? NaN).toFixed(2)} s  ${name}, ${cpu.toFixed(2)} s of processor time, ${peak.toFixed(0)} MiB at most (${all})`,
    );
  }
  const others = [...walls].filter(([name]) => name !== STORESTOW).map(([, wall]) => wall);
  if (others.length > 0 && walls.has(STORESTOW)) {
    const ratio = (walls.get(STORESTOW) ?? NaN) / Math.min(...others);
    console.log(`  ${ratio.toFixed(2)} of the time of the fastest of the others (bar ${BAR})`);
  }
}

async function installed({ program }: Contender): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}

async function presentContenders(): Promise<readonly Contender[]> {
  const present: Contender[] = [];
  for (const contender of CONTENDERS) {
    if (chosen !== undefined && !chosen.includes(contender.name)) continue;
    if (await installed(contender)) present.push(contender);
    else console.log(`${contender.name} is not installed, and left out`);
  }
  return present;
}

const contenders = await presentContenders();
const folder = await temporaryFolder('bench');
const dataFolder = join(folder.path, 'minio');
const credentials = { accessKeyId: 'storestow', secretAccessKey: 'storestow-bench' };
const minio = await startMinio({ dataFolder, credentials });
try {
  const { endpoint } = minio;
  const bucket = { kind: 's3', bucket: 'bench', endpoint, region: 'us-east-1', ...credentials } as const;
  const target: Target = { bucket: { ...bucket, multipartThreshold: 16 * 1024 * 1024 }, folder: join(folder.path, 'settings') };
  await ensureBucket(target.bucket);
  await writeConfigurations(target);
  const drive = join(dataFolder, 'drive');
  if (small > 0) {
    const study = join(folder.path, 'small');
    await writeCtStudy(study, small);
    await bench(`${small} files of 0.5 MB`, await filesIn(study), contenders, target, drive);
  }
  if (large > 0) {
    const study = join(folder.path, 'large');
    await mkdir(study);
    for (let index = 1; index <= large; index++) {
      const root = '1.2.826.0.1.3680043.10.66';
      const size = { frames: largeFrames, rows: 512, columns: 1024 };
      await writeLargeObject(join(study, `${index}.dcm`), { ...size, studyUID: root, sopUID: `${root}.${index}` });
    }
    await bench(`${large} files of ${largeFrames} MiB`, await filesIn(study), contenders, target, drive);
  }
} finally {
  await minio.close();
  await folder.remove();
}
