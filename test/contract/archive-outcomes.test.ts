/**
 * The contract of dcm4chee row by row (`../shared/reference/dcm4chee-stow-contract.md`, sections 1 to 3, 8 and 9): what the client makes of
 * it, from the bytes that are sent to the outcome. Then each answer that a running archive gave, verbatim, in place of the double's.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { configSchema, type ArchiveConfig } from '../../core/config/schema.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { identify } from '../../core/dicom/identify.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import type { Archive, OutgoingInstance } from '../../core/stow/outcome.ts';
import type { Fault, Faults } from '../../local-cloud/archive/faults.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { buildDicom, imageElements } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { readFurtherAnswers, readReferenceAnswers, referenceAvailable } from './archive-answers.ts';
import { altered, cutShort, outgoing, outgoingStudy, told, withBytes, type Altered } from './archive-instances.ts';

const STUDY_INSTANCE_UID = 0x0020000d;
const SERIES_INSTANCE_UID = 0x0020000e;
const SOP_INSTANCE_UID = 0x00080018;
const SOP_CLASS_UID = 0x00080016;
const PATIENT_ID = 0x00100020;
const PIXEL_DATA = 0x7fe00010;

let folder: TemporaryFolder;
let embedded: EmbeddedArchive;
let faults: Faults;
let studies = 0;

beforeAll(async () => {
  folder = await temporaryFolder('outcomes');
  embedded = await startEmbeddedArchive({ folder: folder.path, aets: ['DCM4CHEE'] });
  faults = embedded.faults;
});
beforeEach(() => faults.clear());
afterAll(async () => {
  await embedded.close();
  await folder.remove();
});

const newStudy = (): string => `1.2.826.81.${String((studies += 1))}`;

async function withClient<T>(use: (archive: Archive) => Promise<T>, changes: Partial<ArchiveConfig> = {}): Promise<T> {
  const { archive: config } = configSchema.parse({ archive: { url: embedded.url, ...changes } });
  if (config === undefined) throw new Error('an archive is configured');
  const archive = createArchive({
    config,
    source: { aet: 'DCM4CHEE', site: 'test' },
    patience: { confirmDelays: [0, 1], settleDelay: 1 },
  });
  try {
    return await use(archive);
  } finally {
    await archive.close();
  }
}

const other = (tag: number, vr: string, value: string): Altered => ({ extra: [{ tag, vr, value }] });
const TEXT = new Uint8Array(Buffer.from('This is not DICOM. '.repeat(40)));

/** What is sent of a study that holds number 999, and what each becomes. */
interface Row {
  readonly send: (study: string) => readonly OutgoingInstance[] | Promise<readonly OutgoingInstance[]>;
  readonly outcomes: readonly string[];
  readonly config?: Partial<ArchiveConfig>;
  /** Set before it is sent. */
  readonly fault?: (study: string) => void;
}

async function play({ send, outcomes, config = {}, fault }: Row): Promise<void> {
  const study = newStudy();
  await withClient(async (archive) => {
    expect(told((await archive.store([outgoing(study, 999)]))[0])).toBe('stored');
  });
  const instances = await send(study);
  fault?.(study);
  await withClient(async (archive) => {
    expect((await archive.store(instances)).map(told)).toEqual(outcomes);
  }, config);
}

const one = (study: string): readonly OutgoingInstance[] => [outgoing(study, 1)];
const two = (study: string): readonly OutgoingInstance[] => outgoingStudy(study, 2);
const uid = (study: string, number: number): string => outgoing(study, number).sopInstanceUID;

describe('section 1: endpoint', () => {
  it.each<[string, Row]>([
    ['parts are committed one by one; a missing closing boundary is a 500: earlier parts are stored, and not sent again', {
      send: two,
      fault: () => faults.next('stow', { kind: 'answer-after', status: 500 }),
      outcomes: ['stored', 'stored'],
    }],
    ['WildFly that nobody tuned caps the POST at about 10 MB', {
      send: (study) => [outgoing(study, 1), outgoing(study, 2, { rows: 64, columns: 64 })],
      fault: (study) => faults.limitBodies(outgoing(study, 2, { rows: 64, columns: 64 }).length, 'drop'),
      outcomes: ['stored', 'permanent ARCHIVE_SIZE_LIMIT'],
    }],
  ])('%s', async (_, row) => play(row)); // prettier-ignore
});

