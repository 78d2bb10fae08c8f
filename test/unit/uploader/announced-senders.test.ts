import { appendFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  announceSender,
  decideSender,
  forgetAnnouncements,
  readAnnouncements,
  senderOf,
  type Announcement,
} from '../../../local-uploader/spool/announced-senders.ts';
import { canMount, mountSmallDisk } from '../../support/small-disk.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const A = { callingIP: '10.0.0.1', callingAET: 'CT1' };
const B = { callingIP: '10.0.0.2' };
/** Bytes that a disk gives out at once. */
const PAGE = 4096;

describe('senderOf', () => {
  const announcements: Announcement[] = [
    { at: 1000, sender: A },
    { at: 2000, sender: B },
  ];

  it.each([
    [999, A],
    [1000, A],
    [1001, B],
    [2000, B],
    [2001, undefined],
  ])('of what was written last at %i', (written, expected) => {
    expect(senderOf(announcements, new Date(written))).toEqual(expected);
  });

  it('is unknown where nobody has said', () => {
    expect(senderOf([], new Date(0))).toBeUndefined();
  });
});

describe('decideSender', () => {
  const announcements: Announcement[] = [{ at: 1000, sender: A }];

  // Each row: when the file was written last, seconds since its folder changed, seconds that an announcement may take → the sender.
  it.each([
    [1000, 0, 60, A],
    [1001, 59, 60, undefined],
    [1001, -59, 60, undefined],
    [1001, 60, 60, {}],
    [1001, -60, 60, {}],
    [1001, Infinity, 60, {}],
    [1001, 0, 0, {}],
  ])('written at %i, folder changed %i s ago, within %i s: %j', (written, age, within, expected) => {
    expect(decideSender(announcements, new Date(written), { age, within })).toEqual(expected);
  });
});

describe('announcements', () => {
  let folder: TemporaryFolder;
  const at = (...names: string[]): string => join(folder.path, ...names);

  beforeEach(async () => {
    folder = await temporaryFolder('announced');
    await mkdir(at('state'));
    await mkdir(at('spool', 'study'), { recursive: true });
  });
  afterEach(() => folder.remove());

  const noted = async (): Promise<string> => at('state', (await readdir(at('state')))[0] ?? '');

  it('are read in the order in which they were made, by whatever path, of this folder alone', async () => {
    await announceSender(at('spool', 'study'), at('state'), { at: 1, sender: A });
    await symlink(at('spool'), at('link'));
    await announceSender(at('link', 'study'), at('state'), { at: 2, sender: B });
    await announceSender(at('spool', 'other'), at('state'), { at: 3, sender: {} });
    expect(await readAnnouncements(at('spool', 'study'), at('state'))).toEqual([
      { at: 1, sender: A },
      { at: 2, sender: B },
    ]);
  });

  it('outlive a line that a power cut has left half written, and lines that are none', async () => {
    await announceSender(at('spool', 'study'), at('state'), { at: 1, sender: A });
    await appendFile(await noted(), 'null\n[]\n{"at":"x"}\n{"at":5,"callingIP":7}\n{"at":2,"calling');
    await announceSender(at('spool', 'study'), at('state'), { at: 3, sender: B });
    expect(await readAnnouncements(at('spool', 'study'), at('state'))).toEqual([
      { at: 1, sender: A },
      { at: 5, sender: {} },
      { at: 3, sender: B },
    ]);
  });

  it.skipIf(!canMount())('are not said to be made where the disk had no room for all of the line', async () => {
    const disk = await mountSmallDisk('tmpfs', { bytes: 1 << 20, files: 64 });
    try {
      const state = disk.path;
      await mkdir(state);
      await announceSender(at('spool', 'study'), state, { at: 1, sender: A });
      const path = join(state, (await readdir(state))[0] ?? '');
      // The next line begins in the file's first page, and ends in one that the disk has not.
      await appendFile(path, '\n'.repeat(PAGE - 10 - (await readFile(path)).length));
      await disk.fill({ bytes: 0, files: 8 });
      await expect(announceSender(at('spool', 'study'), state, { at: 2, sender: B })).rejects.toMatchObject({
        code: 'SPOOL_INVALID',
      });
    } finally {
      await disk.unmount();
    }
  });

  it('are forgotten with the folder, which may never have had any', async () => {
    await announceSender(at('spool', 'study'), at('state'), { at: 1, sender: A });
    await rm(at('spool', 'study'), { recursive: true });
    await forgetAnnouncements(at('spool', 'study'), at('state'));
    await forgetAnnouncements(at('spool', 'study'), at('state'));
    expect(await readdir(at('state'))).toEqual([]);
  });

  it('are neither written nor read through a link', async () => {
    await announceSender(at('spool', 'study'), at('state'), { at: 1, sender: A });
    const path = await noted();
    await rename(path, at('moved'));
    await writeFile(at('elsewhere'), '{"at":9}\n');
    await symlink(at('elsewhere'), path);
    await expect(announceSender(at('spool', 'study'), at('state'), { at: 2, sender: B })).rejects.toMatchObject({
      code: 'SPOOL_INVALID',
    });
    await expect(readAnnouncements(at('spool', 'study'), at('state'))).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
  });
});
