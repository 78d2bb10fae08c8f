/** Rows against an archive that is scripted: what is asked of it, and what its answers come to. */
import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditRow } from '../../../core/audit/query.ts';
import type { Verification } from '../../../core/audit/verification.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import { StorestowError, type ErrorCode } from '../../../core/errors.ts';
import type { ArchiveReader } from '../../../core/stow/archive-reader.ts';
import type { FileQuestion, FileState } from '../../../core/stow/file-check.ts';
import type { ArchivedInstance } from '../../../core/stow/outcome.ts';
import type { RetrievedFile } from '../../../core/stow/wado.ts';
import type { VerifyPorts } from '../../../functions/verify/ports.ts';
import { verifyRows } from '../../../functions/verify/verify-rows.ts';
import { buildImage, EXPLICIT_LE, imagePixels } from '../../support/build-dicom.ts';

const NO_RULES: RuleSet = { rules: [], unknownSource: 'pass', originalAttributes: false };
const PIXELS = imagePixels({});
const DIGEST = 'd'.repeat(32);

interface Case {
  readonly study?: string;
  readonly number?: number;
  readonly callingAET?: string;
  readonly record?: Partial<NonNullable<AuditRow['record']>>;
  readonly size?: number;
  readonly key?: string;
}

function row({ study = '1.2', number = 1, callingAET = 'CT1', record, size = 1000, key }: Case = {}): AuditRow {
  const sopInstanceUID = `${study}.1.${number}`;
  return {
    ...{ site: 'x', callingAET, callingIP: '10.0.0.5', studyInstanceUID: study, seriesInstanceUID: `${study}.1`, sopInstanceUID },
    ...{ digest: '0123456789ab', size, received: new Date(0) },
    key: key ?? `incoming/x/${callingAET}@10.0.0.5/${study}/${study}.1/${sopInstanceUID}~0123456789ab.dcm`,
    record: {
      status: { kind: 'stowed' },
      pixelLength: PIXELS.length,
      pixelMd5: hash('md5', PIXELS),
      sentMd5: 'e'.repeat(32),
      detail: { syntaxReceived: EXPLICIT_LE, syntaxSent: EXPLICIT_LE, rules: '0123456789ab', archivedMd5: DIGEST },
      ...record,
    },
  };
}

function fileOf({ studyInstanceUID, seriesInstanceUID, sopInstanceUID }: AuditRow, pixels = PIXELS): Uint8Array {
  return buildImage({ studyUID: studyInstanceUID, seriesUID: seriesInstanceUID, sopUID: sopInstanceUID, pixels });
}

/** What the archive has, and does, by SOP Instance UID. */
interface Script {
  /** Default: listed, with this digest. */
  readonly listed?: (uid: string) => Omit<ArchivedInstance, 'sopInstanceUID'> | undefined;
  readonly find?: ErrorCode;
  readonly check?: (question: FileQuestion) => FileState | ErrorCode | undefined;
  readonly retrieve?: (uid: string) => Uint8Array | ErrorCode;
}

function failure(code: ErrorCode): StorestowError {
  return new StorestowError(code, `scripted ${code}`);
}

class Scripted implements ArchiveReader {
  readonly description = 'scripted';
  readonly asked: string[] = [];
  /** Retrieved files that nobody has closed. */
  open = 0;
  readonly #script: Script;
  readonly #rows: readonly AuditRow[];

  constructor(script: Script, rows: readonly AuditRow[]) {
    this.#script = script;
    this.#rows = rows;
  }

