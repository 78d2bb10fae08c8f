import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { journalPath, UploadJournal } from '../../../local-uploader/upload/upload-journal.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const LOOK = new URL('../../../local-uploader/status/look-at-spool.ts', import.meta.url).href;
/** Of files that stay, where a site was cut off for days. */
const NOTES = 300_000;
/** Megabytes: twice what they take; all rows at once beside them take more. */
const HEAP = 250;

describe('lookAtSpool', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('look');
    await mkdir(join(folder.path, '.storestow'));
  });
  afterEach(() => folder.remove());

  it(`reads ${NOTES} notes with ${HEAP} MB of heap`, async () => {
    const journal = new UploadJournal(folder.path, { log: createLog({ level: 'silent' }), now: () => new Date() });
    journal.ended({ path: 'a', outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true });
    await journal.close();
    const database = new DatabaseSync(journalPath(folder.path));
    database
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO remaining SELECT printf('%s/received/10.0.0.1/CT.1.2.826.0.1.3680043.8.498.12345678901234567890.%d', ?, i),
         'failed', '1.2.826.0.1.3680043.8.498.1234567890123456789', 'STORE_UNAVAILABLE', 1, 0 FROM n`,
      )
      .run(NOTES - 1, folder.path);
    database.close();
    const script = `const { lookAtSpool } = await import(${JSON.stringify(LOOK)});
      console.log((await lookAtSpool(process.argv[1], new Date(), { studies: false })).noted.size);`;
    const args = [`--max-old-space-size=${HEAP}`, '--input-type=module', '-e', script, folder.path];
    expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: `${NOTES}\n` });
  });
});