const answer = (status: number, body?: string): Fault => ({ kind: 'answer', status, ...(body === undefined ? {} : { body }) });
const whenAsked =
  (...answers: readonly Fault[]) =>
  (): void =>
    faults.next('stow', ...answers);
const NOTHING_NAMED = '{"00081190":{"vr":"UR"}}';

describe('section 2: status', () => {
  it.each<[string, Row]>([
    ['200: every part stored', { send: two, outcomes: ['stored', 'stored'] }],
    ['202: some stored, some failed', {
      send: two, fault: (study) => faults.failWith(0xa778, uid(study, 2)), outcomes: ['stored', 'permanent CONFLICT A778'],
    }],
    ['409: none stored', {
      send: two,
      fault: (study) => faults.failWith(0xa778, uid(study, 1), uid(study, 2)),
      outcomes: ['permanent CONFLICT A778', 'permanent CONFLICT A778'],
    }],
    ['409: no usable part, then no sequences', {
      send: one, fault: whenAsked(answer(409, NOTHING_NAMED)), outcomes: ['retryable ARCHIVE_REFUSED'],
    }],
    ['400: no boundary, bad query parameter', { send: one, fault: whenAsked(answer(400)), outcomes: ['retryable ARCHIVE_REFUSED'] }],
    ['401: OIDC', { send: one, fault: whenAsked(answer(401)), outcomes: ['retryable ARCHIVE_UNAUTHORIZED'] }],
    ['403: role missing', { send: one, fault: whenAsked(answer(403)), outcomes: ['retryable ARCHIVE_FORBIDDEN'] }],
    ['404: a web app without STOW_RS', { send: one, fault: whenAsked(answer(404)), outcomes: ['retryable ARCHIVE_NOT_FOUND'] }],
    ['406', { send: one, fault: whenAsked(answer(406)), outcomes: ['retryable ARCHIVE_REFUSED'] }],
    ['415', { send: one, fault: whenAsked(answer(415)), outcomes: ['retryable ARCHIVE_REFUSED'] }],
    ['500: multipart structure error, unexpected exception (text)', {
      send: one, fault: whenAsked(answer(500, 'RESTEASY003555: MediaType value is null')), outcomes: ['retryable ARCHIVE_FAILED'],
    }],
    ['503: a proxy, or the container', { send: one, fault: whenAsked(answer(503)), outcomes: ['retryable ARCHIVE_UNAVAILABLE'] }],
  ])('%s', async (_, row) => play(row)); // prettier-ignore
});

