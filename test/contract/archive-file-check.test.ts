/** What an archive tells of its files when it is made to read them: the double as dcm4chee does it (contract, section 7), and Orthanc. */
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveSchema } from '../../core/config/schema.ts';
import { createArchiveReader, type ArchiveReader } from '../../core/stow/archive-reader.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { openConnection, type Connection } from '../../core/stow/dicomweb.ts';
import type { FileQuestion } from '../../core/stow/file-check.ts';
import type { OutgoingInstance } from '../../core/stow/outcome.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { outgoingStudy } from './archive-instances.ts';

const SOURCE = { aet: 'CT1', site: 'test' };

let folder: TemporaryFolder;
let connection: Connection;
let reader: ArchiveReader;

async function store(url: string, study: string, count: number): Promise<readonly OutgoingInstance[]> {
  const instances = outgoingStudy(study, count);
  const archive = createArchive({ config: archiveSchema.parse({ url }), source: SOURCE, connection });
  const outcomes = await archive.store(instances);
  expect(outcomes.map(({ kind }) => kind)).toEqual(instances.map(() => 'stored'));
  return instances;
}

function open(url: string): void {
  const config = archiveSchema.parse({ url });
  connection = openConnection(config);
  reader = createArchiveReader(config, SOURCE, connection);
}

/** Each with what the archive lists, and with the digests that `expected` has for it. */
async function questions(
  instances: readonly OutgoingInstance[],
  expected: (listedDigest: string | undefined, instance: OutgoingInstance) => readonly string[],
): Promise<readonly FileQuestion[]> {
  const uids = instances.map(({ sopInstanceUID }) => sopInstanceUID);
  const found = await reader.find(instances[0]?.studyInstanceUID ?? '', uids);
  return instances.map((instance) => {
    const listed = found.get(instance.sopInstanceUID) ?? { sopInstanceUID: instance.sopInstanceUID };
    return { ...instance, listed, expected: expected(listed.storageDigest, instance) };
  });
}

async function states(asked: readonly FileQuestion[]): Promise<readonly (string | undefined)[]> {
  const told = await reader.check(asked);
  return asked.map(({ sopInstanceUID }) => told.get(sopInstanceUID));
}

describe('the double, as dcm4chee', () => {
  let embedded: EmbeddedArchive;

  beforeAll(async () => {
    folder = await temporaryFolder('file-check');
    embedded = await startEmbeddedArchive({ folder: folder.path, aets: ['CT1'] });
    open(embedded.url);
  });
  afterAll(async () => {
    await connection.close();
    await embedded.close();
    await folder.remove();
  });

  const fileOf = ({ studyInstanceUID, seriesInstanceUID, sopInstanceUID }: OutgoingInstance): string =>
    path.join(folder.path, 'instances', studyInstanceUID, seriesInstanceUID, `${sopInstanceUID}.dcm`);

  it.each([
    ['one by one', 3],
    ['a whole study at once', 12],
  ])('%s: intact, altered, removed, and what it has another digest of', async (how, count) => {
    const instances = await store(embedded.url, `1.2.826.88.${count}`, count);
    const [altered, removed, other] = instances;
    if (altered === undefined || removed === undefined || other === undefined) throw new Error('three are stored');
    await appendFile(fileOf(altered), 'x');
    await rm(fileOf(removed));
    const asked = await questions(instances, (digest, { sopInstanceUID }) =>
      sopInstanceUID === other.sopInstanceUID ? ['0'.repeat(32)] : [digest ?? ''],
    );
    const before = embedded.faults.requests.length;
    expect(await states(asked)).toEqual(['damaged', 'damaged', 'untold', ...instances.slice(3).map(() => 'intact')]);
    expect(embedded.faults.requests.length - before).toBe(how === 'one by one' ? count : 1);
  });

  it('tells nothing of an archive, or an AE title, that has no such service', async () => {
    const instances = await store(embedded.url, '1.2.826.89', 1);
    const asked = await questions(instances, (digest) => [digest ?? '']);
    expect(await states(asked)).toEqual(['intact']);
    const elsewhere = createArchiveReader(archiveSchema.parse({ url: embedded.url }), { aet: 'NOBODY', site: 'x' }, connection);
    expect((await elsewhere.check(asked)).get(instances[0]?.sopInstanceUID ?? '')).toBe('untold');
  });

  it('rejects, retryable, where the archive does not answer', async () => {
    const config = archiveSchema.parse({ url: 'http://127.0.0.1:9/dcm4chee-arc/aets/X/rs/studies' });
    const nobody = openConnection(config);
    const asked = { studyInstanceUID: '1.2', seriesInstanceUID: '1.3', sopInstanceUID: '1.4', expected: ['a'] };
    const question = { ...asked, listed: { sopInstanceUID: '1.4' } };
    await expect(createArchiveReader(config, SOURCE, nobody).check([question])).rejects.toMatchObject({
      code: 'ARCHIVE_UNAVAILABLE',
      retryable: true,
    });
    await nobody.close();
  });
});

describe.skipIf(requirePeer('Orthanc with DICOMweb', orthancAvailable()))('Orthanc', () => {
  let orthanc: Orthanc;

  beforeAll(async () => {
    folder = await temporaryFolder('file-check-orthanc');
    // Otherwise it reads what it has just stored from its memory.
    orthanc = await startOrthanc({ folder: folder.path, settings: { MaximumStorageCacheSize: 0 } });
    open(orthanc.stowUrl);
  }, 90_000);
  afterAll(async () => {
    await connection.close();
    await orthanc.stop();
    await folder.remove();
  });

  /** Its storage names files by what it does not tell. */
  async function fileWith(uid: string): Promise<string> {
    const storage = path.join(folder.path, 'storage');
    for (const entry of await readdir(storage, { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name);
      const bytes = entry.isFile() ? await readFile(file) : Buffer.alloc(0);
      if (bytes.subarray(128, 132).toString('latin1') === 'DICM' && bytes.includes(uid)) return file;
    }
    throw new Error(`no file of Orthanc's has ${uid}`);
  }

  it('intact, altered, removed, of another digest, and unknown', async () => {
    const instances = await store(orthanc.stowUrl, '1.2.826.90', 5);
    const [altered, removed, other, unknown] = instances;
    if (altered === undefined || removed === undefined || other === undefined || unknown === undefined) throw new Error('four');
    // Once a file is lost Orthanc answers 500 to QIDO-RS.
    const asked = await questions(instances, (_digest, { md5, sopInstanceUID }) =>
      sopInstanceUID === other.sopInstanceUID ? ['0'.repeat(32)] : [md5],
    );
    const file = await fileWith(altered.sopInstanceUID);
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await rm(await fileWith(removed.sopInstanceUID));
    const changed = asked.map((question) =>
      question.sopInstanceUID === unknown.sopInstanceUID ? { ...question, sopInstanceUID: '1.2.826.90.404' } : question,
    );
    expect(await states(changed)).toEqual(['damaged', 'damaged', 'untold', 'untold', 'intact']);
  });
});
