/** The client against the embedded archive: what it does in good times, and with every fault that an archive can have. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inMemory } from '../../core/dicom/byte-source.ts';
import type { ArchiveConfig } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { createDicomWeb, openConnection } from '../../core/stow/dicomweb.ts';
import type { Archive, OutgoingInstance, Outcome } from '../../core/stow/outcome.ts';
import type { Patience } from '../../core/stow/send-request.ts';
import type { Fault, Faults, RequestRecord } from '../../local-cloud/archive/faults.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { retrieve } from '../support/retrieve.ts';
import { outgoing, outgoingStudy } from './archive-instances.ts';

const DEFAULTS: Omit<ArchiveConfig, 'url'> = {
  auth: { kind: 'none' },
  connections: 4,
  maxInstances: 5,
  maxBytes: 20_000_000,
  timeout: 30,
  confirm: true,
  otherInstitution: 'quarantine',
  proof: 'listed',
  implementationVersionName: 'dcm4che-5.34.3',
};
const STORED: Outcome = { kind: 'stored', proof: 'listed', alreadyThere: false };
/** What was there before is fetched and compared, whatever `archive.proof` says. */
const THERE = expect.objectContaining({ kind: 'stored', proof: 'digest', alreadyThere: true }) as Outcome;

let folder: TemporaryFolder;
let embedded: EmbeddedArchive;
let faults: Faults;
let studies = 0;
const open: Archive[] = [];

beforeAll(async () => {
  folder = await temporaryFolder('archive');
});
beforeEach(async () => {
  embedded = await startEmbeddedArchive({ folder: folder.path });
  faults = embedded.faults;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((archive) => archive.close()));
  await embedded.close();
});
afterAll(async () => folder.remove());

function client(changes: Partial<ArchiveConfig> = {}, patience: Partial<Patience> = {}): Archive {
  const archive = createArchive({
    config: { ...DEFAULTS, url: embedded.url, ...changes },
    source: { aet: 'CT1', site: 'test' },
    patience: { confirmDelays: [0, 5, 10], settleDelay: 5, ...patience },
  });
  open.push(archive);
  return archive;
}

const newStudy = (): string => `1.2.826.77.${String((studies += 1))}`;
const kinds = (outcomes: readonly Outcome[]): string[] =>
  outcomes.map((outcome) => ('code' in outcome ? `${outcome.kind} ${outcome.code}` : outcome.kind));
const uidsOf = (instances: readonly OutgoingInstance[]): string[] => instances.map(({ sopInstanceUID }) => sopInstanceUID);
const arrivals = (instances: readonly OutgoingInstance[]): number[] => uidsOf(instances).map((uid) => faults.arrivals(uid));
/** Requests whose bodies were to come: those that only asked by their head aside. */
const sends = (): readonly RequestRecord[] => faults.of('stow').filter(({ expectsContinue }) => !expectsContinue);
const requestSizes = (): number[] => sends().map(({ sopInstanceUIDs }) => sopInstanceUIDs.length);

/** A study that the archive holds one instance of already. */
async function knownStudy(archive: Archive): Promise<string> {
  const study = newStudy();
  expect(await archive.store([outgoing(study, 999)])).toEqual([STORED]);
  return study;
}

