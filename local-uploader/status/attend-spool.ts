/**
 * Beside the resident uploader, whatever its rounds are at: each minute a look at the spool, by which a disk that runs full is told in
 * time, and the site's heartbeat is written.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { putHeartbeat } from '../../core/audit/heartbeat.ts';
import type { DiskThresholds } from '../../core/config/schema.ts';
import { asStorestowError, type StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { decideDisk, type DiskAlarm } from './decide-disk.ts';
import { heartbeatOf, type Uploader } from './heartbeat.ts';
import { lookAtSpool } from './look-at-spool.ts';
import type { SpoolStatus } from './spool-status.ts';

export interface AttendPorts {
  readonly store: ObjectStore;
  readonly log: Log;
  readonly now: () => Date;
  /** Called before each look: how full the disk is may be noted. */
  readonly onLook?: () => void;
}

export interface AttendOptions {
  readonly site: string;
  readonly version: string;
  /** Seconds between two heartbeats, each of which goes with a look; 0: none. */
  readonly heartbeat: number;
  readonly disk: DiskThresholds;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks at most. Default a minute. */
  readonly every?: number;
}

const MINUTE = 60_000;
/** A look at a spool of a million files takes most of a minute: between two looks is so many times as long at least. */
const SPARING = 10;

/** Until `signal`. What fails here is told once, and keeps nothing else from its work. */
export async function attendSpool(
  spool: string,
  ports: AttendPorts,
  { site, version, heartbeat: every, disk: thresholds, signal, every: most = MINUTE }: AttendOptions,
): Promise<void> {
  const { log, now } = ports;
  const resident = { since: now(), every };
  const heart = new Heart(ports.store, log);
  const look = new Look(spool, log);
  let alarm: DiskAlarm | undefined;
  let next = -Infinity;
  let beating: Promise<void> | undefined;
  let looked = true;
  while (!signal.aborted) {
    ports.onLook?.();
    const begun = performance.now();
    let took = 0;
    try {
      const status = await look.at(now(), signal);
      took = performance.now() - begun;
      const decision = decideDisk(alarm, status.disk, thresholds, status.at);
      ({ alarm } = decision);
      if (decision.tell !== undefined) tellDisk(decision.tell, status.disk, log);
      looked = true;
      if (every > 0 && performance.now() >= next) {
        next = performance.now() + every * 1000;
        // One that hangs holds up no look at the disk.
        beating ??= heart.beat(status, { site, version, disk: thresholds, resident }).finally(() => (beating = undefined));
      }
    } catch (thrown) {
      // A look takes up to a minute, and the uploader is to end.
      if (signal.aborted) break;
      if (looked) log.warn({ err: asStorestowError(thrown, spool) }, 'the spool cannot be looked at; nobody watches its disk');
      looked = false;
    }
    const pause = every > 0 ? Math.min(most, every * 1000) : most;
    await delay(Math.max(pause, took * SPARING), undefined, { signal }).catch(() => undefined);
  }
  await beating;
}

/** Of a run that ends; what fails here is told, and is no failure of the run. */
export async function beatOnce(spool: string, { store, log, now }: AttendPorts, uploader: Uploader): Promise<void> {
  try {
    await new Heart(store, log).beat(await new Look(spool, log).at(now()), uploader);
  } catch (thrown) {
    log.warn({ err: asStorestowError(thrown, spool) }, 'the spool cannot be looked at; there is no heartbeat of this run');
  }
}

class Look {
  readonly #spool: string;
  readonly #log: Log;
  #unread = false;

  constructor(spool: string, log: Log) {
    this.#spool = spool;
    this.#log = log;
  }

  /** Quickly. What the uploaders noted only counts: without it the disk is watched all the same. */
  async at(now: Date, signal?: AbortSignal): Promise<SpoolStatus> {
    let unread = false;
    const onUnread = (err: StorestowError): void => {
      unread = true;
      if (!this.#unread) this.#log.warn({ err }, 'what was noted of uploads cannot be read; the heartbeat does not count it');
    };
    const status = await lookAtSpool(this.#spool, now, { studies: false, onUnread, ...(signal === undefined ? {} : { signal }) });
    this.#unread = unread;
    return status;
  }
}

class Heart {
  readonly #store: ObjectStore;
  readonly #log: Log;
  #failed = false;

  constructor(store: ObjectStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  async beat(status: SpoolStatus, uploader: Uploader): Promise<void> {
    try {
      await putHeartbeat(this.#store, heartbeatOf(status, uploader));
      this.#failed = false;
    } catch (thrown) {
      if (!this.#failed)
        this.#log.warn(
          { err: asStorestowError(thrown) },
          'the heartbeat is not in the bucket; others may take this site for silent',
        );
      this.#failed = true;
    }
  }
}

function tellDisk(
  tell: 'short' | 'over',
  { freeBytes, freeFiles, totalFiles, fullInSeconds }: SpoolStatus['disk'],
  log: Log,
): void {
  const about = {
    freeBytes,
    ...(totalFiles === 0 ? {} : { freeInodes: freeFiles }),
    ...(fullInSeconds === undefined ? {} : { fullInSeconds }),
  };
  if (tell === 'over') log.info(about, 'the disk of the spool has room again');
  else
    log.warn(
      about,
      'the disk of the spool is short of room; storescp refuses what it cannot write: make room, or see what keeps the bucket',
    );
}
