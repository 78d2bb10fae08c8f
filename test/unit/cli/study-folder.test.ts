import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mustBeStudy } from '../../../cli/study-folder.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe('mustBeStudy', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('study-folder');
    for (const name of ['spool/receiving', 'spool/received/10.0.0.1', 'new/receiving', 'used/.storestow', 'mine/received/ct'])
      await mkdir(join(folder.path, name), { recursive: true });
  });
  afterEach(() => folder.remove());

  it.each([
    ['spool/receiving', 'spool'],
    ['spool/received', 'spool'],
    ['spool/received/10.0.0.1', 'spool'],
    ['spool/received/10.0.0.2', 'spool'],
    ['spool/set-aside', 'spool'],
    ['spool/.storestow', 'spool'],
    ['spool', 'spool'],
    ['new', 'new'],
    ['used', 'used'],
  ])('refuses %s, which is of the spool %s', (name, spool) => {
    expect(() => mustBeStudy(join(folder.path, name))).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringMatching(new RegExp(`--all --spool ${join(folder.path, spool)}$`)) as string,
      }) as Error,
    );
  });

  it.each([
    ['used', 'is a spool, since folders in it were uploaded before', 'used/.storestow'],
    ['new', 'is a spool, since storescp writes into it', 'new/receiving'],
    ['spool/received/10.0.0.1', 'is a part of the spool', 'spool'],
  ])('says of %s that it %s', (name, what, why) => {
    const [path, shows] = [join(folder.path, name), join(folder.path, why)];
    expect(() => mustBeStudy(path)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(new RegExp(`^${path} ${what} [(]?${shows}[), ]`)) as string,
      }) as Error,
    );
  });

  it.each(['spool/study_1.2.3', 'mine/received/ct', 'mine', 'nowhere/study'])('takes %s', (name) => {
    expect(() => mustBeStudy(join(folder.path, name))).not.toThrow();
  });
});
