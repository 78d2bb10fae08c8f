/** Where `storestow process` writes: never over what it reads. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { runStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const IMAGE = buildImage();

describe('storestow process', () => {
  let folder: TemporaryFolder;
  let study: string;
  let image: string;

  beforeEach(async () => {
    folder = await temporaryFolder('process-outputs');
    study = join(folder.path, 'study');
    image = join(study, 'image.dcm');
    await mkdir(study);
    await writeFile(image, IMAGE);
  });

  afterEach(() => folder?.remove());

  it.each<[string, () => Promise<readonly string[]>]>([
    ['in place', async () => ['--out', study]],
    [
      'in place by way of a link',
      async () => {
        const link = join(folder.path, 'link');
        await symlink(study, link);
        return ['--out', link];
      },
    ],
    ['with the report over an input', async () => ['--out', join(folder.path, 'out'), '--report', image]],
  ])('leaves an original as it is: %s', async (_, options) => {
    const finished = await runStorestow(['process', study, ...(await options())]);
    expect((await readFile(image)).equals(IMAGE)).toBe(true);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain('image.dcm is read, and would be written over');
  });

  it('says that the report cannot be written, and then processes nothing', async () => {
    const out = join(folder.path, 'out');
    const report = join(folder.path, 'absent', 'report.ndjson');
    const finished = await runStorestow(['process', study, '--out', out, '--report', report]);
    expect(finished.stderr).toContain(`cannot write the report ${report}`);
    expect(finished.code).toBe(2);
    expect(existsSync(join(out, 'image.dcm'))).toBe(false);
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk of the report is full', async () => {
    const finished = await runStorestow(['process', study, '--out', join(folder.path, 'out'), '--report', '/dev/full']);
    expect(finished.stderr).toContain('STORE_FULL: cannot write the report /dev/full');
    expect(finished.code).toBe(75);
  });

  it('writes over what an earlier run wrote', async () => {
    const out = join(folder.path, 'out');
    for (let time = 0; time < 2; time++) expect(await runStorestow(['process', study, '--out', out])).toMatchObject({ code: 0 });
  });
});
