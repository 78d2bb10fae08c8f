/**
 * Loss of power while the uploader works: its system calls are recorded, and from them is rebuilt what a disk may hold after a cut at
 * each point. On each such disk an uploader goes on, and nothing is lost, half there, or there twice.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, realpath, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { uploadExitCode } from '../../local-uploader/upload/upload-report.ts';
import { uploadSpool } from '../../local-uploader/upload/upload-spool.ts';
import { uploadStudy, type UploadOptions } from '../../local-uploader/upload/upload-study.ts';
import { Random } from '../fuzz/random.ts';
import { requireLeave, requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { DiskModel, type Survives } from './disk-model.ts';
import {
  expectAllArrived,
  expectCopiesOf,
  expectFiles,
  expectMoved,
  expectNothingLost,
  layInstances,
  type LaidSpool,
} from './laid-spool.ts';
import { canTrace, isTracerInstalled, traced, type CallEvent } from './system-calls.ts';
import type { UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const OTHER_DISK = '/dev/shm';
const SEED = 20_261_126;
/** Disks on which some of what was not synced is there. */
const RANDOM_DISKS = 100;

const skip = requirePeer('strace', isTracerInstalled()) || requireLeave('trace a process', canTrace());
const oneDisk = requirePeer(
  `a second file system (${OTHER_DISK})`,
  existsSync(OTHER_DISK) && statSync(OTHER_DISK).dev !== statSync(tmpdir()).dev,
);

interface Case {
  readonly name: string;
  readonly after: UploadOptions['after'];
  /** The bucket is not there yet. */
  readonly newBucket?: boolean;
  readonly elsewhere?: boolean;
  /** Beside the instances lies a file that is none. */
  readonly stray?: boolean;
  /** storescp's exec has just moved the instances to their sender's folder. */
  readonly received?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'removed', after: 'remove' },
  { name: 'removed, into a bucket that is new', after: 'remove', newBucket: true },
  { name: 'removed, and one is set aside', after: 'remove', stray: true },
  { name: 'removed, which had just been received', after: 'remove', received: true },
  { name: 'moved', after: 'move' },
  { name: 'moved to another disk', after: 'move', elsewhere: true },
  { name: 'kept', after: 'keep' },
];

const IN_STUDY = ['study/a', 'study/b', 'study/inner/c'];
const RECEIVED = ['received/10.0.0.1/a', 'received/10.0.0.1/b'];
const STRAY = { path: 'study/notes', bytes: Buffer.from('no DICOM') };
/** Old enough to be put out of the way. */
const STRAY_SINCE = new Date(Date.now() - 2 * 3_600_000);

describe.skipIf(skip)('a loss of power while files are uploaded', () => {
  let folder: TemporaryFolder;
  let machine: string;
  let elsewhere: string;

  beforeEach(async () => {
    folder = await temporaryFolder('power-cut');
    elsewhere = join(await realpath(folder.path), 'elsewhere');
    await mkdir(elsewhere);
    // Where syncing takes no time, if there is such a place.
    machine = await mkdtemp(join(oneDisk ? await realpath(tmpdir()) : OTHER_DISK, 'storestow-power-cut-'));
  });
  afterEach(async () => {
    await folder.remove();
    await rm(machine, { recursive: true, force: true });
  });

  it.each(CASES.filter((one) => one.elsewhere !== true || !oneDisk))('and $name', async (one) => {
    const { after } = one;
    const spool = join(machine, 'spool');
    const laid = await layInstances(spool, { site: 'cut', paths: one.received === true ? RECEIVED : IN_STUDY });
    if (one.stray === true) await writeFile(join(spool, STRAY.path), STRAY.bytes);
    if (one.stray === true) await utimes(join(spool, STRAY.path), STRAY_SINCE, STRAY_SINCE);
    if (one.newBucket !== true) await (await openFolderStore(join(machine, 'bucket'))).close();
    const moveTo = one.elsewhere === true ? join(elsewhere, 'moved') : join(machine, 'moved', 'here');
    const roots = one.elsewhere === true ? [machine, elsewhere] : [machine];
    const disk = new DiskModel();
    if (one.received === true) await unreceive(spool);
    for (const root of roots) await disk.load(root);
    if (one.received === true) await receive(spool, disk);
    const upload = { site: laid.site, after, moveTo };
    const plan: UploaderPlan = {
      bucket: { kind: 'folder', path: join(machine, 'bucket') },
      uploads: [
        isWhole(one) ? { kind: 'spool', folder: spool, ...upload } : { kind: 'study', folder: join(spool, 'study'), ...upload },
      ],
    };
    const { code, events } = await traced([UPLOADER, JSON.stringify(plan)], join(folder.path, 'trace'));
    expect(code).toBe(0);

    let disks = 0;
    const cut = async (survives?: Survives): Promise<void> => {
      disks += 1;
      // Where they were: locks are named by the paths.
      for (const root of roots) {
        await rm(root, { recursive: true });
        await disk.rebuild(root, survives);
      }
      await expectGoesOn(laid, join(machine, 'bucket'), upload, one);
    };

    const random = new Random(SEED, CASES.indexOf(one));
    const chosen = new Set(
      Array.from({ length: RANDOM_DISKS }, () => random.between(firstOn(events, machine), events.length - 1)),
    );
    await cut();
    let synced = 0;
    for (const [index, event] of events.entries()) {
      if (disk.apply(event)) {
        synced += 1;
        await cut();
      }
      if (!chosen.has(index)) continue;
      const probability = random.pick([0.1, 0.5, 0.9]);
      await cut(() => random.chance(probability));
    }
    // Each file's bytes and name, each row, each removal.
    expect(synced).toBeGreaterThan(6);
    expect(disks).toBeGreaterThan(synced + RANDOM_DISKS / 2);
  });
});

