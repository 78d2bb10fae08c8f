/**
 * The orchestration: new objects → prepared in parallel, sent by study, tagged one by one. A failure is one object's own; it
 * never holds up the rest of its study.
 */
import { hash } from 'node:crypto';
import { createLimit } from '../../core/concurrency.ts';
import { asStorestowError, StorestowError, type ErrorCode } from '../../core/errors.ts';
import { LARGE_FILE, type LargeFile, type PreparedInstance } from '../../core/prepare-instance.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { objectNotFound } from '../../core/store/store-errors.ts';
import { isStored, type Archive, type Outcome } from '../../core/stow/outcome.ts';
import { ByteBudget } from './byte-budget.ts';
import { areRivals, groupRivals, hasOutcome, inspectObject, isCandidate, type Candidate } from './candidate.ts';
import { keepRuleSet } from './keep-rule-set.ts';
import { LARGE_OBJECT_MEMORY, largeObject } from './large-object.ts';
import type { InstanceSource } from './instance-source.ts';
import type { IngestOptions, IngestPorts, IngestResult, ObjectReference } from './ports.ts';
import { retryLater, settle, settleStoreFailure, settleUnprepared } from './settle.ts';
import { leaseHeldError, leasePatience, StudyLeases } from './study-lease.ts';
import { StudySenders, type Delivery } from './study-sender.ts';

/** Requests to the bucket, and instances being prepared, at once. */
const CONCURRENCY = 16;

/**
 * One result for each different key, in the order given. Rejects only where the batch as a whole cannot be worked on: the
 * rule set cannot be kept.
 */
export async function ingestBatch(
  references: readonly ObjectReference[],
  ports: IngestPorts,
  options: IngestOptions = {},
): Promise<readonly IngestResult[]> {
  const keys = [...new Set(references.map(({ key }) => key))];
  const results = await new Batch(ports, options).run(keys);
  return keys.flatMap((key) => results.get(key) ?? []);
}

/** An instance that went to the archive. */
interface Claim {
  readonly archive: Archive;
  readonly key: string;
  readonly delivery: Promise<Delivery>;
}

/** What says nothing of the object that was to be prepared: a large one is read meanwhile. */
const STORE_FAILURES: ReadonlySet<ErrorCode> = new Set(['OBJECT_NOT_FOUND', 'STORE_DENIED', 'STORE_INVALID']);

const CONFLICT: Outcome = {
  kind: 'permanent',
  code: 'CONFLICT',
  message: 'other content with this SOP Instance UID was stored before; compare the two objects and correct the sender',
};

class Batch {
  readonly #ports: IngestPorts;
  readonly #options: IngestOptions;
  readonly #limit = createLimit(CONCURRENCY);
  readonly #budget: ByteBudget;
  readonly #leases: StudyLeases;
  readonly #senders: StudySenders;
  /** By study and SOP Instance UID: two objects of one are never under way at once. */
  readonly #claims = new Map<string, Claim>();
  readonly #results = new Map<string, IngestResult>();
  /** By study: how many may still come to wait for a request. */
  readonly #expected = new Map<string, number>();
  /** How many hold bytes and do not wait for a request yet. */
  #preparing = 0;

