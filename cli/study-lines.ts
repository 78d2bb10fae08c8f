/** For whoever watches `storestow up`: a line a second for each study that got outcomes, not one an instance. */
import { parseObjectKey } from '../core/store/object-key.ts';
import type { FunctionResult } from '../local-cloud/function-runner.ts';
import { printable } from './table.ts';

/** Milliseconds that outcomes gather. */
const INTERVAL = 1000;

export class StudyLines {
  readonly #stream: NodeJS.WritableStream;
  readonly #counts = new Map<string, Map<string, number>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  add({ key, state, code }: FunctionResult): void {
    const study = parseObjectKey(key)?.studyInstanceUID ?? key;
    const outcome = code === undefined ? state : `${state}/${code}`;
    const counts = this.#counts.get(study) ?? new Map<string, number>();
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    this.#counts.set(study, counts);
    this.#timer ??= setTimeout(() => this.flush(), INTERVAL);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [study, counts] of this.#counts) {
      const outcomes = [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
      this.#stream.write(`${new Date().toISOString()} study ${printable(study)}: ${outcomes}\n`);
    }
    this.#counts.clear();
  }
}
