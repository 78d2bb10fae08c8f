/** The client against a real archive that is not dcm4chee. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../core/dicom/byte-source.ts';
import type { ArchiveConfig } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { createDicomWeb, openConnection } from '../../core/stow/dicomweb.ts';
import type { Archive, OutgoingInstance } from '../../core/stow/outcome.ts';
import { startLimitingProxy } from '../support/limiting-proxy.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { retrieve } from '../support/retrieve.ts';
import { altered, cutShort, outgoing, outgoingStudy, told, withBytes, type Altered } from './archive-instances.ts';

const SOURCE = { aet: 'CT1', site: 'test' };
const USER = { name: 'storestow', password: 'p:ss wörd' };

describe.skipIf(requirePeer('Orthanc with its DICOMweb plug-in', orthancAvailable()))('the client against Orthanc', () => {
  let folder: TemporaryFolder;
  let orthanc: Orthanc;
  let config: ArchiveConfig;
  const open: Archive[] = [];

  const client = (changes: Partial<ArchiveConfig> = {}): Archive => {
    const archive = createArchive({
      config: { ...config, ...changes },
      source: SOURCE,
      patience: { confirmDelays: [0, 50, 100] },
    });
    open.push(archive);
    return archive;
  };

  beforeAll(async () => {
    folder = await temporaryFolder('orthanc');
    const filter = path.join(folder.path, 'filter.lua');
    await writeFile(filter, "function ReceivedInstanceFilter(dicom) return dicom.PatientID ~= 'UNWANTED' end\n");
    orthanc = await startOrthanc({ user: USER, settings: { LuaScripts: [filter] } });
    config = {
      url: orthanc.stowUrl,
      auth: { kind: 'basic', username: USER.name, password: USER.password },
      connections: 4,
      maxInstances: 20,
      maxBytes: 20_000_000,
      timeout: 60,
      confirm: true,
      otherInstitution: 'quarantine',
      proof: 'listed',
    };
  });
  afterAll(async () => {
    await Promise.all(open.map((archive) => archive.close()));
    await orthanc.stop();
    await folder.remove();
  });

  it('stores a study, lists it, gives it back, and sends nothing twice', async () => {
    const study = '1.2.826.78.1';
    const instances = outgoingStudy(study, 70);
    expect(await client().find(study, [instances[0]?.sopInstanceUID ?? ''])).toEqual(new Map());
    expect(await client().store(instances)).toEqual(
      instances.map(() => ({ kind: 'stored', proof: 'listed', alreadyThere: false })),
    );
    expect(await client().store(instances)).toEqual(
      instances.map(() => ({ kind: 'stored', proof: 'digest', alreadyThere: true })),
    );
    const found = await client().find(study, [...instances.map(({ sopInstanceUID }) => sopInstanceUID), '1.2.3']);
    expect(found.size).toBe(70);
    expect(await orthanc.get('/statistics')).toMatchObject({ CountInstances: 70, CountStudies: 1 });

    const connection = openConnection(config);
    const web = createDicomWeb(config, SOURCE, connection);
    const retrieved = await retrieve(web, instances[0] as OutgoingInstance);
    expect(Buffer.from(retrieved).equals(Buffer.concat(inMemory(instances[0]?.segments ?? [])))).toBe(true);
    await expect(retrieve(web, outgoing(study, 999))).rejects.toMatchObject({ code: 'NOT_IN_ARCHIVE' });
    await connection.close();
  });

  const STUDY_INSTANCE_UID = 0x0020000d;
  const SERIES_INSTANCE_UID = 0x0020000e;
  const SOP_INSTANCE_UID = 0x00080018;
  const SOP_CLASS_UID = 0x00080016;
  const PATIENT_ID = 0x00100020;
  const PIXEL_DATA = 0x7fe00010;
  const text = new Uint8Array(Buffer.from('This is not DICOM.'));
  const other = (tag: number, vr: string, value: string): Altered => ({ extra: [{ tag, vr, value }] });
  let studies = 100;

  /** What is sent of a study that holds number 999, what Orthanc answers to it, and what each becomes. */
  it.each<[string, (study: string) => readonly OutgoingInstance[], string[]]>([
    ['200: all stored', (study) => outgoingStudy(study, 2), ['stored', 'stored']],
    ['text: 400, naming none', (study) => [withBytes(study, 1, text)], ['retryable ARCHIVE_REFUSED']],
    ['3 bytes: 400, naming none', (study) => [withBytes(study, 1, text.subarray(0, 3))], ['retryable ARCHIVE_REFUSED']],
    ['an empty part: 400, naming none', (study) => [withBytes(study, 1, new Uint8Array(0))], ['retryable ARCHIVE_REFUSED']],
    ['a data set cut: 400, naming none', (study) => [cutShort(study, 1)], ['retryable ARCHIVE_REFUSED']],
    ['one good and one bad', (study) => [outgoing(study, 1), withBytes(study, 2, text)], ['stored', 'retryable ARCHIVE_REFUSED']],
    ['one bad and one good', (study) => [withBytes(study, 1, text), outgoing(study, 2)], ['retryable ARCHIVE_REFUSED', 'stored']],
    ['StudyInstanceUID absent: C000', (study) => [altered(study, 1, { without: [STUDY_INSTANCE_UID] })], ['permanent ARCHIVE_REFUSED C000']],
    ['SeriesInstanceUID absent: C000', (study) => [altered(study, 1, { without: [SERIES_INSTANCE_UID] })], ['permanent ARCHIVE_REFUSED C000']],
    ['StudyInstanceUID empty: 200, naming none', (study) => [altered(study, 1, other(STUDY_INSTANCE_UID, 'UI', ''))], ['retryable ARCHIVE_AMBIGUOUS']],
    ['SOPInstanceUID absent: 400, naming none', (study) => [altered(study, 1, { without: [SOP_INSTANCE_UID] })], ['retryable ARCHIVE_REFUSED']],
    ['SOPClassUID absent: 400, naming none', (study) => [altered(study, 1, { without: [SOP_CLASS_UID] })], ['retryable ARCHIVE_REFUSED']],
    ['a bad one among C000 and a good one', (study) => [
      altered(study, 1, { without: [SERIES_INSTANCE_UID] }), withBytes(study, 2, text), outgoing(study, 3),
    ], ['permanent ARCHIVE_REFUSED C000', 'retryable ARCHIVE_REFUSED', 'stored']],
    ['Patient ID absent: 200', (study) => [altered(study, 1, { without: [PATIENT_ID] })], ['stored']],
    ['no Pixel Data: 200', (study) => [altered(study, 1, { without: [PIXEL_DATA] })], ['stored']],
    ['same instance again', (study) => [outgoing(study, 999)], ['there']],
    ['same UIDs, other content: 200, and the first is kept', (study) => [altered(study, 999, other(0x00204000, 'LT', 'x'))], ['permanent CONFLICT']],
    ['same UIDs, other Patient ID', (study) => [altered(study, 999, other(PATIENT_ID, 'LO', 'TEST-2'))], ['permanent CONFLICT']],
    ['a filter that drops it: 200, and listed as stored', (study) => [
      altered(study, 1, other(PATIENT_ID, 'LO', 'UNWANTED')), outgoing(study, 2),
    ], ['retryable NOT_IN_ARCHIVE', 'stored']],
  ])('%s', async (_, send, outcomes) => {
    const study = `1.2.826.78.${String((studies += 1))}`;
    await client().store([outgoing(study, 999)]);
    expect((await client({ proof: 'digest' }).store(send(study))).map(told)).toEqual(outcomes);
  }); // prettier-ignore

  it('says nothing to the head of a request alone, so that no limit is blamed', async () => {
    const connection = openConnection({ ...config, timeout: 0.3 });
    expect(await createDicomWeb(config, SOURCE, connection).takes(20_000_000)).toBe('unknown');
    await connection.close();
  });

  it('stores what is sound beside what is not: Orthanc answers 400 and names what it stored', async () => {
    const study = '1.2.826.78.2';
    const archive = client();
    await archive.store([outgoing(study, 1)]);
    const text = Buffer.from('This is not DICOM.');
    const broken: OutgoingInstance = { ...outgoing(study, 2), segments: [text], length: text.length };
    const outcomes = await archive.store([outgoing(study, 3), broken, outgoing(study, 4)]);
    const stored = { kind: 'stored', proof: 'listed', alreadyThere: false };
    expect(outcomes).toMatchObject([stored, { kind: 'retryable', code: 'ARCHIVE_REFUSED' }, stored]);
  });

  it('is turned away with other credentials, and nothing is quarantined for that', async () => {
    const archive = client({ auth: { kind: 'bearer', token: 'wrong' } });
    expect(await archive.store([outgoing('1.2.826.78.3', 1)])).toMatchObject([
      { kind: 'retryable', code: 'ARCHIVE_UNAUTHORIZED' },
    ]);
    await expect(archive.find('1.2.826.78.3', ['1.2.3'])).rejects.toMatchObject({ code: 'ARCHIVE_UNAUTHORIZED' });
  });

  it('finds no service at a wrong address, and nothing is quarantined for that', async () => {
    const archive = client({ url: `${orthanc.restUrl}/nowhere/studies` });
    expect(await archive.store([outgoing('1.2.826.78.4', 1)])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_NOT_FOUND' }]);
  });

  it.each([413, 'drop'] as const)(
    'behind a proxy with a limit (%s): smaller requests, and what is larger stands alone',
    async (manner) => {
      const study = `1.2.826.78.${String((studies += 1))}`;
      const instances = [...outgoingStudy(study, 12), outgoing(study, 13, { rows: 300, columns: 300 })];
      const limit = (instances[0]?.length ?? 0) * 5;
      const proxy = await startLimitingProxy(orthanc.restUrl, limit, manner);
      try {
        const archive = client({ url: config.url.replace(orthanc.restUrl, proxy.origin) });
        await archive.store([outgoing(study, 999)]);
        const outcomes = (await archive.store(instances)).map(told);
        expect(outcomes).toEqual([...Array.from({ length: 12 }, () => 'stored'), 'permanent ARCHIVE_SIZE_LIMIT']);
        expect(proxy.turnedAway.length).toBeGreaterThan(1);
        expect(
          (
            await client().find(
              study,
              instances.map(({ sopInstanceUID }) => sopInstanceUID),
            )
          ).size,
        ).toBe(12);
      } finally {
        await proxy.close();
      }
    },
  );

  it('full: 200, naming none; what fits is stored, the rest is tried again', async () => {
    const full = await startOrthanc({ settings: { MaximumStorageSize: 1, MaximumStorageMode: 'Reject' } });
    try {
      const instances = outgoingStudy('1.2.826.78.5', 4, { rows: 500, columns: 500 });
      const archive = client({ url: full.stowUrl, auth: { kind: 'none' } });
      const outcomes = (await archive.store(instances)).map(told);
      expect(outcomes).toEqual(['stored', 'stored', 'retryable ARCHIVE_AMBIGUOUS', 'retryable ARCHIVE_AMBIGUOUS']);
      expect(await full.get('/statistics')).toMatchObject({ CountInstances: 2 });
    } finally {
      await full.stop();
    }
  });
});
