/** Marks on files that are kept, read by another program: Python's os.getxattr. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);

/** Whether Python can set one here, where the tests' folders lie. */
const PROBE = `
import os, tempfile
with tempfile.NamedTemporaryFile() as f:
    os.setxattr(f.name, 'user.xdg.tags', b'x')
`;
const available = spawnSync('python3', ['-c', PROBE]).status === 0;
const READER = `
import json, os, sys
print(json.dumps({n: os.getxattr(sys.argv[1], n, follow_symlinks=False).decode() for n in os.listxattr(sys.argv[1], follow_symlinks=False)}))
`;

describe.skipIf(requirePeer('python3, on a file system with extended attributes', available))('marks on files that stay', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('marks');
    await mkdir(at('study'), { recursive: true });
    await writeFile(at('study', 'good'), buildImage({ sopUID: '1.2.3.1', callingAET: 'CT1' }));
    await writeFile(at('study', 'cut'), buildImage({}).subarray(0, 600));
    await writeFile(join(folder.path, 'outside'), 'x');
    await symlink(join(folder.path, 'outside'), at('study', 'link'));
  });
  afterEach(() => folder.remove());

  const at = (...names: string[]): string => join(folder.path, 'spool', ...names);
  const marks = async (path: string): Promise<unknown> => JSON.parse((await run('python3', ['-c', READER, path])).stdout);

  async function upload(config: object = {}): Promise<string> {
    const { stderr } = await runStorestow(['upload', '--all', '--spool', at(), '--after', 'keep'], {
      env: {
        STORESTOW_CONFIG: JSON.stringify({
          bucket: { kind: 'folder', path: join(folder.path, 'bucket') },
          upload: { settle: 0, ...config },
        }),
      },
    });
    return stderr;
  }

  it('say what became of them; links are not marked, nor what they point to; the file itself is as it was', async () => {
    const before = await stat(at('study', 'good'));
    await upload();
    await upload();
    expect(await marks(at('study', 'good'))).toEqual({
      'user.xdg.tags': 'uploaded',
      'user.xdg.comment': expect.stringMatching(
        /^storestow: uploaded as incoming\/default\/CT1@\S+\/1\.2\.3\.1~[0-9a-f]{12}\.dcm$/,
      ) as string,
    });
    expect(await marks(at('study', 'cut'))).toEqual({
      'user.xdg.tags': 'failed',
      'user.xdg.comment': 'storestow: not uploaded: TRUNCATED',
    });
    expect(await marks(join(folder.path, 'outside'))).toEqual({});
    const after = await stat(at('study', 'good'));
    expect([after.ino, after.size, after.mtimeMs]).toEqual([before.ino, before.size, before.mtimeMs]);
  });

  it('can be left out', async () => {
    await upload({ marks: false });
    expect(await marks(at('study', 'good'))).toEqual({});
  });
});
