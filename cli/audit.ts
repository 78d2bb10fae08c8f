/** `storestow audit`: what the bucket's tags say of every received instance. */
import { queryAudit, type AuditRow } from '../core/audit/query.ts';
import { csvReport, reportEntry, type ReportEntry } from '../core/audit/report.ts';
import { filteredCommand, filterOf } from './audit-filter.ts';
import { auditStudyCommand } from './audit-study.ts';
import { auditVerifyCommand } from './audit-verify.ts';
import { bucketOption, configOption, dataOption, examples, Option, type Subcommand } from './command.ts';
import { openExistingBucket } from './existing-bucket.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { jsonArray, writeAll } from './report-output.ts';
import { loadSettings } from './settings.ts';
import { formatBytes, renderTable } from './table.ts';

export function auditCommand(finish: Finish): Subcommand {
  return (
    filteredCommand('audit')
      .description('What became of each received object: status, institution, length and MD5 of the original pixel data')
      // What stands behind a subcommand's name is its own: several have the same options.
      .enablePositionalOptions()
      .addOption(new Option('--status <status>', 'outcome').choices(['stowed', 'quarantined', 'failed', 'pending'] as const))
      .optionsGroup('Output:')
      .addOption(new Option('--json', 'a JSON array, one object an instance').conflicts('csv'))
      .option('--csv', 'comma-separated values that a spreadsheet opens')
      .optionsGroup('Configuration:')
      .addOption(configOption())
      .addOption(bucketOption())
      .addOption(dataOption())
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
        const { status } = options;
        const store = await openExistingBucket(bucket);
        try {
          const rows = queryAudit(store, { ...filterOf(options), ...(status === undefined ? {} : { status }) });
          if (options.json === true) await writeAll(jsonArray(entriesOf(rows)));
          else if (options.csv === true) await writeAll(csvReport(rows));
          else await writeTable(rows);
        } finally {
          await store.close();
        }
        finish(EXIT.done);
      })
      .addCommand(auditVerifyCommand(finish))
      .addCommand(auditStudyCommand(finish))
  );
}

async function* entriesOf(rows: AsyncIterable<AuditRow>): AsyncGenerator<ReportEntry> {
  for await (const row of rows) yield reportEntry(row);
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
