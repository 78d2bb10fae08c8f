import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { listFolder, walkFolder } from '../../../local-uploader/spool/list-files.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

/** Bytes of a path that a system call takes, the zero at its end included. */
const MAX_PATH = 4096;

describe('listFolder', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('list-files');
  });
  afterEach(() => folder.remove());

  it('lists what cannot be looked at, and goes on with the rest', async () => {
    await writeFile(join(folder.path, 'z'), 'after it');
    const deep = pathOfLength(folder.path, MAX_PATH - 100);
    await mkdir(deep, { recursive: true });
    const name = 'a'.repeat(200);
    const inFolder = (step: string): void => {
      expect(spawnSync(process.execPath, ['-e', step, name], { cwd: deep, stdio: 'ignore' }).status).toBe(0);
    };
    inFolder("require('node:fs').writeFileSync(process.argv[1], 'too deep')");
    try {
      const { files, others } = await listFolder(folder.path, { recursive: true });
      expect(others).toEqual([join(deep, name)]);
      expect(files.map(({ path }) => path)).toEqual([join(folder.path, 'z')]);
    } finally {
      inFolder("require('node:fs').unlinkSync(process.argv[1])");
    }
  });
});

describe('walkFolder', () => {
  it('does not take what goes wrong with a file for a folder that cannot be read', async () => {
    const folder = await temporaryFolder('walk-folder');
    await mkdir(join(folder.path, 'inner'));
    await writeFile(join(folder.path, 'inner', 'a'), '');
    const wrong = new StorestowError('SPOOL_INVALID', 'what was noted of it cannot be read');
    const visitor = {
      file: () => {
        throw wrong;
      },
      other: () => expect.fail('the folder can be read'),
    };
    await expect(walkFolder(folder.path, { recursive: true }, visitor)).rejects.toBe(wrong);
    await folder.remove();
  });
});

function pathOfLength(path: string, length: number): string {
  const rest = length - path.length;
  return rest < 2 ? path : pathOfLength(join(path, 'f'.repeat(Math.min(200, rest - 1))), length);
}
