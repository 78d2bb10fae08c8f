/** `storestow process`: coerce and encode files without bucket or archive, or tell what would change. */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { mapInOrder } from '../core/concurrency.ts';
import { createFramePool } from '../core/encode/frame-pool.ts';
import { StorestowError } from '../core/errors.ts';
import { ByteBudget } from '../functions/ingest/byte-budget.ts';
import { openRuleSet } from '../functions/ingest/open-rule-set.ts';
import { previewFile, type FilePreview } from '../functions/process/preview-file.ts';
import { processFile } from '../functions/process/process-file.ts';
import type { ReportLine } from '../functions/process/report-line.ts';
import type { ProcessPorts } from '../functions/process/process-ports.ts';
import { Command, configOption, examples, type Subcommand } from './command.ts';
import { previewText, type Paint } from './difference-text.ts';
import { EXIT, type ExitCode, type Finish } from './exit-code.ts';
import { listInputFiles, type InputFile } from './input-files.ts';
import { PreviewSummary } from './preview-summary.ts';
import { createProgress } from './progress.ts';
import { refuseOverwriting } from './refuse-overwriting.ts';
import { openReportFile } from './report-file.ts';
import { loadSettings } from './settings.ts';
import { DEFAULT_DATA } from './spool-folder.ts';

/** Files under way at once, for each processor: while one is read or written, another is worked on. */
const FILES_PER_PROCESSOR = 2;

export function processCommand(finish: Finish): Subcommand {
  return new Command('process')
    .description('Coerce and encode files, without bucket or archive')
    .argument('<in...>', 'files and folders; a file below a folder keeps its relative path below --out')
    .optionsGroup('Output:')
    .option('--out <folder>', 'where the results go (made if absent)')
    .option('--report <file>', 'one JSON line for each input, in their order: outcome, changes, encoding, pixel length and MD5')
    .option('--dry-run', 'write nothing; print each element that would differ, before and after, and why', false)
    .option('--json', 'with --dry-run: one JSON line for each input instead', false)
    .optionsGroup('Source, as the institution mapping and the rules see it:')
    .option('--calling-aet <title>', 'AE title of a file that names none in (0002,0016)', 'STORESTOW')
    .option('--calling-ip <address>', 'IP of the sender', '127.0.0.1')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .option('--institutions <plist>', 'institution mapping, an XML property list')
    .option('--rules <file>', 'site rules, JSON')
    .option('--no-encode', 'coerce only')
    .addHelpText(
      'after',
      examples(
        ['storestow process study/ --out coerced/', 'coerce and encode a folder'],
        ['storestow process study/ --out coerced/ --report report.ndjson', 'the same, with a line for each file'],
        ['storestow process image.dcm --dry-run --rules site.json', 'try a rule: see what would change'],
      ),
    )
    .addHelpText('after', DRY_RUN_HELP)
    .action(async (inputs, options) => {
      const { out, dryRun, json } = options;
      if (out === undefined && !dryRun) throw new StorestowError('USAGE', 'give --out FOLDER, or --dry-run');
      if (json && !dryRun) throw new StorestowError('USAGE', '--json goes with --dry-run; --report FILE tells what was written');
      if (dryRun && options.report !== undefined)
        throw new StorestowError('USAGE', '--report tells what was written; with --dry-run use --json');
      const { config } = await loadSettings({ config: options.config, data: DEFAULT_DATA });
      // There is no bucket to keep an item in.
      const { worklist, ...coerce } = config.coerce;
      if (worklist !== undefined) process.stderr.write('process asks no worklist: what is taken of its items is not set here\n');
      const ruleSet = await openRuleSet({
        ...coerce,
        ...(options.institutions === undefined ? {} : { institutions: options.institutions }),
        ...(options.rules === undefined ? {} : { rules: options.rules }),
      });
      const files = await listInputFiles(inputs);
      const { maxBytesInFlight } = config.ingest;
      const framePool = createFramePool({ threads: config.encode.threads, syntax: config.encode.syntax, maxBytesInFlight });
      const ports: ProcessPorts = {
        ruleSet,
        framePool,
        budget: new ByteBudget(maxBytesInFlight),
        encode: options.encode && config.encode.enabled,
        callingAET: options.callingAet,
        callingIP: options.callingIp,
      };
      try {
        if (dryRun) finish(await previewAll(files, ports, json));
        else if (out !== undefined) finish(await processAll(files, { ...ports, spillFolder: out }, out, options.report));
      } finally {
        await framePool.close();
      }
    });
}

const DRY_RUN_HELP = `--dry-run compares the bytes that would be written with those that are there, element by element: + added, - removed, ~ changed.
What no rule and no encoding accounts for is called UNEXPLAINED, and the exit code is 1. Patients' values are shown, as this
is for your eyes; they are never logged. Keep what you save of it as you keep the images.
`;

async function processAll(
  files: readonly InputFile[],
  ports: ProcessPorts,
  out: string,
  reportPath: string | undefined,
): Promise<ExitCode> {
  refuseCollisions(files);
  const outputs = files.map(({ relativePath }) => join(out, relativePath));
  await refuseOverwriting(
    files.map(({ path }) => path),
    reportPath === undefined ? outputs : [...outputs, reportPath],
  );
  await mkdir(out, { recursive: true });
  const report = reportPath === undefined ? undefined : await openReportFile(reportPath);
  const progress = createProgress({ label: 'processed', unit: 'files', total: files.length, stream: process.stderr });
  const refused: ReportLine[] = [];
  let encoded = 0;
  try {
    const work = async ({ path, relativePath }: InputFile): Promise<ReportLine> => {
      const line = await processFile(path, join(out, relativePath), ports);
      progress.step();
      return line;
    };
    for await (const line of mapInOrder(files, atOnce(), work)) {
      await report?.add(line);
      if (line.outcome === 'refused') refused.push(line);
      if (line.encoded) encoded += 1;
    }
  } finally {
    await report?.close();
  }
  progress.stop();
  for (const { input, code = '', message = '' } of refused) process.stderr.write(`refused ${input}: ${code}: ${message}\n`);
  process.stdout.write(`${files.length - refused.length} written (${encoded} encoded), ${refused.length} refused\n`);
  return refused.length === 0 ? EXIT.done : EXIT.failed;
}

async function previewAll(files: readonly InputFile[], ports: ProcessPorts, json: boolean): Promise<ExitCode> {
  const summary = new PreviewSummary();
  const paint: Paint = (format, text) => styleText(format, text, { stream: process.stdout });
  const work = ({ path }: InputFile): Promise<FilePreview> => previewFile(path, ports);
  for await (const preview of mapInOrder(files, atOnce(), work)) {
    await write(process.stdout, json ? `${JSON.stringify(preview)}\n` : previewText(preview, paint));
    summary.add(preview);
  }
  await write(json ? process.stderr : process.stdout, summary.text);
  return summary.exitCode;
}

function atOnce(): number {
  return availableParallelism() * FILES_PER_PROCESSOR;
}

/** Two inputs with one path below --out would overwrite each other. */
function refuseCollisions(files: readonly InputFile[]): void {
  const seen = new Map<string, string>();
  for (const { path, relativePath } of files) {
    const other = seen.get(relativePath);
    if (other !== undefined && other !== path) {
      throw new StorestowError(
        'USAGE',
        `${other} and ${path} would both be written to ${relativePath}; process them one after the other`,
      );
    }
    seen.set(relativePath, path);
  }
}

async function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}
