/** What the work on a file goes by. */
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import type { FramePool } from '../../core/encode/frame-pool.ts';

/** Lets in who fits, first come first served. */
export interface MemoryBudget {
  /** Gives what returns the bytes, to be called once. */
  acquire(bytes: number): Promise<() => void>;
}

export interface ProcessPorts {
  readonly ruleSet: RuleSet;
  readonly framePool: FramePool;
  /** Of the files that are in memory at once. */
  readonly budget: MemoryBudget;
  /** False: coerce only. */
  readonly encode: boolean;
  /** Of a file that names no sender in (0002,0016). */
  readonly callingAET: string;
  readonly callingIP: string;
  /** Where encoded frames of a large file wait, and where there must be space for them; the system's temporary folder if absent. */
  readonly spillFolder?: string;
  /** Bytes from which a file is read where it lies; `LARGE_FILE` if absent. */
  readonly largeFile?: number;
}
