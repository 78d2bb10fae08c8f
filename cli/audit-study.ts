/** `storestow audit study UID`: what was received, what the bucket holds, what the archive lists, and what is missing where. */
import { archiveSchema, type Config } from '../core/config/schema.ts';
import { THREE_WAY_VERDICTS, type ThreeWayRow, type ThreeWayVerdict } from '../core/audit/three-way.ts';
import { StorestowError } from '../core/errors.ts';
import { auditStudy, type StudyAudit } from '../functions/audit-study/audit-study.ts';
import { bucketOption, Command, configOption, dataOption, examples, type Subcommand } from './command.ts';
import { openExistingBucket } from './existing-bucket.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { loadSettings } from './settings.ts';
import { printable, renderTable } from './table.ts';

export function auditStudyCommand(finish: Finish): Subcommand {
  return new Command('study')
    .description('One study three ways: received (manifests of the uploader), bucket, archive; what is missing is listed')
    .argument('<uid>', 'Study Instance UID')
    .optionsGroup('Filter:')
    .option('--site <name>', 'site of the receiver (default: all)')
    .optionsGroup('Archive:')
    .option('--archive <url>', 'STOW-RS address of the archive (default: as configured)')
    .optionsGroup('Output:')
    .option('--json', 'a JSON object: counts, and each instance')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(dataOption())
    .addHelpText(
      'after',
      examples(
        ['storestow audit study 1.2.840.1', 'whether all three agree; the table has what does not'],
        ['storestow audit study 1.2.840.1 --json', 'each instance, for a program'],
      ),
    )
    .addHelpText(
      'after',
      '\nHere 0 means that all three agree on each instance, 1 that they do not; 75: the archive could not be asked.\n',
    )
    .action(async (uid, options) => {
      if (!/^[0-9.]{1,64}$/.test(uid)) throw new StorestowError('USAGE', 'a Study Instance UID has digits and dots, 64 at most');
      const { config, bucket } = await loadSettings(options);
      const store = await openExistingBucket(bucket);
      try {
        const site = options.site === undefined ? {} : { site: options.site };
        const audit = await auditStudy(store, archiveOf(config, options.archive), { studyInstanceUID: uid, ...site });
        if (audit.rows.length === 0 && audit.problems.length === 0) throw unknownStudy(uid);
        if (options.json === true) process.stdout.write(`${JSON.stringify(outputOf(uid, audit), null, 2)}\n`);
        else write(audit);
        finish(agrees(audit) ? EXIT.done : EXIT.failed);
      } finally {
        await store.close();
      }
    });
}

function archiveOf({ archive }: Config, url: string | undefined): NonNullable<Config['archive']> {
  if (url !== undefined) return archiveSchema.parse({ ...archive, url });
  if (archive !== undefined) return archive;
  throw new StorestowError('CONFIG_INVALID', 'the configuration names no archive; set archive.url, or give --archive');
}

function unknownStudy(uid: string): StorestowError {
  return new StorestowError('USAGE', `neither a manifest nor the bucket knows the study ${uid}; correct the UID, or --site`);
}

function agrees({ rows, problems }: StudyAudit): boolean {
  return problems.length === 0 && rows.every(({ verdict }) => verdict === 'agrees');
}

interface Counts {
  readonly received: number;
  readonly bucket: number;
  readonly archive: number;
  /** Only those that there are. */
  readonly verdicts: Readonly<Partial<Record<ThreeWayVerdict, number>>>;
}

/** Of objects, but for the archive, which has instances: two contents under one SOP Instance UID are one there. */
function countsOf(rows: readonly ThreeWayRow[]): Counts {
  const verdicts = THREE_WAY_VERDICTS.map((verdict) => [verdict, rows.filter((row) => row.verdict === verdict).length] as const);
  return {
    received: rows.filter(({ received }) => received).length,
    bucket: rows.filter(({ bucket }) => bucket !== 'absent').length,
    archive: new Set(rows.filter(({ archive }) => archive === true).map(({ sopInstanceUID }) => sopInstanceUID)).size,
    verdicts: Object.fromEntries(verdicts.filter(([, count]) => count > 0)),
  };
}

function outputOf(studyInstanceUID: string, audit: StudyAudit): object {
  const { rows, problems, asked } = audit;
  return {
    studyInstanceUID,
    agrees: agrees(audit),
    ...countsOf(rows),
    archives: asked,
    problems: problems.map(({ code, object }) => ({ code, object })),
    instances: rows,
  };
}

/** What agrees is counted only. */
function write({ rows, problems }: StudyAudit): void {
  const odd = rows.filter(({ verdict }) => verdict !== 'agrees');
  if (odd.length > 0) {
    const columns = ['verdict', 'received', 'bucket', 'archive', 'instance'].map((title) => ({ title }));
    const lines = odd.map(({ verdict, received, bucket, reason, archive, sopInstanceUID }) => [
      verdict,
      received ? 'yes' : '-',
      bucket === 'absent' ? '-' : [bucket, ...(reason === undefined ? [] : [reason])].join('/'),
      archive === undefined ? '?' : archive ? 'yes' : '-',
      sopInstanceUID,
    ]);
    process.stdout.write(`${renderTable(columns, lines)}\n`);
  }
  const { received, bucket, archive, verdicts } = countsOf(rows);
  process.stdout.write(`received ${received} · bucket ${bucket} · archive ${archive}\n`);
  process.stdout.write(
    `${Object.entries(verdicts)
      .map(([verdict, count]) => `${count} ${verdict}`)
      .join(', ')}\n`,
  );
  if (rows.some(({ verdict }) => verdict === 'archive-not-asked'))
    process.stdout.write(
      'archive-not-asked: the address (archive.url) needs what is not known of these, such as the institution of what was never stowed\n',
    );
  for (const { code, object = '' } of problems) process.stderr.write(`${code} ${printable(object)}\n`);
}
