/** How much an uploader does at once: shared by the folders of a spool. */
import { createLimit, type Limit } from '../../core/concurrency.ts';
import { BucketGate } from '../outage/bucket-gate.ts';
import { OldestFirst } from './oldest-first.ts';
import type { UploadPorts } from './upload-options.ts';

const LARGE_AT_ONCE = 2;

export interface UploadLimits {
  readonly gate: BucketGate;
  readonly files: OldestFirst;
  /** Files above `IN_MEMORY_LIMIT`, two at a time: one is read while another is sent, and small ones need not wait behind several. */
  readonly largeFiles: OldestFirst;
  /** Files that the bucket holds and that go: they need not wait behind those that are still to be sent. */
  readonly puttingAway: Limit;
  /** Called when the first files of a folder stand in line. */
  readonly lined?: () => void;
  /** Called when all that is left of a folder's listing is large, and in line or on its way. */
  readonly onlyLarge?: () => void;
}

export interface LimitOptions {
  /** Nothing begins until `files` and `largeFiles` are told to. */
  readonly held?: boolean;
}

export function uploadLimits(concurrency: number, ports: UploadPorts, options: LimitOptions = {}): UploadLimits {
  const { gate = new BucketGate(ports) } = ports;
  const singly = (): Date | undefined => gate.outSince;
  return {
    gate,
    files: new OldestFirst({ ...options, most: concurrency, singly }),
    largeFiles: new OldestFirst({ ...options, most: Math.min(LARGE_AT_ONCE, concurrency), singly }),
    puttingAway: createLimit(concurrency),
  };
}
