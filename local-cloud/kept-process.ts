/** A Node module run as a process of its own, kept running: started again when it ends, ended with its starter. */
import { fork, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../core/logging.ts';
import { relayLine } from './relay-line.ts';
import { restartDelay } from './storescp.ts';

export interface KeptProcessOptions {
  /** Absolute path of the module. It is to end when its IPC channel closes, and on SIGTERM; it sends `ready` when it is. */
  readonly module: string;
  readonly args: readonly string[];
  /** What it is, for the log. */
  readonly name: string;
  readonly log: Log;
  /** Milliseconds that it gets to end when it is asked to. Default 10 s. */
  readonly endTimeout?: number;
}

export interface KeptProcess {
  /** Of the process that runs now, if one does. */
  readonly pid: number | undefined;
  /** Resolves when the first process is ready, or has ended. */
  readonly begun: Promise<void>;
  close(): Promise<void>;
}

/** What a kept process sends when it does its work. */
const READY = 'ready';

/** Milliseconds that a run must last to count as healthy. */
const HEALTHY_AFTER = 60_000;

export function keepProcess({ module, args, name, log, endTimeout = 10_000 }: KeptProcessOptions): KeptProcess {
  const ending = new AbortController();
  const begun = Promise.withResolvers<void>();
  let child: ChildProcess | undefined;

  async function keep(): Promise<void> {
    for (let failures = 0; !ending.signal.aborted;) {
      const startedAt = Date.now();
      child = start({ module, args, name, log });
      child.on('message', (message) => {
        if (message === READY) begun.resolve();
      });
      const { code, signal } = await ended(child);
      begun.resolve();
      child = undefined;
      if (ending.signal.aborted) return;
      failures = Date.now() - startedAt >= HEALTHY_AFTER ? 1 : failures + 1;
      const restartIn = restartDelay(failures);
      log.error({ code, signal, restartIn }, `${name} ended; it is started again`);
      await delay(restartIn, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }

  const kept = keep();
  return {
    get pid() {
      return child?.pid;
    },
    begun: begun.promise,
    async close() {
      ending.abort();
      child?.kill('SIGTERM');
      const timer = setTimeout(() => child?.kill('SIGKILL'), endTimeout);
      await kept;
      clearTimeout(timer);
    },
  };
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that could not be started has no exit, and only that error is its end. */
async function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}

/** In a group of its own: a Ctrl-C is its starter's, who ends it in its turn. */
function start({ module, args, name, log }: KeptProcessOptions): ChildProcess {
  const child = fork(module, args, { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => relayLine(log, line, name));
  }
  child.on('error', (err) => log.error({ err }, 'a process cannot be started'));
  return child;
}
