import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { oneAtATime } from '../../../local-uploader/spool/study-lock.ts';
import type { UploadStep } from '../../../local-uploader/spool/upload-step.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe('oneAtATime', () => {
  let folder: TemporaryFolder;
  const study = (): string => join(folder.path, 'study');
  const state = (): string => join(folder.path, 'state');

  beforeEach(async () => {
    folder = await temporaryFolder('lock');
    await mkdir(study());
  });
  afterEach(() => folder.remove());

  it('runs the work once and leaves nothing behind', async () => {
    let rounds = 0;
    const work = async (): Promise<void> => void (rounds += 1);
    expect(await oneAtATime(study(), state(), work)).toBe(true);
    expect(rounds).toBe(1);
    expect(await readdir(state())).toEqual([]);
  });

  it('a word left during the work makes another round', async () => {
    let rounds = 0;
    const work = async (): Promise<void> => {
      rounds += 1;
      if (rounds === 1) expect(await oneAtATime(study(), state(), work)).toBe(false);
    };
    expect(await oneAtATime(study(), state(), work)).toBe(true);
    expect(rounds).toBe(2);
  });

  it('lets go when the work fails, and does not hold up another folder', async () => {
    await mkdir(join(folder.path, 'other'));
    const failing = async (): Promise<void> => {
      expect(await oneAtATime(join(folder.path, 'other'), state(), async () => undefined)).toBe(true);
      throw new Error('work');
    };
    await expect(oneAtATime(study(), state(), failing)).rejects.toThrow('work');
    expect(await oneAtATime(study(), state(), async () => undefined)).toBe(true);
  });

  it('says which folder cannot be written', async () => {
    await writeFile(state(), 'a file in its place');
    await expect(oneAtATime(study(), state(), async () => undefined)).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
  });

  it.each<[UploadStep, boolean]>([
    ['locked', false],
    ['quiet', false],
    ['released', true],
  ])('who asks when the holder is at %j gets a round that begins after, and never two at once', async (step, ownRound) => {
    let begun = 0;
    let inside = 0;
    const work = async (): Promise<void> => {
      begun += 1;
      inside += 1;
      expect(inside).toBe(1);
      await readdir(study());
      inside -= 1;
    };
    let begunBefore: number | undefined;
    const first = await oneAtATime(study(), state(), work, async (reached) => {
      if (reached !== step || begunBefore !== undefined) return;
      begunBefore = begun;
      expect(await oneAtATime(study(), state(), work)).toBe(ownRound);
    });
    expect(first).toBe(true);
    expect(begun).toBeGreaterThan(begunBefore ?? Infinity);
    expect(await readdir(state())).toEqual([]);
  });
});
