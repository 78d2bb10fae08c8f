/** Progress of what people wait for: a bar (cli-progress) on a terminal, a plain line now and then elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** One more is done. The total may have grown. */
  step(total?: number): void;
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
      format: `${label} [{bar}] {value}/{total} ${unit}, {eta_formatted} left`,
      stream,
      clearOnComplete: false,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  single.start(total, 0);
  return {
    step: (newTotal) => {
      if (newTotal !== undefined) single.setTotal(newTotal);
      single.increment();
    },
    stop: () => single.stop(),
  };
}

function plainLines({ unit, label, total, stream }: ProgressOptions): Progress {
  let done = 0;
  let all = total;
  let written = -1;
  let last = Date.now();
  const write = (): void => {
    if (done === written) return;
    written = done;
    last = Date.now();
    stream.write(`${label}: ${done} of ${all} ${unit}\n`);
  };
  return {
    step: (newTotal) => {
      done += 1;
      all = Math.max(newTotal ?? all, done);
      if (Date.now() - last >= PLAIN_INTERVAL) write();
    },
    stop: write,
  };
}
