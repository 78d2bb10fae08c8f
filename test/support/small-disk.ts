/** Disks of a few MB for tests, which can be filled to the last byte and the last file. Mounting one takes root. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './temporary-folder.ts';

const run = promisify(execFile);

export type DiskKind = 'tmpfs' | 'ext4';

export interface Room {
  readonly bytes: number;
  readonly files: number;
}

export interface SmallDisk {
  /** A folder of the disk. */
  readonly path: string;
  /** Leaves room for so much and no more: whole blocks, and of `files` as many as can have a name. */
  fill(room: Room): Promise<void>;
  /** Takes out what filled it. */
  free(): Promise<void>;
  unmount(): Promise<void>;
}

export interface SmallDiskOptions extends Room {
  /** Default: a folder of its own. */
  readonly mountPoint?: string;
}

export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'storestow-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { stdio: 'ignore' }).status === 0;
  if (mounted) spawnSync('umount', [folder], { stdio: 'ignore' });
  rmdirSync(folder);
  return mounted;
}

/** Of a real disk in a file, which takes loop devices. */
export async function canMountExt4(): Promise<boolean> {
  if (!canMount()) return false;
  const disk = await mountSmallDisk('ext4', { bytes: 4 << 20, files: 64 }).catch(() => undefined);
  await disk?.unmount();
  return disk !== undefined;
}

export async function mountSmallDisk(kind: DiskKind, { bytes, files, mountPoint }: SmallDiskOptions): Promise<SmallDisk> {
  const folder = await temporaryFolder('disk');
  const mounted = mountPoint ?? join(folder.path, 'mounted');
  await mkdir(mounted, { recursive: true });
  try {
    if (kind === 'tmpfs') await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},nr_inodes=${files}`, 'tmpfs', mounted]);
    else await mountImage(join(folder.path, 'image'), { bytes, files }, mounted);
  } catch (error) {
    await folder.remove();
    throw error;
  }
  const ballast = join(mounted, 'ballast');
  const free = (): Promise<void> => rm(ballast, { recursive: true, force: true });
  return {
    path: mountPoint ?? join(mounted, 'data'),
    async fill({ bytes: bytesLeft, files: filesLeft }) {
      await free();
      await mkdir(ballast);
      const heavy = await open(join(ballast, 'heavy'), 'w');
      try {
        const names = await fillFiles(ballast);
        for (const name of names.slice(0, filesLeft)) await rm(join(ballast, name));
        const size = await fillBytes(heavy);
        await heavy.truncate(Math.max(0, size - bytesLeft));
        await heavy.sync();
      } finally {
        await heavy.close();
      }
    },
    free,
    async unmount() {
      await run('umount', [mounted]);
      await folder.remove();
    },
  };
}

async function mountImage(image: string, { bytes, files }: Room, mountPoint: string): Promise<void> {
  await (await open(image, 'w')).close();
  await run('truncate', ['-s', String(bytes), image]);
  // Neither a journal nor blocks that are kept for root.
  await run('mkfs.ext4', ['-q', '-m', '0', '-O', '^has_journal', '-N', String(files), image]);
  await run('mount', ['-o', 'loop', image, mountPoint]);
}

async function fillFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const name = String(names.length);
    if (await isRefused(writeFile(join(folder, name), ''))) return names;
    names.push(name);
  }
}

const BLOCK = 1024;

async function fillBytes(file: {
  write(bytes: Uint8Array): Promise<unknown>;
  stat(): Promise<{ size: number }>;
}): Promise<number> {
  for (let block = 64 * BLOCK; block >= BLOCK; block /= 2) {
    const bytes = new Uint8Array(block);
    while (!(await isRefused(file.write(bytes))));
  }
  return (await file.stat()).size;
}

/** For want of room. */
async function isRefused(writing: Promise<unknown>): Promise<boolean> {
  try {
    await writing;
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return true;
    throw error;
  }
}
