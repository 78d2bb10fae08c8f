/** Rules that change after the archive has stored an instance, and before that is written down: it is stowed as it was sent. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { queryAudit } from '../../core/audit/query.ts';
import { parseConfig } from '../../core/config/load.ts';
import { createLog } from '../../core/logging.ts';
import { objectKey } from '../../core/store/object-key.ts';
import { ingestBatch } from '../../functions/ingest/ingest-batch.ts';
import { clearOutcome } from '../../functions/ingest/object-outcome.ts';
import { openPorts, type OpenPorts } from '../../functions/ingest/open-ports.ts';
import type { IngestResult } from '../../functions/ingest/ports.ts';
import { openVerifyPorts } from '../../functions/verify/open-verify-ports.ts';
import { verifyRows } from '../../functions/verify/verify-rows.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { buildImage, seededBytes } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const NAMES = { studyInstanceUID: '1.2.826.3.1', seriesInstanceUID: '1.2.826.3.1.1', sopInstanceUID: '1.2.826.3.1.1.1' };

describe('an instance that is stored, of which no tag tells it', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  let opened: OpenPorts | undefined;

  beforeEach(async () => {
    folder = await temporaryFolder('changed-rules');
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
  });
  afterEach(async () => {
    await opened?.close();
    opened = undefined;
    await archive.close();
    await folder.remove();
  });

  /** As a function that starts anew, by a rule that sets this description. */
  async function open(description: string): Promise<OpenPorts['ports']> {
    await opened?.close();
    const rules = join(folder.path, 'rules.json');
    await writeFile(rules, JSON.stringify([{ action: 'set', target: 'StudyDescription', value: description }]));
    const bucket = { kind: 'folder', path: join(folder.path, 'bucket') };
    const config = parseConfig({ bucket, archive: { url: archive.url }, coerce: { rules } }, 'test');
    opened = await openPorts(config, createLog({ level: 'silent' }));
    return opened.ports;
  }

  async function arrive({ store }: OpenPorts['ports'], callingAET = 'CT1', seed = 1): Promise<string> {
    const file = buildImage({
      studyUID: NAMES.studyInstanceUID,
      seriesUID: NAMES.seriesInstanceUID,
      sopUID: NAMES.sopInstanceUID,
      pixels: seededBytes(16 * 16 * 2, seed),
    });
    const digest = createHash('sha256').update(file).digest('hex');
    const key = objectKey({ site: 'north', callingAET, callingIP: '10.0.0.7', ...NAMES, digest });
    await store.put(key, file, {
      metadata: { 'calling-aet': callingAET, 'received-at': '2026-11-24T10:00:00.000Z', sha256: digest },
    });
    return key;
  }

  const ingest = async (ports: OpenPorts['ports'], key: string): Promise<readonly IngestResult[]> =>
    ingestBatch([{ key }], ports);

  it('is found to be what the rules before made of it, and is verified by these', async () => {
    const first = await open('First');
    const key = await arrive(first);
    const [stowed] = await ingest(first, key);
    expect(stowed?.state).toBe('stowed');
    await clearOutcome(first.store, key);
    const second = await open('Second');
    await ingest(second, await arrive(second, 'OTHER', 2));

    const last = await open('Third');
    const [again] = await ingest(last, key);
    expect(again).toMatchObject({ state: 'stowed', alreadyThere: true });
    expect(again?.record?.sentMd5).toBe(stowed?.record?.sentMd5);
    expect(again?.record?.detail?.rules).toBe(stowed?.record?.detail?.rules);
    expect(archive.faults.arrivals(NAMES.sopInstanceUID)).toBe(1);

    const verify = openVerifyPorts(parseConfig({ archive: { url: archive.url } }, 'test'), last.store);
    try {
      const rows = queryAudit(last.store, { callingAET: 'CT1' });
      const verified = await Array.fromAsync(verifyRows(rows, verify.ports, { retrieveAll: true }));
      expect(verified).toMatchObject([{ verification: { verdict: 'equal', by: 'retrieved' } }]);
    } finally {
      await verify.close();
    }
  });

  it('is a conflict where it is another object that the archive has', async () => {
    const first = await open('First');
    expect(await ingest(first, await arrive(first))).toMatchObject([{ state: 'stowed' }]);
    const other = await arrive(first, 'OTHER', 2);
    expect(await ingest(await open('Second'), other)).toMatchObject([{ state: 'quarantined', code: 'CONFLICT' }]);
  });
});
