/** Coercion by a worklist, through ingest: from the bucket to the archive, with what the bucket keeps of it. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { queryAudit } from '../../core/audit/query.ts';
import type { VerifiedInstance } from '../../core/audit/verification.ts';
import { parseRuleSet } from '../../core/coerce/rule-set.ts';
import { parseConfig } from '../../core/config/load.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { textValues } from '../../core/dicom/text-values.ts';
import { createFramePool } from '../../core/encode/frame-pool.ts';
import { createLog } from '../../core/logging.ts';
import { createKeptMatcher } from '../../core/match-worklist.ts';
import { prepareInstance } from '../../core/prepare-instance.ts';
import { objectKey } from '../../core/store/object-key.ts';
import { ingestBatch } from '../../functions/ingest/ingest-batch.ts';
import { instanceSource } from '../../functions/ingest/instance-source.ts';
import { clearOutcome } from '../../functions/ingest/object-outcome.ts';
import { openPorts, type OpenPorts } from '../../functions/ingest/open-ports.ts';
import type { IngestResult } from '../../functions/ingest/ports.ts';
import { openVerifyPorts } from '../../functions/verify/open-verify-ports.ts';
import { verifyRows } from '../../functions/verify/verify-rows.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { buildImage, type BuiltElement } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { runStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const STUDY = '1.2.826.0.1.3680043.10.7.1';
const CALLING = { site: 'north', callingAET: 'CT1', callingIP: '10.0.0.7' };

function item(accessionNumber: string, description: string): object {
  return {
    '00080050': { vr: 'SH', Value: [accessionNumber] },
    '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Überweiser^Jörg' }] },
    '00081030': { vr: 'LO', Value: [description] },
    '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Worklist^Patient' }] },
  };
}

let folder: TemporaryFolder;
let archive: EmbeddedArchive;
let opened: OpenPorts | undefined;
beforeEach(async () => {
  folder = await temporaryFolder('worklist');
  archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  await archive.close();
  await folder.remove();
});

async function worklistHas(...items: readonly object[]): Promise<void> {
  await writeFile(join(folder.path, 'archive/worklist.json'), JSON.stringify(items));
}

/** As a function that starts anew. */
async function open(worklist: object = {}): Promise<OpenPorts['ports']> {
  await opened?.close();
  const config = parseConfig(
    {
      bucket: { kind: 'folder', path: join(folder.path, 'bucket') },
      archive: { url: archive.url },
      coerce: {
        worklist: {
          url: archive.url.replace('{aet}', 'WORKLIST').replace(/studies$/, 'mwlitems'),
          attributes: ['ReferringPhysicianName', 'StudyDescription'],
          ...worklist,
        },
      },
    },
    'test',
  );
  opened = await openPorts(config, createLog({ level: 'debug', to: join(folder.path, 'log') }));
  return opened.ports;
}

/** Puts instances of one study as the uploader does; gives their keys. */
async function arrive(
  ports: OpenPorts['ports'],
  accessionNumber: string,
  count = 1,
  ...extra: BuiltElement[]
): Promise<string[]> {
  const keys: string[] = [];
  for (let number = 1; number <= count; number++) {
    const names = { studyInstanceUID: STUDY, seriesInstanceUID: `${STUDY}.1`, sopInstanceUID: `${STUDY}.1.${number}` };
    const file = buildImage({
      studyUID: names.studyInstanceUID,
      seriesUID: names.seriesInstanceUID,
      sopUID: names.sopInstanceUID,
      extra: [{ tag: TAG.AccessionNumber, vr: 'SH', value: accessionNumber }, ...extra],
    });
    const sha256 = createHash('sha256').update(file).digest('hex');
    const key = objectKey({ ...CALLING, ...names, digest: sha256.slice(0, 12) });
    const metadata = {
      site: 'north',
      'calling-aet': 'CT1',
      'calling-ip': '10.0.0.7',
      'received-at': '2026-11-24T10:00:00.000Z',
      sha256,
    };
    await ports.store.put(key, file, { metadata });
    keys.push(key);
  }
  return keys;
}

