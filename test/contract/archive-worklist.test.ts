/** The worklist of the embedded archive, asked as dcm4chee's is (contract, sections 4 and 9). */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkWorklist } from '../../cli/check-worklist.ts';
import { parseConfig } from '../../core/config/load.ts';
import type { ArchiveConfig } from '../../core/config/schema.ts';
import type { Connection } from '../../core/stow/dicomweb.ts';
import { createWorklist, openWorklistConnection, type Worklist } from '../../core/stow/worklist.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const ATTRIBUTES = ['AccessionNumber', 'ReferringPhysicianName'];

function item(accessionNumber: string, patientID: string, ...dates: readonly string[]): object {
  return {
    '00080050': { vr: 'SH', Value: [accessionNumber] },
    '00080090': { vr: 'PN', Value: [{ Alphabetic: `Doctor^${accessionNumber}` }] },
    '00100020': { vr: 'LO', Value: [patientID] },
    '00400100': { vr: 'SQ', Value: dates.map((date) => ({ '00400002': { vr: 'DA', Value: [date] } })) },
  };
}
const ITEMS = [item('A-1', 'P1', '20261124'), item('A-2', 'P1', '20261125', '20261126'), item('A-3', 'P2', '20261124')];

function archiveConfig(archive: object): ArchiveConfig {
  return parseConfig({ archive }, 'test').archive!;
}

describe('the worklist of the embedded archive', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  let connection: Connection;
  const worklistOf = (aet: string): Worklist => createWorklist(urlOf(aet), ATTRIBUTES, connection);
  const urlOf = (aet: string): string => archive.url.replace('{aet}', aet).replace(/studies$/, 'mwlitems');

  beforeAll(async () => {
    folder = await temporaryFolder('worklist');
    archive = await startEmbeddedArchive({ folder: folder.path });
    connection = openWorklistConnection({ url: urlOf('WORKLIST') }, archiveConfig({ url: archive.url }));
  });
  beforeEach(async () => writeFile(join(folder.path, 'worklist.json'), JSON.stringify(ITEMS)));
  afterAll(async () => {
    await connection.close();
    await archive.close();
    await folder.remove();
  });

  it.each([
    ['an accession number', { match: 'accession', accessionNumber: 'A-2' }, ['A-2']],
    ['one that none has', { match: 'accession', accessionNumber: 'A-9' }, []],
    ['a patient and a day', { match: 'patientAndDate', patientID: 'P1', date: '20261124' }, ['A-1']],
    ['the day of a second step', { match: 'patientAndDate', patientID: 'P1', date: '20261126' }, ['A-2']],
    ['a day without', { match: 'patientAndDate', patientID: 'P2', date: '20261126' }, []],
  ] as const)('finds by %s', async (_name, key, found) => {
    expect(await worklistOf('WORKLIST').find(key)).toEqual(
      found.map((number) => ({ AccessionNumber: [number], ReferringPhysicianName: [`Doctor^${number}`] })),
    );
  });

  it('is empty without items: 204', async () => {
    await writeFile(join(folder.path, 'worklist.json'), '[]');
    const answer = await fetch(`${urlOf('WORKLIST')}?AccessionNumber=A-1`, { headers: { accept: 'application/dicom+json' } });
    expect(answer.status).toBe(204);
    expect(await worklistOf('WORKLIST').find({ match: 'accession', accessionNumber: 'A-1' })).toEqual([]);
  });

  it('is not on the archive’s own AE title: 404, and what to do', async () => {
    await expect(worklistOf('DCM4CHEE').find({ match: 'accession', accessionNumber: 'A-1' })).rejects.toMatchObject({
      code: 'WORKLIST_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/404: its AE title has no worklist/) as string,
    });
  });

  it('is what doctor looks for', async () => {
    const config = archiveConfig({ url: archive.url });
    const check = async (aet: string): Promise<string> => {
      const { worklist } = parseConfig({ coerce: { worklist: { url: urlOf(aet), attributes: ATTRIBUTES } } }, 'test').coerce;
      return checkWorklist(worklist!, config);
    };
    expect(await check('WORKLIST')).toMatch(/\/aets\/WORKLIST\/rs\/mwlitems answers; AccessionNumber, ReferringPhysicianName/);
    await expect(check('DCM4CHEE')).rejects.toMatchObject({ code: 'WORKLIST_UNAVAILABLE' });
  });

  it('answers 400 to what it does not know', async () => {
    expect((await fetch(`${urlOf('WORKLIST')}?NoKeyword=1`)).status).toBe(400);
  });

  it.each([
    ['drops the connection', { kind: 'drop', carriedOut: false }],
    ['answers 503', { kind: 'answer', status: 503 }],
    ['cuts its answer', { kind: 'cut-answer', bytes: 20 }],
  ] as const)('that %s once is asked again', async (_name, fault) => {
    archive.faults.next('qido', fault);
    expect(await worklistOf('WORKLIST').find({ match: 'accession', accessionNumber: 'A-1' })).toHaveLength(1);
  });
});

describe('a worklist with credentials for the archive', () => {
  const asked: IncomingHttpHeaders[] = [];
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.headers);
      response.writeHead(204).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => asked.splice(0));
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  it.each<[string, () => string, { auth?: 'archive' }, string | undefined]>([
    ['of its own origin has them', () => `${origin}/rs/studies`, {}, 'Bearer let-me-in'],
    ['of another host does not', () => 'http://archive.example/rs/studies', {}, undefined],
    ['of another port does not', () => 'http://127.0.0.1:1/rs/studies', {}, undefined],
    ['of another scheme does not', () => `${origin.replace('http:', 'https:')}/rs/studies`, {}, undefined],
    [
      'of another host has them where that is set',
      () => 'http://archive.example/rs/studies',
      { auth: 'archive' },
      'Bearer let-me-in',
    ],
  ])('%s', async (_name, archiveUrl, auth, authorization) => {
    const url = `${origin}/rs/mwlitems`;
    const config = archiveConfig({ url: archiveUrl(), auth: { kind: 'bearer', token: 'let-me-in' } });
    const connection = openWorklistConnection({ url, ...auth }, config);
    try {
      expect(await createWorklist(url, ATTRIBUTES, connection).find({ match: 'accession', accessionNumber: 'A-1' })).toEqual([]);
      expect(asked.map((headers) => headers.authorization)).toEqual([authorization]);
    } finally {
      await connection.close();
    }
  });
});
