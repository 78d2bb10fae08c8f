import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HandledFiles } from '../../../local-uploader/spool/handled-files.ts';
import { listFolder, type ListedFile } from '../../../local-uploader/spool/list-files.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const file = (name: string, modified = 1n): ListedFile => ({
  path: `/s/${name}`,
  identity: { device: 1n, inode: 2n, size: 3n, modified },
});

describe('HandledFiles', () => {
  it('knows a file until it changes, or is not listed any more', () => {
    const folder = new HandledFiles().folder('/s');
    folder.judge(file('a'), { outcome: 'kept' });
    folder.judge(file('b'), { outcome: 'damaged', code: 'TRUNCATED' });
    folder.keepOnly([file('a'), file('b')]);
    expect(folder.judgementOf(file('a'))).toEqual({ outcome: 'kept' });
    expect(folder.judgementOf(file('b'))).toEqual({ outcome: 'damaged', code: 'TRUNCATED' });
    expect(folder.judgementOf(file('a', 2n))).toBeUndefined();
    expect(folder.judgementOf(file('c'))).toBeUndefined();
    folder.keepOnly([file('b')]);
    expect(folder.judgementOf(file('a'))).toBeUndefined();
  });

  it('takes no more than it has room for, and has room again for what is forgotten', () => {
    const handled = new HandledFiles(2);
    const [first, second] = [handled.folder('/s'), handled.folder('/t')];
    expect(first.judge(file('a'), { outcome: 'kept' })).toBe(true);
    expect(first.judge(file('a'), { outcome: 'damaged' })).toBe(true);
    expect(second.judge(file('b'), { outcome: 'kept' })).toBe(true);
    expect(first.judge(file('c'), { outcome: 'kept' })).toBe(false);
    expect(first.judgementOf(file('c'))).toBeUndefined();
    handled.keepOnly(['/s']);
    expect(first.judge(file('c'), { outcome: 'kept' })).toBe(true);
    expect(handled.folder('/s')).toBe(first);
    expect(handled.folder('/t')).not.toBe(second);
  });
});

describe('a quiet folder', () => {
  let folder: TemporaryFolder;
  const now = new Date();
  const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
  const handled = () => new HandledFiles().folder(folder.path);

  beforeEach(async () => {
    folder = await temporaryFolder('handled');
    await mkdir(join(folder.path, 'series'));
    await writeFile(join(folder.path, 'series', 'a'), '');
    for (const path of [join(folder.path, 'series'), folder.path]) await utimes(path, later(-10), later(-10));
  });
  afterEach(() => folder.remove());

  const list = () => listFolder(folder.path, { recursive: true });

  it('is one where nothing was left to do, and nothing came or went since', async () => {
    const known = handled();
    expect(await known.isQuiet(now)).toBe(false);
    known.noteQuiet(await list(), now);
    expect(await known.isQuiet(later(1))).toBe(true);
    await rename(join(folder.path, 'series', 'a'), join(folder.path, 'series', 'b'));
    expect(await known.isQuiet(later(1))).toBe(false);
    known.noteQuiet(undefined, now);
    expect(await known.isQuiet(later(1))).toBe(false);
  });

  it('is none that changed so shortly before the look that a later change might have the same time', async () => {
    const known = handled();
    await utimes(join(folder.path, 'series'), later(-1), later(-1));
    known.noteQuiet(await list(), now);
    expect(await known.isQuiet(later(1))).toBe(false);
  });

  it('is none any more when a folder of it is gone, or after some time', async () => {
    const known = handled();
    known.noteQuiet(await list(), now);
    expect(await known.isQuiet(later(599))).toBe(true);
    expect(await known.isQuiet(later(600))).toBe(false);
    expect(await known.isQuiet(later(-600))).toBe(false);
    await rename(join(folder.path, 'series'), `${folder.path}-gone`);
    await utimes(folder.path, later(-10), later(-10));
    expect(await known.isQuiet(later(1))).toBe(false);
    await rename(`${folder.path}-gone`, join(folder.path, 'series'));
  });
});
