/** `storestow audit verify`: what the archive has, held against the tags. */
import { randomBytes } from 'node:crypto';
import { queryAudit, type AuditFilter, type AuditRow } from '../core/audit/query.ts';
import { sampleRows } from '../core/audit/sample.ts';
import { conclude, VerificationTally, type VerificationCounts, type VerifiedInstance } from '../core/audit/verification.ts';
import { csvVerification, verificationEntry, verificationText } from '../core/audit/verification-report.ts';
import { COMMAND_LINE, parseConfig } from '../core/config/load.ts';
import type { Config } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { openVerifyPorts } from '../functions/verify/open-verify-ports.ts';
import { verifyRows } from '../functions/verify/verify-rows.ts';
import { filteredCommand, filterOf } from './audit-filter.ts';
import { bucketOption, configOption, dataOption, examples, Option, wholeNumber, type Subcommand } from './command.ts';
import { openExistingBucket } from './existing-bucket.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { createProgress } from './progress.ts';
import { jsonArray, writeAll } from './report-output.ts';
import { loadSettings } from './settings.ts';
import { renderTable } from './table.ts';

export function auditVerifyCommand(finish: Finish): Subcommand {
  return filteredCommand('verify')
    .description('Ask the archive for what was stowed, and hold it against the tags: pixel data, coerced values, identity')
    .option('--sample <n>', 'only so many instances, drawn at random', wholeNumber('instances', 1))
    .option('--seed <text>', 'draw the same sample again (default: a new one, which is told)')
    .optionsGroup('Verification:')
    .option('--retrieve', "retrieve and decode each instance, also where the archive's own check of its files would do", false)
    .option('--archive <url>', 'STOW-RS address of the archive (default: as configured)')
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
        ['storestow audit verify', 'everything that was stowed; the table has what is not equal'],
        ['storestow audit verify --study 1.2.840.1 --retrieve', 'one study, each instance retrieved, decoded and compared'],
        [
          'storestow audit verify --received-from 2026-01-01 --sample 500 --csv > audit.csv',
          'a sample of a year, for an auditor',
        ],
      ),
    )
    .addHelpText(
      'after',
      '\nHere 1 means: something differs, is missing, or cannot be compared; 75: the archive could not be asked.\n',
    )
    .action(async (options) => {
      const settings = await loadSettings(options);
      const config = withArchive(settings.config, options.archive);
      const store = await openExistingBucket(settings.bucket);
      try {
        const counts = await verify(store, config, filterOf(options), options);
        finish({ proved: EXIT.done, failed: EXIT.failed, temporary: EXIT.temporary }[conclude(counts)]);
      } finally {
        await store.close();
      }
    });
}

interface VerifyCommandOptions {
  readonly sample?: number | undefined;
  readonly seed?: string | undefined;
  readonly retrieve: boolean;
  readonly json?: true | undefined;
  readonly csv?: true | undefined;
}

function withArchive(config: Config, url: string | undefined): Config {
  return url === undefined ? config : parseConfig({ ...config, archive: { ...config.archive, url } }, COMMAND_LINE);
}

async function verify(
  store: ObjectStore,
  config: Config,
  filter: AuditFilter,
  { sample, seed = randomBytes(6).toString('hex'), retrieve, json, csv }: VerifyCommandOptions,
): Promise<VerificationCounts> {
  const archive = openVerifyPorts(config, store);
  const tally = new VerificationTally();
  const chosen = new Chosen(tally);
  const progress = createProgress({ unit: 'instances', label: 'verified', total: 0, stream: process.stderr });
  try {
    const stowed = chosen.stowed(queryAudit(store, filter));
    const drawn = sample === undefined ? stowed : chosen.drawn(await sampleRows(stowed, sample, seed));
    const verified = counted(verifyRows(drawn, archive.ports, { retrieveAll: retrieve }), tally, () =>
      progress.step(chosen.total),
    );
    if (json === true) await writeAll(jsonArray(entriesOf(verified)));
    else if (csv === true) await writeAll(csvVerification(verified));
    else await writeTable(verified);
  } finally {
    progress.stop();
    await archive.close();
  }
  if (chosen.seen === 0 && Object.keys(filter).length > 0) {
    throw new StorestowError('USAGE', 'nothing in the bucket is what the filter asks for; correct it');
  }
  const lines = summaryOf(tally.counts());
  if (sample !== undefined) lines.unshift(`a sample of ${chosen.total} of ${chosen.stowedSeen} stowed instances, --seed ${seed}`);
  (json === true || csv === true ? process.stderr : process.stdout).write(`${lines.join('\n')}\n`);
  return tally.counts();
}

/** What is to be verified, and how much of it has been seen so far. */
class Chosen {
  readonly #tally: VerificationTally;
  /** Rows of whatever status. */
  seen = 0;
  stowedSeen = 0;
  #drawn: number | undefined;

  constructor(tally: VerificationTally) {
    this.#tally = tally;
  }

  get total(): number {
    return this.#drawn ?? this.stowedSeen;
  }

  async *stowed(rows: AsyncIterable<AuditRow>): AsyncGenerator<AuditRow> {
    for await (const row of rows) {
      this.seen += 1;
      if (!this.#tally.admits(row)) continue;
      this.stowedSeen += 1;
      yield row;
    }
  }

  async *drawn(rows: readonly AuditRow[]): AsyncGenerator<AuditRow> {
    this.#drawn = rows.length;
    yield* rows;
  }
}

async function* counted(
  verified: AsyncIterable<VerifiedInstance>,
  tally: VerificationTally,
  step: () => void,
): AsyncGenerator<VerifiedInstance> {
  for await (const instance of verified) {
    tally.verified(instance.verification);
    step();
    yield instance;
  }
}

async function* entriesOf(verified: AsyncIterable<VerifiedInstance>): AsyncGenerator<unknown> {
  for await (const instance of verified) yield verificationEntry(instance);
}

/** What is equal is counted only: there may be millions. */
async function writeTable(verified: AsyncIterable<VerifiedInstance>): Promise<void> {
  const lines: string[][] = [];
  for await (const instance of verified) {
    const { row, verification } = instance;
    if (verification.verdict === 'equal') continue;
    const source = `${row.callingAET}@${row.callingIP}`;
    lines.push([verification.verdict, verificationText(instance), source, row.studyInstanceUID, row.sopInstanceUID]);
  }
  if (lines.length === 0) return;
  const columns = ['verdict', 'what', 'source', 'study', 'instance'].map((title) => ({ title }));
  process.stdout.write(`${renderTable(columns, lines)}\n`);
}

function summaryOf({ verdicts, byDigest, unstowed }: VerificationCounts): string[] {
  const { equal, different, missing, unverifiable } = verdicts;
  const others = Object.entries(unstowed).flatMap(([status, count]) => (count === 0 ? [] : [`${count} ${status}`]));
  return [
    `${equal} equal (${byDigest} by digest, ${equal - byDigest} retrieved), ${different} different, ${missing} missing, ${unverifiable} unverifiable`,
    ...(others.length === 0 ? [] : [`not verified, as they are not stowed: ${others.join(', ')}`]),
  ];
}