async function ingest(ports: OpenPorts['ports'], keys: readonly string[]): Promise<readonly IngestResult[]> {
  return ingestBatch(
    keys.map((key) => ({ key })),
    ports,
  );
}

async function stored(sopInstanceUID: string): Promise<Part10> {
  return readPart10(await readFile(join(folder.path, 'archive/instances', STUDY, `${STUDY}.1`, `${sopInstanceUID}.dcm`)));
}

function text({ dataSet }: Part10, tag: number): readonly string[] {
  const element = dataSet.get(tag);
  return element === undefined ? [] : textValues(dataSet, element);
}

/** What was asked of the worklist. */
function questions(): readonly string[] {
  return archive.faults.requests.map(({ url }) => url).filter((url) => url.includes('/mwlitems'));
}

describe('an item that matches', () => {
  it('is asked for once a study, and what is taken of it is stored with every instance', async () => {
    await worklistHas(item('A-17', 'Head'), item('A-18', 'Foot'));
    const ports = await open();
    const keys = await arrive(ports, 'A-17', 3);
    expect(await ingest(ports, keys)).toMatchObject(keys.map((key) => ({ key, state: 'stowed' })));
    expect(questions()).toHaveLength(1);
    for (const number of [1, 2, 3]) {
      const instance = await stored(`${STUDY}.1.${number}`);
      expect(text(instance, TAG.ReferringPhysicianName)).toEqual(['Überweiser^Jörg']);
      expect(text(instance, TAG.StudyDescription)).toEqual(['Head']);
      expect(text(instance, TAG.PatientName)).toEqual(['Test^Patient']);
    }
  });

  it('says nothing of the patient in tags and logs', async () => {
    await worklistHas(item('A-17', 'Head'));
    const ports = await open();
    const keys = await arrive(ports, 'A-17');
    await ingest(ports, keys);
    await worklistHas();
    const other = await open({ attributes: ['PatientName'] });
    await clearOutcome(other.store, keys[0]!);
    await ingest(other, keys);
    const log = await readFile(join(folder.path, 'log'), 'utf8');
    expect(log).toContain('WORKLIST_NO_MATCH');
    const tags = JSON.stringify(await other.store.getTags(keys[0]!));
    expect(tags).toContain('quarantined/WORKLIST_NO_MATCH');
    for (const said of [log, tags]) expect(said).not.toMatch(/A-17|Überweiser|Jörg|Head|Worklist\^Patient|Test\^Patient/);
  });
});

describe('an item of the patient and the day', () => {
  const DAY = '20261124';
  const scheduled = (patientID: string, day: string, description: string): object => ({
    ...item('A-17', description),
    '00100020': { vr: 'LO', Value: [patientID] },
    '00400100': { vr: 'SQ', Value: [{ '00400002': { vr: 'DA', Value: [day] } }] },
  });
  const of = (patientID: string): BuiltElement[] => [
    { tag: TAG.PatientID, vr: 'LO', value: patientID },
    { tag: TAG.StudyDate, vr: 'DA', value: DAY },
  ];

  it('is found among the patient’s other days and other patients of the day', async () => {
    await worklistHas(scheduled('P1', '20261123', 'Foot'), scheduled('P1', DAY, 'Head'), scheduled('P2', DAY, 'Hand'));
    const ports = await open({ match: 'patientAndDate' });
    const keys = await arrive(ports, 'A-99', 2, ...of('P1'));
    expect(await ingest(ports, keys)).toMatchObject(keys.map(() => ({ state: 'stowed' })));
    expect(questions()).toHaveLength(1);
    expect(questions()[0]).toMatch(/PatientID=P1&00400100\.00400002=20261124&/);
    expect(text(await stored(`${STUDY}.1.2`), TAG.StudyDescription)).toEqual(['Head']);
  });

  it('of two of the day that differ is ambiguous; of another day it is none', async () => {
    await worklistHas(scheduled('P1', DAY, 'Head'), scheduled('P1', DAY, 'Foot'));
    const ports = await open({ match: 'patientAndDate' });
    expect(await ingest(ports, await arrive(ports, 'A-17', 1, ...of('P1')))).toMatchObject([{ code: 'WORKLIST_AMBIGUOUS' }]);
    await worklistHas(scheduled('P2', '20261125', 'Head'));
    expect(await ingest(ports, await arrive(ports, 'A-17', 1, ...of('P2')))).toMatchObject([{ code: 'WORKLIST_NO_MATCH' }]);
  });
});

