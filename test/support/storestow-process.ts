/** Runs the `storestow` command from its sources, as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the sources. */
  readonly entry?: string;
}

export interface RunningStorestow {
  readonly child: ChildProcess;
  /** What it has written so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Resolves with the first match on stdout; rejects when the process ends before. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  readonly finished: Promise<Finished>;
  /** Asks it to end, waits for that. */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

export function startStorestow(args: readonly string[], { cwd, env, entry = ENTRY }: RunOptions = {}): RunningStorestow {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const look of watchers) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return {
    child,
    output: () => ({ stdout, stderr }),
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout);
          if (match === null) return;
          watchers.delete(look);
          resolve(match);
        };
        watchers.add(look);
        look();
        void finished.then(({ code }) => {
          reject(new Error(`storestow ended with ${code} before ${pattern} was seen\n${stdout}\n${stderr}`));
        });
      }),
    finished,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return finished;
    },
  };
}

export async function runStorestow(args: readonly string[], options?: RunOptions): Promise<Finished> {
  return startStorestow(args, options).finished;
}
