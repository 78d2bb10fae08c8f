/** `storestow audit`: what the bucket's tags say of every received instance. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { queryAudit, type AuditFilter, type AuditRow } from '../core/audit/query.ts';
import { csvReport, reportEntry } from '../core/audit/report.ts';
import { StorestowError } from '../core/errors.ts';
import { openStore } from '../core/store/open-store.ts';
import { Command, configOption, examples, InvalidArgumentError, Option, type Subcommand } from './command.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { DEFAULT_DATA, loadSettings } from './settings.ts';
import { formatBytes, renderTable } from './table.ts';

function date(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) throw new InvalidArgumentError('expected a date, 2026-11-24 or 2026-11-24T08:00:00Z.');
  return value;
}

export function auditCommand(finish: Finish): Subcommand {
  return new Command('audit')
    .description('What became of each received object: status, institution, length and MD5 of the original pixel data')
    .optionsGroup('Filter:')
    .option('--institution <name>', 'the institution that was set')
    .option('--study <uid>', 'Study Instance UID')
    .addOption(new Option('--status <status>', 'outcome').choices(['stowed', 'quarantined', 'failed', 'pending'] as const))
    .option('--reason <code>', 'reason of quarantined or failed, as UNKNOWN_SOURCE')
    .option('--site <name>', 'site of the receiver')
    .option('--calling-aet <title>', 'AE title of the sender')
    .option('--received-from <date>', 'received at or after, ISO 8601', date)
    .option('--received-to <date>', 'received before, ISO 8601', date)
    .option('--outcome-from <date>', 'outcome at or after, ISO 8601', date)
    .option('--outcome-to <date>', 'outcome before, ISO 8601', date)
    .optionsGroup('Output:')
    .addOption(new Option('--json', 'a JSON array, one object an instance').conflicts('csv'))
    .option('--csv', 'comma-separated values that a spreadsheet opens')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .option('--bucket <address>', 'folder:PATH, s3://NAME or http(s)://[KEY:SECRET@]HOST/NAME')
    .option('--data <folder>', 'folder of storestow up', DEFAULT_DATA)
    .addHelpText(
      'after',
      examples(
        ['storestow audit', 'everything, as a table'],
        ['storestow audit --institution "General Hospital" --json', 'what was tagged with one institution, for a program'],
        ['storestow audit --status quarantined --csv > quarantined.csv', 'what waits for a person, for a spreadsheet'],
        ['storestow audit --study 1.2.840.1 --status pending', 'what of a study has no outcome yet'],
      ),
    )
    .action(async (options) => {
      const { bucket } = await loadSettings(options);
      if (bucket.kind === 'folder') await requireBucket(bucket.path);
      const store = await openStore(bucket);
      try {
        const rows = queryAudit(store, filterOf(options));
        if (options.json === true) await writeAll(jsonReport(rows));
        else if (options.csv === true) await writeAll(csvReport(rows));
        else await writeTable(rows);
      } finally {
        await store.close();
      }
      finish(EXIT.done);
    });
}

/** Opening it would make one: a report of nothing, where the folder was misspelt. */
async function requireBucket(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new StorestowError('USAGE', `there is no bucket in ${path}; give --data or --bucket as storestow up has it`, {
    object: path,
  });
}

interface FilterOptions {
  readonly institution?: string | undefined;
  readonly study?: string | undefined;
  readonly status?: AuditFilter['status'] | undefined;
  readonly reason?: string | undefined;
  readonly site?: string | undefined;
  readonly callingAet?: string | undefined;
  readonly receivedFrom?: Date | undefined;
  readonly receivedTo?: Date | undefined;
  readonly outcomeFrom?: Date | undefined;
  readonly outcomeTo?: Date | undefined;
}

function filterOf(options: FilterOptions): AuditFilter {
  const filter = {
    institution: options.institution,
    studyInstanceUID: options.study,
    status: options.status,
    reason: options.reason,
    site: options.site,
    callingAET: options.callingAet,
    receivedFrom: options.receivedFrom,
    receivedTo: options.receivedTo,
    outcomeFrom: options.outcomeFrom,
    outcomeTo: options.outcomeTo,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** One array, written row by row: a year of a hospital does not fit in memory. */
async function* jsonReport(rows: AsyncIterable<AuditRow>): AsyncGenerator<string> {
  let before = '[\n';
  for await (const row of rows) {
    yield before + JSON.stringify(reportEntry(row));
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}

async function writeAll(chunks: AsyncIterable<string>): Promise<void> {
  for await (const chunk of chunks) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
  }
}

async function writeTable(rows: AsyncIterable<AuditRow>): Promise<void> {
  const lines: string[][] = [];
  for await (const row of rows) {
    const entry = reportEntry(row);
    lines.push([
      entry.reason === undefined ? entry.status : `${entry.status}/${entry.reason}`,
      entry.institution ?? '',
      `${entry.callingAET}@${entry.callingIP}`,
      entry.studyInstanceUID,
      entry.sopInstanceUID,
      formatBytes(entry.size),
      entry.pixelLength === undefined ? '' : String(entry.pixelLength),
      entry.pixelMd5 ?? '',
    ]);
  }
  const columns = ['status', 'institution', 'source', 'study', 'instance', 'size', 'pixel length', 'pixel MD5'];
  const right = new Set(['size', 'pixel length']);
  process.stdout.write(
    `${renderTable(
      columns.map((title) => ({ title, align: right.has(title) ? 'right' : 'left' })),
      lines,
    )}\n`,
  );
  process.stdout.write(`${lines.length} objects\n`);
}
