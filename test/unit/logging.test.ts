import { existsSync } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { canMount, mountSmallDisk } from '../support/small-disk.ts';

describe('a log on a disk that is full', () => {
  it.skipIf(!existsSync('/dev/full'))('ends nothing', () => {
    const log = createLog({ to: '/dev/full' });
    for (let line = 0; line < 3; line++) expect(() => log.warn({ line }, 'no room')).not.toThrow();
  });

  it.skipIf(!canMount())('has its lines when there is room again', async () => {
    const disk = await mountSmallDisk('tmpfs', { bytes: 1 << 20, files: 64 });
    try {
      await mkdir(disk.path);
      const path = join(disk.path, 'log');
      const file = await open(path, 'a');
      const log = createLog({ to: file.fd });
      await disk.fill({ bytes: 0, files: 0 });
      for (const line of ['first', 'second']) log.warn(line);
      expect(await readFile(path, 'utf8')).toBe('');
      await disk.free();
      log.warn('third');
      await file.close();
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['first', 'second', 'third']);
    } finally {
      await disk.unmount();
    }
  });
});