/** Of the whole spool. */
function isWhole({ stray = false, received = false }: Case): boolean {
  return stray || received;
}

/** Back to what it is before storescp's exec. */
async function unreceive(spool: string): Promise<void> {
  await mkdir(join(spool, 'receiving'));
  for (const path of RECEIVED) await rename(join(spool, path), join(spool, 'receiving', basename(path)));
}

/** As storescp's exec does, which syncs no folder. */
async function receive(spool: string, disk: DiskModel): Promise<void> {
  for (const path of RECEIVED) {
    const [from, to] = [join(spool, 'receiving', basename(path)), join(spool, path)];
    await rename(from, to);
    disk.apply({ when: 'ends', call: { name: 'rename', args: [Buffer.from(from), Buffer.from(to)], result: 0 } });
  }
}

/** What lies in `receiving/` again must not have been sent: it would be sent once more, as from nobody. */
async function expectUnsent(laid: LaidSpool, store: ObjectStore): Promise<void> {
  const back = await readdir(join(laid.folder, 'receiving'));
  for (const { path, key } of laid.instances) {
    const name = basename(path);
    if (!back.includes(name)) continue;
    expect(await store.head(key), `${name} was sent, and is in receiving/ again`).toBeUndefined();
    await rename(join(laid.folder, 'receiving', name), join(laid.folder, path));
  }
}

/** The first one that has to do with the machine: before it Node reads its own files. */
function firstOn(events: readonly CallEvent[], machine: string): number {
  return events.findIndex(({ call }) => call.args.some((arg) => Buffer.isBuffer(arg) && arg.toString().startsWith(machine)));
}

type Upload = Pick<UploadOptions, 'site' | 'after'> & { readonly moveTo: string };

async function expectGoesOn(laid: LaidSpool, bucket: string, upload: Upload, one: Case): Promise<void> {
  const { stray = false, received = false } = one;
  const { after, moveTo } = upload;
  const store = await openFolderStore(bucket);
  try {
    const database = new DatabaseSync(store.databasePath, { readOnly: true });
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
    for await (const { key } of store.list()) await (await store.get(key)).bytes();
    await expectNothingLost(laid, store);
    if (received) await expectUnsent(laid, store);
    // Its age went with the power.
    for (const place of stray ? [STRAY.path] : [])
      await utimes(join(laid.folder, place), STRAY_SINCE, STRAY_SINCE).catch(() => undefined);
    await mkdir(join(laid.folder, '.storestow'), { recursive: true });
    const ports = { store, log: createLog({ level: 'silent' }), now: () => new Date() };
    const options: UploadOptions = { ...upload, concurrency: 2, settle: 0 };
    const reports = isWhole(one)
      ? await uploadSpool(laid.folder, ports, options)
      : [await uploadStudy(join(laid.folder, 'study'), ports, options)];
    expect(uploadExitCode(reports)).toBe(0);
    await expectAllArrived(laid, store);
    if (stray) await expectCopiesOf(STRAY.bytes, join(laid.folder, 'set-aside'));
    await rm(join(laid.folder, 'set-aside'), { recursive: true, force: true });
    await expectFiles(laid.folder, after === 'keep' ? laid.instances : []);
    await expectMoved(moveTo, after === 'move' ? laid.instances : []);
  } finally {
    await store.close();
  }
}
