/** Rows of the bucket, study by study, several at once, each held against the archive. */
import type { AuditRow } from '../../core/audit/query.ts';
import type { Verification, VerifiedInstance } from '../../core/audit/verification.ts';
import { mapInOrder } from '../../core/concurrency.ts';
import { asStorestowError } from '../../core/errors.ts';
import type { ArchiveReader } from '../../core/stow/archive-reader.ts';
import { ByteBudget } from '../ingest/byte-budget.ts';
import type { VerifyOptions, VerifyPorts } from './ports.ts';
import { verifyStudy } from './verify-study.ts';

/** Studies in a row of which nothing could be asked until the rest is not asked for either. */
const MAX_IN_A_ROW = 3;

/**
 * In the order of the rows, which is that of their keys: so what one source sent of one study stands together. A group is in memory at
 * once, and as many groups as there are connections.
 */
export async function* verifyRows(
  rows: AsyncIterable<AuditRow>,
  ports: VerifyPorts,
  options: VerifyOptions = {},
): AsyncGenerator<VerifiedInstance> {
  const verifier = new RowsVerifier(ports, options);
  const { connections } = ports;
  const groups = mapInOrder(groupsOf(rows), connections, async (group) => verifier.verify(group), connections);
  for await (const verified of groups) yield* verified;
}

class RowsVerifier {
  readonly #ports: VerifyPorts;
  readonly #options: VerifyOptions;
  readonly #budget: ByteBudget;
  #inARow = 0;
  #halted: Verification | undefined;

  constructor(ports: VerifyPorts, options: VerifyOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#budget = new ByteBudget(ports.maxBytesInFlight);
  }

  async verify(rows: readonly AuditRow[]): Promise<readonly VerifiedInstance[]> {
    const verified = new Map<AuditRow, Verification>();
    for (const [reader, ofReader] of Map.groupBy(rows, (row) => this.#readerFor(row))) {
      const verifications = await this.#verifyWith(reader, ofReader);
      ofReader.forEach((row, index) => verified.set(row, verifications[index] ?? NOT_ASKED));
    }
    return rows.map((row) => ({ row, verification: verified.get(row) ?? NOT_ASKED }));
  }

  /** An archive whose address has the institution in it has several for one study, where the mapping changed. */
  #readerFor(row: AuditRow): ArchiveReader | Verification {
    try {
      return this.#ports.readerFor(row);
    } catch (thrown) {
      const { code, message, retryable } = asStorestowError(thrown);
      if (code !== 'UNKNOWN_SOURCE') throw thrown;
      return { verdict: 'unverifiable', code, temporary: retryable, why: message };
    }
  }

  async #verifyWith(reader: ArchiveReader | Verification, rows: readonly AuditRow[]): Promise<readonly Verification[]> {
    if ('verdict' in reader) return rows.map(() => reader);
    const halted = this.#halted;
    if (halted !== undefined) return rows.map(() => halted);
    const verifications = await verifyStudy(rows, reader, this.#budget, this.#ports, this.#options);
    const [first] = verifications;
    const unanswered = verifications.every((verification) => verification.verdict === 'unverifiable' && verification.temporary);
    this.#inARow = unanswered ? this.#inARow + 1 : 0;
    if (this.#inARow >= MAX_IN_A_ROW && first?.verdict === 'unverifiable') {
      this.#halted = { ...first, why: `not asked, after ${MAX_IN_A_ROW} studies in a row could not be: ${first.why}` };
    }
    return verifications;
  }
}

const NOT_ASKED: Verification = { verdict: 'unverifiable', code: 'INTERNAL', temporary: false, why: 'not asked; report it' };

async function* groupsOf(rows: AsyncIterable<AuditRow>): AsyncGenerator<readonly AuditRow[]> {
  let group: AuditRow[] = [];
  for await (const row of rows) {
    const [first] = group;
    if (first !== undefined && !areOfOneGroup(first, row)) {
      yield group;
      group = [];
    }
    group.push(row);
  }
  if (group.length > 0) yield group;
}

function areOfOneGroup(a: AuditRow, b: AuditRow): boolean {
  return (
    a.studyInstanceUID === b.studyInstanceUID && a.callingAET === b.callingAET && a.callingIP === b.callingIP && a.site === b.site
  );
}
