import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityOf, type FileIdentity } from '../../../local-uploader/spool/file-identity.ts';
import { setAside } from '../../../local-uploader/spool/set-aside.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe('setAside', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('set-aside');
    await mkdir(spool());
  });
  afterEach(() => folder.remove());

  const spool = (...names: string[]): string => join(folder.path, 'spool', ...names);

  async function lay(path: string, content = path): Promise<FileIdentity> {
    await mkdir(dirname(spool(path)), { recursive: true });
    await writeFile(spool(path), content);
    return identityOf(await stat(spool(path), { bigint: true }));
  }

  async function files(): Promise<Record<string, string>> {
    const entries = await readdir(spool(), { recursive: true, withFileTypes: true });
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const contents = await Promise.all(paths.map(async (path) => [relative(spool(), path), await readFile(path, 'utf8')]));
    return Object.fromEntries(contents) as Record<string, string>;
  }

  it.each(['notes', 'study/series/a', 'received/10.0.0.1/CT.1', `study/${'n'.repeat(255)}`])(
    'moves %s to its path below the folder of its kind',
    async (path) => {
      expect(await setAside(spool(path), await lay(path), spool(), 'damaged')).toBe(spool('set-aside', 'damaged', path));
      expect(await files()).toEqual({ [`set-aside/damaged/${path}`]: path });
    },
  );

  it.each(['a', 'n'.repeat(255)])('moves nothing over another file of the name %s, nor over a folder', async (name) => {
    await lay(`set-aside/foreign/study/${name}`, 'the first');
    const second = await setAside(spool('study', name), await lay(`study/${name}`, 'the second'), spool(), 'foreign');
    expect(await readFile(second, 'utf8')).toBe('the second');
    expect(await readFile(spool('set-aside', 'foreign', 'study', name), 'utf8')).toBe('the first');
    await mkdir(spool('set-aside', 'foreign', 'other', name), { recursive: true });
    const third = await setAside(spool('other', name), await lay(`other/${name}`, 'the third'), spool(), 'foreign');
    expect(await readFile(third, 'utf8')).toBe('the third');
    expect(await readdir(spool('set-aside', 'foreign', 'other', name))).toEqual([]);
  });

  it('leaves what was put in the place of the file that was judged in its folder, whole', async () => {
    const judged = await lay('study/a', 'cut');
    await lay('study/new', 'mended');
    await rename(spool('study', 'new'), spool('study', 'a'));
    await expect(setAside(spool('study', 'a'), judged, spool(), 'damaged')).rejects.toMatchObject({ code: 'FILE_CHANGED' });
    expect(Object.entries(await files())).toEqual([[expect.stringMatching(/^study\/a~[0-9a-f]{16}$/), 'mended']]);
  });

  it('says that the file is gone', async () => {
    const judged = await lay('study/a');
    await rename(spool('study', 'a'), spool('study', 'b'));
    await expect(setAside(spool('study', 'a'), judged, spool(), 'damaged')).rejects.toMatchObject({ code: 'FILE_CHANGED' });
    expect(await files()).toEqual({ 'study/b': 'study/a' });
  });

  it.each(['set-aside', 'set-aside/foreign', 'set-aside/foreign/study'])(
    'moves nothing through %s that is a link',
    async (path) => {
      await mkdir(join(folder.path, 'outside', 'foreign', 'study'), { recursive: true });
      await mkdir(dirname(spool(path)), { recursive: true });
      await symlink(join(folder.path, 'outside'), spool(path));
      const judged = await lay('study/a');
      await expect(setAside(spool('study', 'a'), judged, spool(), 'foreign')).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
      expect(await files()).toEqual({ 'study/a': 'study/a' });
      expect(await readdir(join(folder.path, 'outside'), { recursive: true })).toEqual(['foreign', 'foreign/study']);
    },
  );
});
