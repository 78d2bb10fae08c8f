import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mustNotBeRootsGuest } from '../../../cli/spool-owner.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const isRoot = process.getuid?.() === 0;
const own = process.getuid?.() ?? 0;

describe('mustNotBeRootsGuest', () => {
  it('lets root work in a spool of its own, and in none; others go by the permissions', async () => {
    const folder = await temporaryFolder('owner');
    try {
      if (isRoot) {
        await mkdir(join(folder.path, '.storestow'));
        mustNotBeRootsGuest(folder.path);
        // A volume of a container: the folder alone is another user's.
        await chown(folder.path, 12_345, 12_345);
        mustNotBeRootsGuest(folder.path);
      }
      mustNotBeRootsGuest(join(folder.path, 'missing'), 0);
      mustNotBeRootsGuest(folder.path, own + 1);
    } finally {
      await folder.remove();
    }
  });

  it('refuses root in a spool of another user, and says whom to be', async () => {
    const folder = await temporaryFolder('owner');
    try {
      const spool = join(folder.path, 'spool');
      const state = join(spool, '.storestow');
      await mkdir(state, { recursive: true });
      const owner = isRoot ? 12_345 : own;
      if (isRoot) await chown(state, owner, owner);
      expect(() => mustNotBeRootsGuest(spool, 0)).toThrow(
        expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(`sudo -u '#${owner}'`) as string }) as Error,
      );
    } finally {
      await folder.remove();
    }
  });
});