describe('in good times', () => {
  it("sends a new study's first instance alone, then the rest in bounded requests at once, each instance once", async () => {
    const instances = outgoingStudy(newStudy(), 23);
    expect(await client().store(instances)).toEqual(instances.map(() => STORED));
    expect(requestSizes()).toEqual([1, 5, 5, 5, 5, 2]);
    expect(faults.of('stow')[0]?.atOnce).toBe(1);
    expect(faults.mostAtOnce('stow')).toBeGreaterThan(1);
    expect(faults.mostAtOnce('stow')).toBeLessThanOrEqual(4);
    expect(arrivals(instances)).toEqual(instances.map(() => 1));
  });

  it('never has more requests under way than connections, over all calls and sources', async () => {
    const config = { ...DEFAULTS, url: embedded.url, connections: 2, maxInstances: 1 };
    const connection = openConnection(config);
    const archives = ['A', 'B', 'C'].map((aet) => createArchive({ config, connection, source: { aet, site: 'test' } }));
    const outcomes = await Promise.all(archives.map((archive) => archive.store(outgoingStudy(newStudy(), 6))));
    expect(outcomes.flat()).toEqual(Array.from({ length: 18 }, () => STORED));
    expect(faults.mostAtOnce('stow')).toBe(2);
    await connection.close();
  });

  it('asks one question before a request and one after it', async () => {
    const archive = client();
    const instances = outgoingStudy(newStudy(), 10);
    await archive.store(instances.slice(0, 5));
    const asked = faults.of('qido').length;
    await archive.store(instances.slice(5));
    expect(faults.of('qido').length - asked).toBe(2);
  });

  it('does not send what the archive lists already', async () => {
    const study = newStudy();
    const archive = client();
    await archive.store(outgoingStudy(study, 3));
    const again = outgoingStudy(study, 5);
    expect(await archive.store(again)).toEqual([THERE, THERE, THERE, STORED, STORED]);
    expect(await client().store(again)).toEqual(again.map(() => THERE));
    expect(arrivals(again)).toEqual([1, 1, 1, 1, 1]);
  });

  it('sends one instance once when two calls have it at the same time', async () => {
    const archive = client();
    const instances = outgoingStudy(newStudy(), 4);
    const [first, second] = await Promise.all([archive.store(instances), archive.store(instances)]);
    expect([first, second]).toEqual([instances.map(() => STORED), instances.map(() => THERE)]);
    expect(arrivals(instances)).toEqual([1, 1, 1, 1]);
  });

  it('opens a study once when several calls bring it at the same time', async () => {
    const archive = client();
    const study = newStudy();
    const calls = [1, 2, 3].map((call) => [outgoing(study, call * 10), outgoing(study, call * 10 + 1)]);
    const outcomes = await Promise.all(calls.map((instances) => archive.store(instances)));
    expect(outcomes.flat()).toEqual(Array.from({ length: 6 }, () => STORED));
    expect(faults.of('stow')[0]?.sopInstanceUIDs).toHaveLength(1);
    expect(faults.of('stow')[1]?.atOnce).toBeLessThanOrEqual(4);
    expect(requestSizes().slice(1).toSorted()).toEqual([1, 2, 2]);
  });

  it('sends one larger than a request alone, whole', async () => {
    const study = newStudy();
    const large = outgoing(study, 2, { rows: 256, columns: 256 });
    const instances = [outgoing(study, 1), large, outgoing(study, 3), outgoing(study, 4)];
    const archive = client({ maxBytes: 10_000 });
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    expect(requestSizes()).toEqual([1, 1, 2]);
    const connection = openConnection({ ...DEFAULTS, url: embedded.url });
    const web = createDicomWeb({ ...DEFAULTS, url: embedded.url }, { aet: 'CT1', site: 'test' }, connection);
    const retrieved = await retrieve(web, large);
    const sent = Buffer.concat(inMemory(large.segments));
    // The archive's file meta information is its own; the data set is what was sent.
    expect(
      Buffer.from(retrieved)
        .subarray(-(256 * 256 * 2))
        .equals(sent.subarray(-(256 * 256 * 2))),
    ).toBe(true);
    await expect(retrieve(web, { ...large, sopInstanceUID: '1.2.3' })).rejects.toMatchObject({ code: 'NOT_IN_ARCHIVE' });
    await expect(retrieve(web, { ...large, sopInstanceUID: '../x' })).rejects.toMatchObject({ code: 'INVALID_UID' });
    await connection.close();
  });

  it('takes a new archive where the old one stopped: its folder holds all', async () => {
    const study = newStudy();
    await client().store(outgoingStudy(study, 3));
    await embedded.close();
    embedded = await startEmbeddedArchive({ folder: folder.path });
    faults = embedded.faults;
    expect(await client().store(outgoingStudy(study, 3))).toEqual([THERE, THERE, THERE]);
    expect(faults.of('stow')).toEqual([]);
  });

  it('stores nothing for nothing', async () => {
    expect(await client().store([])).toEqual([]);
  });

  it.each([
    ['two studies', [outgoing('1.2.1', 1), outgoing('1.2.2', 1)]],
    ['one instance twice', [outgoing('1.2.1', 1), outgoing('1.2.1', 1)]],
  ])('refuses %s in one call', async (_, instances) => {
    await expect(client().store(instances)).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it('is believed without a confirmation only where that is configured', async () => {
    const instances = outgoingStudy(newStudy(), 3);
    expect(await client({ confirm: false }).store(instances)).toEqual(
      instances.map(() => ({ kind: 'stored', proof: 'answered', alreadyThere: false })),
    );
    expect(faults.of('qido')).toEqual([]);
  });
});

describe('find', () => {
  it('lists what is there, in any number, with the digest of the stored file', async () => {
    const archive = client({ maxInstances: 50 });
    const instances = outgoingStudy(newStudy(), 120);
    await archive.store(instances);
    const study = instances[0]?.studyInstanceUID ?? '';
    const found = await archive.find(study, [...uidsOf(instances), '1.2.3.4.5']);
    expect([...found.keys()].toSorted()).toEqual(uidsOf(instances).toSorted());
    expect(found.get(`${study}.1.7`)).toEqual({
      sopInstanceUID: `${study}.1.7`,
      seriesInstanceUID: `${study}.1`,
      storageDigest: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
    for (const { url } of faults.of('qido')) expect(url.length).toBeLessThan(4096);
  });

  it('finds nothing in a study that is not there', async () => {
    expect(await client().find('1.2.3.404', ['1.2.3'])).toEqual(new Map());
  });

  it('asks again where the archive is overloaded', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    faults.next('qido', { kind: 'answer', status: 500 }, { kind: 'answer', status: 503 }, { kind: 'drop', carriedOut: false });
    expect([...(await archive.find(study, [`${study}.1.999`])).keys()]).toEqual([`${study}.1.999`]);
  });

  it.each([
    [401, 'ARCHIVE_UNAUTHORIZED'],
    [403, 'ARCHIVE_FORBIDDEN'],
    [400, 'ARCHIVE_REFUSED'],
    [302, 'ARCHIVE_REDIRECTED'],
  ])('throws once for %i, retryable', async (status, code) => {
    faults.next('qido', { kind: 'answer', status });
    await expect(client().find('1.2.3', ['1.2.4'])).rejects.toMatchObject({ code, retryable: true });
    expect(faults.of('qido')).toHaveLength(1);
  });

  it('tells a wrong address from an unknown study', async () => {
    faults.next('qido', { kind: 'answer', status: 404 });
    expect(await client().find('1.2.3', ['1.2.4'])).toEqual(new Map());
    faults.next('qido', { kind: 'answer', status: 404 }, { kind: 'answer', status: 404 });
    await expect(client().find('1.2.3', ['1.2.4'])).rejects.toMatchObject({ code: 'ARCHIVE_NOT_FOUND' });
  });

  it.each(['../../x', '', 'a', '1.2.3&limit=0', '1'.repeat(65)])('asks for no %j', async (uid) => {
    await expect(client().find(uid, ['1.2.3'])).rejects.toMatchObject({ code: 'INVALID_UID' });
    await expect(client().find('1.2.3', [uid])).rejects.toMatchObject({ code: 'INVALID_UID' });
    expect(faults.of('qido')).toEqual([]);
  });

  it.each([
    ['another instance', '[{"00080018":{"vr":"UI","Value":["9.9"]}}]'],
    ['another study', '[{"00080018":{"vr":"UI","Value":["1.2.4"]},"0020000D":{"vr":"UI","Value":["9.9"]}}]'],
    ['no UID', '[{"00080018":{"vr":"UI"}},{}]'],
  ])('believes no answer about %s', async (_, body) => {
    faults.next('qido', { kind: 'answer', status: 200, body });
    expect(await client().find('1.2.3', ['1.2.4'])).toEqual(new Map());
  });

  it.each([
    ['HTML', '<html>1.2.4</html>'],
    ['a list of numbers', '[1,2]'],
  ])('throws for %s', async (_, body) => {
    faults.next('qido', { kind: 'answer', status: 200, body });
    await expect(client().find('1.2.3', ['1.2.4'])).rejects.toMatchObject({ code: 'ARCHIVE_AMBIGUOUS', retryable: true });
  });

  it('asks for the whole study where the archive understands no list of UIDs', async () => {
    const archive = client();
    const study = newStudy();
    await archive.store(outgoingStudy(study, 3));
    const fresh = client();
    faults.next('qido', { kind: 'answer', status: 400 });
    expect((await fresh.find(study, [`${study}.1.1`, `${study}.1.3`])).size).toBe(2);
    faults.next('qido', { kind: 'answer', status: 204 });
    expect((await fresh.find(study, [`${study}.1.1`, `${study}.1.3`])).size).toBe(2);
  });
});

describe('with an archive that answers 200 and does not keep', () => {
  it('reports what it dropped as not there', async () => {
    const instances = outgoingStudy(newStudy(), 4);
    faults.dropSilently(instances[2]?.sopInstanceUID ?? '');
    expect(kinds(await client().store(instances))).toEqual(['stored', 'stored', 'retryable NOT_IN_ARCHIVE', 'stored']);
  });

  it('reports an instance that it has under another study as not there', async () => {
    const archive = client();
    const here = outgoing(newStudy(), 1);
    await archive.store([here]);
    const study = newStudy();
    const sopUID = here.sopInstanceUID;
    const moved = { ...outgoing(study, 1, { sopUID }), sopInstanceUID: sopUID };
    expect(kinds(await archive.store([moved]))).toEqual(['permanent NOT_IN_ARCHIVE']);
    expect(arrivals([moved])).toEqual([2]);
  });

  it('waits a little for one that is slow to list', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    const instance = outgoing(study, 1);
    // The question before sending, and the first one after.
    faults.hideFrom(2);
    expect(await archive.store([instance])).toEqual([STORED]);
    expect(arrivals([instance])).toEqual([1]);
  });

  it('does not believe it where it cannot be asked', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    faults.next('qido', { kind: 'delay', milliseconds: 0 }, { kind: 'answer', status: 401 });
    expect(kinds(await archive.store([outgoing(study, 1)]))).toEqual(['retryable ARCHIVE_AMBIGUOUS']);
  });
});

describe('with an archive that refuses instances', () => {
  it.each([
    [0xa778, 'permanent CONFLICT'],
    [0xc499, 'permanent ARCHIVE_REFUSED'],
    [0xa900, 'permanent ARCHIVE_REFUSED'],
    [0x0110, 'retryable ARCHIVE_FAILED'],
    [0xa700, 'retryable ARCHIVE_UNAVAILABLE'],
    [0x0111, 'permanent CONFLICT'],
    [0xb000, 'retryable NOT_IN_ARCHIVE'],
  ])('%i of one instance, and the others are stored', async (reason, outcome) => {
    const instances = outgoingStudy(newStudy(), 4);
    faults.failWith(reason, instances[1]?.sopInstanceUID ?? '');
    expect(kinds(await client().store(instances))).toEqual(['stored', outcome, 'stored', 'stored']);
    expect(arrivals(instances)).toEqual([1, 1, 1, 1]);
  });

  it('opens the study with the next one where the first is refused', async () => {
    const instances = outgoingStudy(newStudy(), 5);
    faults.failWith(0xa900, ...uidsOf(instances.slice(0, 1)));
    expect(kinds(await client().store(instances))).toEqual(['permanent ARCHIVE_REFUSED', 'stored', 'stored', 'stored', 'stored']);
    expect(requestSizes()).toEqual([1, 1, 3]);
  });

  it('keeps the data of a patient out of what it says', async () => {
    const study = newStudy();
    const archive = client();
    await archive.store([outgoing(study, 1)]);
    const other = outgoing(study, 2, { extra: [{ tag: 0x00100020, vr: 'LO', value: 'SECRET-ID' }] });
    const [outcome] = await archive.store([other]);
    expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT', reason: 0xa778 });
    expect(JSON.stringify(outcome)).not.toMatch(/SECRET-ID|TEST-1/);
  });
});

describe('with a request that the archive turns away', () => {
  it.each([
    [401, 'ARCHIVE_UNAUTHORIZED'],
    [403, 'ARCHIVE_FORBIDDEN'],
    [404, 'ARCHIVE_NOT_FOUND'],
    [406, 'ARCHIVE_REFUSED'],
    [415, 'ARCHIVE_REFUSED'],
    [301, 'ARCHIVE_REDIRECTED'],
    [307, 'ARCHIVE_REDIRECTED'],
  ])('%i quarantines nothing, and the rest is not sent', async (status, code) => {
    const archive = client();
    const instances = outgoingStudy(newStudy(), 30);
    faults.next('stow', { kind: 'answer', status, headers: { Location: 'http://127.0.0.1:1/' } });
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => `retryable ${code}`));
    expect(faults.of('stow')).toHaveLength(1);
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'stored'));
  });

  it('stops while the others are under way, too', async () => {
    const archive = client({ connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 20);
    faults.next('stow', { kind: 'delay', milliseconds: 0 }, { kind: 'answer', status: 401 });
    expect(kinds(await archive.store(instances))).toEqual([
      ...Array.from({ length: 5 }, () => 'stored'),
      ...Array.from({ length: 15 }, () => 'retryable ARCHIVE_UNAUTHORIZED'),
    ]);
    expect(faults.of('stow')).toHaveLength(3);
  });
});