describe('a replay', () => {
  it('sends the same bytes, whatever the worklist says by then; an auditor computes them from the bucket alone', async () => {
    await worklistHas(item('A-17', 'Head'));
    const first = await open();
    const [key = ''] = await arrive(first, 'A-17');
    const [result] = await ingest(first, [key]);
    const sentMd5 = result?.record?.sentMd5;
    expect(sentMd5).toMatch(/^[0-9a-f]{32}$/);

    await worklistHas(item('A-17', 'Foot'));
    const replay = await open();
    const object = await replay.store.get(key);
    const file = await object.bytes();
    const source = instanceSource(object.head, 'default');
    expect((await replay.prepare(file, source)).md5).toBe(sentMd5);
    expect(questions()).toHaveLength(1);

    const { rules } = result?.record?.detail ?? {};
    const json = new TextDecoder().decode(await (await replay.store.get(`rules/${rules}.json`)).bytes());
    const framePool = createFramePool({ threads: 1 });
    try {
      const audited = await prepareInstance(file, source, parseRuleSet(json, 'kept'), framePool, {
        worklist: createKeptMatcher(replay.store),
      });
      expect(audited.md5).toBe(sentMd5);
    } finally {
      await framePool.close();
    }
  });
});

describe('audit verify', () => {
  it('holds what the archive gives back against what was taken', async () => {
    await worklistHas(item('A-17', 'Head'));
    // That a rule sets the same attribute otherwise is not taken for a deviation
    const ports = await open();
    const [key = ''] = await arrive(ports, 'A-17');
    await ingest(ports, [key]);
    await worklistHas();
    expect(await verified(ports)).toMatchObject([{ verification: { verdict: 'equal', by: 'retrieved' } }]);

    const path = join(folder.path, 'archive/instances', STUDY, `${STUDY}.1`, `${STUDY}.1.1.dcm`);
    const file = await readFile(path);
    file.write('Foot', file.indexOf('Head'), 'latin1');
    await writeFile(path, file);
    expect(await verified(ports)).toMatchObject([{ verification: { verdict: 'different', differences: ['StudyDescription'] } }]);
  });

  async function verified({ store }: OpenPorts['ports']): Promise<readonly VerifiedInstance[]> {
    const verify = openVerifyPorts(parseConfig({ archive: { url: archive.url } }, 'test'), store);
    try {
      return await Array.fromAsync(verifyRows(queryAudit(store, {}), verify.ports, { retrieveAll: true }));
    } finally {
      await verify.close();
    }
  }
});

it('storestow process, which has no bucket to keep an item in, asks no worklist and says so', async () => {
  const at = (name: string): string => join(folder.path, name);
  await worklistHas(item('A-17', 'Head'));
  await writeFile(at('in.dcm'), buildImage({ extra: [{ tag: TAG.AccessionNumber, vr: 'SH', value: 'A-17' }] }));
  const worklist = { url: archive.url.replace('{aet}/rs/studies', 'WORKLIST/rs/mwlitems'), attributes: ['StudyDescription'] };
  await writeFile(at('storestow.json'), JSON.stringify({ coerce: { worklist } }));
  const { code, stderr } = await runStorestow(['process', at('in.dcm'), '--out', at('out'), '--config', at('storestow.json')]);
  expect(code).toBe(0);
  expect(stderr).toContain('process asks no worklist');
  expect(questions()).toEqual([]);
  expect(text(readPart10(await readFile(at('out/in.dcm'))), TAG.StudyDescription)).toEqual([]);
});