  async find(study: string, uids: readonly string[]): Promise<ReadonlyMap<string, ArchivedInstance>> {
    this.asked.push(`find ${study} ${uids.length}`);
    if (this.#script.find !== undefined) throw failure(this.#script.find);
    const listed = this.#script.listed ?? (() => ({ storageDigest: DIGEST }));
    return new Map(
      uids.flatMap((sopInstanceUID) => {
        const found = listed(sopInstanceUID);
        return found === undefined ? [] : [[sopInstanceUID, { sopInstanceUID, ...found }] as const];
      }),
    );
  }

  async check(questions: readonly FileQuestion[]): Promise<ReadonlyMap<string, FileState>> {
    this.asked.push(`check ${questions.length}`);
    return new Map(
      questions.flatMap((question) => {
        const state = this.#script.check?.(question);
        if (state === undefined) return [];
        if (state !== 'intact' && state !== 'damaged' && state !== 'untold') throw failure(state);
        return [[question.sopInstanceUID, state] as const];
      }),
    );
  }

  async retrieve({ sopInstanceUID }: { readonly sopInstanceUID: string }): Promise<RetrievedFile> {
    this.asked.push('retrieve');
    const row = this.#rows.find((one) => one.sopInstanceUID === sopInstanceUID) ?? this.#rows[0];
    const file = this.#script.retrieve?.(sopInstanceUID) ?? fileOf(row as AuditRow);
    if (typeof file === 'string') throw failure(file);
    this.open += 1;
    return {
      length: file.length,
      read: async (start: number, end: number) => new Uint8Array(file.slice(start, end)),
      close: async () => void (this.open -= 1),
    };
  }
}

interface Verified {
  readonly verifications: readonly Verification[];
  readonly asked: readonly string[];
}

async function verify(rows: readonly AuditRow[], script: Script = {}, ports: Partial<VerifyPorts> = {}): Promise<Verified> {
  const reader = new Scripted(script, rows);
  async function* stream(): AsyncGenerator<AuditRow> {
    yield* rows;
  }
  const all: VerifyPorts = {
    readerFor: () => reader,
    ruleSet: async () => NO_RULES,
    pool: { decodeFrame: async () => ({ decoded: false }) },
    connections: 2,
    maxBytesInFlight: 1_000_000,
    ...ports,
  };
  const verifications: Verification[] = [];
  const order: AuditRow[] = [];
  for await (const instance of verifyRows(stream(), all)) {
    order.push(instance.row);
    verifications.push(instance.verification);
  }
  expect(order).toEqual(rows);
  expect(reader.open).toBe(0);
  return { verifications, asked: reader.asked };
}

const BY_DIGEST: Verification = { verdict: 'equal', by: 'digest' };
const RETRIEVED: Verification = { verdict: 'equal', by: 'retrieved', coercedByArchive: [] };
const OTHER_PIXELS = imagePixels({}, 77);
const different = (...differences: string[]): Verification => ({ verdict: 'different', differences });
const unverifiable = (code: ErrorCode, temporary: boolean): object =>
  expect.objectContaining({ verdict: 'unverifiable', code, temporary }) as object;

describe('one instance', () => {
  const one = row();
  const table: readonly (readonly [string, Script, object, readonly string[]])[] = [
    ['not listed', { listed: () => undefined }, { verdict: 'missing', listed: false }, []],
    ['intact', { check: () => 'intact' }, BY_DIGEST, ['check 1']],
    ['of which nothing is told', { check: () => 'untold' }, RETRIEVED, ['check 1', 'retrieve']],
    ['of another digest', { listed: () => ({ storageDigest: 'f'.repeat(32) }) }, RETRIEVED, ['retrieve']],
    ['whose check fails', { check: () => 'ARCHIVE_UNAVAILABLE' }, RETRIEVED, ['check 1', 'retrieve']],
    [
      'damaged beside what is compared',
      { check: () => 'damaged' },
      different("file (the archive's own check of its storage failed)"),
      ['check 1', 'retrieve'],
    ],
    [
      'damaged in its pixels',
      { check: () => 'damaged', retrieve: () => fileOf(one, OTHER_PIXELS) },
      different('pixel MD5'),
      ['check 1', 'retrieve'],
    ],
    [
      'damaged, so that it cannot be retrieved',
      { check: () => 'damaged', retrieve: () => 'ARCHIVE_AMBIGUOUS' },
      { verdict: 'missing', listed: true },
      ['check 1', 'retrieve'],
    ],
    [
      'listed, and not there',
      { check: () => 'untold', retrieve: () => 'NOT_IN_ARCHIVE' },
      { verdict: 'missing', listed: true },
      ['check 1', 'retrieve'],
    ],
    [
      'that cannot be retrieved now',
      { check: () => 'untold', retrieve: () => 'ARCHIVE_AMBIGUOUS' },
      unverifiable('ARCHIVE_AMBIGUOUS', true),
      ['check 1', 'retrieve', 'check 1'],
    ],
    [
      'that is no file',
      { check: () => 'untold', retrieve: () => new Uint8Array(200) },
      different('file (NOT_PART10)'),
      ['check 1', 'retrieve'],
    ],
    [
      'that is cut',
      { check: () => 'untold', retrieve: () => fileOf(one).subarray(0, -100) },
      different('file (TRUNCATED)'),
      ['check 1', 'retrieve'],
    ],
    [
      'that is another',
      { check: () => 'untold', retrieve: () => fileOf(row({ study: '1.3', number: 2 })) },
      different('StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'),
      ['check 1', 'retrieve'],
    ],
  ];

  it.each(table)('%s', async (_what, script, expected, asked) => {
    const found = await verify([one], script);
    expect(found.verifications).toEqual([expected]);
    expect(found.asked).toEqual(['find 1.2 1', ...asked]);
  });

  it.each([
    [
      'without a digest of pixels, which has some',
      { pixelLength: undefined, pixelMd5: undefined },
      different('pixel data (added)'),
    ],
    ['with another length', { pixelLength: 4 }, different('pixel length')],
    ['of an institution that is another', { institution: 'Elsewhere' }, different('InstitutionName')],
    ['of the institution', { institution: 'Hospital as received' }, RETRIEVED],
    ['that does not tell its syntax', { detail: { rules: 'x' } }, unverifiable('INCOMPARABLE' as ErrorCode, false)],
    ['that does not tell its rules', { detail: { syntaxReceived: EXPLICIT_LE } }, unverifiable('OBJECT_NOT_FOUND', false)],
  ])('by a tag %s', async (_what, change, expected) => {
    const tags = Object.entries({ ...one.record, ...change }).filter(([, value]) => value !== undefined);
    const tagged = { ...one, record: Object.fromEntries(tags) as unknown as NonNullable<AuditRow['record']> };
    expect((await verify([tagged], { check: () => 'untold' })).verifications).toEqual([expected]);
  });

  it.each([
    ['OBJECT_NOT_FOUND', false],
    ['RULES_INVALID', false],
    ['STORE_UNAVAILABLE', true],
  ] as const)('whose rules the bucket does not give: %s', async (code, temporary) => {
    const ruleSet = async (): Promise<never> => Promise.reject(failure(code));
    const { verifications } = await verify([one], { check: () => 'untold' }, { ruleSet });
    expect(verifications).toEqual([unverifiable(code, temporary)]);
  });

  it('twice under one SOP Instance UID: the check of the one is not the other’s', async () => {
    const rows = [row(), row({ key: `${row().key}2` })];
    const { verifications, asked } = await verify(rows, { check: () => 'intact' });
    expect(verifications).toEqual([RETRIEVED, RETRIEVED]);
    expect(asked).not.toContain('check 2');
  });

  it('whose address cannot be made', async () => {
    const readerFor = (): never => {
      throw failure('UNKNOWN_SOURCE');
    };
    expect((await verify([one], {}, { readerFor })).verifications).toEqual([unverifiable('UNKNOWN_SOURCE', false)]);
  });
});

describe('several studies', () => {
  it('each is asked for once, and the order stays', async () => {
    const rows = ['1.2', '1.3', '1.4'].flatMap((study) => [1, 2, 3].map((number) => row({ study, number })));
    const found = await verify(rows, { check: ({ sopInstanceUID }) => (sopInstanceUID.endsWith('.2') ? 'untold' : 'intact') });
    expect(found.verifications).toEqual(
      rows.map(({ sopInstanceUID }) => (sopInstanceUID.endsWith('.2') ? RETRIEVED : BY_DIGEST)),
    );
    expect(found.asked.filter((question) => question.startsWith('find'))).toEqual(['find 1.2 3', 'find 1.3 3', 'find 1.4 3']);
    expect(found.asked.filter((question) => question.startsWith('check'))).toHaveLength(3);
  });

  it('one that cannot be listed is asked for instance by instance', async () => {
    const rows = [1, 2, 3].map((number) => row({ number }));
    const retrieve = (uid: string): Uint8Array | ErrorCode =>
      uid.endsWith('.2') ? 'NOT_IN_ARCHIVE' : fileOf(rows[Number(uid.slice(-1)) - 1] as AuditRow);
    const { verifications } = await verify(rows, { find: 'ARCHIVE_UNAVAILABLE', retrieve });
    expect(verifications).toEqual([RETRIEVED, { verdict: 'missing' }, RETRIEVED]);
  });

  it('when three in a row cannot be asked for, the others are not', async () => {
    const rows = Array.from({ length: 20 }, (_, index) => row({ study: `1.${index + 2}` }));
    const down: Script = { find: 'ARCHIVE_UNAVAILABLE', retrieve: () => 'ARCHIVE_UNAVAILABLE' };
    const { verifications, asked } = await verify(rows, down);
    expect(verifications).toEqual(rows.map(() => unverifiable('ARCHIVE_UNAVAILABLE', true)));
    expect(asked.filter((question) => question.startsWith('find')).length).toBeLessThan(6);
  });

  it('a defect is not a verification', async () => {
    const ruleSet = async (): Promise<never> => Promise.reject(new TypeError('a defect'));
    await expect(verify([row()], { check: () => 'untold' }, { ruleSet })).rejects.toThrow('a defect');
  });
});
