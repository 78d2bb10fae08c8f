/** Progress of what people wait for: a bar (cli-progress) on a terminal, a plain line now and then elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** One more is done. The total may have grown. */
  step(total?: number): void;
  /** What is waited for beside the usual; empty: nothing. The total may have grown. */
  note(text: string, total: number): void;
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
    note: (text, newTotal) => {
      single.setTotal(newTotal);
      single.update({ note: text === '' ? '' : `; ${text}` });
    },
    stop: () => single.stop(),
  };
}

function plainLines({ unit, label, total, stream }: ProgressOptions): Progress {
  let done = 0;
  let all = total;
  let noted = '';
  let written: string | undefined;
  let last = Date.now();
  let timer: NodeJS.Timeout | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const line = `${label}: ${done} of ${all} ${unit}${noted === '' ? '' : `; ${noted}`}\n`;
    if (line === written || (done === 0 && noted === '')) return;
    written = line;
    last = Date.now();
    stream.write(line);
  };
  const changed = (): void => {
    const wait = last + PLAIN_INTERVAL - Date.now();
    if (wait <= 0) write();
    else timer ??= setTimeout(write, wait).unref();
  };
  return {
    step: (newTotal) => {
      done += 1;
      all = Math.max(newTotal ?? all, done);
      changed();
    },
    note: (text, newTotal) => {
      noted = text;
      all = Math.max(newTotal, done);
      changed();
    },
    stop: write,
  };
}