describe('with an answer that says nothing to rely on', () => {
  const answers: [string, Fault][] = [
    ['no body', { kind: 'answer-after', status: 200 }],
    ['an empty object', { kind: 'answer-after', status: 200, body: '{}' }],
    ['a login page', { kind: 'answer-after', status: 200, headers: { 'Content-Type': 'text/html' }, body: '<html></html>' }],
    ['a cut body', { kind: 'cut-answer', bytes: 40 }],
    ['a 500', { kind: 'answer-after', status: 500, body: 'RESTEASY003555: MediaType value is null' }],
    ['a 502 of a proxy', { kind: 'answer-after', status: 502 }],
    ['a 503', { kind: 'answer-after', status: 503 }],
    ['a 409 without a reason', { kind: 'answer-after', status: 409, body: '{"00081190":{"vr":"UR"}}' }],
    ['a body of 8 MB', { kind: 'answer-after', status: 200, body: `{"x":"${'y'.repeat(8_000_000)}"}` }],
    ['a dropped connection', { kind: 'drop', carriedOut: true }],
    ['a body without end', { kind: 'endless-answer' }],
    [
      'XML',
      { kind: 'answer-after', status: 200, headers: { 'Content-Type': 'application/dicom+xml' }, body: '<NativeDicomModel/>' },
    ],
    ['an array of two', { kind: 'answer-after', status: 200, body: '[{},{}]' }],
    ['a million brackets', { kind: 'answer-after', status: 200, body: '['.repeat(1_000_000) }],
    [
      'another instance',
      { kind: 'answer-after', status: 200, body: '{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["9.9"]}}]}}' },
    ],
  ];

  it.each(answers)('%s: stored ones are found and not sent again', async (_, fault) => {
    const archive = client();
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 4);
    faults.next('stow', fault);
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    expect(arrivals(instances)).toEqual([1, 1, 1, 1]);
  });

  it.each<[string, Fault, string]>([
    ['200 without a body', { kind: 'answer', status: 200 }, 'ARCHIVE_AMBIGUOUS'],
    ['202 without a body', { kind: 'answer', status: 202 }, 'ARCHIVE_AMBIGUOUS'],
    ['204', { kind: 'answer', status: 204 }, 'ARCHIVE_AMBIGUOUS'],
    ['429', { kind: 'answer', status: 429 }, 'ARCHIVE_UNAVAILABLE'],
    ['503', { kind: 'answer', status: 503 }, 'ARCHIVE_UNAVAILABLE'],
    ['504', { kind: 'answer', status: 504 }, 'ARCHIVE_AMBIGUOUS'],
  ])('%s and nothing stored: retryable, sent once, and sent by the next call', async (_, fault, code) => {
    const archive = client();
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 4);
    faults.next('stow', fault);
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => `retryable ${code}`));
    expect(faults.of('stow')).toHaveLength(2);
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
  });

  it('504 to the first of a new study, which the archive may be storing still: no other one is sent beside it', async () => {
    const archive = client();
    const instances = outgoingStudy(newStudy(), 4);
    faults.next('stow', { kind: 'answer', status: 504 });
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_AMBIGUOUS'));
    expect(faults.of('stow')).toHaveLength(1);
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    expect(requestSizes()).toEqual([0, 1, 2, 1]);
  });

  it.each<[string, Fault]>([
    ['400', { kind: 'answer', status: 400 }],
    ['409', { kind: 'answer', status: 409, body: '{"00081190":{"vr":"UR"}}' }],
    ['500', { kind: 'answer', status: 500 }],
    ['502', { kind: 'answer', status: 502 }],
    ['a dropped connection', { kind: 'drop', carriedOut: false }],
  ])('%s once and nothing stored: asked, then sent in two halves', async (_, fault) => {
    const archive = client();
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 4);
    faults.next('stow', fault);
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    expect(sends().map(({ sopInstanceUIDs }) => sopInstanceUIDs.length)).toEqual([1, 0, 2, 2]);
  });

  it.each([true, false])('no answer in time (carried out: %s): asked, not sent again', async (carriedOut) => {
    const archive = client({ timeout: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 2);
    faults.next('stow', { kind: 'no-answer', carriedOut });
    const expected = carriedOut ? 'stored' : 'retryable ARCHIVE_AMBIGUOUS';
    expect(kinds(await archive.store(instances))).toEqual([expected, expected]);
    expect(faults.of('stow')).toHaveLength(2);
  });

  it('gives up a study after three requests that failed one after the other', async () => {
    const archive = client({ connections: 1, maxInstances: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 9);
    faults.next('stow', ...Array.from({ length: 9 }, (): Fault => ({ kind: 'answer', status: 500 })));
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_FAILED'));
    expect(faults.of('stow')).toHaveLength(4);
  });
});

