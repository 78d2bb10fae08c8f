import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isBlank } from '../../../local-uploader/arrival/is-blank.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe('isBlank', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('blank');
  });
  afterEach(() => folder.remove());

  it.each([
    ['no bytes', new Uint8Array(0), true],
    ['zeros', new Uint8Array(10_000), true],
    ['one byte after zeros', Uint8Array.of(0, 0, 1), false],
    ['text', Buffer.from('call the ward'), false],
  ])('%s', async (_, content, blank) => {
    const path = join(folder.path, 'file');
    await writeFile(path, content);
    expect(await isBlank(path)).toBe(blank);
  });

  it('does not follow a link', async () => {
    await writeFile(join(folder.path, 'file'), '');
    await symlink('file', join(folder.path, 'link'));
    expect(await isBlank(join(folder.path, 'link'))).toBe(false);
    expect(await isBlank(join(folder.path, 'nothing'))).toBe(false);
  });

  it('is nothing that cannot be read, though it can be opened', async () => {
    expect(await isBlank(folder.path)).toBe(false);
  });
});
