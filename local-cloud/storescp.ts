/** DCMTK's storescp, started and kept running: the receiver of one machine. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { StorestowError } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import { receivedFolder, receivingFolder, stateFolder } from '../core/spool-layout.ts';
import { STORESCP_ENVIRONMENT, storescpArguments, type StorescpOptions } from './storescp-command.ts';

export interface StorescpExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds until it is started again. */
  readonly restartIn: number;
}

export interface StartStorescpOptions extends StorescpOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly log: Log;
  /** It ended without being asked to. */
  readonly onExit?: (exit: StorescpExit) => void;
}

export interface RunningStorescp {
  readonly port: number;
  /** Ends it, its associations and the uploads it started; what was not uploaded stays in the spool. */
  close(): Promise<void>;
}

/**
 * storescp as a child of a shell that ends it when our end of the pipe closes, so that none is left behind on the port when this process is
 * killed. The files are for its own user only.
 */
const KEEPER = [
  'umask 077',
  'exec 3<&0',
  '"$@" 3<&- </dev/null & child=$!',
  '{ read -r _ <&3; kill "$child"; } 2>/dev/null & watch=$!',
  'wait "$child"; status=$?',
  'kill "$watch" 2>/dev/null',
  'exit "$status"',
].join('\n');

const START_TIMEOUT = 15_000;
const END_TIMEOUT = 5_000;
const KILL_TIMEOUT = 1_000;
const POLL = 25;
/** Milliseconds that a run must last to count as healthy: the next restart is quick again. */
const HEALTHY_AFTER = 60_000;
const MAX_LINE = 500;

/** Milliseconds before the restart after `failures` ends in a row: 0.5 s, doubling, at most 30 s. */
export function restartDelay(failures: number): number {
  return Math.min(30_000, 500 * 2 ** Math.max(0, failures - 1));
}

/**
 * Resolves when it listens. Throws `PORT_IN_USE`, `CONFIG_INVALID`, and `PROCESS_FAILED` where it ends at once (DCMTK not installed,
 * an option that its version does not have).
 */
export async function startStorescp(options: StartStorescpOptions): Promise<RunningStorescp> {
  const port = await freePortOr(options.port);
  const spool = resolve(options.spool);
  const args = storescpArguments({ ...options, port });
  await prepareSpool(spool);
  const supervisor = new Supervisor(options, args);
  await supervisor.start(port);
  return { port, close: () => supervisor.close() };
}

class Supervisor {
  readonly #options: StartStorescpOptions;
  readonly #args: readonly string[];
  readonly #ending = new AbortController();
  #child: ChildProcess | undefined;
  #failures = 0;
  #lastLine = '';

  constructor(options: StartStorescpOptions, args: readonly string[]) {
    this.#options = options;
    this.#args = args;
  }

  async start(port: number): Promise<void> {
    const child = this.#spawn();
    const deadline = Date.now() + START_TIMEOUT;
    while (!(await accepts(port))) {
      if (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
        await delay(POLL);
        continue;
      }
      await this.close();
      throw new StorestowError(
        'PROCESS_FAILED',
        `storescp does not listen on port ${port}; is DCMTK's the first storescp on the PATH? It said: ${this.#lastLine || 'nothing'}`,
        { object: this.#options.binary ?? 'storescp', retryable: false },
      );
    }
    this.#keep(child);
  }

  #spawn(): ChildProcess {
    const { binary = 'storescp', log } = this.#options;
    const child = spawn('/bin/sh', ['-c', KEEPER, 'storescp', binary, ...this.#args], {
      // Out of `receiving`: nothing that a peer sends is a path of ours.
      cwd: stateFolder(resolve(this.#options.spool)),
      env: { ...process.env, ...STORESCP_ENVIRONMENT },
      // A process group of its own: `close` reaches its associations and execs too.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => undefined);
    child.on('error', (err) => log.error({ err }, 'storescp cannot be started'));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#lastLine = printable(line);
        log.info({ output: this.#lastLine }, 'storescp');
      });
    }
    this.#child = child;
    return child;
  }

  /** Starts it again whenever it ends. */
  #keep(child: ChildProcess): void {
    const startedAt = Date.now();
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (this.#ending.signal.aborted) return;
      this.#failures = Date.now() - startedAt >= HEALTHY_AFTER ? 1 : this.#failures + 1;
      const restartIn = restartDelay(this.#failures);
      this.#options.log.error({ code, signal, restartIn }, 'storescp ended; it is started again');
      this.#options.onExit?.({ code, signal, restartIn });
      delay(restartIn, undefined, { signal: this.#ending.signal }).then(
        () => this.#keep(this.#spawn()),
        () => undefined,
      );
    };
    if (child.exitCode !== null || child.signalCode !== null) ended(child.exitCode, child.signalCode);
    else child.once('exit', ended);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    const child = this.#child;
    if (child?.pid === undefined) return;
    const group = child.pid;
    signalGroup(group, 'SIGTERM');
    if (!(await groupEnds(group, END_TIMEOUT))) {
      signalGroup(group, 'SIGKILL');
      await groupEnds(group, KILL_TIMEOUT);
    }
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

/** Bounded: where no init collects them, dead processes stay in the group for ever. */
async function groupEnds(group: number, timeout: number): Promise<boolean> {
  const deadline = Date.now() + timeout;
  while (signalGroup(group, 0)) {
    if (Date.now() > deadline) return false;
    await delay(POLL);
  }
  return true;
}

/** Whether the group has a process. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** What a peer sent may stand in a line: no control characters to the terminal, no flood. */
function printable(line: string): string {
  return line.replace(/[^\t\x20-\x7e]/g, '?').slice(0, MAX_LINE);
}

/** Marks of an exec line that was killed while it waited are of no use any more. */
async function prepareSpool(spool: string): Promise<void> {
  const state = stateFolder(spool);
  for (const folder of [spool, receivingFolder(spool), receivedFolder(spool), state]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  for (const name of await readdir(state)) {
    if (name.startsWith('wake.')) await rmdir(join(state, name)).catch(() => undefined);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** storescp listens on all addresses, so the port must be free on all. */
async function freePortOr(port: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(port, '0.0.0.0');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw code === 'EADDRINUSE'
      ? new StorestowError('PORT_IN_USE', `port ${port} is in use; end what listens there, or choose another port`, { cause })
      : new StorestowError('CONFIG_INVALID', `this user cannot listen on port ${port}; choose one above 1023`, { cause });
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}
