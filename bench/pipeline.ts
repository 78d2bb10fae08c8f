/**
 * A 200-slice CT from C-STORE to stored in Orthanc: storestow, every frame verified, against Orthanc alone doing the same work
 * (ingest transcoding to J2KR by its GDCM plug-in, then its STOW client to a second Orthanc). In one run on one machine, in turn.
 *
 *   npm run build && node bench/pipeline.ts [rounds, default 3] [slices, default 200] [patient|phantom, default both]
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/free-port.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../test/support/orthanc.ts';
import { startStorestow } from '../test/support/storestow-process.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { ctKinds, writeCtStudy, type CtKind } from './ct-study.ts';

const run = promisify(execFile);
const J2K_LOSSLESS = '1.2.840.10008.1.2.4.90';
/** What a site runs. */
const COMPILED = fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url));
const rounds = Number(process.argv[2] ?? 3);
const slices = Number(process.argv[3] ?? 200);
const kinds = ctKinds().filter((kind) => (process.argv[4] ?? kind) === kind);

async function instanceCount(orthanc: Orthanc): Promise<number> {
  return ((await orthanc.get('/statistics')) as { CountInstances: number }).CountInstances;
}

/** Of one instance: a peer that did not transcode did not do the work. */
async function storedSyntax(orthanc: Orthanc): Promise<string> {
  const [first] = (await orthanc.get('/instances')) as readonly string[];
  return (await fetch(`${orthanc.restUrl}/instances/${first ?? ''}/metadata/TransferSyntax`)).text();
}

/** Asks seldom, for each question costs what is measured, and often towards the end. */
async function untilStored(orthanc: Orthanc): Promise<void> {
  for (;;) {
    const missing = slices - (await instanceCount(orthanc));
    if (missing <= 0) return;
    await delay(missing > slices / 8 ? 500 : 25);
  }
}

async function sendStudy(folder: string, port: number): Promise<void> {
  await run('storescu', ['+sd', '-aec', 'BENCH', '127.0.0.1', String(port), folder]);
}

/** Seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function checkSyntax(name: string, orthanc: Orthanc): Promise<void> {
  const syntax = await storedSyntax(orthanc);
  if (syntax !== J2K_LOSSLESS) throw new Error(`${name} stored ${syntax}, not JPEG 2000 reversible`);
}

async function benchStorestow(study: string, work: string): Promise<number> {
  const orthanc = await startOrthanc({ gdcm: true });
  const port = await freePort();
  const data = join(work, 'data');
  const up = startStorestow(['up', '--data', data, '--archive', orthanc.stowUrl, '--port', String(port)], { entry: COMPILED });
  try {
    await up.waitFor(/running/);
    const seconds = await timed(async () => {
      await sendStudy(study, port);
      await untilStored(orthanc);
    });
    await checkSyntax('storestow', orthanc);
    return seconds;
  } finally {
    await up.stop();
    await orthanc.stop();
  }
}

async function benchOrthanc(study: string): Promise<number> {
  const archive = await startOrthanc({ gdcm: true });
  const receiver = await startOrthanc({
    gdcm: true,
    ingestTranscoding: J2K_LOSSLESS,
    dicomWebServers: { archive: `${archive.restUrl}/dicom-web/` },
  });
  try {
    const seconds = await timed(async () => {
      await sendStudy(study, receiver.ports.dicom);
      await untilStored(receiver);
      const resources = await receiver.get('/studies');
      const answer = await fetch(`${receiver.restUrl}/dicom-web/servers/archive/stow`, {
        method: 'POST',
        body: JSON.stringify({ Resources: resources, Synchronous: true }),
      });
      if (!answer.ok) throw new Error(`Orthanc's STOW client answered ${answer.status}`);
      await untilStored(archive);
    });
    await checkSyntax('Orthanc', archive);
    return seconds;
  } finally {
    await receiver.stop();
    await archive.stop();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

if (!orthancAvailable({ gdcm: true })) throw new Error('this bench needs DCMTK and Orthanc with its DICOMweb and GDCM plug-ins');
async function bench(kind: CtKind, folder: string): Promise<void> {
  const study = join(folder, 'study');
  await writeCtStudy(study, slices, kind);
  const ratios: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const ours = await benchStorestow(study, join(folder, `round-${round}`));
    const theirs = await benchOrthanc(study);
    ratios.push(ours / theirs);
    console.log(
      `${kind}, round ${round}: storestow ${ours.toFixed(2)} s, Orthanc ${theirs.toFixed(2)} s, ratio ${(ours / theirs).toFixed(2)}`,
    );
  }
  console.log(
    `${kind}: median ratio ${median(ratios).toFixed(2)} over ${rounds} rounds of ${slices} slices (bar 0.50, aim 0.33)`,
  );
}

const folder = await temporaryFolder('bench');
try {
  for (const kind of kinds) await bench(kind, join(folder.path, kind));
} finally {
  await folder.remove();
}