describe('section 2: FailureReason', () => {
  it.each([
    [0x0110, 'catch-all', 'retryable ARCHIVE_FAILED 0110'],
    [0x0124, 'storage denied by the permission service', 'permanent ARCHIVE_REFUSED 0124'],
    [0xa700, 'I/O error while storing', 'retryable ARCHIVE_UNAVAILABLE A700'],
    [0xa770, 'rejection notes', 'permanent ARCHIVE_REFUSED A770'],
    [0xa772, 'rejection notes', 'permanent ARCHIVE_REFUSED A772'],
    [0xa774, 'rejection notes', 'permanent ARCHIVE_REFUSED A774'],
    [0xa775, 'rejection notes', 'permanent ARCHIVE_REFUSED A775'],
    [0xa776, 'rejection notes', 'permanent ARCHIVE_REFUSED A776'],
    [0xa771, 'instance was rejected before', 'permanent ARCHIVE_REFUSED A771'],
    [0xa777, 'no Patient ID, where the AE forbids that', 'permanent ARCHIVE_REFUSED A777'],
    [0xa778, "Patient ID or issuer differs from the study's", 'permanent CONFLICT A778'],
    [0xa779, 'configured patient attribute differs', 'permanent CONFLICT A779'],
    [0xa77a, 'study deletion in progress', 'retryable ARCHIVE_UNAVAILABLE A77A'],
    [0xa77b, 'same SOP UID in another study or series', 'permanent CONFLICT A77B'],
    [0xc409, 'StudyInstanceUID of the URL is not the object’s', 'permanent CONFLICT C409'],
    [0xc499, 'not a DICOM stream', 'permanent ARCHIVE_REFUSED C499'],
    [0xa701, 'other archives: A7xx', 'retryable ARCHIVE_UNAVAILABLE A701'],
    [0xa900, 'other archives: A9xx', 'permanent ARCHIVE_REFUSED A900'],
    [0xc000, 'other archives: Cxxx', 'permanent ARCHIVE_REFUSED C000'],
    [0x0122, 'other archives: SOP class not supported', 'permanent ARCHIVE_REFUSED 0122'],
  ])('%i, %s → %s, and the others are stored', async (reason, _, outcome) => {
    await play({
      send: (study) => outgoingStudy(study, 3),
      fault: (study) => faults.failWith(reason, uid(study, 2)),
      outcomes: ['stored', outcome, 'stored'],
    });
  });

  const failedItem = (study: string, reason: number | string): string =>
    `{"00081150":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]},"00081155":{"vr":"UI","Value":["${uid(study, 1)}"]},"00081197":{"vr":"US","Value":[${JSON.stringify(reason)}]}}`;
  const failed = (study: string, reason: number | string): string =>
    `{"00081198":{"vr":"SQ","Value":[${failedItem(study, reason)}]}}`;
  const warned = (study: string): string => failed(study, 0xb007).replace('00081198', '00081199').replace('00081197', '00081196');

  it.each<[string, Row]>([
    ['0110 of an observer that failed after the commit: asked first, it is stored', {
      send: one,
      fault: (study) => faults.next('stow', { kind: 'answer-after', status: 409, body: failed(study, 0x0110) }),
      outcomes: ['stored'],
    }],
    ['A700 although it was stored', {
      send: one,
      fault: (study) => faults.next('stow', { kind: 'answer-after', status: 409, body: failed(study, 0xa700) }),
      outcomes: ['stored'],
    }],
    ['numbers as JSON strings', {
      send: one,
      fault: (study) => faults.next('stow', answer(409, failed(study, '42872'))),
      outcomes: ['permanent CONFLICT A778'],
    }],
    ['an array where dcm4chee has an object', {
      send: one,
      fault: (study) => faults.next('stow', answer(409, `[${failed(study, 42872)}]`)),
      outcomes: ['permanent CONFLICT A778'],
    }],
    ['a warning (Bxxx) among the failures: stored', {
      send: one,
      fault: (study) => faults.next('stow', { kind: 'answer-after', status: 202, body: failed(study, 0xb007) }),
      outcomes: ['warned B007'],
    }],
    ['WarningReason of a stored one (other archives)', {
      send: one,
      fault: (study) => faults.next('stow', { kind: 'answer-after', status: 200, body: warned(study) }),
      outcomes: ['warned B007'],
    }],
    ['a warning of one that is not there', {
      send: one, fault: (study) => faults.next('stow', answer(200, warned(study))), outcomes: ['retryable NOT_IN_ARCHIVE'],
    }],
    ['an instance in both sequences: asked', {
      send: one,
      fault: (study) => faults.next('stow', {
        kind: 'answer-after', status: 202, body: `${warned(study).slice(0, -1)},${failed(study, 0xa778).slice(1)}`,
      }),
      outcomes: ['stored'],
    }],
    ['Other Failures Sequence, without UIDs (other archives)', {
      send: one,
      fault: whenAsked(answer(409, '{"0008119A":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[49152]}}]}}')),
      outcomes: ['permanent ARCHIVE_REFUSED C000'],
    }],
    ['invented class and random UID: by part order', {
      send: (study) => [withBytes(study, 1, TEXT), outgoing(study, 2), withBytes(study, 3, TEXT.subarray(0, 3)), outgoing(study, 4)],
      outcomes: ['permanent ARCHIVE_REFUSED C499', 'stored', 'permanent ARCHIVE_REFUSED C499', 'stored'],
    }],
  ])('%s', async (_, row) => play(row)); // prettier-ignore
});

