/**
 * kill -9 of the uploader between any two of its steps, 20 uploads each, for everything that can become of a file. One process has all
 * 20 under way, each held at its own occurrence of the step, when it is killed; another one then uploads what is left.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import type { UploadStep } from '../../local-uploader/spool/upload-step.ts';
import { Random } from '../fuzz/random.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { expectAllArrived, expectFiles, expectMoved, expectNothingLost, layInstances, type LaidSpool } from './laid-spool.ts';
import type { PlannedUpload, UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const OTHER_DISK = '/dev/shm';
const ROUNDS = 20;
const SEED = 20_261_126;

const skip = requirePeer(
  `a second file system (${OTHER_DISK})`,
  existsSync(OTHER_DISK) && statSync(OTHER_DISK).dev !== statSync(tmpdir()).dev,
);

type Mode = 'remove' | 'keep' | 'move' | 'move to another disk';
const ALL: readonly Mode[] = ['remove', 'keep', 'move', 'move to another disk'];
const MOVING: readonly Mode[] = ['move', 'move to another disk'];
const GOING: readonly Mode[] = ['remove', ...MOVING];

interface StepFacts {
  /** Where it is reached. */
  readonly modes: readonly Mode[];
  /** `file`: once for each file; `folder`: once for each folder; `study`: only where a study's folder may go at once; `stray`: for a file that is no DICOM. */
  readonly of: 'file' | 'folder' | 'study' | 'stray';
}

/** All of them: one that is missing here does not compile. */
const STEPS: Readonly<Record<UploadStep, StepFacts>> = {
  wordLeft: { modes: ALL, of: 'folder' },
  locked: { modes: ALL, of: 'folder' },
  wordTaken: { modes: ALL, of: 'folder' },
  listed: { modes: ALL, of: 'folder' },
  read: { modes: ALL, of: 'file' },
  setAside: { modes: ['remove', 'keep'], of: 'stray' },
  put: { modes: ALL, of: 'file' },
  verified: { modes: ALL, of: 'file' },
  named: { modes: ALL, of: 'file' },
  claimed: { modes: GOING, of: 'file' },
  targetMade: { modes: MOVING, of: 'file' },
  copied: { modes: ['move to another disk'], of: 'file' },
  placed: { modes: MOVING, of: 'file' },
  placedForGood: { modes: MOVING, of: 'file' },
  removed: { modes: GOING, of: 'file' },
  removedForGood: { modes: GOING, of: 'folder' },
  foldersRemoved: { modes: GOING, of: 'study' },
  quiet: { modes: ALL, of: 'folder' },
  unnamed: { modes: ALL, of: 'folder' },
  released: { modes: ALL, of: 'folder' },
};

const STUDY = ['study/a', 'study/b', 'study/inner/c'];
const SPOOL = ['received/192.0.2.7/a', 'received/192.0.2.7/b', 'other/c'];
const STRAY = { path: 'received/192.0.2.7/notes', bytes: Buffer.from('no DICOM') };
/** Old enough to be put out of the way. */
const STRAY_SINCE = new Date(Date.now() - 2 * 3_600_000);

interface Round {
  readonly laid: LaidSpool;
  readonly upload: PlannedUpload;
  readonly hold: NonNullable<PlannedUpload['hold']>;
  /** What comes after the kill. */
  readonly next: PlannedUpload;
  readonly moveTo: string;
}

describe.skipIf(skip)('kill -9 between two steps of the uploader', () => {
  let folder: TemporaryFolder;
  let otherDisk: string;
  let store: FolderStore;

  beforeAll(async () => {
    folder = await temporaryFolder('kill-steps');
    otherDisk = await mkdtemp(join(OTHER_DISK, 'storestow-kill-steps-'));
    store = await openFolderStore(bucketPath());
  });
  afterAll(async () => {
    await store.close();
    await rm(otherDisk, { recursive: true, force: true });
    await folder.remove();
  });

  const bucketPath = (): string => join(folder.path, 'bucket');

  const cases = (Object.entries(STEPS) as [keyof typeof STEPS, StepFacts][]).flatMap(([step, { modes, of }]) =>
    modes.map((mode) => ({ step, mode, of })),
  );

  it.concurrent.each(cases)('at $step ($mode)', async ({ step, mode, of }) => {
    const random = new Random(
      SEED,
      cases.findIndex((one) => one.step === step && one.mode === mode),
    );
    const name = `${step}-${mode.replaceAll(' ', '-')}`;
    const rounds = await Promise.all(
      Array.from({ length: ROUNDS }, async (_, index): Promise<Round> => {
        const kind = of !== 'stray' && (of === 'study' || index % 2 === 0) ? 'study' : 'spool';
        const root = join(folder.path, name, String(index));
        const laid = await layInstances(root, { site: `${name}-${index}`, paths: kind === 'study' ? STUDY : SPOOL });
        if (of === 'stray') await layStray(root);
        const moveTo = join(mode === 'move to another disk' ? otherDisk : folder.path, `${name}-moved`, String(index));
        const occurrence = of === 'file' ? random.between(1, 3) : of === 'folder' && kind === 'spool' ? random.between(1, 2) : 1;
        const upload: PlannedUpload = {
          kind,
          folder: kind === 'study' ? join(root, 'study') : root,
          site: laid.site,
          after: mode === 'remove' || mode === 'keep' ? mode : 'move',
          moveTo,
        };
        // Half of the studies are not asked for again: only the sweep comes by.
        const next: PlannedUpload = index % 4 === 0 ? { ...upload, kind: 'spool', folder: root } : upload;
        return { laid, upload, hold: { step, occurrence }, next, moveTo };
      }),
    );
    const bucket = { kind: 'folder', path: bucketPath() } as const;
    expect(await ended({ bucket, uploads: rounds.map(({ upload, hold }) => ({ ...upload, hold })) })).toEqual([null, 'SIGKILL']);
    for (const { laid } of rounds) await expectNothingLost(laid, store);

    expect(await ended({ bucket, uploads: rounds.map(({ next }) => next) })).toEqual([0, null]);
    for (const { laid, moveTo } of rounds) {
      await expectAllArrived(laid, store);
      const aside = of === 'stray' ? [{ ...STRAY, path: `set-aside/foreign/${STRAY.path}` }] : [];
      await expectFiles(laid.folder, [...(mode === 'keep' ? laid.instances : []), ...aside]);
      await expectMoved(moveTo, mode === 'remove' || mode === 'keep' ? [] : laid.instances);
    }
  });

  it('and the bucket has nothing but its objects, when an hour is over', async () => {
    const writing = join(bucketPath(), 'writing');
    const before = new Date(Date.now() - 2 * 3_600_000);
    for (const left of await readdir(writing)) await utimes(join(writing, left), before, before);
    await (await openFolderStore(bucketPath())).close();
    let objects = 0;
    for await (const { key } of store.list()) objects += key === '' ? 0 : 1;
    expect(await readdir(writing)).toEqual([]);
    const files = await readdir(join(bucketPath(), 'objects'), { recursive: true, withFileTypes: true });
    expect(files.filter((entry) => entry.isFile())).toHaveLength(objects);
  });
});

async function layStray(folder: string): Promise<void> {
  await writeFile(join(folder, STRAY.path), STRAY.bytes);
  await utimes(join(folder, STRAY.path), STRAY_SINCE, STRAY_SINCE);
}

async function ended(plan: UploaderPlan): Promise<[code: number | null, signal: string | null]> {
  const child = spawn(process.execPath, [UPLOADER, JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit'] });
  return (await once(child, 'close')) as [number | null, string | null];
}
