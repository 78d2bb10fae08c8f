/**
 * `npm run fuzz -- [inputs] [seed] [first]`: mutated objects through reader, splicer, coercion and encoder (check-input.ts says
 * what must hold). An input is its seed and number alone: `npm run fuzz -- 1 SEED NUMBER` has it again.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inputOf, type Report, type Share } from './fuzz-worker.ts';

/** Milliseconds that an input may take. */
const HANG = 5000;
const LOOK = 250;
const WORKER = fileURLToPath(new URL('fuzz-worker.ts', import.meta.url));

interface Failure {
  readonly input: number;
  readonly what: string;
}

class Run {
  readonly failures: Failure[] = [];
  readonly outcomes = new Map<string, number>();
  readonly #seed: number;
  readonly #count: number;
  readonly #started = Date.now();
  #done = 0;
  #folder: string | undefined;
  #slowest = { input: -1, milliseconds: 0 };

  constructor(seed: number, count: number) {
    this.#seed = seed;
    this.#count = count;
  }

  done(input: number, outcome: string, milliseconds: number): void {
    this.#done += 1;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (milliseconds > this.#slowest.milliseconds) this.#slowest = { input, milliseconds };
    if (this.#done % 5000 === 0) console.log(`fuzz: ${this.#done} of ${this.#count} inputs, ${this.failures.length} failures`);
  }

  failed(input: number, what: string): void {
    this.failures.push({ input, what });
    this.#folder ??= mkdtempSync(join(tmpdir(), 'storestow-fuzz-'));
    const file = join(this.#folder, `seed-${this.#seed}-input-${input}.dcm`);
    try {
      writeFileSync(file, inputOf(this.#seed, input));
    } catch (error) {
      console.error(`fuzz: input ${input} cannot be made again: ${String(error)}`);
    }
    console.error(`fuzz: FAILED seed ${this.#seed} input ${input}: ${what}; saved as ${file}`);
  }

  report(): void {
    const counts = [...this.outcomes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([outcome, count]) => `${outcome} ${count}`);
    console.log(`fuzz: ${counts.join(', ')}`);
    console.log(`fuzz: the slowest was input ${this.#slowest.input} with ${Math.round(this.#slowest.milliseconds)} ms`);
    const seconds = Math.round((Date.now() - this.#started) / 1000);
    console.log(`fuzz: ${this.#done} inputs with seed ${this.#seed} in ${seconds} s, ${this.failures.length} failures`);
  }
}

/** A share, in as many processes one after another as it needs: an input that ends or hangs one is a failure, and passed over. */
async function runShare(share: Share, run: Run): Promise<void> {
  for (let first: number | undefined = share.first; first !== undefined;) first = await runProcess({ ...share, first }, run);
}

/** Resolves with the input to go on with, once the process has ended. */
function runProcess(share: Share, run: Run): Promise<number | undefined> {
  const child: ChildProcess = fork(WORKER, { stdio: 'inherit' });
  let current: number | undefined;
  let since = 0;
  let hung = false;
  const watchdog = setInterval(() => {
    if (current === undefined || performance.now() - since <= HANG) return;
    hung = true;
    child.kill('SIGKILL');
  }, LOOK);
  child.on('message', (report: Report) => {
    switch (report.kind) {
      case 'ready':
        return;
      case 'begin':
        current = report.input;
        since = performance.now();
        return;
      case 'checked': {
        const { refused, encoded, coerced } = report.checked;
        const read = encoded ? `encoded by ${report.codec}` : coerced ? 'coerced' : 'not coerced';
        run.done(report.input, refused === undefined ? read : `refused ${refused}`, performance.now() - since);
        current = undefined;
        return;
      }
      case 'defect':
        run.done(report.input, 'FAILED', performance.now() - since);
        run.failed(report.input, report.what);
        current = undefined;
    }
  });
  child.send(share);
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      clearInterval(watchdog);
      if (current === undefined && code === 0) return resolve(undefined);
      const input = current ?? share.first;
      run.done(input, 'FAILED', performance.now() - since);
      run.failed(input, hung ? `hung for more than ${HANG} ms` : `the process ended (${signal ?? code})`);
      const next = input + share.step;
      resolve(next < share.end ? next : undefined);
    });
  });
}

const [count = 100_000, seed = 1, first = 0] = process.argv.slice(2).map(Number);
const run = new Run(seed, count);
const processes = Math.min(availableParallelism(), count);
const shares = Array.from({ length: processes }, (_, index) => ({
  seed,
  first: first + index,
  end: first + count,
  step: processes,
}));
await Promise.all(shares.map((share) => runShare(share, run)));
run.report();
process.exitCode = run.failures.length === 0 ? 0 : 1;
