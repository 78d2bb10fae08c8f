/**
 * One transaction, and so one wait for the disk, for all changes that are ready in the same turn of the event loop: SQLite's
 * API is synchronous, and a commit blocks the process for as long as the disk takes.
 */
import type { DatabaseSync } from 'node:sqlite';
import { StorestowError } from '../errors.ts';
import { inTransaction } from '../shared-database.ts';
import { databaseError } from './bucket-database.ts';

interface Step {
  /** Runs inside the transaction; returns how to tell the caller once it is committed. */
  readonly apply: () => () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #path: string;
  #waiting: Step[] = [];

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /**
   * Resolves after the commit. A step that refuses throws a `StorestowError` **before** it writes; it fails alone. Any other
   * failure rolls the whole group back and rejects every step of it.
   */
  run<Result>(step: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const apply = (): (() => void) => {
        try {
          const result = step();
          return () => resolve(result);
        } catch (error) {
          if (error instanceof StorestowError) return () => reject(error);
          throw error;
        }
      };
      if (this.#waiting.push({ apply, reject }) === 1) setImmediate(() => this.flush());
    });
  }

  /** Commits what waits. */
  flush(): void {
    const steps = this.#waiting;
    if (steps.length === 0) return;
    this.#waiting = [];
    try {
      const settle = inTransaction(this.#database, () => steps.map((step) => step.apply()));
      for (const tell of settle) tell();
    } catch (error) {
      const failure = databaseError(error, this.#path);
      for (const step of steps) step.reject(failure);
    }
  }
}
