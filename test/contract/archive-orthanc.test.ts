/** The client against a real archive that is not dcm4chee. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../core/dicom/byte-source.ts';
import type { ArchiveConfig } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { createDicomWeb, openConnection } from '../../core/stow/dicomweb.ts';
import type { Archive, OutgoingInstance } from '../../core/stow/outcome.ts';
import { retrieveInstance } from '../../core/stow/wado.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { outgoing, outgoingStudy } from './archive-instances.ts';

const SOURCE = { aet: 'CT1', site: 'test' };
const USER = { name: 'storestow', password: 'p:ss wörd' };

describe.skipIf(requirePeer('Orthanc with its DICOMweb plug-in', orthancAvailable()))('the client against Orthanc', () => {
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
    orthanc = await startOrthanc({ user: USER });
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
    const retrieved = await retrieveInstance(web, instances[0] as OutgoingInstance);
    expect(Buffer.from(retrieved).equals(Buffer.concat(inMemory(instances[0]?.segments ?? [])))).toBe(true);
    await expect(retrieveInstance(web, outgoing(study, 999))).rejects.toMatchObject({ code: 'NOT_IN_ARCHIVE' });
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
});
