/** A function process, supervised: one invocation at a time, ended when it takes too long. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isErrorCode, StorestowError } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import type { FromFunction, ToFunction } from './function-protocol.ts';
import { relayLine } from './relay-line.ts';

export interface FunctionOptions {
  /** Absolute path of the module that exports `handler`. */
  readonly handler: string;
  /** Beside this process's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: Log;
}

export interface InvokeOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly onResult: (result: unknown) => void;
}

/** Milliseconds until a process that is not ready counts as one that does not start. */
const START_TIMEOUT = 60_000;

/** Beside this file, in the same form: TypeScript source or compiled. */
const FUNCTION_PROCESS = fileURLToPath(new URL(`./function-process${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

export class FunctionChild {
  readonly #process: ChildProcess;
  readonly #handler: string;
  #alive = true;
  #invocations = 0;

  private constructor(child: ChildProcess, handler: string) {
    this.#process = child;
    this.#handler = handler;
    child.once('exit', () => {
      this.#alive = false;
    });
  }

  /** Rejects with `PROCESS_FAILED` where the process ends, or is not ready in time. */
  static async start({ handler, env, log }: FunctionOptions): Promise<FunctionChild> {
    const process = fork(FUNCTION_PROCESS, [handler], {
      execArgv: [],
      env: { ...globalThis.process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [process.stdout, process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => relayLine(log, line, 'the function'));
    }
    const child = new FunctionChild(process, handler);
    await child.#answer<boolean>({
      timeout: START_TIMEOUT,
      code: 'PROCESS_FAILED',
      read: (message) => (message.kind === 'ready' ? true : undefined),
    });
    return child;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /**
   * Rejects with `PROCESS_FAILED` where the process ends, with `INVOCATION_TIMEOUT` (and ends it) where it takes too long, and with
   * the handler's own code where that throws; then the process lives on.
   */
  async invoke(event: unknown, { timeout, onResult }: InvokeOptions): Promise<unknown> {
    const id = ++this.#invocations;
    const answer = this.#answer<{ readonly response: unknown }>({
      timeout,
      code: 'INVOCATION_TIMEOUT',
      read: (message) => {
        if (message.kind === 'ready' || message.id !== id) return undefined;
        if (message.kind === 'answer') return { response: message.response };
        if (message.kind === 'result') onResult(message.result);
        else {
          throw new StorestowError(
            isErrorCode(message.code) ? message.code : 'INTERNAL',
            'the function failed; its own lines in the log say why',
          );
        }
        return undefined;
      },
    });
    const message: ToFunction = { kind: 'invoke', id, event, remaining: timeout };
    // A process that is gone is told by its exit.
    this.#process.send(message, () => undefined);
    return (await answer).response;
  }

  /** At once, whatever it does. */
  async kill(): Promise<void> {
    if (!this.#alive) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  /** The first message that `read` takes. After the time-out the process is killed. */
  async #answer<T>(options: {
    readonly timeout: number;
    readonly code: 'PROCESS_FAILED' | 'INVOCATION_TIMEOUT';
    readonly read: (message: FromFunction) => T | undefined;
  }): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const onMessage = (message: unknown): void => {
      try {
        const answer = options.read(message as FromFunction);
        if (answer !== undefined) resolve(answer);
      } catch (error) {
        reject(error);
      }
    };
    const onExit = (code: number | null, signal: string | null): void =>
      reject(
        new StorestowError('PROCESS_FAILED', `the process of ${this.#handler} ended (${signal ?? code}); it is started again`),
      );
    const timer = setTimeout(() => {
      reject(
        new StorestowError(options.code, `the process of ${this.#handler} took longer than ${options.timeout} ms and was ended`),
      );
      void this.kill();
    }, options.timeout);
    this.#process.on('message', onMessage).once('exit', onExit);
    if (!this.#alive) onExit(this.#process.exitCode, this.#process.signalCode);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#process.off('message', onMessage).off('exit', onExit);
    }
  }
}
