/** Completion and identity: what the archive holds under the UIDs of what was sent decides the outcome, whatever it answered. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveSchema, type ArchiveConfig, type ProofLevel } from '../../core/config/schema.ts';
import { inMemory } from '../../core/dicom/byte-source.ts';
import type { Change } from '../../core/dicom/change.ts';
import { predictDcm4cheFile } from '../../core/dicom/dcm4che-file.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import type { Archive, OutgoingInstance, Outcome } from '../../core/stow/outcome.ts';
import type { Fault, Faults } from '../../local-cloud/archive/faults.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { seededBytes } from '../support/build-dicom.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { outgoing, outgoingStudy } from './archive-instances.ts';

const LEVELS: readonly ProofLevel[] = ['listed', 'digest', 'retrieved'];
const VERSION = 'dcm4che-5.34.3';
const PATIENT_ID = 0x00100020;

let studies = 0;
const open: Archive[] = [];
afterEach(async () => Promise.all(open.splice(0).map((archive) => archive.close())));

const newStudy = (): string => `1.2.826.90.${String((studies += 1))}`;
const md5Of = ({ segments }: OutgoingInstance): string => hash('md5', Buffer.concat(inMemory(segments)));
const says = (outcome: Outcome | undefined): string => (outcome !== undefined && 'message' in outcome ? outcome.message : '');
/** Beside it, what the archive told of its file. */
const stored = (proof: string, alreadyThere = false): object =>
  expect.objectContaining({ kind: 'stored', proof, alreadyThere }) as object;
const otherPixels = (study: string, number: number): OutgoingInstance =>
  outgoing(study, number, { pixels: seededBytes(16 * 16 * 2, 99) });
/** With the series and the instance UID of another study. */
const inStudy = (study: string, { sopInstanceUID, seriesInstanceUID }: OutgoingInstance): OutgoingInstance => ({
  ...outgoing(study, 1, { sopUID: sopInstanceUID, seriesUID: seriesInstanceUID }),
  sopInstanceUID,
  seriesInstanceUID,
});

function client(config: ArchiveConfig): Archive {
  const archive = createArchive({ config, source: { aet: 'CT1', site: 'test' }, patience: { confirmDelays: [0, 5, 10] } });
  open.push(archive);
  return archive;
}

