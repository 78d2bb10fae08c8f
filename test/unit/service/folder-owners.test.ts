/** Which folders installing would take from somebody. */
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { foldersOfOthers, isOfAnother } from '../../../local-cloud/service/folder-owners.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const { uid, username } = userInfo();

describe('isOfAnother', () => {
  it.each([
    [false, 1, 1, false],
    [false, 1, 2, false],
    [false, 1, undefined, false],
    [true, 1, 1, false],
    [true, 1, 2, true],
    [true, 0, undefined, true],
  ])('holds something: %s, of %s, for %s: %s', (holdsSomething, owner, user, expected) => {
    expect(isOfAnother({ owner, holdsSomething }, user)).toBe(expected);
  });
});

describe('foldersOfOthers', () => {
  let tree: string;

  beforeEach(async () => {
    const folder = await temporaryFolder('owners');
    onTestFinished(() => folder.remove());
    tree = folder.path;
    for (const name of ['srv/archive/2019', 'var/spool', 'disk/lost+found', 'etc'])
      await mkdir(join(tree, name), { recursive: true });
    await writeFile(join(tree, 'file'), '');
  });

  const all = ['/srv/archive', '/srv/archive', '/var/spool', '/disk', '/nowhere/at/all', '/file'];
  const passwd = async (...lines: string[]): Promise<void> => writeFile(join(tree, 'etc/passwd'), `${lines.join('\n')}\n`);

  it("names one that holds something of another user of the tree, once, with that one's name and what to do", async () => {
    await passwd(`archivist:x:${uid}:1::/:/bin/sh`, `storestow:x:${uid + 7}:1::/:/bin/sh`);
    const sentences = await foldersOfOthers({ folders: all, user: 'storestow' }, tree);
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toContain(`${tree}/srv/archive holds something and belongs to archivist;`);
    expect(sentences[0]).toContain(`run chown -R ${uid + 7} ${tree}/srv/archive first`);
  });

  it('names none that is the user of the tree already', async () => {
    await passwd(`storestow:x:${uid}:1::/:/bin/sh`);
    expect(await foldersOfOthers({ folders: all, user: 'storestow' }, tree)).toEqual([]);
  });

  it('has nothing belong to a user who is not there yet', async () => {
    const [sentence, ...others] = await foldersOfOthers({ folders: all, user: 'storestow' }, tree);
    expect(others).toEqual([]);
    expect(sentence).toContain(`belongs to the user of number ${uid};`);
    expect(sentence).toContain('make the user storestow and run chown -R storestow ');
  });

  it('asks this machine for its users where there is no other tree', async () => {
    const folders = [join(tree, 'srv/archive'), join(tree, 'var/spool')];
    expect(await foldersOfOthers({ folders, user: username })).toEqual([]);
    const [sentence, ...others] = await foldersOfOthers({ folders, user: 'no-such-user-here' });
    expect(others).toEqual([]);
    expect(sentence).toContain(`${tree}/srv/archive holds something and belongs to ${username};`);
  });
});
