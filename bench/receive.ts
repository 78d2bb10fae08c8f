/**
 * Twenty modalities that open an association for each image, through storescp and the resident uploader into MinIO: 10,000 images of 100
 * studies, each sent by a `storescu` of its own. How long it takes, whether all of it arrived, and the most memory of each process.
 *
 *   npm run build && node bench/receive.ts [instances, default 10000] [studies, default 100] [modalities, default 20]
 */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readManifests } from '../core/audit/manifest.ts';
import { StorestowError } from '../core/errors.ts';
import { createLog } from '../core/logging.ts';
import { parseObjectKey } from '../core/store/object-key.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { openStore } from '../core/store/open-store.ts';
import { startStorescp } from '../local-cloud/storescp.ts';
import { startTestMinio } from '../test/support/minio.ts';
import { originOf, sendEachAlone, writeModalityInstances, type ModalityInstance } from '../test/support/modalities.ts';
import { peakMemoryDuring, type ProcessPeak } from '../test/support/peak-memory.ts';
import { startStorestow } from '../test/support/storestow-process.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';

const COMPILED = { entry: fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url)) };
const AET = 'STORESTOW';
const instances = Number(process.argv[2] ?? 10_000);
const studies = Number(process.argv[3] ?? 100);
const modalities = Number(process.argv[4] ?? 20);

async function filesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

/** Looks seldom: each look is at every file. */
async function untilEmpty(spool: string): Promise<void> {
  for (const folder of ['receiving', 'received']) while ((await filesBelow(join(spool, folder))) > 0) await delay(500);
}

/** How many manifests there are, when all is there, and is what was sent. */
async function check(store: ObjectStore, sent: readonly ModalityInstance[]): Promise<number> {
  const keys = (await Array.fromAsync(store.list({ prefix: 'incoming/' }))).map(({ key }) => key);
  const found = new Set(
    keys.map((key) => {
      const parts = parseObjectKey(key);
      return parts?.callingIP === '127.0.0.1' ? originOf(parts) : key;
    }),
  );
  const missing = sent.filter((instance) => !found.has(originOf(instance)));
  if (missing.length > 0 || keys.length !== sent.length)
    throw new Error(`${missing.length} of ${sent.length} instances are not in the bucket, which has ${keys.length} objects`);
  const named = new Set<string>();
  let manifests = 0;
  for (const study of new Set(sent.map(({ studyInstanceUID }) => studyInstanceUID))) {
    for await (const manifest of readManifests(store, study)) {
      if (manifest instanceof StorestowError) throw manifest;
      manifests += 1;
      for (const { key } of manifest.instances) named.add(key);
    }
  }
  const unnamed = keys.filter((key) => !named.has(key));
  if (unnamed.length > 0) throw new Error(`no manifest names ${unnamed.length} of ${keys.length} objects`);
  return manifests;
}

function most(peaks: readonly ProcessPeak[], is: (command: string) => boolean): string {
  const bytes = peaks.filter(({ command }) => is(command)).map(({ peak }) => peak);
  return `${(Math.max(...bytes) / 2 ** 20).toFixed(0)} MiB`;
}

const folder = await temporaryFolder('bench');
const minio = await startTestMinio();
const store = await openStore(minio.bucket);
const spool = join(folder.path, 'spool');
const receiver = await startStorescp({ port: 0, aet: AET, spool, log: createLog({ level: 'silent' }) });
const config = join(folder.path, 'config.json');
await writeFile(config, JSON.stringify({ site: 'bench', bucket: minio.bucket }));
const uploader = startStorestow(['upload', '--watch', '--spool', spool, '--config', config], COMPILED);
try {
  const sent = await writeModalityInstances(join(folder.path, 'send'), { instances, studies, modalities });
  let seconds = [0, 0];
  const work = async (): Promise<number> => {
    const start = performance.now();
    const failures = await sendEachAlone(sent, receiver.port, AET);
    const received = performance.now();
    await untilEmpty(spool);
    seconds = [received - start, performance.now() - received].map((milliseconds) => milliseconds / 1000);
    return failures;
  };
  const working = work();
  const peaks = await peakMemoryDuring(working, process.pid, 'bench');
  const manifests = await check(store, sent);
  const [sending = NaN, after = NaN] = seconds;
  console.log(`${instances} images of ${studies} studies, ${modalities} modalities, one association an image`);
  console.log(`  ${sending.toFixed(1)} s to send (${(instances / sending).toFixed(0)} a second), ${await working} tries failed`);
  console.log(
    `  ${after.toFixed(1)} s more until the spool was empty; all in the bucket under their keys, ${manifests} manifests`,
  );
  console.log(`  uploader ${most(peaks, (command) => command.includes('upload --watch'))} at most`);
  console.log(`  storescp ${most(peaks, (command) => /^\S*storescp /.test(command))} at most, of each of its processes`);
} finally {
  const { code, stderr } = await uploader.stop();
  await receiver.close();
  await store.close();
  await minio.close();
  await folder.remove();
  if (code !== 0 || stderr !== '') console.log(`the uploader ended with ${code}\n${stderr}`);
}
