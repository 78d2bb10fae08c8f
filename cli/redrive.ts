/** `storestow redrive`: sends quarantined or failed objects through again. */
import { redrive, type RedriveReport, type RedriveSelection, type RedriveStatus } from '../functions/redrive/redrive.ts';
import { chooseDeadLetters } from '../functions/redrive/dead-letters.ts';
import { sweepAllNext } from '../functions/sweep/sweep-position.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { filteredCommand, filterOf, type FilterOptions } from './audit-filter.ts';
import { openArrivals, type ArrivalsTarget } from './arrivals-target.ts';
import { bucketOption, configOption, dataOption, examples, Option, type Subcommand } from './command.ts';
import { openExistingBucket } from './existing-bucket.ts';
import { EXIT, type ExitCode, type Finish } from './exit-code.ts';
import { createProgress } from './progress.ts';
import { loadSettings } from './settings.ts';
import { formatBytes, printable, renderTable } from './table.ts';

type Options = FilterOptions & {
  readonly status?: RedriveStatus | undefined;
  readonly all?: true | undefined;
  readonly dryRun?: true | undefined;
  readonly json?: true | undefined;
  readonly queue?: string | undefined;
};

/**
 * `--json`. `dryRun`: nothing was done. `redriven`: queued, or where `queued` is false left to the sweep. `deadLetters`: messages that were
 * given up while their object had no outcome, queued again.
 */
interface RedriveOutput extends Omit<RedriveReport, 'failures'> {
  readonly dryRun: boolean;
  readonly queued: boolean;
  readonly deadLetters: number;
  readonly failures: readonly { readonly key: string; readonly code: string; readonly retryable: boolean }[];
}

export function redriveCommand(finish: Finish): Subcommand {
  return filteredCommand('redrive')
    .description('Send quarantined and failed objects through again, after what kept them was corrected')
    .addOption(
      new Option('--status <status>', 'outcome (default: quarantined and failed)').choices([
        'quarantined',
        'failed',
        'stowed',
      ] as const),
    )
    .option('--all', 'everything that is quarantined or failed')
    .optionsGroup('How:')
    .option('--dry-run', 'show what would go, and do nothing')
    .option(
      '--queue <url>',
      "the queue's address on AWS (default: that of up on this bucket, else $STORESTOW_QUEUE_URL, else left to the sweep)",
    )
    .optionsGroup('Output:')
    .option('--json', 'a JSON object: counts, and the objects by outcome and study')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(dataOption())
    .addHelpText(
      'after',
      `
The outcome is taken off before the key is queued. Where it is interrupted in between, the sweep finds the object
within a day; that of 'up' also when it starts. Without a queue, the next sweep on AWS is asked to look at all.
What is stowed is left alone, unless --status stowed is given beside another condition: for an archive that lost it.
The archive is asked first in any case, and is sent only what it does not have.
${examples(
  ['storestow redrive --reason UNKNOWN_SOURCE --dry-run', 'what would go, now that the mapping has the AE title'],
  ['storestow redrive --reason UNKNOWN_SOURCE', 'send it'],
  ['storestow redrive --study 1.2.840.1', 'one study'],
  ['storestow redrive --status failed --outcome-from 2026-11-24 --outcome-to 2026-11-25', 'what failed on one day'],
  ['storestow redrive --all --json', 'everything, with counts for a program'],
)}`,
    )
    .action(async (options) => {
      const selection = selectionOf(options);
      const settings = await loadSettings(options);
      const store = await openExistingBucket(settings.bucket);
      const target = await openArrivals(settings, {
        given: options.queue,
        byDefault: process.env['STORESTOW_QUEUE_URL'],
      });
      try {
        const output = await run(store, target, selection, options);
        if (options.json === true) process.stdout.write(`${JSON.stringify(output, null, 2)}\n`);
        else write(output, target);
        finish(exitCode(output));
      } finally {
        target.close();
        await store.close();
      }
    });
}

