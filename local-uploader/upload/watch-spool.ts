/**
 * The resident uploader: the spool is looked at whenever something arrives in it, and now and then in any case. While the bucket takes
 * nothing, arrivals only gather, and one file is tried now and then.
 */
import { watch, type FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { asStorestowError } from '../../core/errors.ts';
import { receivedFolder } from '../../core/spool-layout.ts';
import { BucketGate } from '../outage/bucket-gate.ts';
import { decideRound } from '../outage/decide-round.ts';
import { HandledFiles } from '../spool/handled-files.ts';
import { keepAsking } from '../outage/keep-asking.ts';
import { uploadSpool } from './upload-spool.ts';
import type { UploadOptions, UploadPorts } from './upload-study.ts';

export interface WatchOptions {
  /** Aborted: the round under way is finished. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks where nothing is heard: a notice may be lost, and other folders are not watched. Default 10 s. */
  readonly every?: number;
  /** 0 to 1, for the spread of what is tried again. Default `Math.random`. */
  readonly random?: () => number;
  /** Awaited once, when whatever arrives from then on is heard. After a call of `hear` a round begins that has not begun yet. */
  readonly onListening?: (hear: () => void) => void | Promise<void>;
}

/** Milliseconds from one round to the next at least: the first arrival goes at once, those that follow it gather. */
const GATHER = 200;

/** Until `signal`. A round that fails is logged, and tried again with the next. */
export async function watchSpool(
  spool: string,
  ports: UploadPorts,
  options: UploadOptions,
  { signal, every = 10_000, random = Math.random, onListening }: WatchOptions,
): Promise<void> {
  const gate = ports.gate ?? new BucketGate(ports);
  const handled = new HandledFiles();
  const notices = new Notices(receivedFolder(spool));
  try {
    for (let told = false; !signal.aborted; told = true) {
      await notices.listen();
      if (!told) await onListening?.(() => notices.hear());
      const gathered = untilLater(GATHER, signal);
      gate.beginRound();
      const over = new AbortController();
      const asking = keepAsking(gate, random, over.signal);
      const whole = await uploadAll(spool, { ...ports, gate }, { ...options, ending: signal }, handled);
      over.abort();
      await asking;
      gate.endRound({ whole });
      const { after } = decideRound(gate.bucket, random());
      if (after !== undefined) await untilLater(after, signal);
      else {
        await gathered;
        await notices.next(every, signal);
      }
    }
  } finally {
    notices.close();
  }
}

/** Whether it met all that waits. */
async function uploadAll(spool: string, ports: UploadPorts, options: UploadOptions, handled: HandledFiles): Promise<boolean> {
  try {
    const reports = await uploadSpool(spool, ports, options, handled);
    return !reports.some(({ leftToOther }) => leftToOther);
  } catch (thrown) {
    ports.log.error({ err: asStorestowError(thrown, spool) }, 'the spool was not uploaded; it is tried again');
    return false;
  }
}

async function untilLater(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}

/**
 * What the file system says of the folders where storescp's instances come to lie whole. One watch a folder: Node's recursive one
 * has one a file.
 */
class Notices {
  readonly #root: string;
  readonly #watchers = new Map<string, FSWatcher>();
  #heard = false;
  #wake: (() => void) | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** To folders that have come, too. What happens from now on counts for the next round. */
  async listen(): Promise<void> {
    this.#heard = false;
    this.#watch(this.#root);
    const entries = await readdir(this.#root, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) this.#watch(join(this.#root, entry.name));
  }

  #watch(folder: string): void {
    if (this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, (event, name) => this.#notice(folder, event, name));
      watcher.on('error', () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
    } catch {
      // It is gone, or there are too many watches: the timer goes on.
    }
  }

  /** Instances come by a rename; what is written or removed here is the uploader's own doing, which only costs a look. */
  #notice(folder: string, event: string, name: string | null): void {
    if (event !== 'rename' || name?.endsWith('.uploaded') === true) return;
    // A folder that comes again under its name is another one, and needs a watch of its own.
    if (folder === this.#root && name !== null) this.#forget(join(folder, name));
    this.hear();
  }

  hear(): void {
    this.#heard = true;
    this.#wake?.();
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  async next(timeout: number, signal: AbortSignal): Promise<void> {
    if (this.#heard || signal.aborted) return;
    const waiting = new AbortController();
    this.#wake = () => waiting.abort();
    await untilLater(timeout, AbortSignal.any([signal, waiting.signal]));
    this.#wake = undefined;
  }

  close(): void {
    for (const folder of [...this.#watchers.keys()]) this.#forget(folder);
  }
}