describe('with one instance that breaks each request it is in', () => {
  it.each([
    ['drop', 'ARCHIVE_AMBIGUOUS'],
    [500, 'ARCHIVE_FAILED'],
  ] as const)('%s: it stands alone in the end, and all others are stored', async (breakage, code) => {
    const archive = client({ maxInstances: 20, connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 20);
    const guilty = instances[12];
    faults.breakOn(breakage, guilty?.sopInstanceUID ?? '');
    const expected = instances.map((instance) => (instance === guilty ? `retryable ${code}` : 'stored'));
    expect(kinds(await archive.store(instances))).toEqual(expected);
    const last = sends().filter(({ sopInstanceUIDs }) => sopInstanceUIDs.includes(guilty?.sopInstanceUID ?? ''));
    expect(last.at(-1)?.sopInstanceUIDs).toEqual([guilty?.sopInstanceUID]);
    // dcm4chee's parts before the guilty one are stored: they are not sent a second time.
    expect(arrivals(instances).filter((_, index) => index !== 12)).toEqual(Array.from({ length: 19 }, () => 1));
    expect(sends().length).toBeLessThanOrEqual(10);
    expect(instances.map(({ sopInstanceUID }) => faults.mostAtOnceOf(sopInstanceUID))).toEqual(instances.map(() => 1));
  });

  it('one that hangs the archive stands alone after a few tries of the queue, and the others are stored', async () => {
    const archive = client({ maxInstances: 8, connections: 1, timeout: 0.3 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 8);
    faults.breakOn('hang', instances[0]?.sopInstanceUID ?? '');
    const tries: number[] = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const outcomes = await archive.store(instances);
      tries.push(outcomes.filter(({ kind }) => kind === 'stored').length);
    }
    expect(tries).toEqual([0, 6, 7]);
    expect(sends().filter(({ sopInstanceUIDs }) => sopInstanceUIDs.includes(uidsOf(instances)[0] ?? ''))).toHaveLength(3);
    expect(arrivals(instances.slice(1))).toEqual(Array.from({ length: 7 }, () => 1));
  });

  it('that an archive is too busy meanwhile does not have it forgotten: what is new goes first, and is stored', async () => {
    const archive = client({ connections: 1, timeout: 0.3 });
    const study = await knownStudy(archive);
    const [hanging, ...others] = outgoingStudy(study, 3) as [OutgoingInstance, ...OutgoingInstance[]];
    faults.breakOn('hang', hanging.sopInstanceUID);
    expect(kinds(await archive.store([hanging]))).toEqual(['retryable ARCHIVE_AMBIGUOUS']);
    faults.next('stow', { kind: 'answer', status: 503, headers: { 'Retry-After': '3600' } });
    expect(kinds(await archive.store([hanging]))).toEqual(['retryable ARCHIVE_UNAVAILABLE']);
    expect(kinds(await archive.store([hanging, ...others]))).toEqual(['retryable ARCHIVE_AMBIGUOUS', 'stored', 'stored']);
    expect(requestSizes().slice(-2)).toEqual([2, 1]);
  });

  it('those that hang the archive do not keep a new study shut: the next time the others come before them', async () => {
    const archive = client({ connections: 1, timeout: 0.3 });
    const instances = outgoingStudy(newStudy(), 6);
    faults.breakOn('hang', ...uidsOf(instances.slice(0, 3)));
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_AMBIGUOUS'));
    expect(kinds(await archive.store(instances))).toEqual([
      ...Array.from({ length: 3 }, () => 'retryable ARCHIVE_AMBIGUOUS'),
      ...Array.from({ length: 3 }, () => 'stored'),
    ]);
  });

  it('that it was stopped itself does not make it suspect the archive: the next request that breaks is divided', async () => {
    const archive = client({ maxInstances: 8, connections: 1 });
    const study = await knownStudy(archive);
    for (let number = 1; number <= 3; number++) {
      const stop = new AbortController();
      const before = faults.of('stow').length;
      faults.next('stow', { kind: 'no-answer', carriedOut: false });
      const stopped = archive.store([outgoing(study, 100 + number)], { signal: stop.signal });
      await waitUntil('it is sent', () => faults.of('stow').length > before, { interval: 1 });
      stop.abort();
      expect(kinds(await stopped)).toEqual(['retryable INVOCATION_TIMEOUT']);
    }
    const instances = outgoingStudy(study, 8);
    faults.breakOn(500, instances[0]?.sopInstanceUID ?? '');
    expect(kinds(await archive.store(instances))).toEqual([
      'retryable ARCHIVE_FAILED',
      ...Array.from({ length: 7 }, () => 'stored'),
    ]);
  });

  it('asks before each time that it sends again', async () => {
    const archive = client({ maxInstances: 8, connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 8);
    faults.breakOn('drop', instances[0]?.sopInstanceUID ?? '');
    await archive.store(instances);
    const services = faults.requests.filter(({ expectsContinue }) => !expectsContinue).map(({ service }) => service);
    expect(services.join(' ')).not.toContain('stow stow');
  });

  it('sends only what is missing when the connection breaks within a request', async () => {
    const archive = client({ connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 4);
    const [first] = instances;
    faults.next('stow', { kind: 'drop-within', bytes: (first?.length ?? 0) * 2 + 300 });
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    const [, broken, ...again] = sends().map(({ sopInstanceUIDs }) => sopInstanceUIDs);
    expect(broken).toEqual(uidsOf(instances.slice(0, 2)));
    expect(again).toEqual([uidsOf(instances.slice(2, 3)), uidsOf(instances.slice(3))]);
  });

  it('hammers no archive that breaks all: the first is split, then the rest is left', async () => {
    const archive = client({ maxInstances: 20, connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 60);
    faults.breakOn(500, ...uidsOf(instances));
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_FAILED'));
    expect(sends().length).toBeLessThanOrEqual(1 + 9);
  });

  it('hammers it not by many calls either, as ingest makes them: one for each request', async () => {
    const archive = client({ maxInstances: 20, connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 200);
    faults.breakOn(500, ...uidsOf(instances));
    const calls = Array.from({ length: 10 }, (_, index) => instances.slice(index * 20, index * 20 + 20));
    const outcomes = await Promise.all(calls.map(async (call) => archive.store(call)));
    expect(kinds(outcomes.flat())).toEqual(instances.map(() => 'retryable ARCHIVE_FAILED'));
    expect(sends().length).toBeLessThanOrEqual(1 + 9 + 9);
    faults.clear();
    expect(kinds(await archive.store(instances.slice(0, 20)))).toEqual(Array.from({ length: 20 }, () => 'stored'));
  });

  it('splits nothing where the archive cannot be asked', async () => {
    const archive = client({ maxInstances: 20 });
    const study = await knownStudy(archive);
    await archive.store(outgoingStudy(study, 4));
    faults.next('stow', { kind: 'answer', status: 500 });
    faults.next('qido', { kind: 'delay', milliseconds: 0 }, { kind: 'answer', status: 401 });
    const instances = [5, 6, 7, 8].map((number) => outgoing(study, number));
    expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_FAILED'));
    expect(sends()).toHaveLength(3);
  });
});

describe.each(['drop', 413] as const)(
  'with an archive that turns long requests away by %s (WildFly drops without a word, proxies answer)',
  (manner) => {
    it('sends smaller ones, and learns: the limit is met once, not in each request', async () => {
      const archive = client({ maxInstances: 20, connections: 1 });
      const study = await knownStudy(archive);
      const instances = outgoingStudy(study, 60);
      const size = instances[0]?.length ?? 0;
      faults.limitBodies(size * 8, manner);
      expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
      expect(arrivals(instances)).toEqual(instances.map(() => 1));
      const refused = sends().filter(({ contentLength = 0 }) => contentLength > size * 8);
      expect(refused).toHaveLength(2);
      expect(sends().length).toBeLessThanOrEqual(21);
    });

    it('one instance that is larger is set aside for a person, and the others are stored', async () => {
      const archive = client({ connections: 1 });
      const study = await knownStudy(archive);
      const large = outgoing(study, 3, { rows: 128, columns: 128 });
      const instances = [outgoing(study, 1), outgoing(study, 2), large, outgoing(study, 4), outgoing(study, 5)];
      faults.limitBodies(large.length, manner);
      const outcomes = await archive.store(instances);
      expect(kinds(outcomes)).toEqual(['stored', 'stored', 'permanent ARCHIVE_SIZE_LIMIT', 'stored', 'stored']);
      expect(outcomes[2]).toMatchObject({ message: expect.stringContaining('max-post-size') as string });
      expect(arrivals(instances)).toEqual([1, 1, 0, 1, 1]);
    });

    it('and so is the first one of a study', async () => {
      const study = newStudy();
      const large = outgoing(study, 1, { rows: 128, columns: 128 });
      faults.limitBodies(large.length, manner);
      expect(kinds(await client().store([large, outgoing(study, 2)]))).toEqual(['permanent ARCHIVE_SIZE_LIMIT', 'stored']);
    });

    it('tells by the head alone, and stores nothing by that', async () => {
      faults.limitBodies(1_000_000, manner);
      const config = { ...DEFAULTS, url: embedded.url };
      const connection = openConnection(config);
      const web = createDicomWeb(config, { aet: 'CT1', site: 'test' }, connection);
      expect([await web.takes(1_000_001), await web.takes(1_000_000)]).toEqual(['refused', 'taken']);
      expect(
        faults.of('stow').every(({ expectsContinue, sopInstanceUIDs }) => expectsContinue && sopInstanceUIDs.length === 0),
      ).toBe(true);
      await connection.close();
    });
  },
);

describe('with an archive that asks to come later', () => {
  const busy = (status: number, retryAfter: string): Fault => ({
    kind: 'answer',
    status,
    headers: { 'Retry-After': retryAfter },
  });

  it.each([429, 503])('%i: waits, asks, and sends what is missing', async (status) => {
    const archive = client();
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 4);
    faults.next('stow', busy(status, '1'));
    expect(await archive.store(instances)).toEqual(instances.map(() => STORED));
    expect(sends().map(({ sopInstanceUIDs }) => sopInstanceUIDs.length)).toEqual([1, 0, 4]);
    expect(faults.requests.map(({ service }) => service).join(' ')).not.toContain('stow stow');
  });

  it('takes a date, too', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    faults.next('stow', busy(503, new Date(Date.now() + 1000).toUTCString()));
    expect(await archive.store([outgoing(study, 1)])).toEqual([STORED]);
  });

  it.each(['3600', '9999999999', 'Fri, 31 Dec 9999 23:59:59 GMT'])(
    '%s is too long: the study is left to the queue',
    async (after) => {
      const archive = client({ connections: 1, maxInstances: 1 });
      const study = await knownStudy(archive);
      const instances = outgoingStudy(study, 5);
      faults.next('stow', busy(503, after));
      expect(kinds(await archive.store(instances))).toEqual(instances.map(() => 'retryable ARCHIVE_UNAVAILABLE'));
      expect(sends()).toHaveLength(2);
    },
  );

  it('waits no longer in all than it may', async () => {
    const archive = client({}, { maxWait: 2500 });
    const study = await knownStudy(archive);
    faults.next('stow', ...Array.from({ length: 9 }, () => busy(503, '0')));
    expect(kinds(await archive.store([outgoing(study, 1)]))).toEqual(['retryable ARCHIVE_UNAVAILABLE']);
    expect(sends()).toHaveLength(1 + 3);
  });

  it('does not wait longer than its run', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    const stop = new AbortController();
    faults.next('stow', busy(503, '50'));
    const storing = archive.store([outgoing(study, 1)], { signal: stop.signal });
    await waitUntil('the answer', () => sends().length === 2, { interval: 5 });
    stop.abort();
    expect(kinds(await storing)).toEqual(['retryable INVOCATION_TIMEOUT']);
  });
});

describe('with no archive', () => {
  it('is unreachable: retryable, nothing was sent', async () => {
    const port = await freePort();
    const archive = client({ url: `http://127.0.0.1:${String(port)}/dcm4chee-arc/aets/{aet}/rs/studies`, confirm: false });
    expect(kinds(await archive.store(outgoingStudy(newStudy(), 3)))).toEqual([
      'retryable ARCHIVE_UNAVAILABLE',
      'retryable ARCHIVE_UNAVAILABLE',
      'retryable ARCHIVE_UNAVAILABLE',
    ]);
  });

  it('stopped in the middle of a study and started again: everything arrives, nothing twice', async () => {
    const archive = client({ connections: 1 });
    const study = await knownStudy(archive);
    const instances = outgoingStudy(study, 12);
    const { port } = embedded;
    faults.next('stow', { kind: 'delay', milliseconds: 0 }, { kind: 'no-answer', carriedOut: true });
    const storing = archive.store(instances);
    await waitUntil('the second request is there', () => faults.arrivals(`${study}.1.10`) === 1, { interval: 5 });
    await embedded.close();
    expect(kinds(await storing)).toEqual([
      ...Array.from({ length: 5 }, () => 'stored'),
      ...Array.from({ length: 5 }, () => 'retryable ARCHIVE_AMBIGUOUS'),
      ...Array.from({ length: 2 }, () => 'retryable ARCHIVE_UNAVAILABLE'),
    ]);
    embedded = await startEmbeddedArchive({ folder: folder.path, port, faults });
    expect(await archive.store(instances)).toEqual([...Array.from({ length: 10 }, () => THERE), STORED, STORED]);
    expect(arrivals(instances)).toEqual(instances.map(() => 1));
  });
});

describe('when it is stopped', () => {
  it('sends nothing more, and asks nothing', async () => {
    const archive = client();
    expect(kinds(await archive.store(outgoingStudy(newStudy(), 3), { signal: AbortSignal.abort() }))).toEqual(
      Array.from({ length: 3 }, () => 'retryable INVOCATION_TIMEOUT'),
    );
    expect(faults.requests).toEqual([]);
  });

  it('ends a request that is under way', async () => {
    const archive = client();
    const study = await knownStudy(archive);
    const stop = new AbortController();
    faults.next('stow', { kind: 'no-answer', carriedOut: true });
    const storing = archive.store(outgoingStudy(study, 8), { signal: stop.signal });
    await waitUntil('the request is there', () => faults.arrivals(`${study}.1.5`) === 1, { interval: 5 });
    stop.abort();
    expect(kinds(await storing).slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'retryable INVOCATION_TIMEOUT'));
  });
});

describe('with a login page in place of the archive', () => {
  it.each([301, 302, 303, 307, 308])('%i: follows no redirect, sends nothing, and says why', async (status) => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(`${String(request.method)} ${String(request.url?.split('?')[0])}`);
      response.writeHead(status, { Location: '/login' }).end('<html></html>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const archive = client({ url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/rs/studies` });
    expect(kinds(await archive.store([outgoing('1.2.3', 1)]))).toEqual(['retryable ARCHIVE_REDIRECTED']);
    expect(requests).toEqual(['GET /rs/studies/1.2.3/instances']);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
});

describe('on the wire', () => {
  it('sends the head that dcm4chee asks for, the exact length, and the credentials', async () => {
    const heads: (readonly [string | undefined, NodeJS.Dict<string | string[]>])[] = [];
    const server = createServer((request, response) => {
      heads.push([`${String(request.method)} ${String(request.url)}`, request.headers]);
      let length = 0;
      request.on('data', (chunk: Buffer) => (length += chunk.length));
      request.on('end', () => {
        expect(request.method === 'GET' || length === Number(request.headers['content-length'])).toBe(true);
        response.writeHead(request.method === 'GET' ? 204 : 500).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const archive = client({ url: `http://127.0.0.1:${String(port)}/a/%@/studies`, auth: { kind: 'bearer', token: 'T' } });
    await archive.store([outgoing('1.2.3', 1)]);
    const [post] = heads.filter(([line]) => line?.startsWith('POST'));
    expect(post).toEqual([
      'POST /a/CT1/studies',
      expect.objectContaining({
        accept: 'application/dicom+json',
        authorization: 'Bearer T',
        'content-type': expect.stringMatching(
          /^multipart\/related; type="application\/dicom"; boundary=storestow-[0-9a-f]{48}$/,
        ) as string,
      }),
    ]);
    expect(post?.[1]).not.toHaveProperty('transfer-encoding');
    expect(archive.description).toBe(`http://127.0.0.1:${String(port)}/a/CT1/studies`);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
});
