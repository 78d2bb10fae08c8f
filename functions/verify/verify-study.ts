/**
 * Instances of one study, as one source sent them, held against the archive: listed, then by the archive's own check of its files,
 * and what that does not prove is retrieved, decoded and compared.
 */
import type { AuditRow } from '../../core/audit/query.ts';
import type { Verification } from '../../core/audit/verification.ts';
import { mapConcurrently } from '../../core/concurrency.ts';
import type { ByteSource } from '../../core/dicom/byte-source.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { readLargePart10 } from '../../core/dicom/read-large.ts';
import { asStorestowError, StorestowError, type ErrorCode } from '../../core/errors.ts';
import { LARGE_FILE } from '../../core/prepare-instance.ts';
import type { ArchiveReader } from '../../core/stow/archive-reader.ts';
import type { FileQuestion, FileState } from '../../core/stow/file-check.ts';
import type { ArchivedInstance } from '../../core/stow/outcome.ts';
import type { ByteBudget } from '../ingest/byte-budget.ts';
import { compareInstance } from './compare-instance.ts';
import type { VerifyOptions, VerifyPorts } from './ports.ts';

/** Of an instance that is compared: its head and tail, and a few frames. */
const MEMORY_AT_MOST = LARGE_FILE;

/** One for each row, in order. What keeps an instance from being verified is its verification; only a defect rejects. */
export async function verifyStudy(
  rows: readonly AuditRow[],
  reader: ArchiveReader,
  budget: ByteBudget,
  ports: VerifyPorts,
  options: VerifyOptions,
): Promise<readonly Verification[]> {
  const study = new StudyVerification(reader, budget, ports, options);
  let listed: Listed;
  try {
    listed = await study.find(rows);
  } catch (thrown) {
    return study.verifyUnlisted(rows, unverifiable(thrown));
  }
  const states = await study.checkFiles(rows, listed);
  return mapConcurrently(rows, ports.connections, async (row) => study.verify(row, listed, states));
}

/** Instances in a row that could not be asked for until the rest of an unlisted study is not asked for either. */
const MAX_IN_A_ROW = 2;

type Unverifiable = Extract<Verification, { verdict: 'unverifiable' }>;
type Listed = ReadonlyMap<string, ArchivedInstance>;
type States = ReadonlyMap<string, FileState>;

class StudyVerification {
  readonly #reader: ArchiveReader;
  readonly #budget: ByteBudget;
  readonly #ports: VerifyPorts;
  readonly #options: VerifyOptions;

  constructor(reader: ArchiveReader, budget: ByteBudget, ports: VerifyPorts, options: VerifyOptions) {
    this.#reader = reader;
    this.#budget = budget;
    this.#ports = ports;
    this.#options = options;
  }

  async find(rows: readonly AuditRow[]): Promise<Listed> {
    const uids = [...new Set(rows.map(({ sopInstanceUID }) => sopInstanceUID))];
    return this.#reader.find(rows[0]?.studyInstanceUID ?? '', uids, this.#options.signal);
  }

