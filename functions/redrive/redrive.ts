/**
 * Sends objects through again that have an outcome which a person has dealt with: the outcome is taken off, then the key is queued.
 * In that order: what a kill in between leaves has no outcome, and so the sweep finds it.
 */
import { queryAudit, reasonOf, type AuditFilter, type AuditRow } from '../../core/audit/query.ts';
import type { AuditRecord, Status } from '../../core/audit/record.ts';
import { mapConcurrently } from '../../core/concurrency.ts';
import { asStorestowError, type StorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { clearOutcome } from '../ingest/object-outcome.ts';

export type RedriveStatus = Status['kind'];

export interface RedriveSelection extends Omit<AuditFilter, 'status'> {
  /** Objects with one of these outcomes. What has none is on its way, or the sweep's. */
  readonly statuses: ReadonlySet<RedriveStatus>;
}

export interface RedriveGroup {
  readonly status: RedriveStatus;
  /** Absent: `stowed`. */
  readonly reason?: string;
  readonly studyInstanceUID: string;
  readonly objects: number;
  /** Bytes of the originals. */
  readonly bytes: number;
}

export interface RedriveReport {
  /** By outcome and study, in the order in which they were met. */
  readonly groups: readonly RedriveGroup[];
  readonly chosen: number;
  /** Queued, or without a queue left to the sweep. */
  readonly redriven: number;
  /** Got another outcome, or were deleted, before their turn. */
  readonly passedOver: number;
  readonly failures: readonly { readonly key: string; readonly error: StorestowError }[];
}

export interface RedrivePorts {
  readonly store: ObjectStore;
  /** Durable when it resolves. Absent: the sweep is to find what has no outcome. */
  readonly enqueue?: (keys: readonly string[]) => Promise<void>;
  /** Called for each object that is chosen, then for each that is dealt with. */
  readonly onChosen?: () => void;
  readonly onDone?: () => void;
}

export interface RedriveOptions {
  /** Only looks. */
  readonly dryRun?: boolean;
}

/** Objects whose outcomes are taken off before their keys are queued together. */
const BATCH = 100;
/** Requests for tags under way at once. */
const CONCURRENCY = 16;

/** The same for the look and for the moment before the outcome is taken off. */
export function isChosen(record: AuditRecord | undefined, { statuses, reason }: RedriveSelection): boolean {
  if (record === undefined || !statuses.has(record.status.kind)) return false;
  return reason === undefined || reasonOf(record.status) === reason;
}

/** Throws what the store throws while it lists, and what `enqueue` throws: what was queued by then is, the sweep finds the rest. */
export async function redrive(
  ports: RedrivePorts,
  selection: RedriveSelection,
  { dryRun = false }: RedriveOptions = {},
): Promise<RedriveReport> {
  const run = new Run(ports, selection, dryRun);
  for await (const row of queryAudit(ports.store, selection)) {
    if (isChosen(row.record, selection)) await run.add(row);
  }
  return run.finish();
}

class Run {
  readonly #ports: RedrivePorts;
  readonly #selection: RedriveSelection;
  readonly #dryRun: boolean;
  readonly #groups = new Map<string, RedriveGroup>();
  readonly #failures: { readonly key: string; readonly error: StorestowError }[] = [];
  #waiting: string[] = [];
  #chosen = 0;
  #redriven = 0;
  #passedOver = 0;

  constructor(ports: RedrivePorts, selection: RedriveSelection, dryRun: boolean) {
    this.#ports = ports;
    this.#selection = selection;
    this.#dryRun = dryRun;
  }

  async add(row: AuditRow): Promise<void> {
    this.#chosen += 1;
    this.#count(row);
    this.#ports.onChosen?.();
    if (this.#dryRun) return;
    this.#waiting.push(row.key);
    if (this.#waiting.length === BATCH) await this.#work();
  }

  async finish(): Promise<RedriveReport> {
    await this.#work();
    return {
      groups: [...this.#groups.values()],
      chosen: this.#chosen,
      redriven: this.#redriven,
      passedOver: this.#passedOver,
      failures: this.#failures,
    };
  }

  async #work(): Promise<void> {
    const keys = this.#waiting;
    this.#waiting = [];
    const cleared = await mapConcurrently(keys, CONCURRENCY, (key) => this.#clear(key));
    const free = keys.filter((_, index) => cleared[index] === true);
    if (free.length > 0) await this.#ports.enqueue?.(free);
    this.#redriven += free.length;
  }

  /** One that fails keeps its outcome, and does not stop the others. */
  async #clear(key: string): Promise<boolean> {
    try {
      const cleared = await clearOutcome(this.#ports.store, key, (record) => isChosen(record, this.#selection));
      if (!cleared) this.#passedOver += 1;
      return cleared;
    } catch (thrown) {
      const error = asStorestowError(thrown, key);
      if (error.code === 'OBJECT_NOT_FOUND') this.#passedOver += 1;
      else this.#failures.push({ key, error });
      return false;
    } finally {
      this.#ports.onDone?.();
    }
  }

  #count({ record, studyInstanceUID, size }: AuditRow): void {
    if (record === undefined) return;
    const { status } = record;
    const reason = reasonOf(status);
    const id = JSON.stringify([status.kind, reason, studyInstanceUID]);
    const group = this.#groups.get(id) ?? {
      status: status.kind,
      ...(reason === undefined ? {} : { reason }),
      studyInstanceUID,
      objects: 0,
      bytes: 0,
    };
    this.#groups.set(id, { ...group, objects: group.objects + 1, bytes: group.bytes + size });
  }
}
