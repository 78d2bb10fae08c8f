/** What became of an object → its tags, its line in the log, its result. */
import type { AuditRecord, Status } from '../../core/audit/record.ts';
import type { StorestowError } from '../../core/errors.ts';
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import { reasonText } from '../../core/stow/failure-reason.ts';
import { isStored, type Outcome } from '../../core/stow/outcome.ts';
import { hasOutcome } from './candidate.ts';
import { writeOutcome } from './object-outcome.ts';
import type { IngestPorts, IngestResult } from './ports.ts';

/**
 * | outcome                                              | tag                |
 * |------------------------------------------------------|--------------------|
 * | stored, warned                                       | `stowed`           |
 * | was there already, and the object has its outcome by now | as it was: another function instance sent it |
 * | permanent                                            | `quarantined/CODE` |
 * | retryable                                            | none               |
 *
 * Throws what the store throws.
 */
export async function settle(
  key: string,
  prepared: PreparedInstance,
  outcome: Outcome,
  ports: IngestPorts,
): Promise<IngestResult> {
  const log = ports.log.child({ study: prepared.studyInstanceUID });
  if (isStored(outcome) && outcome.alreadyThere && (await hasOutcome(ports.store, key))) return { key, state: 'skipped' };
  if (isStored(outcome)) {
    const { proof, alreadyThere, archivedMd5 } = outcome;
    const warning = outcome.kind === 'warned' ? reasonText(outcome.reason) : undefined;
    const record = recordOf({ kind: 'stowed' }, prepared, ports, { proof, archivedMd5, archiveReason: warning });
    await writeOutcome(ports.store, key, record, log);
    log.info({ key, proof, alreadyThere, ...(warning === undefined ? {} : { warning }) }, 'stowed');
    return { key, state: 'stowed', record, sentLength: prepared.length, alreadyThere };
  }
  const { kind, code, message } = outcome;
  const reason = outcome.reason === undefined ? undefined : reasonText(outcome.reason);
  const why = { key, code, why: message, ...(reason === undefined ? {} : { reason }) };
  if (kind === 'retryable') {
    log.warn(why, 'not stowed; it is tried again');
    return { key, state: 'retry', code };
  }
  const record = recordOf({ kind: 'quarantined', reason: code }, prepared, ports, { archiveReason: reason });
  await writeOutcome(ports.store, key, record, log);
  log.error(why, 'quarantined');
  return { key, state: 'quarantined', code, record };
}

/** An object that could not be read, coerced or encoded: tried again where that can help, else quarantined. Throws what the store throws. */
export async function settleUnprepared(key: string, error: StorestowError, ports: IngestPorts): Promise<IngestResult> {
  if (error.retryable) return retryLater(key, error, ports);
  const record: AuditRecord = {
    status: { kind: 'quarantined', reason: error.code },
    detail: { rules: ports.ruleSet.digest, at: ports.now().toISOString() },
  };
  await writeOutcome(ports.store, key, record, ports.log);
  ports.log.error({ key, err: error }, 'quarantined');
  return { key, state: 'quarantined', code: error.code, record };
}

/** The bucket failed: tried again whatever the code, for the instance is not to blame; unless the object is gone. */
export function settleStoreFailure(key: string, error: StorestowError, ports: IngestPorts): IngestResult {
  if (error.code !== 'OBJECT_NOT_FOUND') return retryLater(key, error, ports);
  ports.log.warn({ key }, 'skipped: the object is gone');
  return { key, state: 'skipped', code: error.code };
}

/** `retryAfter`: milliseconds before which trying again is of no use. */
export function retryLater(key: string, error: StorestowError, { log }: IngestPorts, retryAfter?: number): IngestResult {
  log.warn({ key, err: error }, 'not stowed; it is tried again');
  return { key, state: 'retry', code: error.code, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

interface ArchiveDetail {
  readonly proof?: string;
  readonly archivedMd5?: string | undefined;
  readonly archiveReason: string | undefined;
}

function recordOf(
  status: Status,
  prepared: PreparedInstance,
  { ruleSet, now }: IngestPorts,
  { proof, archivedMd5, archiveReason }: ArchiveDetail,
): AuditRecord {
  const { institution, pixelLength, pixelMd5, syntaxReceived, syntaxSent } = prepared;
  const codec = prepared.encoded ? prepared.codec : prepared.reason;
  return {
    status,
    ...(institution === undefined ? {} : { institution }),
    ...(pixelLength === undefined ? {} : { pixelLength }),
    ...(pixelMd5 === undefined ? {} : { pixelMd5 }),
    sentMd5: prepared.md5,
    detail: {
      syntaxReceived,
      syntaxSent,
      ...(codec === undefined ? {} : { codec }),
      rules: ruleSet.digest,
      ...(proof === undefined ? {} : { proof }),
      ...(archivedMd5 === undefined ? {} : { archivedMd5 }),
      ...(archiveReason === undefined ? {} : { archiveReason }),
      at: now().toISOString(),
    },
  };
}