  constructor(ports: IngestPorts, options: IngestOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#budget = new ByteBudget(ports.config.ingest.maxBytesInFlight, () => this.#pump());
    const signal = options.abort === undefined ? {} : { signal: options.abort };
    // The bytes that somebody waits for may lie in requests that are not full: then these must not wait either.
    const hurry = (study: string): boolean =>
      (this.#expected.get(study) ?? 0) === 0 || (this.#budget.blocked && this.#preparing === 0);
    this.#leases = new StudyLeases({
      leases: ports.leases,
      patience: options.patience ?? (() => leasePatience(Infinity, true)),
      // Nor may a lease be kept by somebody who waits for bytes that wait for another lease.
      keep: (study) => !hurry(study),
      log: ports.log,
      ...signal,
    });
    this.#senders = new StudySenders({ limits: ports.config.archive, leases: this.#leases, hurry, ...signal });
  }

  async run(keys: readonly string[]): Promise<ReadonlyMap<string, IngestResult>> {
    const inspected = await Promise.all(keys.map((key) => this.#limit(() => this.#inspect(key))));
    for (const result of inspected) if (!isCandidate(result)) this.#finish(result);
    const candidates = await this.#withoutBlocked(inspected.filter(isCandidate));
    if (candidates.length === 0) return this.#results;
    await keepRuleSet(this.#ports.store, this.#ports.ruleSet);
    const groups = groupRivals(candidates);
    for (const [first] of groups) this.#expect(first?.studyInstanceUID, 1);
    await Promise.all(groups.map((rivals) => this.#ingestInTurn(rivals)));
    await this.#leases.close();
    return this.#results;
  }

  /** Sends and releases what need not wait any more. */
  #pump(): void {
    this.#senders.pump();
    this.#leases.review();
  }

  async #inspect(key: string): Promise<Candidate | IngestResult> {
    try {
      return await inspectObject(this.#ports.store, key, this.#ports.config.site);
    } catch (thrown) {
      return settleStoreFailure(key, asStorestowError(thrown, key), this.#ports);
    }
  }

  /** What cannot be sent for a while comes back then, and is not prepared in vain. */
  async #withoutBlocked(candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const studies = new Set(candidates.flatMap(({ studyInstanceUID }) => studyInstanceUID ?? []));
    const rests = new Map<string | undefined, number>();
    for (const study of studies) {
      // What the store throws now it throws again where the lease is asked for, and there it concerns that study alone.
      const rest = await this.#leases.blocked(study).catch(() => 0);
      if (rest > 0) rests.set(study, rest);
    }
    return candidates.filter(({ key, studyInstanceUID }) => {
      const rest = rests.get(studyInstanceUID);
      if (rest !== undefined)
        this.#finish(retryLater(key, leaseHeldError({ kind: 'held', holder: 'gone', rest }), this.#ports, rest));
      return rest === undefined;
    });
  }

  /** Each waits for what becomes of the one before; only the first is waited for by the others of its study. */
  async #ingestInTurn(rivals: readonly Candidate[]): Promise<void> {
    for (const [turn, candidate] of rivals.entries()) {
      const study = turn === 0 ? candidate.studyInstanceUID : undefined;
      const release = await this.#budget.acquire(isLarge(candidate) ? LARGE_OBJECT_MEMORY : candidate.size);
      this.#preparing += 1;
      const arrived = once(() => {
        this.#preparing -= 1;
        this.#expect(study, -1);
        this.#pump();
      });
      try {
        this.#finish(await this.#ingest(candidate, arrived));
      } finally {
        arrived();
        release();
      }
    }
  }

  /** `arrived` is called when the candidate waits for a request, or for another instance. */
  async #ingest(candidate: Candidate, arrived: () => void): Promise<IngestResult> {
    const { key } = candidate;
    try {
      const prepared = await this.#limit(() => this.#prepare(candidate));
      if (prepared instanceof StorestowError) return await settleUnprepared(key, prepared, this.#ports);
      try {
        const { outcome, retryAfter, settled } = await this.#deliver(candidate, prepared, arrived);
        try {
          if (outcome === undefined) return { key, state: 'skipped' };
          const result =
            'code' in outcome && outcome.code === 'CONFLICT'
              ? await this.#settleConflict(candidate, prepared, outcome)
              : await settle(key, prepared, outcome, this.#ports);
          return retryAfter === undefined ? result : { ...result, retryAfter };
        } finally {
          settled();
        }
      } finally {
        await prepared.release?.();
      }
    } catch (thrown) {
      // What the store threw; everything else is in the outcome.
      return settleStoreFailure(key, asStorestowError(thrown, key), this.#ports);
    }
  }

  /**
   * The archive has other content than the rules give now. Where it has what earlier ones gave, it was sent by these, and only that was not
   * written down. Throws what the store throws.
   */
  async #settleConflict(candidate: Candidate, prepared: PreparedInstance, conflict: Outcome): Promise<IngestResult> {
    const { key, source, arrived } = candidate;
    for await (const { ruleSet, prepare } of this.#ports.earlierRules(arrived)) {
      const earlier = await this.#limit(() => this.#prepare(candidate, prepare));
      if (earlier instanceof StorestowError) {
        if (earlier.retryable) return retryLater(key, earlier, this.#ports);
        continue;
      }
      try {
        const found = await this.#compare(earlier, source);
        if (found.kind !== 'permanent') return await settle(key, earlier, found, { ...this.#ports, ruleSet });
      } finally {
        await earlier.release?.();
      }
    }
    return settle(key, prepared, conflict, this.#ports);
  }

  async #compare(prepared: PreparedInstance, source: InstanceSource): Promise<Outcome> {
    const { abort } = this.#options;
    try {
      const archive = this.#ports.archiveFor({ ...source, institution: prepared.institution });
      return await archive.compare(prepared, abort === undefined ? {} : { signal: abort });
    } catch (thrown) {
      const { code, message, retryable } = asStorestowError(thrown);
      return { kind: retryable ? 'retryable' : 'permanent', code, message };
    }
  }

  /** Throws what the store throws. */
  async #prepare(
    candidate: Candidate,
    prepare: IngestPorts['prepare'] = this.#ports.prepare,
  ): Promise<PreparedInstance | StorestowError> {
    const { key, source } = candidate;
    if (this.#options.stop?.aborted === true) return outOfTime(key);
    const file = isLarge(candidate) ? await openLarge(this.#ports.store, key) : await readChecked(this.#ports.store, key);
    try {
      return await prepare(file, source);
    } catch (thrown) {
      const error = asStorestowError(thrown, key);
      if (STORE_FAILURES.has(error.code)) throw error;
      return error;
    }
  }

  async #deliver({ key, source }: Candidate, prepared: PreparedInstance, arrived: () => void): Promise<Delivery> {
    let archive: Archive;
    try {
      archive = this.#ports.archiveFor({ ...source, institution: prepared.institution });
    } catch (thrown) {
      const { code, message, retryable } = asStorestowError(thrown, key);
      return notSent({ kind: retryable ? 'retryable' : 'permanent', code, message });
    }
    const id = `${prepared.studyInstanceUID}/${prepared.sopInstanceUID}`;
    for (let claim = this.#claims.get(id); claim !== undefined; claim = this.#claims.get(id)) {
      arrived();
      const { outcome, retryAfter } = await claim.delivery;
      if (outcome?.kind === 'retryable') return notSent(outcome, retryAfter);
      if (outcome !== undefined && isStored(outcome) && claim.archive === archive && areRivals(key, claim.key))
        return notSent(CONFLICT);
      if (this.#claims.get(id) === claim) break;
    }
    const delivery = this.#senders.send(archive, {
      instance: prepared,
      institution: this.#ports.ownInstitution(source),
      isDue: () => this.#limit(() => this.#isDue(key)),
      buffered: arrived,
    });
    this.#claims.set(id, { archive, key, delivery });
    return delivery;
  }

  /** An object that is gone meanwhile has nothing to be sent for. Throws what the store throws. */
  async #isDue(key: string): Promise<boolean> {
    try {
      return !(await hasOutcome(this.#ports.store, key));
    } catch (thrown) {
      if (asStorestowError(thrown, key).code === 'OBJECT_NOT_FOUND') return false;
      throw thrown;
    }
  }

  #expect(study: string | undefined, change: 1 | -1): void {
    if (study !== undefined) this.#expected.set(study, (this.#expected.get(study) ?? 0) + change);
  }

  #finish(result: IngestResult): void {
    this.#results.set(result.key, result);
    this.#options.onResult?.(result);
  }
}

/** What was decided without a request, and so without the lease. */
function notSent(outcome: Outcome, retryAfter?: number): Delivery {
  return { outcome, settled: () => undefined, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function isLarge({ size }: Candidate): boolean {
  return size >= LARGE_FILE;
}

/** Throws what the store throws. */
async function openLarge(store: ObjectStore, key: string): Promise<LargeFile> {
  const head = await store.head(key);
  if (head === undefined) throw objectNotFound(key);
  return largeObject(store, head);
}

/** Throws what the store throws, and `CHECKSUM_MISMATCH` where the bytes are not those that the uploader had. */
async function readChecked(store: ObjectStore, key: string): Promise<Uint8Array> {
  const object = await store.get(key);
  const bytes = await object.bytes();
  const promised = object.head.metadata['sha256']?.toLowerCase();
  // Where the store keeps a digest, it has held these bytes to it.
  if (promised !== undefined && promised !== (object.head.sha256 ?? hash('sha256', bytes, 'hex'))) {
    throw new StorestowError('CHECKSUM_MISMATCH', `${key} is not what the uploader sent; if that stays, upload it again`, {
      object: key,
    });
  }
  return bytes;
}

function outOfTime(key: string): StorestowError {
  return new StorestowError('INVOCATION_TIMEOUT', `no time was left to begin ${key}; the next invocation takes it`, {
    object: key,
  });
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