/** Throws `USAGE` where nothing says what to send: everything by mistake may be years. */
function selectionOf(options: Options): RedriveSelection {
  const filter = filterOf(options);
  const { status, all } = options;
  const conditions = Object.keys(filter).length;
  if (status === 'stowed' && (conditions === 0 || filter.reason !== undefined))
    throw new StorestowError('USAGE', 'with --status stowed, name what is to go by --study, a date or another condition');
  if (conditions === 0 && status === undefined && all !== true)
    throw new StorestowError('USAGE', 'name what is to go: --study, --reason, --status, a date, a source; or --all');
  return { ...filter, statuses: new Set(status === undefined ? ['quarantined', 'failed'] : [status]) };
}

async function run(
  store: ObjectStore,
  { enqueue, deadLetters }: ArrivalsTarget,
  selection: RedriveSelection,
  { dryRun = false }: { readonly dryRun?: boolean | undefined },
): Promise<RedriveOutput> {
  const progress = createProgress({ label: dryRun ? 'found' : 'redriven', unit: 'objects', total: 0, stream: process.stderr });
  let chosen = 0;
  try {
    const ports = {
      store,
      ...(enqueue === undefined ? {} : { enqueue }),
      onChosen: () => (chosen += 1),
      onDone: () => progress.step(chosen),
    };
    const { failures, ...report } = await redrive(ports, selection, { dryRun });
    const dead = await chooseDeadLetters(store, deadLetters(), selection);
    if (!dryRun && dead.length > 0) await enqueue?.(dead);
    if (enqueue === undefined && report.redriven > 0) await askForSweep(store);
    return {
      dryRun,
      queued: enqueue !== undefined,
      ...report,
      deadLetters: dead.length,
      failures: failures.map(({ key, error }) => ({ key, code: error.code, retryable: error.retryable })),
    };
  } finally {
    progress.stop();
  }
}

/** On AWS old objects are looked at once a day unless somebody asks. Where that fails they are found all the same, so nothing else does. */
async function askForSweep(store: ObjectStore): Promise<void> {
  try {
    await sweepAllNext(store);
  } catch (thrown) {
    const { code } = asStorestowError(thrown);
    process.stderr.write(
      `cannot ask for a sweep of all objects (${code}): the old ones are found within a day; it takes PutObject on sweep/position\n`,
    );
  }
}

function exitCode({ failures }: RedriveOutput): ExitCode {
  if (failures.length === 0) return EXIT.done;
  return failures.every(({ retryable }) => retryable) ? EXIT.temporary : EXIT.failed;
}

function write(output: RedriveOutput, { description }: ArrivalsTarget): void {
  const { groups, dryRun, queued, chosen, redriven, passedOver, deadLetters, failures } = output;
  const lines: string[] = [];
  if (groups.length > 0) {
    const columns = [
      { title: 'outcome' },
      { title: 'study' },
      { title: 'objects', align: 'right' as const },
      { title: 'size', align: 'right' as const },
    ];
    const rows = groups.map(({ status, reason, studyInstanceUID, objects, bytes }) => [
      reason === undefined ? status : `${status}/${reason}`,
      studyInstanceUID,
      String(objects),
      formatBytes(bytes),
    ]);
    lines.push(renderTable(columns, rows));
  }
  for (const [outcome, objects] of countsByOutcome(groups)) lines.push(`${objects} ${printable(outcome)}`);
  if (chosen === 0 && deadLetters === 0) lines.push('nothing to redrive');
  else if (dryRun) lines.push(`${chosen + deadLetters} objects would go`);
  else {
    lines.push(
      queued
        ? `${redriven + deadLetters} objects queued in ${description}`
        : `${redriven} objects have no outcome now; the sweep queues them`,
    );
  }
  if (passedOver > 0) lines.push(`${passedOver} passed over: another outcome meanwhile, or deleted`);
  process.stdout.write(`${lines.join('\n')}\n`);
  for (const { key, code } of failures) process.stderr.write(`not redriven ${printable(key)}: ${code}\n`);
}

function countsByOutcome(groups: RedriveReport['groups']): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { status, reason, objects } of groups) {
    const outcome = reason === undefined ? status : `${status}/${reason}`;
    counts.set(outcome, (counts.get(outcome) ?? 0) + objects);
  }
  return counts;
}