describe('section 3: duplicates', () => {
  it('one SOP Instance UID is never under way twice at once', async () => {
    const study = newStudy();
    const instances = outgoingStudy(study, 6);
    const outcomes = await withClient(async (archive) => Promise.all([1, 2, 3].map(async () => archive.store(instances))));
    expect(outcomes.flat().every(({ kind }) => kind === 'stored')).toBe(true);
    for (const { sopInstanceUID } of instances) {
      expect([faults.mostAtOnceOf(sopInstanceUID), faults.arrivals(sopInstanceUID)]).toEqual([1, 1]);
    }
  });

  it.each([true, false])('after a time-out (stored: %s) it is asked before anything is sent again', async (carriedOut) => {
    const study = newStudy();
    const instances = outgoingStudy(study, 1);
    faults.next('stow', { kind: 'no-answer', carriedOut });
    const before = faults.requests.length;
    const again = await withClient(
      async (archive) => {
        expect((await archive.store(instances)).map(told)).toEqual([carriedOut ? 'stored' : 'retryable ARCHIVE_AMBIGUOUS']);
        return archive.store(instances);
      },
      { timeout: 0.5 },
    );
    expect(again.map(told)).toEqual([carriedOut ? 'there' : 'stored']);
    expect(faults.arrivals(uid(study, 1))).toBe(1);
    const services = faults.requests.slice(before).map(({ service }) => service);
    expect(services.join(' ')).not.toContain('stow stow');
  });

  it('the first instance of a study goes alone', async () => {
    const study = newStudy();
    await withClient(async (archive) => archive.store(outgoingStudy(study, 30)), { maxInstances: 10 });
    const [first, ...rest] = faults.of('stow').filter(({ sopInstanceUIDs }) => sopInstanceUIDs[0]?.startsWith(`${study}.`));
    expect(first).toMatchObject({ sopInstanceUIDs: [uid(study, 1)], atOnce: 1 });
    expect(rest.map(({ sopInstanceUIDs }) => sopInstanceUIDs.length).toSorted()).toEqual([10, 10, 9].toSorted());
  });
});

describe('section 9: a 200 that lists an instance proves nothing', () => {
  const before =
    (number: number) =>
    async (study: string): Promise<void> =>
      withClient(async (archive) => {
        await archive.store([outgoing(study, number)]);
      });

  it.each<[string, Row]>([
    ['same instance again: the first one is there', {
      send: async (study) => { await before(1)(study); return [outgoing(study, 1)]; },
      outcomes: ['there'],
    }],
    ['same UIDs, other content: never stowed', {
      send: async (study) => { await before(1)(study); return [altered(study, 1, other(0x00204000, 'LT', 'other content'))]; },
      outcomes: ['permanent CONFLICT'],
    }],
    ['same SOP Instance UID, other Study Instance UID: nothing under the new study', {
      send: async (study) => {
        const elsewhere = newStudy();
        await before(1)(elsewhere);
        const sopInstanceUID = uid(elsewhere, 1);
        return [{ ...altered(study, 1, other(SOP_INSTANCE_UID, 'UI', sopInstanceUID)), sopInstanceUID }];
      },
      outcomes: ['permanent NOT_IN_ARCHIVE'],
    }],
    ['same UIDs, other Patient ID: the first data', {
      send: async (study) => { await before(1)(study); return [altered(study, 1, other(PATIENT_ID, 'LO', 'TEST-2'))]; },
      outcomes: ['permanent CONFLICT'],
    }],
  ])('%s', async (_, row) => play(row)); // prettier-ignore

  it('the same new instance twice in one request: never sent', async () => {
    const study = newStudy();
    await withClient(async (archive) => {
      await expect(archive.store([outgoing(study, 1), outgoing(study, 1)])).rejects.toMatchObject({ code: 'INTERNAL' });
    });
    expect(faults.arrivals(uid(study, 1))).toBe(0);
  });
});