describe('on an archive that answers as dcm4chee does', () => {
  let folder: TemporaryFolder;
  let embedded: EmbeddedArchive;
  let faults: Faults;
  beforeAll(async () => {
    folder = await temporaryFolder('proof');
  });
  beforeEach(async () => {
    embedded = await startEmbeddedArchive({ folder: folder.path });
    faults = embedded.faults;
  });
  afterEach(async () => embedded.close());
  afterAll(async () => folder.remove());

  const archiveOf = (changes: Partial<ArchiveConfig> = {}): Archive =>
    client(archiveSchema.parse({ url: embedded.url, ...changes }));

  describe.each(LEVELS)('archive.proof %s: what section 9 of the contract measured', (proof) => {
    const sentNow = proof === 'listed' ? stored('listed') : stored('digest');

    it('a new instance', async () => {
      const archive = archiveOf({ proof, implementationVersionName: VERSION });
      expect(await archive.store([outgoing(newStudy(), 1)])).toMatchObject([sentNow]);
      expect(faults.of('wado')).toEqual([]);
    });

    it('the same instance again', async () => {
      const instance = outgoing(newStudy(), 1);
      const archive = archiveOf({ proof, implementationVersionName: VERSION });
      await archive.store([instance]);
      expect(await archive.store([instance])).toMatchObject([stored('digest', true)]);
      expect(faults.arrivals(instance.sopInstanceUID)).toBe(1);
    });

    it('compared with what it has, without being sent', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof, implementationVersionName: VERSION });
      await archive.store([outgoing(study, 1)]);
      const sent = faults.of('stow').length;
      expect(await archive.compare(outgoing(study, 1))).toMatchObject(stored('digest', true));
      expect(await archive.compare(otherPixels(study, 1))).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
      expect(await archive.compare(outgoing(study, 2))).toMatchObject({ kind: 'permanent', code: 'NOT_IN_ARCHIVE' });
      faults.next('qido', { kind: 'answer', status: 401 });
      expect(await archive.compare(outgoing(study, 1))).toMatchObject({ kind: 'retryable', code: 'ARCHIVE_UNAUTHORIZED' });
      expect(faults.of('stow')).toHaveLength(sent);
      const blind = archiveOf({ proof, confirm: false });
      expect(await blind.compare(outgoing(study, 1))).toMatchObject(stored('retrieved', true));
    });

    it('the same UIDs, other content', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof, implementationVersionName: VERSION });
      await archive.store([outgoing(study, 1)]);
      const [outcome] = await archive.store([otherPixels(study, 1)]);
      expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
      const digests = await Promise.all(
        [outgoing(study, 1), otherPixels(study, 1)].map((file) => predictDcm4cheFile(file, VERSION)),
      );
      for (const digest of digests) expect(says(outcome)).toContain('md5' in digest ? digest.md5 : 'unpredictable');
      expect(says(outcome)).toContain('(7FE0,0010)');
    });

    it('the same SOP Instance UID, other study', async () => {
      const archive = archiveOf({ proof });
      const first = outgoing(newStudy(), 1);
      await archive.store([first]);
      const [outcome] = await archive.store([inStudy(newStudy(), first)]);
      expect(outcome).toMatchObject({ kind: 'permanent', code: 'NOT_IN_ARCHIVE' });
      expect(says(outcome)).toContain(first.studyInstanceUID);
    });

    it('the same SOP Instance UID, other series of the study', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof });
      const first = outgoing(study, 1);
      await archive.store([first]);
      const seriesInstanceUID = `${study}.2`;
      const moved = { ...outgoing(study, 1, { seriesUID: seriesInstanceUID }), seriesInstanceUID };
      const [outcome] = await archive.store([moved]);
      expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
      expect(says(outcome)).toContain(first.seriesInstanceUID);
    });

    it('the same SOP Instance UID, other series of the study, which it is slow to list', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof });
      const first = outgoing(study, 1);
      await archive.store([first]);
      const seriesInstanceUID = `${study}.2`;
      const moved = { ...outgoing(study, 1, { seriesUID: seriesInstanceUID }), seriesInstanceUID };
      // The question before, and all those after, but for where else it has it.
      faults.hideFrom(4);
      const [outcome] = await archive.store([moved]);
      expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
      expect(says(outcome)).toContain(first.seriesInstanceUID);
    });

    it('the same UIDs, other Patient ID', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof });
      await archive.store([outgoing(study, 1)]);
      const [outcome] = await archive.store([outgoing(study, 1, { extra: [{ tag: PATIENT_ID, vr: 'LO', value: 'SECRET-ID' }] })]);
      expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
      expect(says(outcome)).toContain('(0010,0020)');
      expect(says(outcome)).not.toMatch(/SECRET-ID|TEST-1/);
    });

    it('the same new instance twice at the same time', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof, implementationVersionName: VERSION });
      await archive.store([outgoing(study, 999)]);
      const calls = await Promise.all([1, 2].map(async () => archive.store([outgoing(study, 1)])));
      expect(calls).toMatchObject([[sentNow], [stored('digest', true)]]);
      expect(faults.arrivals(`${study}.1.1`)).toBe(1);
    });

    it('other content at the same time', async () => {
      const study = newStudy();
      const archive = archiveOf({ proof });
      await archive.store([outgoing(study, 999)]);
      const calls = await Promise.all([outgoing(study, 1), otherPixels(study, 1)].map(async (file) => archive.store([file])));
      expect(calls.flat()).toMatchObject([{ kind: 'stored' }, { kind: 'permanent', code: 'CONFLICT' }]);
    });

    it('what it calls stored, drops, and has nowhere', async () => {
      const study = newStudy();
      const instances = outgoingStudy(study, 3);
      faults.dropSilently(`${study}.1.2`);
      const outcomes = await archiveOf({ proof, implementationVersionName: VERSION }).store(instances);
      expect(outcomes).toMatchObject([sentNow, { kind: 'retryable', code: 'NOT_IN_ARCHIVE' }, sentNow]);
      faults.clear();
      expect(await archiveOf({ proof, implementationVersionName: VERSION }).store(instances)).toMatchObject([
        stored('digest', true),
        sentNow,
        stored('digest', true),
      ]);
    });
  });

  it.each(['digest', 'retrieved'] as const)(
    'other content that two processes bring at the same time: the second one is none, archive.proof %s',
    async (proof) => {
      const study = newStudy();
      await archiveOf().store([outgoing(study, 999)]);
      const files = [outgoing(study, 1), otherPixels(study, 1)];
      const calls = await Promise.all(files.map(async (file) => archiveOf({ proof }).store([file])));
      expect(
        calls
          .flat()
          .map(({ kind }) => kind)
          .toSorted(),
      ).toEqual(['permanent', 'stored']);
    },
  );

  it('is slow to list, and then lists it', async () => {
    const study = newStudy();
    const archive = archiveOf({ implementationVersionName: VERSION });
    await archive.store([outgoing(study, 999)]);
    // The question before, and all those after.
    faults.hideFrom(4);
    expect(await archive.store([outgoing(study, 1)])).toMatchObject([stored('digest')]);
  });

  describe('the version by which digests are predicted', () => {
    it('is learned from one retrieved instance, the smallest', async () => {
      const study = newStudy();
      const archive = archiveOf();
      const large = outgoing(study, 1, { rows: 64, columns: 64 });
      expect(await archive.store([large, outgoing(study, 2), outgoing(study, 3)])).toMatchObject([
        stored('digest'),
        stored('retrieved'),
        stored('digest'),
      ]);
      expect(await archive.store(outgoingStudy(newStudy(), 20))).toMatchObject(
        Array.from({ length: 20 }, () => stored('digest')),
      );
      expect(faults.of('wado')).toHaveLength(1);
    });

    it('is learned again from an archive that was upgraded since', async () => {
      const archive = archiveOf({ implementationVersionName: 'dcm4che-5.11.0' });
      const study = newStudy();
      await archive.store([outgoing(study, 1)]);
      expect(faults.of('wado')).toHaveLength(1);
      expect(await archive.store(outgoingStudy(study, 6).slice(1))).toMatchObject(
        Array.from({ length: 5 }, () => stored('digest')),
      );
      expect(faults.of('wado')).toHaveLength(1);
    });
  });

  describe('where the digest does not tell', () => {
    /** Trailing bytes that dcm4che would drop or keep, nobody knows: no digest can be predicted of it. */
    const unpredictable = (study: string, number: number): OutgoingInstance => {
      const plain = outgoing(study, number);
      const segments = [...inMemory(plain.segments), new Uint8Array(2)];
      return { ...plain, segments, length: plain.length + 2, md5: hash('md5', Buffer.concat(segments)) };
    };

    it('it is retrieved and compared', async () => {
      const study = newStudy();
      expect(await predictDcm4cheFile(unpredictable(study, 1), VERSION)).toHaveProperty('unpredictable');
      const archive = archiveOf({ implementationVersionName: VERSION });
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('retrieved')]);
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('retrieved', true)]);
    });

    it.each<[string, number]>([
      ['not allowed', 403],
      ['not there', 404],
      ['not now', 503],
    ])('and retrieving is %s: what was sent now is listed, what was there before is not settled', async (_, status) => {
      const study = newStudy();
      const archive = archiveOf({ implementationVersionName: VERSION });
      faults.next('wado', { kind: 'answer', status }, { kind: 'answer', status });
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('listed')]);
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_AMBIGUOUS' }]);
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('retrieved', true)]);
    });

    it.each<[string, Fault]>([
      ['cut', { kind: 'drop', carriedOut: true }],
      ['no multipart', { kind: 'answer', status: 200, body: 'x' }],
      [
        'no DICOM',
        {
          kind: 'answer',
          status: 200,
          headers: { 'Content-Type': 'multipart/related; boundary=b' },
          body: '--b\r\n\r\nx\r\n--b--',
        },
      ],
    ])('and what is retrieved is %s: archive.proof retrieved tries again', async (_, fault) => {
      const study = newStudy();
      const archive = archiveOf({ implementationVersionName: VERSION, proof: 'retrieved' });
      faults.next('wado', fault);
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_AMBIGUOUS' }]);
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('retrieved', true)]);
    });

    it('and what is retrieved is no DICOM: it does not pass for one that could not be had, whatever archive.proof says', async () => {
      const study = newStudy();
      const archive = archiveOf({ implementationVersionName: VERSION, proof: 'digest' });
      const headers = { 'Content-Type': 'multipart/related; boundary=b' };
      faults.next('wado', { kind: 'answer', status: 200, headers, body: '--b\r\n\r\nx\r\n--b--' });
      const [outcome] = await archive.store([unpredictable(study, 1)]);
      expect(outcome).toMatchObject({ kind: 'retryable', code: 'ARCHIVE_AMBIGUOUS' });
      expect(says(outcome)).toContain('NOT_PART10');
      expect(await archive.store([unpredictable(study, 1)])).toMatchObject([stored('retrieved', true)]);
    });

    describe('and the archive merges into what it gives back what it keeps of patient and study', () => {
      const value = (text: string): Uint8Array => Buffer.from(text, 'latin1');
      const set = (tag: number, vr: 'LO' | 'PN', text: string): Change => ({
        kind: 'set',
        path: [],
        element: { tag, vr, value: value(text) },
        reason: 'merged',
      });
      const issuer = set(0x00100021, 'LO', 'HOSPITAL');
      const name = set(0x00100010, 'PN', 'Test^Patient^Junior');
      /** Of the name that the test's instances have. */
      const record: Change = {
        kind: 'append',
        path: [],
        tag: 0x04000561,
        item: [{ tag: 0x04000550, vr: 'SQ', items: [[{ tag: 0x00100010, vr: 'PN', value: value('Test^Patient') }]] }],
        reason: 'merged',
      };

      it.each<[string, readonly Change[], string]>([
        ['an issuer', [issuer], 'stored'],
        ['another name, as it recorded', [issuer, name, record], 'stored'],
        ['another name, of which it recorded nothing', [issuer, name], 'permanent'],
        ['an element of the instance', [set(0x00204000, 'LO', 'x')], 'permanent'],
      ])('%s', async (_, changes, kind) => {
        const study = newStudy();
        const archive = archiveOf({ implementationVersionName: VERSION });
        await archive.store([unpredictable(study, 1)]);
        faults.mergeOnRetrieve(...changes);
        expect(await archive.store([unpredictable(study, 1)])).toMatchObject([{ kind }]);
      });
    });

    it('any size is compared, in little memory', async () => {
      const study = newStudy();
      const image = { rows: 3000, columns: 2000 };
      const large = { ...image, pixels: seededBytes(3000 * 2000 * 2) };
      const archive = archiveOf();
      expect(await archive.store([outgoing(study, 1, large)])).toMatchObject([stored('retrieved')]);
      const other = { ...image, pixels: large.pixels.with(11_000_000, 1) };
      expect(await archive.store([outgoing(study, 1, other)])).toMatchObject([{ kind: 'permanent', code: 'CONFLICT' }]);
    });

    it('a digest that differs is not believed to be ours until it was compared', async () => {
      const study = newStudy();
      const archive = archiveOf({ implementationVersionName: 'dcm4che-5.11.0' });
      faults.next('wado', { kind: 'answer', status: 503 });
      expect(await archive.store([outgoing(study, 1)])).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_AMBIGUOUS' }]);
      expect(await archive.store([outgoing(study, 1)])).toMatchObject([stored('retrieved', true)]);
    });
  });

  it.each([
    ['PS3.4', 0x0111],
    ["Microsoft's", 0xb00e],
  ])('an archive without QIDO-RS that calls an instance a duplicate (%s) is compared with what it has', async (_, reason) => {
    const study = newStudy();
    await archiveOf().store([outgoing(study, 1)]);
    faults.failWith(reason, `${study}.1.1`);
    const archive = archiveOf({ confirm: false });
    expect(await archive.store([outgoing(study, 1)])).toMatchObject([stored('retrieved', true)]);
    expect(await archive.store([otherPixels(study, 1)])).toMatchObject([{ kind: 'permanent', code: 'CONFLICT' }]);
    expect(await archive.store([outgoing(study, 2)])).toMatchObject([stored('answered')]);
    const retrieving = archiveOf({ confirm: false, proof: 'retrieved' });
    expect(await retrieving.store([outgoing(study, 3)])).toMatchObject([stored('retrieved')]);
  });

  it('stopped while it proves: what it could not compare is left for the next run', async () => {
    const study = newStudy();
    const archive = archiveOf();
    await archive.store([outgoing(study, 1)]);
    const stop = new AbortController();
    faults.next('wado', { kind: 'no-answer', carriedOut: true });
    const storing = archiveOf().store([outgoing(study, 1)], { signal: stop.signal });
    await waitUntil('the instance is retrieved', () => faults.of('wado').length === 2, { interval: 5 });
    stop.abort();
    expect(await storing).toMatchObject([{ kind: 'retryable', code: 'INVOCATION_TIMEOUT' }]);
  });

  describe('a listing', () => {
    it('goes on behind an answer that has fewer than there are', async () => {
      const archive = archiveOf();
      const instances = outgoingStudy(newStudy(), 5);
      await archive.store(instances);
      const uids = instances.map(({ sopInstanceUID }) => sopInstanceUID);
      const first = (count: number): Fault => ({
        kind: 'answer',
        status: 200,
        body: JSON.stringify(uids.slice(0, count).map((uid) => ({ '00080018': { vr: 'UI', Value: [uid] } }))),
      });
      faults.next('qido', first(2));
      const asked = faults.of('qido').length;
      expect([...(await archive.find(instances[0]?.studyInstanceUID ?? '', uids)).keys()]).toEqual(uids);
      expect(faults.of('qido').length - asked).toBe(2);
    });

    it('of many is by the page of the study, digests included', async () => {
      const study = newStudy();
      const archive = archiveOf({ maxInstances: 300, implementationVersionName: VERSION });
      await archive.store(outgoingStudy(study, 250));
      const asked = faults.of('qido').length;
      const uids = Array.from({ length: 249 }, (_, index) => `${study}.1.${String(index + 2)}`);
      const found = await archive.find(study, uids);
      expect([...found.values()].filter(({ storageDigest }) => storageDigest !== undefined)).toHaveLength(249);
      expect(found.has(`${study}.1.1`)).toBe(false);
      expect(faults.of('qido').length - asked).toBe(1);
    });
  });

  it('asks nothing more than the confirmation where the digests are equal', async () => {
    const archive = archiveOf({ implementationVersionName: VERSION });
    const study = newStudy();
    await archive.store([outgoing(study, 998), outgoing(study, 999)]);
    await archive.find(study, [`${study}.1.998`, `${study}.1.999`]);
    const asked = faults.requests.length;
    expect(await archive.store(outgoingStudy(study, 20))).toMatchObject(Array.from({ length: 20 }, () => stored('digest')));
    expect(faults.requests.slice(asked).map(({ service }) => service)).toEqual(['qido', 'stow', 'qido']);
  });
});

