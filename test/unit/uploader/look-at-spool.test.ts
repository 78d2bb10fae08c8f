import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { lookAtSpool } from '../../../local-uploader/status/look-at-spool.ts';
import { journalPath, UploadJournal } from '../../../local-uploader/upload/upload-journal.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const LOOK = new URL('../../../local-uploader/status/look-at-spool.ts', import.meta.url).href;
/** Folders with a thousand files each that stay, as where a site was cut off for days. */
const FOLDERS = 30;
/** Megabytes: what is held of each file, or of each note, needs more. */
const HEAP = 10;

describe('lookAtSpool', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('look');
    await mkdir(join(folder.path, '.storestow'));
  });
  afterEach(() => folder.remove());

  const at = (...names: string[]): string => join(folder.path, ...names);
  it(`counts ${FOLDERS} thousand files that something is noted of with ${HEAP} MB of heap`, async () => {
    const journal = new UploadJournal(folder.path, { log: createLog({ level: 'silent' }), now: () => new Date() });
    journal.ended({ path: 'gone', outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true });
    await journal.close();
    const database = new DatabaseSync(journalPath(folder.path));
    const note = database.prepare('INSERT INTO remaining VALUES (?, ?, ?, ?, ?, ?)');
    database.exec('BEGIN');
    for (let study = 0; study < FOLDERS; study++) {
      const path = at(`study_1.2.826.0.1.3680043.8.498.${study}`);
      mkdirSync(path);
      for (let index = 0; index < 1000; index++) {
        const file = join(path, `CT.1.2.826.0.1.3680043.8.498.12345678901234567890.${index}`);
        writeFileSync(file, '');
        note.run(file, 'failed', `1.2.826.0.1.3680043.8.498.${study}`, 'STORE_UNAVAILABLE', 1, Date.now());
      }
    }
    database.exec('COMMIT');
    database.close();
    const script = `const { lookAtSpool } = await import(${JSON.stringify(LOOK)});
      const { waiting, reasons } = await lookAtSpool(process.argv[1], new Date());
      console.log(waiting.studies, waiting.studiesKnown, waiting.instances, reasons.STORE_UNAVAILABLE);`;
    const heap = [`--max-old-space-size=${HEAP}`, '--max-semi-space-size=1'];
    const args = [...heap, '--input-type=module', '-e', script, folder.path];
    const files = FOLDERS * 1000;
    expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: `${FOLDERS} true ${files} ${files}\n`,
    });
  });

  it('looks into files for their study, those that nothing is noted of', async () => {
    await mkdir(at('study'));
    await writeFile(at('study', 'a'), buildImage({ studyUID: '1.2.840.1' }));
    expect((await lookAtSpool(folder.path, new Date())).waiting).toMatchObject({ studies: 1, studiesKnown: true });
    await writeFile(at('study', 'b'), 'no DICOM');
    expect((await lookAtSpool(folder.path, new Date())).waiting).toMatchObject({ studies: 1, studiesKnown: false });
    const quick = await lookAtSpool(folder.path, new Date(), { studies: false });
    expect(quick.waiting).toMatchObject({ studies: 0, studiesKnown: false, instances: 2 });
  });
});