describe('section 9: what is sent, and what is answered', () => {
  it.each<[string, Row]>([
    ['StudyInstanceUID absent', {
      send: (study) => [altered(study, 1, { without: [STUDY_INSTANCE_UID] })], outcomes: ['retryable ARCHIVE_FAILED 0110'],
    }],
    ['StudyInstanceUID empty', {
      send: (study) => [altered(study, 1, other(STUDY_INSTANCE_UID, 'UI', ''))], outcomes: ['retryable ARCHIVE_FAILED 0110'],
    }],
    ['SeriesInstanceUID absent', {
      send: (study) => [altered(study, 1, { without: [SERIES_INSTANCE_UID] })], outcomes: ['retryable ARCHIVE_FAILED 0110'],
    }],
    ['SOPInstanceUID absent: known by its place', {
      send: (study) => [outgoing(study, 2), altered(study, 1, { without: [SOP_INSTANCE_UID] })],
      outcomes: ['stored', 'retryable ARCHIVE_FAILED 0110'],
    }],
    ['SOPClassUID absent', {
      send: (study) => [altered(study, 1, { without: [SOP_CLASS_UID] })], outcomes: ['retryable ARCHIVE_FAILED 0110'],
    }],
    ['SOP Instance UID differs from the file meta: the data set’s is used', {
      send: (study) => {
        const file = Buffer.from(buildDicom({ elements: imageElements({ studyUID: study, seriesUID: `${study}.1`, sopUID: uid(study, 1) }) }));
        file.write('9', file.indexOf(uid(study, 1)), 'latin1');
        return [withBytes(study, 1, new Uint8Array(file))];
      },
      outcomes: ['stored'],
    }],
    ['a second instance of a known study, other Patient ID', {
      send: (study) => [altered(study, 1, other(PATIENT_ID, 'LO', 'TEST-2'))], outcomes: ['permanent CONFLICT A778'],
    }],
    ['part is text', { send: (study) => [withBytes(study, 1, TEXT)], outcomes: ['permanent ARCHIVE_REFUSED C499'] }],
    ['part is 3 bytes', { send: (study) => [withBytes(study, 1, TEXT.subarray(0, 3))], outcomes: ['permanent ARCHIVE_REFUSED C499'] }],
    ['part is empty', { send: (study) => [withBytes(study, 1, new Uint8Array(0))], outcomes: ['permanent ARCHIVE_REFUSED C499'] }],
    ['data set cut in the middle', { send: (study) => [cutShort(study, 1)], outcomes: ['retryable ARCHIVE_FAILED 0110'] }],
    ['one good and one bad part', {
      send: (study) => [outgoing(study, 1), withBytes(study, 2, TEXT)], outcomes: ['stored', 'permanent ARCHIVE_REFUSED C499'],
    }],
    ['one bad and one good part', {
      send: (study) => [withBytes(study, 1, TEXT), outgoing(study, 2)], outcomes: ['permanent ARCHIVE_REFUSED C499', 'stored'],
    }],
    ['no Pixel Data', { send: (study) => [altered(study, 1, { without: [PIXEL_DATA] })], outcomes: ['stored'] }],
    ['POST to another study’s URL: C409', {
      send: two, fault: (study) => faults.failWith(0xc409, uid(study, 2)), outcomes: ['stored', 'permanent CONFLICT C409'],
    }],
    ['unknown AET', {
      send: one,
      config: { get url() { return embedded.url.replace('{aet}', 'NOSUCHAET'); } },
      outcomes: ['retryable ARCHIVE_NOT_FOUND'],
    }],
    ['more than 10 MiB with WildFly’s own limit: the connection drops without an answer', {
      send: (study) => [outgoing(study, 1), outgoing(study, 2, { rows: 2300, columns: 2300 }), outgoing(study, 3)],
      fault: () => faults.limitBodies(10_485_760, 'drop'),
      outcomes: ['stored', 'permanent ARCHIVE_SIZE_LIMIT', 'stored'],
    }],
    ['60 instances in one request', {
      send: (study) => outgoingStudy(study, 60), config: { maxInstances: 60 }, outcomes: Array.from({ length: 60 }, () => 'stored'),
    }],
  ])('%s', async (_, row) => play(row)); // prettier-ignore

  it.each<[string, Altered]>([
    ['absent', { without: [PATIENT_ID] }],
    ['empty', other(PATIENT_ID, 'LO', '')],
  ])('Patient ID %s in a new study: the archive invents one', async (_, change) => {
    const study = newStudy();
    expect((await withClient(async (archive) => archive.store([altered(study, 1, change)]))).map(told)).toEqual(['stored']);
  });

  it.each(['1.2.abc', '1.2/3', '1.2 3'])(
    'a study UID %j, which the archive would accept, is refused before anything is sent',
    async (study) => {
      const file = buildDicom({ elements: imageElements({ studyUID: study }) });
      expect(() => identify(readPart10(file))).toThrow(expect.objectContaining({ code: 'INVALID_UID', retryable: false }));
      const sent = faults.of('stow').length;
      const [outcome] = await withClient(async (archive) => archive.store([withBytes(study, 1, file)]));
      expect(told(outcome)).toBe('retryable INVALID_UID');
      expect(faults.of('stow')).toHaveLength(sent);
    },
  );

  it('two studies in one request are never sent', async () => {
    await withClient(async (archive) => {
      const mixed = [outgoing(newStudy(), 1), outgoing(newStudy(), 1)];
      await expect(archive.store(mixed)).rejects.toMatchObject({ code: 'INTERNAL' });
    });
  });
});