describe.skipIf(requirePeer('Orthanc with its DICOMweb plug-in', orthancAvailable()))(
  'on Orthanc, which keeps the bytes as sent',
  () => {
    const USER = { name: 'storestow', password: 'p:ss' };
    let orthanc: Orthanc;
    beforeAll(async () => {
      orthanc = await startOrthanc({ user: USER });
    });
    afterAll(async () => orthanc.stop());

    const archiveOf = (changes: Partial<ArchiveConfig> = {}): Archive =>
      client(
        archiveSchema.parse({
          url: orthanc.stowUrl,
          auth: { kind: 'basic', username: USER.name, password: USER.password },
          ...changes,
        }),
      );

    describe.each(LEVELS)('archive.proof %s', (proof) => {
      const sentNow = proof === 'listed' ? stored('listed') : stored('digest');

      it('new instances, and the same again', async () => {
        const instances = outgoingStudy(newStudy(), 5);
        expect(await archiveOf({ proof }).store(instances)).toMatchObject(instances.map(() => sentNow));
        expect(await archiveOf({ proof }).store(instances)).toMatchObject(instances.map(() => stored('digest', true)));
      });

      it('the same UIDs, other content', async () => {
        const study = newStudy();
        await archiveOf({ proof }).store([outgoing(study, 1)]);
        const [outcome] = await archiveOf({ proof }).store([otherPixels(study, 1)]);
        expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
        for (const part of [md5Of(outgoing(study, 1)), md5Of(otherPixels(study, 1)), '(7FE0,0010)']) {
          expect(says(outcome)).toContain(part);
        }
      });

      it('the same UIDs, other Patient ID', async () => {
        const study = newStudy();
        await archiveOf({ proof }).store([outgoing(study, 1)]);
        const [outcome] = await archiveOf({ proof }).store([
          outgoing(study, 1, { extra: [{ tag: PATIENT_ID, vr: 'LO', value: 'SECRET-ID' }] }),
        ]);
        expect(outcome).toMatchObject({ kind: 'permanent', code: 'CONFLICT' });
        expect(says(outcome)).not.toMatch(/SECRET-ID|TEST-1/);
      });

      it('the same SOP Instance UID in another study, which it stores beside the first', async () => {
        const first = outgoing(newStudy(), 1);
        await archiveOf({ proof }).store([first]);
        expect(await archiveOf({ proof }).store([inStudy(newStudy(), first)])).toMatchObject([sentNow]);
      });
    });

    it('finds an instance whose Patient ID is no ASCII', async () => {
      const extra = [
        { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 100' },
        { tag: PATIENT_ID, vr: 'LO', value: 'Nº 1 ' },
      ];
      expect(await archiveOf().store([outgoing(newStudy(), 1, { extra })])).toMatchObject([stored('digest')]);
    });

    it('asks for its REST API once, and where that is refused for nothing more: listed', async () => {
      const study = newStudy();
      const front = await restlessProxy(orthanc.restUrl);
      try {
        const archive = archiveOf({ url: `${front.url}/dicom-web/studies` });
        expect(await archive.store(outgoingStudy(study, 5))).toMatchObject(Array.from({ length: 5 }, () => stored('listed')));
        expect(await archive.store([otherPixels(study, 1)])).toMatchObject([{ kind: 'permanent', code: 'CONFLICT' }]);
        expect(await archive.store([outgoing(study, 1)])).toMatchObject([stored('retrieved', true)]);
        const retrieving = archiveOf({ url: `${front.url}/dicom-web/studies`, proof: 'retrieved' });
        expect(await retrieving.store(outgoingStudy(study, 6).slice(5))).toMatchObject([stored('retrieved')]);
        expect(front.refused).toEqual(['/system', '/system']);
      } finally {
        await front.close();
      }
    });
  },
);

/** Before an Orthanc: only its DICOMweb is let through. */
async function restlessProxy(target: string): Promise<{ url: string; refused: string[]; close(): Promise<void> }> {
  const refused: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (!path.startsWith('/dicom-web/')) {
      refused.push(path);
      response.writeHead(403).end();
      return;
    }
    const { method, headers } = request;
    const forward = httpRequest(`${target}${path}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}`,
    refused,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
