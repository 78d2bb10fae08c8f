/**
 * The queue over the table of arrivals (`core/store/arrivals.ts`), with what SQS promises: a received message is hidden
 * until its visibility time-out, a failed one comes back after a pause, and after the last try it lies among the dead.
 * Several processes may use one file at once; each step is one transaction.
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { ARRIVALS_DDL, insertArrival } from '../core/store/arrivals.ts';
import { databaseError } from '../core/store/bucket-database.ts';
import type { ErrorCode } from '../core/errors.ts';
import { inTransaction, openSharedDatabase } from '../core/shared-database.ts';

/** The queue's file in the data folder, for a bucket that has none of its own. */
export const QUEUE_NAME = 'arrivals.sqlite';

export interface QueueOptions {
  /** The SQLite file; the embedded bucket's `bucket.sqlite`, or one of its own beside another bucket. */
  readonly path: string;
  /** Tries until a message is dead. Default 5. */
  readonly maxReceives?: number;
  /** Milliseconds after the first failed try; four times as long after each further one. Default 2,000. */
  readonly firstDelay?: number;
  /** Milliseconds at most between two tries. Default 5 minutes. */
  readonly maxDelay?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
}

export interface NewArrival {
  readonly key: string;
  /** Bytes, where known. */
  readonly size?: number;
  readonly etag?: string;
}

export interface ArrivalMessage {
  readonly id: number;
  readonly key: string;
  /** Proves whose the message is; a later receive of it makes this one void. */
  readonly receipt: string;
  /** This one included. */
  readonly receives: number;
}

export interface DeadLetter {
  readonly key: string;
  readonly receives: number;
  /** Code of what failed last. */
  readonly error: string;
}

export interface ReceiveOptions {
  readonly max: number;
  /** Milliseconds. */
  readonly visibilityTimeout: number;
}

export interface ReleaseOptions {
  readonly error: ErrorCode;
  /** Milliseconds until the next try; by default longer with each one. */
  readonly delay?: number;
}

export interface Ready {
  readonly count: number;
  /** Milliseconds that the oldest has been waiting. */
  readonly age: number;
}

export interface QueueDepth {
  /** May be received now. */
  readonly ready: number;
  /** Waits until its next try. */
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
}

/** Milliseconds to wait after try `receives`, from 1: `first` × 4ⁿ, at most `max`, of which up to the half is jitter. */
export function retryDelay(receives: number, first: number, max: number, random: number): number {
  return Math.round(Math.min(max, first * 4 ** (receives - 1)) * (1 - random / 2));
}

/**
 * How many messages go in one batch. Where a batch took its process down, one message is likely to blame and the others
 * must not die with it: they come back in small batches, then one by one.
 *
 * | the message's last try                  | batch |
 * |-----------------------------------------|-------|
 * | none, or answered                       | `max` |
 * | took the process down, once             | 10    |
 * | took the process down, after that       | 1     |
 */
export function batchSize(suspicion: number, max: number): number {
  if (suspicion === 0) return max;
  return suspicion === 1 ? Math.min(10, max) : 1;
}

const SUSPICION = `CASE WHEN error IN ('PROCESS_FAILED', 'INVOCATION_TIMEOUT') THEN receives ELSE 0 END`;

/** Two messages of one key are never under way at once, whoever received them: nothing is sent twice at the same time. */
const RECEIVABLE = `
  dead = 0 AND visible_at <= $now AND receives < $maxReceives AND NOT EXISTS (
    SELECT 1 FROM arrivals AS other
    WHERE other.key = arrivals.key AND other.dead = 0 AND other.receipt IS NOT NULL AND other.visible_at > $now)`;

