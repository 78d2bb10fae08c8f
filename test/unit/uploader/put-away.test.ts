import { hash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { identityOf, type FileIdentity } from '../../../local-uploader/spool/file-identity.ts';
import { moveFile, removeFile } from '../../../local-uploader/spool/put-away.ts';
import type { UploadStep } from '../../../local-uploader/spool/upload-step.ts';
import { requirePeer } from '../../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const OTHER_DISK = '/dev/shm';

describe('putting a file away', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('put-away');
    await mkdir(at('spool'));
  });
  afterEach(() => folder.remove());

  const at = (...names: string[]): string => join(folder.path, ...names);
  const target = () => ({ root: at('moved'), folder: at('moved') });
  const lay = async (name: string): Promise<FileIdentity> => {
    await writeFile(at('spool', name), name);
    return identityOf(await stat(at('spool', name), { bigint: true }));
  };

  it('does not write over a file whose name is its own with .uploaded behind it', async () => {
    await lay('a.uploaded');
    await removeFile(at('spool', 'a'), await lay('a'));
    expect(await readdir(at('spool'))).toEqual(['a.uploaded']);
    expect(await readFile(at('spool', 'a.uploaded'), 'utf8')).toBe('a.uploaded');
  });

  it.each([
    ['a', 'a'],
    ['a.uploaded', 'a.uploaded'],
    ['left~0123456789abcdef.uploaded', 'left'],
    ['n'.repeat(255), 'n'.repeat(255)],
    ['\u{1f600}'.repeat(63), '\u{1f600}'.repeat(63)],
  ])('moves %s to its name', async (name, moved) => {
    await moveFile(at('spool', name), await lay(name), target(), '0'.repeat(64));
    expect(await readdir(at('moved'))).toEqual([moved]);
    expect(await readFile(at('moved', moved), 'utf8')).toBe(name);
    expect(await readdir(at('spool'))).toEqual([]);
  });

  it.each(['a', 'n'.repeat(255)])('puts the digest behind the name %s where that is taken', async (name) => {
    await mkdir(at('moved'));
    await writeFile(at('moved', name), 'another');
    await moveFile(at('spool', name), await lay(name), target(), '0123456789abcdef'.repeat(4));
    expect(await readFile(at('moved', name), 'utf8')).toBe('another');
    const [other = ''] = (await readdir(at('moved'))).filter((one) => one !== name);
    expect(other).toMatch(/~0123456789ab$/);
    expect(await readFile(at('moved', other), 'utf8')).toBe(name);
  });

  it('leaves what was put in the place of the file that was uploaded', async () => {
    const uploaded = await lay('a');
    await writeFile(at('spool', 'b'), 'another');
    await expect(removeFile(at('spool', 'b'), uploaded)).rejects.toMatchObject({ code: 'FILE_CHANGED' });
    expect((await readdir(at('spool'))).sort()).toEqual(['a', 'b']);
  });

  it('is content with a file that is there already as it is, and keeps the spool from a third name', async () => {
    const digest = hash('sha256', 'a', 'hex');
    for (const twice of [1, 2]) {
      await moveFile(at('spool', 'a'), await lay('a'), target(), digest);
      expect([twice, await readdir(at('moved'))]).toEqual([twice, ['a']]);
    }
    await writeFile(at('moved', 'a'), 'another');
    await writeFile(at('moved', `a~${digest.slice(0, 12)}`), 'and another');
    await expect(moveFile(at('spool', 'a'), await lay('a'), target(), digest)).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
    expect(await readdir(at('spool'))).toEqual([expect.stringMatching(/^a~[0-9a-f]{16}\.uploaded$/)]);
    expect(await readFile(at('moved', 'a'), 'utf8')).toBe('another');
  });

  it('goes on where a file system syncs no folders, and not where a disk fails', async () => {
    const handle = await open(folder.path);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const sync = Reflect.get(prototype, 'sync');
    let code = 'EINVAL';
    const syncing = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      if ((await this.stat()).isDirectory()) throw Object.assign(new Error('as the test wants it'), { code });
      return sync.call(this);
    });
    try {
      await moveFile(at('spool', 'a'), await lay('a'), target(), hash('sha256', 'a', 'hex'));
      expect([await readdir(at('moved')), await readdir(at('spool'))]).toEqual([['a'], []]);
      code = 'EIO';
      const failing = moveFile(at('spool', 'b'), await lay('b'), target(), hash('sha256', 'b', 'hex'));
      await expect(failing).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
    } finally {
      syncing.mockRestore();
    }
  });

  it.skipIf(requirePeer('/dev/shm', spawnSync('test', ['-w', OTHER_DISK]).status === 0))(
    'puts no copy over another one that came to its name on the other disk meanwhile',
    async () => {
      const moved = await mkdtemp(join(OTHER_DISK, 'storestow-put-away-'));
      try {
        const both = Promise.withResolvers<undefined>();
        let copied = 0;
        const together = async (step: UploadStep): Promise<void> => {
          if (step !== 'copied') return;
          if (++copied === 2) both.resolve(undefined);
          await both.promise;
        };
        // One of them lies there since an uploader died that was to put it away.
        const names = ['a', 'a~0123456789abcdef.uploaded'];
        await Promise.all(
          names.map(async (name) => {
            const digest = hash('sha256', name, 'hex');
            await moveFile(at('spool', name), await lay(name), { root: moved, folder: moved }, digest, together);
          }),
        );
        const contents = await Promise.all((await readdir(moved)).map((name) => readFile(join(moved, name), 'utf8')));
        expect(contents.sort()).toEqual(names);
      } finally {
        await rm(moved, { recursive: true });
      }
    },
  );
});
