/** The archive is stopped in the middle of a study and started again: all arrives, and nothing is sent that is stored already. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settledAudit } from '../support/audit-process.ts';
import { writeCtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { startRecordingProxy, type RecordingProxy } from '../support/recording-proxy.ts';
import { startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const INSTANCES = 60;

const skip =
  requirePeer('DCMTK', existsSync('/usr/bin/storescp') && existsSync('/usr/bin/storescu')) ||
  requirePeer('Orthanc with DICOMweb', orthancAvailable());

describe.skipIf(skip)('an archive that is stopped in the middle of a study and started again', () => {
  let folder: TemporaryFolder;
  let orthanc: Orthanc | undefined;
  let proxy: RecordingProxy | undefined;
  let up: RunningStorestow | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('archive-restart');
  });

  afterEach(async () => {
    await up?.stop();
    await proxy?.close();
    await orthanc?.stop();
    await folder.remove();
  });

  it('gets all of it, and nothing that it has already', async () => {
    const kept = { folder: join(folder.path, 'orthanc') };
    const data = join(folder.path, 'data');
    const study = await writeCtStudy(join(folder.path, 'study'), INSTANCES);
    const first = await startOrthanc(kept);
    orthanc = first;
    const wire = await startRecordingProxy(first.stowUrl);
    proxy = wire;
    wire.latency = 300;
    // Small requests one by one: the middle of the study lasts long enough to be met.
    const config = join(folder.path, 'storestow.json');
    await writeFile(config, JSON.stringify({ archive: { url: wire.url, maxInstances: 5, connections: 1 } }));
    const port = await freePort();
    up = startStorestow(['up', '--data', data, '--config', config, '--port', String(port)]);
    await up.waitFor(/running/);
    await run('storescu', ['-aet', 'CT1', '-aec', 'STORESTOW', '127.0.0.1', String(port), '+sd', join(folder.path, 'study')]);

    await waitUntil('it is in the middle', () => wire.inTheMiddle(), { interval: 5 });
    // At once: of what is stored in this moment, storestow gets no answer.
    wire.reachable = false;
    await first.stop();
    await waitUntil('storestow met the archive that is down', () => wire.refused > 0);

    // Not yet within reach: what it really kept is known before anything can come again.
    const second = await startOrthanc({ ...kept, ports: first.ports });
    orthanc = second;
    const storedBefore = await archived(second);
    expect(storedBefore.length).toBeGreaterThan(0);
    expect(storedBefore.length).toBeLessThan(INSTANCES);
    wire.noteStored(storedBefore);
    wire.reachable = true;

    const entries = await waitUntil('all have an outcome', () => settledAudit(data, study.studyInstanceUID, INSTANCES), {
      timeout: 180_000,
      interval: 500,
    });
    expect(entries.map(({ status }) => status)).toEqual(entries.map(() => 'stowed'));
    expect(entries.map(({ sopInstanceUID }) => sopInstanceUID).toSorted()).toEqual(study.sopInstanceUIDs.toSorted());
    expect((await archived(second)).toSorted()).toEqual(study.sopInstanceUIDs.toSorted());
    expect(wire.sentAgain()).toEqual([]);
    // The proxy saw what it is to judge by.
    expect(new Set(wire.stores.flatMap(({ sopInstanceUIDs }) => sopInstanceUIDs)).size).toBe(INSTANCES);
  });
});

async function archived(orthanc: Orthanc): Promise<readonly string[]> {
  const instances = (await orthanc.get('/instances?expand')) as readonly {
    readonly MainDicomTags: { readonly SOPInstanceUID: string };
  }[];
  return instances.map(({ MainDicomTags }) => MainDicomTags.SOPInstanceUID);
}