export class ArrivalsQueue {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #maxReceives: number;
  readonly #firstDelay: number;
  readonly #maxDelay: number;
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(options: QueueOptions) {
    this.#path = options.path;
    this.#maxReceives = options.maxReceives ?? 5;
    this.#firstDelay = options.firstDelay ?? 2_000;
    this.#maxDelay = options.maxDelay ?? 300_000;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#database = this.#guarded(() => {
      const database = openSharedDatabase(options.path);
      database.exec(ARRIVALS_DDL);
      database.exec(`
        CREATE INDEX IF NOT EXISTS arrivals_by_key ON arrivals (key);
        CREATE INDEX IF NOT EXISTS arrivals_by_receipt ON arrivals (receipt) WHERE receipt IS NOT NULL;`);
      return database;
    });
  }

  /** Durable when this returns. A key that waits already is not added a second time. */
  enqueue(arrivals: readonly NewArrival[]): void {
    this.#transaction(() => {
      const forgetDead = this.#database.prepare('DELETE FROM arrivals WHERE key = ? AND dead = 1');
      const waiting = this.#database.prepare(
        'SELECT 1 FROM arrivals WHERE key = ? AND dead = 0 AND (receipt IS NULL OR visible_at <= ?) AND receives < ?',
      );
      for (const { key, size = 0, etag = '' } of arrivals) {
        const at = this.#now();
        forgetDead.run(key);
        if (waiting.get(key, at, this.#maxReceives) === undefined) insertArrival(this.#database, { key, size, etag, at });
      }
    });
  }

  /** What could be received now, counted up to `max`. */
  ready(max: number): Ready {
    return this.#guarded(() => {
      const now = this.#now();
      const row = this.#database
        .prepare(
          `SELECT count(*) AS count, min(visible_at) AS oldest
           FROM (SELECT visible_at FROM arrivals WHERE ${RECEIVABLE} ORDER BY visible_at, id LIMIT $max)`,
        )
        .get({ $now: now, $maxReceives: this.#maxReceives, $max: max });
      return { count: Number(row?.['count']), age: now - Number(row?.['oldest'] ?? now) };
    });
  }

  /** Oldest first; hidden from every other receiver until the time-out. */
  receive({ max, visibilityTimeout }: ReceiveOptions): readonly ArrivalMessage[] {
    const now = this.#now();
    const bounds = { $now: now, $maxReceives: this.#maxReceives };
    return this.#transaction(() => {
      const first = this.#database
        .prepare(`SELECT ${SUSPICION} AS suspicion FROM arrivals WHERE ${RECEIVABLE} ORDER BY visible_at, id LIMIT 1`)
        .get(bounds);
      if (first === undefined) return [];
      const suspicion = Number(first['suspicion']);
      return this.#database
        .prepare(
          `UPDATE arrivals SET receipt = $claim || '.' || id, visible_at = $until, receives = receives + 1
           WHERE id IN (
             SELECT id FROM arrivals WHERE ${RECEIVABLE} AND ${SUSPICION} = $suspicion ORDER BY visible_at, id LIMIT $limit)
           RETURNING id, key, receipt, receives`,
        )
        .all({
          ...bounds,
          $claim: randomUUID(),
          $until: now + visibilityTimeout,
          $suspicion: suspicion,
          $limit: batchSize(suspicion, max),
        })
        .map(toMessage)
        .sort((a, b) => a.id - b.id);
    });
  }

  /** The messages are done; gives how many receipts were still valid (of the others, somebody else has the message since). */
  delete(receipts: readonly string[]): number {
    return this.#transaction(() => {
      const remove = this.#database.prepare('DELETE FROM arrivals WHERE receipt = ? AND dead = 0 RETURNING key');
      const forgetDead = this.#database.prepare('DELETE FROM arrivals WHERE key = ? AND dead = 1');
      return receipts.reduce((count, receipt) => {
        const done = remove.get(receipt);
        if (done === undefined) return count;
        forgetDead.run(text(done['key']));
        return count + 1;
      }, 0);
    });
  }

  /** The message failed: it comes back, or after the last try is dead. `gone`: the receipt is void. */
  release(receipt: string, { error, delay }: ReleaseOptions): 'released' | 'dead' | 'gone' {
    return this.#transaction(() => {
      const row = this.#database.prepare('SELECT receives FROM arrivals WHERE receipt = ? AND dead = 0').get(receipt);
      if (row === undefined) return 'gone';
      const receives = Number(row['receives']);
      if (receives >= this.#maxReceives) {
        this.#database.prepare('UPDATE arrivals SET receipt = NULL, dead = 1, error = ? WHERE receipt = ?').run(error, receipt);
        return 'dead';
      }
      const pause = delay ?? retryDelay(receives, this.#firstDelay, this.#maxDelay, this.#random());
      this.#database
        .prepare('UPDATE arrivals SET receipt = NULL, visible_at = ?, error = ? WHERE receipt = ?')
        .run(this.#now() + pause, error, receipt);
      return 'released';
    });
  }

  /** The message was not begun: it may be received again after `delay` ms, and this time does not count. False where the receipt is void. */
  giveBack(receipt: string, delay = 0): boolean {
    return this.#transaction(() => {
      const back = 'UPDATE arrivals SET receipt = NULL, receives = receives - 1, visible_at = ? WHERE receipt = ? AND dead = 0';
      return this.#database.prepare(back).run(this.#now() + Math.ceil(delay), receipt).changes === 1;
    });
  }

  /** Hides messages that are still worked on for another `visibilityTimeout` ms; gives how many receipts were still valid. */
  extend(receipts: readonly string[], visibilityTimeout: number): number {
    return this.#transaction(() => {
      const extend = this.#database.prepare('UPDATE arrivals SET visible_at = ? WHERE receipt = ? AND dead = 0');
      const until = this.#now() + visibilityTimeout;
      return receipts.reduce((count, receipt) => count + Number(extend.run(until, receipt).changes), 0);
    });
  }

  /** Messages whose receiver vanished during their last try are dead from now on; these are they. */
  buryExpired(): readonly DeadLetter[] {
    return this.#transaction(() =>
      this.#database
        .prepare(
          `UPDATE arrivals SET dead = 1, receipt = NULL, error = coalesce(error, 'PROCESS_FAILED')
           WHERE dead = 0 AND visible_at <= ? AND receives >= ? RETURNING key, receives, error`,
        )
        .all(this.#now(), this.#maxReceives)
        .map(toDeadLetter),
    );
  }

  deadLetters(): readonly DeadLetter[] {
    return this.#guarded(() =>
      this.#database.prepare('SELECT key, receives, error FROM arrivals WHERE dead = 1 ORDER BY id').all().map(toDeadLetter),
    );
  }

  depth(): QueueDepth {
    return this.#guarded(() => {
      const row = this.#database
        .prepare(
          `SELECT count(*) FILTER (WHERE dead = 0 AND visible_at <= $now) AS ready,
                  count(*) FILTER (WHERE dead = 0 AND visible_at > $now AND receipt IS NULL) AS delayed,
                  count(*) FILTER (WHERE dead = 0 AND visible_at > $now AND receipt IS NOT NULL) AS inFlight,
                  count(*) FILTER (WHERE dead = 1) AS dead
           FROM arrivals`,
        )
        .get({ $now: this.#now() });
      const count = (name: string): number => Number(row?.[name] ?? 0);
      return { ready: count('ready'), delayed: count('delayed'), inFlight: count('inFlight'), dead: count('dead') };
    });
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #transaction<T>(work: () => T): T {
    return this.#guarded(() => inTransaction(this.#database, work));
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw databaseError(thrown, this.#path);
    }
  }
}

type Row = Record<string, SQLOutputValue>;

function toMessage(row: Row): ArrivalMessage {
  return { id: Number(row['id']), key: text(row['key']), receipt: text(row['receipt']), receives: Number(row['receives']) };
}

function toDeadLetter(row: Row): DeadLetter {
  return { key: text(row['key']), receives: Number(row['receives']), error: text(row['error']) };
}

function text(value: SQLOutputValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