describe('an instance without an item', () => {
  it('is quarantined, and arrives once the worklist has one', async () => {
    const ports = await open();
    const keys = await arrive(ports, 'A-17', 2);
    expect(await ingest(ports, keys)).toMatchObject(keys.map(() => ({ state: 'quarantined', code: 'WORKLIST_NO_MATCH' })));
    expect(questions()).toHaveLength(1);
    await worklistHas(item('A-17', 'Head'));
    for (const key of keys) await clearOutcome(ports.store, key);
    expect(await ingest(await open(), keys)).toMatchObject(keys.map(() => ({ state: 'stowed' })));
    expect(text(await stored(`${STUDY}.1.2`), TAG.StudyDescription)).toEqual(['Head']);
  });

  it('goes on as it is where the configuration says so, also when it is sent again', async () => {
    const ports = await open({ onNoMatch: 'pass' });
    const [key = ''] = await arrive(ports, 'A-17');
    const [result] = await ingest(ports, [key]);
    expect(result).toMatchObject({ state: 'stowed' });
    expect(text(await stored(`${STUDY}.1.1`), TAG.StudyDescription)).toEqual([]);
    await worklistHas(item('A-17', 'Head'));
    const again = await open({ onNoMatch: 'pass' });
    const object = await again.store.get(key);
    const { md5 } = await again.prepare(await object.bytes(), instanceSource(object.head, 'default'));
    expect(md5).toBe(result?.record?.sentMd5);
  });
});

describe('several items', () => {
  it('that differ are ambiguous', async () => {
    await worklistHas(item('A-17', 'Head'), item('A-17', 'Foot'));
    const ports = await open();
    const keys = await arrive(ports, 'A-17');
    expect(await ingest(ports, keys)).toMatchObject([{ state: 'quarantined', code: 'WORKLIST_AMBIGUOUS' }]);
  });

  it('that differ in nothing that is taken are one', async () => {
    await worklistHas(item('A-17', 'Head'), item('A-17', 'Foot'));
    const ports = await open({ attributes: ['ReferringPhysicianName'] });
    expect(await ingest(ports, await arrive(ports, 'A-17'))).toMatchObject([{ state: 'stowed' }]);
  });

  it('that differ are passed over where the configuration says so', async () => {
    await worklistHas(item('A-17', 'Head'), item('A-17', 'Foot'));
    const ports = await open({ onSeveral: 'pass' });
    expect(await ingest(ports, await arrive(ports, 'A-17'))).toMatchObject([{ state: 'stowed' }]);
    expect(text(await stored(`${STUDY}.1.1`), TAG.StudyDescription)).toEqual([]);
  });
});

describe('what keeps an item from being used', () => {
  it('a worklist that is down: tried again, and stowed when it is back', async () => {
    await worklistHas(item('A-17', 'Head'));
    const down = await open({ url: `http://127.0.0.1:${await freePort()}/rs/mwlitems` });
    const keys = await arrive(down, 'A-17');
    expect(await ingest(down, keys)).toMatchObject([{ state: 'retry', code: 'WORKLIST_UNAVAILABLE' }]);
    expect(await down.store.getTags(keys[0]!)).toEqual({});
    expect(await ingest(await open(), keys)).toMatchObject([{ state: 'stowed' }]);
  });

  it('a character that the instance’s character set lacks', async () => {
    await worklistHas(item('A-17', 'Head'));
    const ports = await open();
    const keys = await arrive(ports, 'A-17', 1, { tag: TAG.SpecificCharacterSet, vr: 'CS', value: 'ISO_IR 6' });
    expect(await ingest(ports, keys)).toMatchObject([{ state: 'quarantined', code: 'VALUE_NOT_ENCODABLE' }]);
  });

  it('a value that is not what it says', async () => {
    await worklistHas({ ...item('A-17', 'Head'), '00081030': { vr: 'UT', Value: ['Head'] } });
    const ports = await open();
    expect(await ingest(ports, await arrive(ports, 'A-17'))).toMatchObject([{ state: 'quarantined', code: 'WORKLIST_INVALID' }]);
  });
});
