/** What an uploader says of its site: a function of the spool's state. */
import type { Heartbeat } from '../../core/audit/heartbeat.ts';
import type { DiskThresholds } from '../../core/config/schema.ts';
import { shortagesOf } from './decide-disk.ts';
import type { SpoolStatus } from './spool-status.ts';

export interface Uploader {
  readonly site: string;
  /** storestow's version. */
  readonly version: string;
  readonly disk: DiskThresholds;
  /** Absent: it ends after this. */
  readonly resident?: {
    readonly since: Date;
    /** Seconds from one heartbeat to the next. */
    readonly every: number;
  };
}

export function heartbeatOf(status: SpoolStatus, { site, version, disk: thresholds, resident }: Uploader): Heartbeat {
  const { at, waiting, failed, setAside, doneToday, disk, lastError } = status;
  const short = shortagesOf(disk, thresholds);
  return {
    version: 1,
    site,
    at: at.toISOString(),
    storestow: version,
    ...(resident === undefined ? {} : { since: resident.since.toISOString(), every: resident.every }),
    backlog: {
      instances: waiting.instances,
      bytes: waiting.bytes,
      ...(waiting.oldest === undefined ? {} : { oldest: waiting.oldest.toISOString() }),
    },
    failed: failed.length,
    setAside: { foreign: setAside.foreign.length, damaged: setAside.damaged.length },
    doneToday: { instances: doneToday.instances, bytes: doneToday.bytes },
    disk: {
      freeBytes: disk.freeBytes,
      ...(disk.totalFiles === 0 ? {} : { freeInodes: disk.freeFiles }),
      ...(disk.fullInSeconds === undefined ? {} : { fullInSeconds: disk.fullInSeconds }),
      ...(short.length === 0 ? {} : { short: [...short] }),
    },
    ...(lastError === undefined ? {} : { lastError: { code: lastError.code, at: lastError.at.toISOString() } }),
  };
}