  async checkFiles(rows: readonly AuditRow[], listed: Listed): Promise<States> {
    const questions = onlyOnes(rows.flatMap((row) => questionOf(row, listed) ?? []).filter(canBeProved));
    if (this.#options.retrieveAll === true || questions.length === 0) return new Map();
    try {
      return await this.#reader.check(questions, this.#options.signal);
    } catch (thrown) {
      // Then each is retrieved, which will say why that cannot be either.
      if (asStorestowError(thrown).code === 'INTERNAL') throw thrown;
      return new Map();
    }
  }

  /** An archive may list nothing of a study of which it has lost one file (Orthanc answers 500): each instance is asked for alone. */
  async verifyUnlisted(rows: readonly AuditRow[], failure: Unverifiable): Promise<readonly Verification[]> {
    const verifications: Verification[] = [];
    for (const { sopInstanceUID, ...row } of rows) {
      const last = verifications.slice(-MAX_IN_A_ROW);
      const isDown = last.length === MAX_IN_A_ROW && last.every(({ verdict }) => verdict === 'unverifiable');
      const supposed = new Map([[sopInstanceUID, { sopInstanceUID }]]);
      const found = isDown ? failure : await this.verify({ ...row, sopInstanceUID }, supposed, new Map());
      verifications.push(found.verdict === 'missing' ? { verdict: 'missing' } : found);
    }
    return verifications;
  }

  /**
   * | listed | the archive's check | retrieved                  | verification                            |
   * |--------|---------------------|----------------------------|-----------------------------------------|
   * | no     |                     |                            | missing                                 |
   * | yes    | intact              | not                        | equal, by digest                        |
   * | yes    | untold              | compared                   | as compared                             |
   * | yes    | damaged             | compared, and equal        | different: what lies outside of it      |
   * | yes    | damaged             | compared, and not equal    | as compared                             |
   * | yes    | any                 | the archive says it has it not | missing, listed                     |
   * | yes    | damaged             | cannot be retrieved        | missing, listed                         |
   * | yes    | untold              | cannot be retrieved        | unverifiable                            |
   */
  async verify(row: AuditRow, listed: Listed, states: States): Promise<Verification> {
    const question = questionOf(row, listed);
    if (question === undefined) return { verdict: 'missing', listed: false };
    const state = states.get(row.sopInstanceUID) ?? 'untold';
    if (state === 'intact') return { verdict: 'equal', by: 'digest' };
    const found = await this.#retrieved(row);
    if (found.verdict === 'equal' && state === 'damaged') return { verdict: 'different', differences: [BESIDE_WHAT_IS_COMPARED] };
    if (found.verdict !== 'unverifiable' || !isOfTheArchive(found)) return found;
    const damaged = state === 'damaged' || (await this.#stateOf(question)) === 'damaged';
    return damaged ? { verdict: 'missing', listed: true } : found;
  }

  async #stateOf(question: FileQuestion): Promise<FileState> {
    try {
      const states = await this.#reader.check([question], this.#options.signal);
      return states.get(question.sopInstanceUID) ?? 'untold';
    } catch {
      return 'untold';
    }
  }

  async #retrieved(row: AuditRow): Promise<Verification> {
    const release = await this.#budget.acquire(Math.min(row.size, MEMORY_AT_MOST));
    try {
      const file = await this.#reader.retrieve(row, this.#options.signal);
      try {
        return await this.#compare(row, file);
      } finally {
        await file.close();
      }
    } catch (thrown) {
      const { code } = asStorestowError(thrown);
      return code === 'NOT_IN_ARCHIVE' ? { verdict: 'missing', listed: true } : unverifiable(thrown);
    } finally {
      release();
    }
  }

  async #compare(row: AuditRow, file: ByteSource): Promise<Verification> {
    let part10: Part10;
    try {
      part10 = await readLargePart10(file);
    } catch (thrown) {
      const { code } = asStorestowError(thrown);
      if (!NO_FILE.has(code)) throw thrown;
      return { verdict: 'different', differences: [`file (${code})`] };
    }
    return compareInstance(part10, row, await this.#ruleSetOf(row), this.#ports.pool);
  }

  async #ruleSetOf({ key, record }: AuditRow): ReturnType<VerifyPorts['ruleSet']> {
    const digest = record?.detail?.rules;
    if (digest !== undefined) return this.#ports.ruleSet(digest, key);
    throw new StorestowError('OBJECT_NOT_FOUND', `the tags of ${key} do not tell by which rules it was coerced`, { object: key });
  }
}

/** What was sent could be read. */
const NO_FILE: ReadonlySet<ErrorCode> = new Set(['NOT_PART10', 'MALFORMED', 'TRUNCATED', 'UNSUPPORTED_TRANSFER_SYNTAX']);

/** For what has other bytes than the archive keeps the digest of, but none that are compared. */
const BESIDE_WHAT_IS_COMPARED = "file (the archive's own check of its storage failed)";

function questionOf(row: AuditRow, listed: Listed): FileQuestion | undefined {
  const found = listed.get(row.sopInstanceUID);
  if (found === undefined) return undefined;
  const { studyInstanceUID, seriesInstanceUID, sopInstanceUID, record } = row;
  const expected = [record?.detail?.archivedMd5, record?.sentMd5].filter((md5) => md5 !== undefined);
  return { studyInstanceUID, seriesInstanceUID, sopInstanceUID, listed: found, expected };
}

/** Whether the archive's check can prove it: not where the archive tells another digest than any that is expected. */
function canBeProved({ expected, listed: { storageDigest } }: FileQuestion): boolean {
  return storageDigest === undefined ? expected.length > 0 : expected.includes(storageDigest);
}

/** The answer is by SOP Instance UID, so two objects under one are both retrieved. */
function onlyOnes(questions: readonly FileQuestion[]): readonly FileQuestion[] {
  const byUid = Map.groupBy(questions, ({ sopInstanceUID }) => sopInstanceUID);
  return questions.filter(({ sopInstanceUID }) => byUid.get(sopInstanceUID)?.length === 1);
}

function unverifiable(thrown: unknown): Unverifiable {
  const { code, message, retryable } = asStorestowError(thrown);
  if (code === 'INTERNAL') throw thrown;
  return { verdict: 'unverifiable', code, temporary: retryable, why: message };
}

function isOfTheArchive({ code }: Unverifiable): boolean {
  return code.startsWith('ARCHIVE_');
}
