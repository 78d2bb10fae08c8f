/** `storestow process`: coerce and encode files without bucket or archive. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { RuleSet } from '../core/coerce/rule-set.ts';
import { mapConcurrently } from '../core/concurrency.ts';
import { segmentBytes } from '../core/dicom/byte-source.ts';
import type { Segments } from '../core/dicom/change.ts';
import { createFramePool, type FramePool } from '../core/encode/frame-pool.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import { prepareInstance } from '../core/prepare-instance.ts';
import { openRuleSet } from '../functions/ingest/open-rule-set.ts';
import { Command, configOption, examples, type Subcommand } from './command.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { listInputFiles, type InputFile } from './input-files.ts';
import { createProgress } from './progress.ts';
import { loadSettings, DEFAULT_DATA } from './settings.ts';

/** One line of `--report`, for each input. */
interface ReportLine {
  readonly input: string;
  readonly output?: string;
  readonly outcome: 'written' | 'refused';
  readonly code?: string;
  readonly message?: string;
  /** `set StudyID`, `remove RequestingServiceCodeSequence`, … */
  readonly changes: readonly string[];
  readonly encoded: boolean;
  /** Why it was not encoded. */
  readonly reason?: string;
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
}

interface Work {
  readonly out: string | undefined;
  readonly ruleSet: RuleSet;
  readonly framePool: FramePool;
  readonly encode: boolean;
  readonly callingAET: string;
  readonly callingIP: string;
}

export function processCommand(finish: Finish): Subcommand {
  return new Command('process')
    .description('Coerce and encode files, without bucket or archive')
    .argument('<in...>', 'files and folders; a file below a folder keeps its relative path below --out')
    .optionsGroup('Output:')
    .option('--out <folder>', 'where the results go (made if absent)')
    .option('--report <file>', 'one JSON line for each input: outcome, changes, encoding, pixel length and MD5')
    .option('--dry-run', 'write nothing; print what would change in each file', false)
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
    .action(async (inputs, options) => {
      if (options.out === undefined && !options.dryRun) throw new StorestowError('USAGE', 'give --out FOLDER, or --dry-run');
      const { config } = await loadSettings({ config: options.config, data: DEFAULT_DATA });
      const ruleSet = await openRuleSet({
        ...config.coerce,
        ...(options.institutions === undefined ? {} : { institutions: options.institutions }),
        ...(options.rules === undefined ? {} : { rules: options.rules }),
      });
      const files = await listInputFiles(inputs);
      refuseCollisions(files);
      const framePool = createFramePool({ threads: config.encode.threads });
      const report = options.report === undefined ? undefined : createWriteStream(options.report);
      const progress = createProgress({ label: 'processed', unit: 'files', total: files.length, stream: process.stderr });
      const work: Work = {
        out: options.dryRun ? undefined : options.out,
        ruleSet,
        framePool,
        encode: options.encode && config.encode.enabled,
        callingAET: options.callingAet,
        callingIP: options.callingIp,
      };
      try {
        const lines = await mapConcurrently(files, availableParallelism() * 2, async (file) => {
          const line = await processFile(file, work);
          if (report !== undefined) await writeLine(report, JSON.stringify(line));
          if (options.dryRun) process.stdout.write(describe(line));
          progress.step();
          return line;
        });
        progress.stop();
        summarize(lines, options.dryRun);
        finish(lines.some(({ outcome }) => outcome === 'refused') ? EXIT.failed : EXIT.done);
      } finally {
        report?.end();
        if (report !== undefined) await finished(report);
        await framePool.close();
      }
    });
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

async function processFile({ path, relativePath }: InputFile, work: Work): Promise<ReportLine> {
  try {
    const [bytes, info] = await Promise.all([readFile(path), stat(path)]);
    const source = { callingAET: work.callingAET, callingIP: work.callingIP, receivedAt: info.mtime };
    const prepared = await prepareInstance(bytes, source, work.ruleSet, work.framePool, { encode: work.encode });
    const output = work.out === undefined ? undefined : join(work.out, relativePath);
    if (output !== undefined) await writeWhole(output, prepared);
    return {
      input: path,
      ...(output === undefined ? {} : { output }),
      outcome: 'written',
      changes: prepared.applied.map(({ action, attribute }) => `${action} ${attribute}`),
      encoded: prepared.encoded,
      ...(prepared.reason === undefined ? {} : { reason: prepared.reason }),
      ...(prepared.pixelLength === undefined ? {} : { pixelLength: prepared.pixelLength }),
      ...(prepared.pixelMd5 === undefined ? {} : { pixelMd5: prepared.pixelMd5 }),
    };
  } catch (thrown) {
    const { code, message } = asStorestowError(thrown, path);
    return { input: path, outcome: 'refused', code, message, changes: [], encoded: false };
  }
}

/** Whole or not at all: under another name first, then renamed. */
async function writeWhole(path: string, { segments }: Segments): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomUUID()}.part`;
  try {
    const handle = await open(partial, 'wx');
    try {
      for (const segment of segments) await handle.writeFile(segmentBytes(segment));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new StorestowError('STORE_UNAVAILABLE', `cannot write ${path}; check space and permissions`, { object: path, cause });
  }
}

async function writeLine(stream: WriteStream, line: string): Promise<void> {
  if (!stream.write(`${line}\n`)) await once(stream, 'drain');
}

function describe({ input, outcome, code, message, changes, encoded, reason }: ReportLine): string {
  if (outcome === 'refused') return `${input}\n  refused: ${code ?? ''}: ${message ?? ''}\n`;
  const pixels = encoded
    ? 'pixel data would be encoded to JPEG 2000 reversible'
    : `pixel data stays: ${reason ?? 'already compressed'}`;
  return `${[input, ...changes.map((change) => `  ${change}`), `  ${pixels}`].join('\n')}\n`;
}

function summarize(lines: readonly ReportLine[], dryRun: boolean): void {
  const refused = lines.filter(({ outcome }) => outcome === 'refused');
  for (const { input, code, message } of dryRun ? [] : refused)
    process.stderr.write(`refused ${input}: ${code ?? ''}: ${message ?? ''}\n`);
  const encoded = lines.filter((line) => line.encoded).length;
  const written = dryRun ? 'would be written' : 'written';
  process.stdout.write(`${lines.length - refused.length} ${written} (${encoded} encoded), ${refused.length} refused\n`);
}
