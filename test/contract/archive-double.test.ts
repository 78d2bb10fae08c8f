/** What the double keeps, lists and gives back, against what section 9 of the contract measured. */
import { existsSync, readFileSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../core/dicom/byte-source.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { identify } from '../../core/dicom/identify.ts';
import { multipartBody } from '../../core/stow/multipart-body.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { buildDicom, imageElements, seededBytes } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { onlyPart } from '../support/retrieve.ts';
import { outgoing } from './archive-instances.ts';

const SHARED = path.resolve(import.meta.dirname, '../../../shared');
const DIGESTS = path.join(SHARED, 'reference/digests.ndjson');

interface Digest {
  readonly file: string;
  readonly storedLength: number;
  readonly storedMd5: string;
}

const LEFT_OUT = new Set([
  // How dcm4che writes these depends on its dictionary of private elements, which the double has not
  'corpus/chrJapMulti.dcm',
  'corpus/chrKoreanMulti.dcm',
  'corpus/explicit_VR-UN.dcm',
  // Its UIDs are none, so nobody could ask for it
  'corpus/bad_sequence.dcm',
]);

function readDigests(): readonly Digest[] {
  if (!existsSync(DIGESTS)) return [];
  return readFileSync(DIGESTS, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Digest)
    .filter(({ file }) => !LEFT_OUT.has(file) && file.startsWith('corpus/') && existsSync(path.join(SHARED, file)));
}

let folder: TemporaryFolder;
let archive: EmbeddedArchive;
let rs: string;
beforeAll(async () => {
  folder = await temporaryFolder('double');
  archive = await startEmbeddedArchive({ folder: folder.path });
  rs = archive.url.replace('{aet}', 'DCM4CHEE').replace(/\/studies$/, '');
});
afterAll(async () => {
  await archive.close();
  await folder.remove();
});

async function stow(...files: readonly Uint8Array[]): Promise<Response> {
  const body = multipartBody(files.map((file) => ({ segments: [file], length: file.length })));
  return fetch(`${rs}/studies`, {
    method: 'POST',
    headers: { 'content-type': body.contentType, accept: 'application/dicom+json' },
    body: Buffer.concat(await Array.fromAsync(body.chunks())),
  });
}

async function get(resource: string, accept = 'application/dicom+json'): Promise<Response> {
  return fetch(`${rs}${resource}`, { headers: { accept } });
}

type Json = readonly Readonly<Record<string, { readonly Value?: readonly unknown[] }>>[];
const bytesOf = (...args: Parameters<typeof outgoing>): Buffer => Buffer.concat(inMemory(outgoing(...args).segments));

describe.skipIf(readDigests().length === 0)('the digest that it tells is that of dcm4chee', () => {
  it.each(readDigests().map((digest) => [digest.file, digest] as const))('%s', async (_, { file, storedLength, storedMd5 }) => {
    const sent = await readFile(path.join(SHARED, file));
    expect((await stow(sent)).status).toBe(200);
    const { studyInstanceUID, seriesInstanceUID, sopInstanceUID } = identify(readPart10(sent));
    const [listed] = (await (
      await get(`/studies/${studyInstanceUID}/instances?SOPInstanceUID=${sopInstanceUID}&includefield=all`)
    ).json()) as Json;
    expect(listed).toMatchObject({
      '77770010': { vr: 'LO', Value: ['DCM4CHEE Archive 5'] },
      '77771053': { vr: 'UL', Value: [storedLength] },
      '77771054': { vr: 'LO', Value: [storedMd5.toUpperCase()] },
    });
    const retrieved = await get(
      `/studies/${studyInstanceUID}/series/${seriesInstanceUID}/instances/${sopInstanceUID}`,
      'multipart/related; type="application/dicom"; transfer-syntax=*',
    );
    const stored = onlyPart(retrieved.headers.get('content-type') ?? '', new Uint8Array(await retrieved.arrayBuffer()));
    expect(hash('md5', stored ?? Buffer.alloc(0))).toBe(storedMd5);
  });
});

describe('what it keeps', () => {
  it('the first content of a SOP Instance UID', async () => {
    const study = '1.2.826.79.1';
    await stow(bytesOf(study, 1));
    const before = await (await get(`/studies/${study}/instances?includefield=all`)).json();
    expect((await stow(bytesOf(study, 1, { rows: 4, columns: 4 }))).status).toBe(200);
    expect(await (await get(`/studies/${study}/instances?includefield=all`)).json()).toEqual(before);
  });

  it('an instance in a character set that nobody knows', async () => {
    const study = '1.2.826.79.41';
    const unknown = bytesOf(study, 1, {
      extra: [
        { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 999' },
        { tag: 0x0008103e, vr: 'LO', value: 'Sch\xe4del' },
        { tag: 0x00100010, vr: 'PN', value: 'M\xfcller' },
      ],
    });
    expect((await stow(unknown, bytesOf('1.2.826.79.42', 1))).status).toBe(200);
    const listed = (await (await get(`/studies/${study}/instances?includefield=all`)).json()) as Json;
    expect(listed).toHaveLength(1);
    expect(listed[0]).toMatchObject({ '0008103E': { Value: ['Sch\ufffddel'] } });
  });

  it('nothing under a second study', async () => {
    await stow(bytesOf('1.2.826.79.2', 1));
    const moved = bytesOf('1.2.826.79.3', 1, { sopUID: '1.2.826.79.2.1.1' });
    const answer = await stow(moved);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('1.2.826.79.3');
    expect((await get('/studies/1.2.826.79.3/instances')).status).toBe(204);
  });

  it('one of an instance that comes twice in a request or at once', async () => {
    const study = '1.2.826.79.4';
    await stow(bytesOf(study, 1), bytesOf(study, 1));
    const answers = await Promise.all([1, 2, 3, 4].map(async () => stow(bytesOf(study, 2))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await (await get(`/studies/${study}/instances/count`, 'application/json')).json()).toEqual({ count: 2 });
  });

  it('one patient of those who come first at the same time', async () => {
    const study = '1.2.826.79.5';
    const files = ['A', 'B', 'C'].map((PatientID, index) =>
      bytesOf(study, index + 1, { extra: [{ tag: 0x00100020, vr: 'LO', value: PatientID }] }),
    );
    const statuses = (await Promise.all(files.map(async (file) => stow(file)))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 409, 409]);
    expect(await (await get(`/studies/${study}/instances/count`, 'application/json')).json()).toEqual({ count: 1 });
  });

  it('UIDs of any characters, within its folder', async () => {
    for (const [index, uid] of ['..', '../../outside', 'a/b', 'é%2e', '.', '*', 'CON', 'x'.repeat(64)].entries()) {
      const answer = await stow(
        buildDicom({ elements: imageElements({ studyUID: uid, seriesUID: uid, sopUID: `1.2.826.79.6.${String(index)}` }) }),
      );
      expect([uid, answer.status]).toEqual([uid, 200]);
    }
    expect(existsSync(path.join(folder.path, '..', 'outside'))).toBe(false);
    expect(existsSync(path.join(folder.path, 'outside'))).toBe(false);
    const { count } = (await (
      await get('/instances/count?SOPInstanceUID=1.2.826.79.6.0,1.2.826.79.6.1', 'application/json')
    ).json()) as {
      count: number;
    };
    expect(count).toBe(2);
  });
});

describe('what it lists', () => {
  it('by UID lists, in pages', async () => {
    const study = '1.2.826.79.7';
    await stow(...[1, 2, 3, 4, 5].map((number) => bytesOf(study, number)));
    const uids = async (query: string): Promise<unknown[]> =>
      ((await (await get(`/studies/${study}/instances?${query}`)).json()) as Json).map((entry) => entry['00080018']?.Value?.[0]);
    expect(await uids(`SOPInstanceUID=${study}.1.2,${study}.1.4,9.9`)).toEqual([`${study}.1.2`, `${study}.1.4`]);
    expect(await uids('limit=2&offset=3')).toEqual([`${study}.1.4`, `${study}.1.5`]);
    expect((await get(`/studies/${study}/instances?offset=5`)).status).toBe(204);
    expect((await get(`/studies/${study}/instances?Nonsense=1`)).status).toBe(400);
    expect((await get(`/studies/${study}/instances`, 'text/html')).status).toBe(406);
  });

  it('counts as JSON, and not as DICOM JSON', async () => {
    expect((await get('/studies/1.2.826.79.7/instances/count')).status).toBe(406);
    expect(await (await get('/studies/1.2.404/instances/count', 'application/json')).json()).toEqual({ count: 0 });
  });
});

describe('what it gives back', () => {
  it('all of a study or a series; 404 without any; 406 to application/dicom alone', async () => {
    const study = '1.2.826.79.8';
    await stow(...[1, 2].map((number) => bytesOf(study, number)));
    for (const resource of [`/studies/${study}`, `/studies/${study}/series/${study}.1`]) {
      const text = Buffer.from(await (await get(resource, '*/*')).arrayBuffer()).toString('latin1');
      expect(text.split('Content-Type: application/dicom;transfer-syntax=1.2.840.10008.1.2.1\r\n')).toHaveLength(3);
    }
    expect((await get('/studies/1.2.404', '*/*')).status).toBe(404);
    expect((await get(`/studies/${study}`, 'application/dicom')).status).toBe(406);
  });
});

describe('a part that is too large to be held in memory', () => {
  const large = (study: string, rows = 3000): Uint8Array =>
    new Uint8Array(bytesOf(study, 1, { rows, columns: 2000, pixels: seededBytes(rows * 2000 * 2) }));
  const temporaryFiles = async (): Promise<string[]> => readdir(path.join(folder.path, 'writing'));

  it('is stored as a small one is', async () => {
    const study = '1.2.826.79.10';
    const sent = large(study);
    expect((await stow(sent, bytesOf(study, 2))).status).toBe(200);
    const retrieved = await get(`/studies/${study}/series/${study}.1/instances/${study}.1.1`, '*/*');
    const stored = onlyPart(retrieved.headers.get('content-type') ?? '', new Uint8Array(await retrieved.arrayBuffer()));
    const dataSet = (file: Uint8Array): Buffer => Buffer.from(file.subarray(readPart10(file).metaEnd));
    expect(dataSet(stored ?? Buffer.alloc(0)).equals(dataSet(sent))).toBe(true);
    const [listed] = (await (
      await get(`/studies/${study}/instances?SOPInstanceUID=${study}.1.1&includefield=all`)
    ).json()) as Json;
    expect(listed).toMatchObject({
      '77771053': { Value: [stored?.length] },
      '77771054': { Value: [hash('md5', stored ?? '').toUpperCase()] },
    });
    expect(await temporaryFiles()).toEqual([]);
  });

  it('is refused as a small one is: cut, or no DICOM', async () => {
    const study = '1.2.826.79.11';
    const cut = await stow(large(study).subarray(0, 11_000_000), bytesOf(study, 2));
    expect(cut.status).toBe(202);
    expect(await cut.json()).toMatchObject({
      '00081198': { Value: [{ '00081155': { Value: [`${study}.1.1`] }, '00081197': { Value: [0x0110] } }] },
      '00081199': { Value: [{ '00081155': { Value: [`${study}.1.2`] } }] },
    });
    const other = await stow(seededBytes(10_000_000));
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({ '00081198': { Value: [{ '00081197': { Value: [0xc499] } }] } });
    expect(await temporaryFiles()).toEqual([]);
  });

  it('leaves nothing where its sender goes away', async () => {
    const study = '1.2.826.79.12';
    const file = large(study);
    const body = multipartBody([{ segments: [file], length: file.length }]);
    const whole = Buffer.concat(await Array.fromAsync(body.chunks()));
    const sender = request(`${rs}/studies`, { method: 'POST', headers: { 'content-type': body.contentType } });
    sender.on('error', () => undefined);
    sender.write(whole.subarray(0, 10_000_000));
    await waitUntil('the part in its file', async () => (await temporaryFiles()).length === 1);
    sender.destroy();
    await waitUntil('no file', async () => (await temporaryFiles()).length === 0);
    expect((await get(`/studies/${study}/instances`)).status).toBe(204);
  });
});

describe('starting it', () => {
  it('says that its port is in use', async () => {
    const other = await temporaryFolder('double');
    await expect(startEmbeddedArchive({ folder: other.path, port: archive.port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await other.remove();
  });
});
