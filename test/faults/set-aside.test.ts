/** What is set aside is neither lost, nor doubled, nor written over: by several uploaders at once, by a kill -9, where nothing can be written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { requireLeave } from '../support/peers.ts';
import { canMount, mountSmallDisk } from '../support/small-disk.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import type { PlannedUpload, UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const LONG_AGO = new Date(Date.now() - 3_600_000);
const FOLDERS = ['received/192.0.2.7', 'receiving', 'study/series'];
const FILES = 12;

const skip = requireLeave('mount a tmpfs', canMount());

describe('setting aside', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('set-aside');
    await layIn(folder.path);
  });
  afterEach(() => folder.remove());

  let laid: Readonly<Record<string, string>>;
  let root: string;
  const spool = (...names: string[]): string => join(root, 'spool', ...names);

  async function layIn(path: string): Promise<void> {
    root = path;
    for (const place of FOLDERS) {
      for (let number = 0; number < FILES; number++) {
        await lay(`${place}/notes-${number}`, Buffer.from(`${place} ${number}`));
        await lay(`${place}/cut-${number}`, buildImage({ sopUID: `1.2.3.${number}` }).subarray(0, -2 * number - 2));
      }
    }
    laid = await files();
  }

  async function lay(path: string, content: Uint8Array): Promise<void> {
    await mkdir(dirname(spool(path)), { recursive: true });
    await writeFile(spool(path), content);
    await utimes(spool(path), LONG_AGO, LONG_AGO);
  }

  /** By path below the spool, their content. */
  async function files(): Promise<Record<string, string>> {
    const entries = await readdir(spool(), { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.storestow'))
      .map((entry) => join(entry.parentPath, entry.name));
    const contents = await Promise.all(
      paths.map(async (path) => [relative(spool(), path), (await readFile(path)).toString('base64')]),
    );
    return Object.fromEntries(contents.sort()) as Record<string, string>;
  }

  /** All of them, each under its path below the folder of its kind. */
  function aside(): Record<string, string> {
    const moved = Object.entries(laid).map(([path, content]) => [
      `set-aside/${path.includes('notes') ? 'foreign' : 'damaged'}/${path}`,
      content,
    ]);
    return Object.fromEntries(moved.sort()) as Record<string, string>;
  }

  async function upload(hold?: PlannedUpload['hold']): Promise<[code: number | null, signal: string | null]> {
    const bucket = { kind: 'folder', path: join(folder.path, 'bucket') } as const;
    const plan: UploaderPlan = { bucket, uploads: [{ kind: 'spool', folder: spool(), ...(hold === undefined ? {} : { hold }) }] };
    const child = spawn(process.execPath, [UPLOADER, JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit'] });
    return (await once(child, 'close')) as [number | null, string | null];
  }

  it('is done once by several uploaders at once', async () => {
    const ended = await Promise.all(Array.from({ length: 4 }, () => upload()));
    expect(ended.every(([code]) => code === 0 || code === 1)).toBe(true);
    expect(await files()).toEqual(aside());
  });

  it.each([1, 2, 3, 20, 50])('is finished by the next one when it was killed at file %i', async (occurrence) => {
    expect(await upload({ step: 'setAside', occurrence })).toEqual([null, 'SIGKILL']);
    expect(Object.values(await files()).sort()).toEqual(Object.values(laid).sort());
    const [code] = await upload();
    // What is left for it may all be foreign.
    expect([0, 1]).toContain(code);
    expect(await files()).toEqual(aside());
  });

  it('leaves everything where it is while it may not write there, and is done when it may', async () => {
    await mkdir(spool('set-aside'));
    await writeFile(spool('set-aside', 'foreign'), '');
    await writeFile(spool('set-aside', 'damaged'), '');
    expect(await upload()).toEqual([1, null]);
    expect(await files()).toMatchObject(laid);
    for (const name of ['foreign', 'damaged']) await unlink(spool('set-aside', name));
    expect(await upload()).toEqual([1, null]);
    expect(await files()).toEqual(aside());
  });

  it.skipIf(skip)('leaves everything where it is on a disk that has no room for a folder, and is done when it has', async () => {
    const disk = await mountSmallDisk('tmpfs', { bytes: 8 << 20, files: 512 });
    try {
      await layIn(disk.path);
      await disk.fill({ bytes: 0, files: 0 });
      await upload();
      expect(await files()).toEqual(laid);
      await disk.free();
      expect(await upload()).toEqual([1, null]);
      expect(await files()).toEqual(aside());
    } finally {
      await disk.unmount();
    }
  });
});
