/**
 * Disks that are full, to the last byte and the last file: the spool's, the embedded bucket's, the one that files are moved to, the one of the
 * uploader's locks and notes. Nothing is lost, the error says what is full, and all goes on when there is room.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asStorestowError, type ErrorCode } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import { uploadExitCode, type FileReport } from '../../local-uploader/upload/upload-report.ts';
import { uploadStudy, type UploadOptions } from '../../local-uploader/upload/upload-study.ts';
import { requireLeave } from '../support/peers.ts';
import { canMount, canMountExt4, mountSmallDisk, type DiskKind, type Room, type SmallDisk } from '../support/small-disk.ts';
import { startStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import {
  expectAllArrived,
  expectFiles,
  expectMoved,
  expectNothingLost,
  expectSomeOf,
  layInstances,
  type LaidSpool,
} from './laid-spool.ts';
import type { PlannedUpload, UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const NO_ROOM: Room = { bytes: 0, files: 0 };
const KIB = 1024;
const PATHS = ['received/192.0.2.7/a', 'received/192.0.2.7/b', 'other/c'];
const STUDY = ['study/a', 'study/b', 'study/c'];
const IMAGE = { rows: 64, columns: 64 };

const skip = requireLeave('mount a tmpfs', canMount());
const KINDS: readonly DiskKind[] = ['tmpfs', ...(requireLeave('mount an ext4', await canMountExt4()) ? [] : (['ext4'] as const))];

describe.skipIf(skip)('a disk that is full', () => {
  let folder: TemporaryFolder;
  let disk: SmallDisk | undefined;
  let store: FolderStore | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('full-disk');
  });
  afterEach(async () => {
    await store?.close();
    await disk?.unmount();
    await folder.remove();
    store = disk = undefined;
  });

  const bucketOn = (root: string): string => join(root, 'bucket');

  async function smallDisk(kind: DiskKind, mountPoint?: string): Promise<SmallDisk> {
    disk = await mountSmallDisk(kind, { bytes: 8 << 20, files: 2048, ...(mountPoint === undefined ? {} : { mountPoint }) });
    return disk;
  }

  async function upload(planned: Omit<PlannedUpload, 'kind' | 'site'>): Promise<{ code: number; uploaded: number }> {
    const plan: UploaderPlan = {
      bucket: { kind: 'folder', path: bucketOn(folder.path) },
      uploads: [{ kind: 'spool', site: 'full', ...planned }],
    };
    const child = spawn(process.execPath, [UPLOADER, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const [code] = (await once(child, 'close')) as [number];
    return { code, uploaded: stdout.split('\n').filter((line) => line.startsWith('uploaded ')).length };
  }

  /** The `storestow` of a person. */
  async function command(...args: readonly string[]): Promise<Finished> {
    const config = join(folder.path, 'storestow.json');
    await writeFile(config, JSON.stringify({ site: 'full', bucket: { kind: 'folder', path: bucketOn(folder.path) } }));
    return startStorestow([...args, '--config', config]).finished;
  }

  async function bucket(root = folder.path): Promise<FolderStore> {
    store ??= await openFolderStore(bucketOn(root));
    return store;
  }

  describe.each(KINDS)('the spool’s (%s)', (kind) => {
    let spool: string;
    let laid: LaidSpool;

    beforeEach(async () => {
      spool = join((await smallDisk(kind)).path, 'spool');
      laid = await layInstances(spool, { site: 'full', paths: PATHS, image: IMAGE });
    });

    async function fill(): Promise<void> {
      await disk?.fill(NO_ROOM);
      await expect(writeFile(join(spool, 'one more'), '')).rejects.toMatchObject({ code: 'ENOSPC' });
    }

    it.each([
      ['has never seen an uploader', false],
      ['has the folder of its locks', true],
    ])('is emptied where it %s', async (_, state) => {
      if (state) await mkdir(join(spool, '.storestow'));
      await fill();
      expect(await upload({ folder: spool })).toEqual({ code: 0, uploaded: 3 });
      await expectAllArrived(laid, await bucket());
      await expectFiles(spool, []);
    });

    it('is emptied by the command, too', async () => {
      await fill();
      const { code, stdout, stderr } = await command('upload', '--all', '--spool', spool);
      expect([code, stdout.split(',')[0]], stderr).toEqual([0, '3 uploaded']);
      await expectAllArrived(laid, await bucket());
    });

    it('is emptied to another disk', async () => {
      await fill();
      const moveTo = join(folder.path, 'moved');
      expect(await upload({ folder: spool, after: 'move', moveTo })).toEqual({ code: 0, uploaded: 3 });
      await expectAllArrived(laid, await bucket());
      await expectMoved(moveTo, laid.instances);
      await expectFiles(spool, []);
    });

    it('by several at once: each file is sent once', async () => {
      await fill();
      const ended = await Promise.all(Array.from({ length: 4 }, () => upload({ folder: spool })));
      expect(ended.reduce((sum, { uploaded }) => sum + uploaded, 0)).toBe(3);
      expect((await upload({ folder: spool })).code).toBe(0);
      await expectAllArrived(laid, await bucket());
      await expectFiles(spool, []);
    });

    it('has no room for the folder that files move to: they stay, and move when there is', async () => {
      const moveTo = join(spool, '..', 'moved');
      await fill();
      expect((await upload({ folder: spool, after: 'move', moveTo })).code).toBe(75);
      await expectNothingLost(laid, await bucket());
      await disk?.free();
      expect((await upload({ folder: spool, after: 'move', moveTo })).code).toBe(0);
      await expectAllArrived(laid, await bucket());
      await expectMoved(moveTo, laid.instances);
    });
  });

  it('the one of locks and notes: all is uploaded, and noted when there is room', async () => {
    const spool = join(folder.path, 'spool');
    const laid = await layInstances(spool, { site: 'full', paths: PATHS });
    await smallDisk('tmpfs', join(spool, '.storestow'));
    await disk?.fill(NO_ROOM);
    const again = async (): Promise<number | null> => (await command('upload', '--all', '--spool', spool)).code;
    expect(await again()).toBe(0);
    await expectAllArrived(laid, await bucket());
    await disk?.free();
    await layInstances(spool, { site: 'full', paths: [...PATHS, 'other/d'] });
    expect(await again()).toBe(0);
    const { stdout } = await command('status', '--spool', spool, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ doneToday: { instances: 4 } });
  });

  /** Less and less that is missing: bytes by the block, then files one by one. */
  const rooms = (blocks: number, files: number): Room[] => [
    ...Array.from({ length: blocks }, (_, block) => ({ bytes: block * 4 * KIB, files: 1000 })),
    ...Array.from({ length: files }, (_, file) => ({ bytes: 1 << 20, files: file })),
  ];

  interface Try {
    readonly code: number;
    readonly errors: readonly (ErrorCode | undefined)[];
    readonly files: readonly FileReport[];
  }

  /** One run of the uploader, its bucket opened and closed. */
  async function attempt(laid: LaidSpool, bucketRoot: string, options: Partial<UploadOptions>): Promise<Try> {
    try {
      const opened = await openFolderStore(bucketOn(bucketRoot));
      try {
        const ports = { store: opened, log: createLog({ level: 'silent' }), now: () => new Date() };
        const report = await uploadStudy(join(laid.folder, 'study'), ports, {
          ...{ site: laid.site, after: 'remove', concurrency: 1, settle: 0, retries: { retries: 0, firstDelay: 0, maxDelay: 0 } },
          ...options,
        });
        const errors = report.files.filter(({ code }) => code !== undefined).map(({ code }) => code);
        return { code: uploadExitCode([report]), errors, files: report.files };
      } finally {
        await opened.close();
      }
    } catch (thrown) {
      const error = asStorestowError(thrown);
      return { code: error.retryable ? 75 : 1, errors: [error.code], files: [] };
    }
  }

  /** With each of these rooms; returns how often it was too little. */
  async function tryEach(
    tried: readonly Room[],
    errorCode: ErrorCode,
    work: (laid: LaidSpool, number: number) => Promise<Try>,
    after: (laid: LaidSpool, number: number) => Promise<void>,
  ): Promise<number> {
    let refused = 0;
    for (const [number, room] of tried.entries()) {
      const laid = await layInstances(join(folder.path, `spool-${number}`), {
        site: `full-${number}`,
        paths: STUDY,
        image: IMAGE,
      });
      await disk?.fill(room);
      const { code, errors } = await work(laid, number);
      const where = `with room for ${room.bytes} bytes and ${room.files} files`;
      expect([0, 75], where).toContain(code);
      if (code === 75) refused += 1;
      expect(
        errors.filter((one) => one !== errorCode),
        where,
      ).toEqual([]);
      await disk?.free();
      await after(laid, number);
    }
    return refused;
  }

  it('the bucket’s, at each write', async () => {
    const { path } = await smallDisk('tmpfs');
    await (await openFolderStore(bucketOn(path))).close();
    const refused = await tryEach(
      rooms(28, 14),
      'STORE_FULL',
      (laid) => attempt(laid, path, {}),
      async (laid) => {
        await expectNothingLost(laid, await bucket(path));
        expect((await attempt(laid, path, {})).code).toBe(0);
        await expectAllArrived(laid, await bucket(path));
        await expectFiles(laid.folder, []);
        await store?.close();
        store = undefined;
      },
    );
    expect(refused).toBeGreaterThan(10);
  });

  it('the one that files are moved to, at each write', async () => {
    const { path } = await smallDisk('tmpfs');
    const move = (laid: LaidSpool, number: number): Promise<Try> =>
      attempt(laid, folder.path, { after: 'move', moveTo: join(path, 'moved', String(number)) });
    const refused = await tryEach(rooms(9, 7), 'SPOOL_FULL', move, async (laid, number) => {
      await expectSomeOf(join(path, 'moved', String(number)), laid.instances);
      await expectNothingLost(laid, await bucket());
      expect((await move(laid, number)).code).toBe(0);
      await expectAllArrived(laid, await bucket());
      await expectFiles(laid.folder, []);
      await expectMoved(join(path, 'moved', String(number)), laid.instances);
    });
    expect(refused).toBeGreaterThan(5);
  });
});