/** What the recorded JSON says of each instance: read independently of the code under test. */
function named(body: string): readonly (readonly [uid: string, what: 'stored' | number])[] {
  type Item = Readonly<Record<string, { readonly Value?: readonly (string | number)[] }>>;
  const json = JSON.parse(body.startsWith('{') ? body : '{}') as Readonly<Record<string, { readonly Value?: readonly Item[] }>>;
  const uidIn = (item: Item): string => String(item['00081155']?.Value?.[0] ?? '');
  return [
    ...(json['00081199']?.Value ?? []).map((item) => [uidIn(item), 'stored'] as const),
    ...(json['00081198']?.Value ?? []).map((item) => [uidIn(item), Number(item['00081197']?.Value?.[0])] as const),
  ];
}

const UNNAMED: Readonly<Record<number, string>> = {
  200: 'ARCHIVE_AMBIGUOUS',
  400: 'ARCHIVE_REFUSED',
  404: 'ARCHIVE_NOT_FOUND',
  405: 'ARCHIVE_NOT_FOUND',
  406: 'ARCHIVE_REFUSED',
  409: 'ARCHIVE_REFUSED',
  415: 'ARCHIVE_REFUSED',
  500: 'ARCHIVE_FAILED',
};
const REASONS: Readonly<Record<number, string>> = {
  0x0110: 'retryable ARCHIVE_FAILED 0110',
  0xa778: 'permanent CONFLICT A778',
  0xc409: 'permanent CONFLICT C409',
  0xc499: 'permanent ARCHIVE_REFUSED C499',
};
/** Turned away before a part was read: nothing is asked. */
const TURNED_AWAY = new Set([404, 405, 406, 415]);

/** `kept`: the archive stored each part, whatever it answered; else none. */
function expected(status: number, what: 'stored' | number | undefined, kept: boolean): string {
  if (what === undefined) return kept && !TURNED_AWAY.has(status) ? 'stored' : `retryable ${UNNAMED[status] ?? ''}`;
  if (what === 'stored') return kept ? 'stored' : 'retryable NOT_IN_ARCHIVE';
  return kept && what === 0x0110 ? 'stored' : (REASONS[what] ?? '');
}

describe.skipIf(!referenceAvailable())('each answer of a running archive, verbatim', () => {
  const answers = [...readReferenceAnswers().filter(({ method }) => method === 'POST'), ...readFurtherAnswers()];

  it('has them all', () => {
    expect(answers.length).toBeGreaterThan(110);
  });

  describe.each([true, false])('where the parts were stored: %s', (kept) => {
    it.each(answers.map((recorded) => [recorded.name, recorded] as const))('%s', async (_, { status, headers, body }) => {
      const items = [...new Map(named(body))];
      const list = items.length === 0 ? [['', undefined] as const] : items;
      // The recorded UIDs become those that are sent, but for the ones that the archive made up, which nobody sent.
      const toStudy = (study: string): string =>
        list.reduce((text, [recordedUid], index) => {
          const invented = recordedUid === '' || recordedUid.startsWith('2.25.');
          return invented ? text : text.replaceAll(`"${recordedUid}"`, `"${uid(study, index + 1)}"`);
        }, body);
      await play({
        send: (study) => outgoingStudy(study, list.length),
        fault: (study) =>
          faults.next('stow', {
            kind: kept ? 'answer-after' : 'answer',
            status,
            headers: Object.fromEntries([...headers].filter(([name]) => name === 'content-type' || name === 'warning')),
            body: toStudy(study),
          }),
        outcomes: list.map(([, what]) => expected(status, what, kept)),
      });
    });
  });
});
