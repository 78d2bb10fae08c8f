/** Progress of what people wait for: a bar (cli-progress) on a terminal, a plain line now and then elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** One more is done. The total may have grown. */
  step(total?: number): void;
  /** What is waited for beside the usual; empty: nothing. */
  note(text: string): void;
  stop(): void;
}

export interface ProgressOptions {
  /** What is counted: `instances`, `files`. */
  readonly unit: string;
  readonly label: string;
  readonly total: number;
  readonly stream: NodeJS.WriteStream;
}

/** Milliseconds between two plain lines. */
const PLAIN_INTERVAL = 2000;

export function createProgress(options: ProgressOptions): Progress {
  return options.stream.isTTY ? bar(options) : plainLines(options);
}

function bar({ unit, label, total, stream }: ProgressOptions): Progress {
  const single = new SingleBar(
    {
      format: `${label} [{bar}] {value}/{total} ${unit}, {eta_formatted} left{note}`,
      stream,
      clearOnComplete: false,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  single.start(total, 0, { note: '' });
  return {
    step: (newTotal) => {
      if (newTotal !== undefined) single.setTotal(newTotal);
      single.increment();
    },
    note: (text) => single.update({ note: text === '' ? '' : `; ${text}` }),
    stop: () => single.stop(),
  };
}

function plainLines({ unit, label, total, stream }: ProgressOptions): Progress {
  let done = 0;
  let all = total;
  let noted = '';
  let written: string | undefined;
  let last = Date.now();
  const write = (): void => {
    const line = `${label}: ${done} of ${all} ${unit}${noted === '' ? '' : `; ${noted}`}\n`;
    if (line === written || (done === 0 && noted === '')) return;
    written = line;
    last = Date.now();
    stream.write(line);
  };
  return {
    step: (newTotal) => {
      done += 1;
      all = Math.max(newTotal ?? all, done);
      if (Date.now() - last >= PLAIN_INTERVAL) write();
    },
    note: (text) => {
      noted = text;
      if (Date.now() - last >= PLAIN_INTERVAL) write();
    },
    stop: write,
  };
}
