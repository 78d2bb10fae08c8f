/** What became of the files of one `up FOLDER…`: collected as it happens, completed from the tags, shown as a table. */
import { fromTags } from '../core/audit/tags.ts';
import { reasonOf } from '../core/audit/query.ts';
import { mapConcurrently } from '../core/concurrency.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import type { FunctionResult } from '../local-cloud/function-runner.ts';
import type { FileReport } from '../local-uploader/upload/upload-report.ts';
import { formatBytes, printable, renderTable } from './table.ts';

interface Instance {
  readonly path: string;
  readonly study: string;
  readonly bytesBefore: number;
  bytesAfter: number | undefined;
  institution: string;
  outcome: string;
}

interface Row {
  readonly study: string;
  readonly institution: string;
  readonly outcome: string;
  readonly instances: readonly Pick<Instance, 'bytesBefore' | 'bytesAfter'>[];
}

export class IngestSummary {
  readonly #instances = new Map<string, Instance>();
  /** Files that did not get into the bucket, by outcome. */
  readonly #left = new Map<string, FileReport>();
  readonly #sent = new Map<string, number>();
  readonly #done = new Set<string>();
  /** Keys that are to be tried again, with the reason. */
  readonly #waiting = new Map<string, string>();

  /** How many instances have an outcome to come, or have one. */
  get expected(): number {
    return this.#instances.size;
  }

  get allStowed(): boolean {
    const failed = [...this.#left.values()].some(({ outcome }) => outcome !== 'foreign');
    return !failed && [...this.#instances.values()].every(({ outcome }) => outcome === 'stowed');
  }

  addFile(file: FileReport): void {
    const { key, outcome, size, studyInstanceUID, path } = file;
    if (key === undefined || (outcome !== 'uploaded' && outcome !== 'present')) {
      this.#left.set(path, file);
      return;
    }
    this.#left.delete(path);
    this.#instances.set(key, {
      path,
      study: studyInstanceUID ?? '',
      bytesBefore: size ?? 0,
      bytesAfter: undefined,
      institution: '',
      outcome: 'pending',
    });
  }

  /** Of the objects that this run looks at. */
  get keys(): readonly string[] {
    return [...this.#instances.keys()];
  }

  /** Whether it is the first outcome of its object: one that was announced twice is skipped the second time. */
  addResult({ key, state, code, sentLength }: FunctionResult): boolean {
    if (typeof sentLength === 'number') this.#sent.set(key, sentLength);
    if (state === 'retry') {
      this.#waiting.set(key, code ?? 'INTERNAL');
      return false;
    }
    this.#waiting.delete(key);
    const first = !this.#done.has(key);
    this.#done.add(key);
    return first;
  }

  /** How many are to be tried again, and why; empty where none is. */
  waiting(): string {
    if (this.#waiting.size === 0) return '';
    return `${this.#waiting.size} wait to be tried again: ${[...new Set(this.#waiting.values())].join(', ')}`;
  }

  /** The tags are what counts: an instance may have had its outcome before this run. */
  async readOutcomes(store: ObjectStore): Promise<void> {
    await mapConcurrently([...this.#instances], 16, async ([key, instance]) => {
      const record = fromTags(await store.getTags(key));
      const reason = record === undefined ? undefined : reasonOf(record.status);
      instance.outcome =
        record === undefined ? 'pending' : [record.status.kind, ...(reason === undefined ? [] : [reason])].join('/');
      instance.institution = record?.institution ?? '';
      instance.bytesAfter = this.#sent.get(key);
    });
  }

  /** A line for each file that was not stowed: what became of it, and which it is. */
  problems(): readonly string[] {
    const instances = [...this.#instances.values()].filter(({ outcome }) => outcome !== 'stowed');
    const lines = [
      ...instances.map(({ outcome, path }) => ({ outcome, path })),
      ...[...this.#left.values()].map(({ outcome, code, path }) => ({ outcome: withCode(outcome, code), path })),
    ];
    return lines.map(({ outcome, path }) => `${printable(outcome)}  ${printable(path)}`);
  }

  /** A row for each study, institution and outcome, and one for each reason why files were not taken. */
  table(): string {
    const rows = this.#rows();
    const lines = rows.map(({ study, institution, outcome, instances }) => [
      study,
      String(instances.length),
      formatBytes(sum(instances.map(({ bytesBefore }) => bytesBefore))),
      instances.some(({ bytesAfter }) => bytesAfter === undefined)
        ? ''
        : formatBytes(sum(instances.map(({ bytesAfter }) => bytesAfter ?? 0))),
      institution,
      outcome,
    ]);
    const right = { align: 'right' } as const;
    return renderTable(
      [
        { title: 'study' },
        { title: 'instances', ...right },
        { title: 'bytes before', ...right },
        { title: 'after', ...right },
        { title: 'institution' },
        { title: 'outcome' },
      ],
      lines,
    );
  }

  #rows(): readonly Row[] {
    const groups = Map.groupBy(this.#instances.values(), ({ study, institution, outcome }) =>
      JSON.stringify([study, institution, outcome]),
    );
    const stored = [...groups.values()].map((instances): Row => {
      const [first] = instances;
      return { study: first?.study ?? '', institution: first?.institution ?? '', outcome: first?.outcome ?? '', instances };
    });
    const left = Map.groupBy(this.#left.values(), ({ outcome, code }) => withCode(outcome, code));
    return [
      ...stored,
      ...[...left].map(([outcome, files]): Row => ({
        study: 'not taken',
        institution: '',
        outcome,
        instances: files.map(({ size }) => ({ bytesBefore: size ?? 0, bytesAfter: undefined })),
      })),
    ];
  }
}

function withCode(outcome: string, code: string | undefined): string {
  return code === undefined ? outcome : `${outcome}/${code}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
