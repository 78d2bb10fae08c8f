/** `storestow upload`: what storescp execs. Spool → bucket, or with `--direct` the whole way in this process. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseConfig } from '../core/config/load.ts';
import type { Config } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { createLog, type Log } from '../core/logging.ts';
import { stateFolder } from '../core/spool-layout.ts';
import { createMemoryStore } from '../core/store/memory-store.ts';
import { openStore } from '../core/store/open-store.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { createDirectStore } from '../functions/direct/direct-store.ts';
import { openSentJournal } from '../functions/direct/sent-journal.ts';
import { openPorts } from '../functions/ingest/open-ports.ts';
import { openExtendedAttributes } from '../local-uploader/extended-attributes.ts';
import { FileMarker } from '../local-uploader/file-marks.ts';
import { parseSeedArguments, type SeedArguments } from '../local-uploader/seed-arguments.ts';
import { UploadJournal } from '../local-uploader/upload-journal.ts';
import { uploadExitCode, type UploadReport } from '../local-uploader/upload-report.ts';
import { uploadSpool } from '../local-uploader/upload-spool.ts';
import { watchSpool } from '../local-uploader/watch-spool.ts';
import { uploadStudy, type UploadOptions, type UploadPorts } from '../local-uploader/upload-study.ts';
import {
  bucketOption,
  Command,
  configOption,
  dataOption,
  examples,
  logLevelOption,
  Option,
  syslogOption,
  wholeNumber,
  type Subcommand,
} from './command.ts';
import type { Finish } from './exit-code.ts';
import { endingSignal } from './ending-signal.ts';
import { createProgress } from './progress.ts';
import { spoolOf } from './spool-folder.ts';
import { printable } from './table.ts';
import { loadSettings, type Settings } from './settings.ts';

interface Options {
  readonly all?: boolean | undefined;
  readonly watch?: boolean | undefined;
  readonly spool?: string | undefined;
  readonly callingIp?: string | undefined;
  readonly callingAet?: string | undefined;
  readonly after?: 'remove' | 'keep' | 'move' | undefined;
  readonly moveTo?: string | undefined;
  readonly concurrency?: number | undefined;
  readonly direct?: boolean | undefined;
  readonly archive?: string | undefined;
  readonly institutions?: string | undefined;
  readonly config?: string | undefined;
  readonly bucket?: string | undefined;
  readonly data: string;
  readonly logLevel?: string | undefined;
  readonly syslog?: boolean | undefined;
}

export function uploadCommand(finish: Finish): Subcommand {
  return new Command('upload')
    .description('Bring what storescp received to the bucket, verified; then remove, keep or move the files')
    .argument(
      '[study-folder...]',
      "a study's folder; or, in the order of the first storestow: AET IP FOLDER STOW-URL MAPPING.plist",
    )
    .optionsGroup('What:')
    .option('--all', 'everything in the spool')
    .option('--watch', 'everything in the spool, and what arrives in it, until ended')
    .option('--spool <folder>', 'the spool (default: spool in the data folder)')
    .option('--calling-ip <address>', "the sender's IP address, storescp's #r with -dhl")
    .option('--calling-aet <title>', 'AE title of a file that names none in (0002,0016)')
    .optionsGroup('How:')
    .addOption(
      new Option('--after <what>', 'what becomes of a file that the bucket holds verified').choices([
        'remove',
        'keep',
        'move',
      ] as const),
    )
    .option('--move-to <folder>', 'for --after move')
    .option('--concurrency <n>', 'uploads at once (default: 16)', wholeNumber('uploads', 1))
    .optionsGroup('Without a bucket:')
    .option('--direct', 'coerce, encode and store in this process; a file goes when the archive has it')
    .option('--archive <url>', 'for --direct: STOW-RS address; %@ becomes the calling AE title')
    .option('--institutions <plist>', 'for --direct: institution mapping, an XML property list')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(dataOption())
    .addOption(logLevelOption())
    .addOption(syslogOption())
    .addHelpText(
      'after',
      examples(
        ['storestow upload --all --spool /var/spool/storestow', 'everything that waits in the spool'],
        ['storestow upload --watch --spool /var/spool/storestow', 'the same, and what arrives, until ended'],
        ['storestow upload /var/spool/storestow/study_1.2.3 --calling-ip 10.1.2.3', 'one study'],
        [
          "storestow upload --direct CT1 10.1.2.3 study_1.2.3 'https://pacs/dcm4chee-arc/aets/%@/rs/studies' map.plist",
          'the whole way without a bucket, as the first storestow did',
        ],
      ),
    )
    .action(async (args, options) => {
      const seed = parseSeedArguments(args);
      const settings = await loadSettings(options);
      const syslog = options.syslog ?? settings.config.log.syslog;
      const log = createLog({ level: options.logLevel ?? 'warn', name: 'upload', syslog });
      const store = await openTarget(settings, options, seed, args, log);
      try {
        if (options.watch === true) {
          await watch(options, seed, settings, store, log);
          return;
        }
        const reports = await upload(args, options, seed, settings, store, log);
        write(reports);
        finish(uploadExitCode(reports));
      } finally {
        await store.close();
      }
    });
}

async function openTarget(
  { config, bucket, data }: Settings,
  options: Options,
  seed: SeedArguments | undefined,
  args: readonly string[],
  log: Log,
): Promise<ObjectStore> {
  if (options.direct !== true) return openStore(bucket);
  const opened = await openPorts(directConfig(config, options, seed), log, createMemoryStore());
  const whole = options.all === true || options.watch === true;
  const folder = whole ? spoolOf({ spool: options.spool, data }) : resolve(seed?.studyFolder ?? args[0] ?? '');
  const journal = openSentJournal(await journalPath(folder, whole ? folder : dirname(folder)));
  const direct = createDirectStore(opened.ports, { journal });
  return {
    ...direct,
    close: async () => {
      await direct.close();
      await opened.close();
      journal.close();
    },
  };
}

/** Beside the locks of the spool. A folder that is not there is for the uploader to judge: no trace of a visit is left for it. */
async function journalPath(folder: string, spool: string): Promise<string> {
  if (!existsSync(folder)) return ':memory:';
  await mkdir(stateFolder(spool), { recursive: true, mode: 0o700 });
  return join(stateFolder(spool), 'sent.sqlite');
}

function directConfig(config: Config, options: Options, seed: SeedArguments | undefined): Config {
  const url = options.archive ?? seed?.stowUrl;
  const institutions = options.institutions ?? seed?.institutionMapping;
  return parseConfig(
    {
      ...config,
      ...(url === undefined ? {} : { archive: { ...config.archive, url } }),
      coerce: { ...config.coerce, ...(institutions === undefined ? {} : { institutions }) },
    },
    'what the command line gives',
  );
}

/** Ends on SIGTERM and SIGINT, and with the process that started it. */
async function watch(
  options: Options,
  seed: SeedArguments | undefined,
  { config, data }: Settings,
  store: ObjectStore,
  log: Log,
): Promise<void> {
  const ending = endingSignal();
  const orphaned = (): void => void process.kill(process.pid, 'SIGTERM');
  process.once('disconnect', orphaned);
  const spool = spoolOf({ spool: options.spool, data });
  const journal = new UploadJournal(spool, { log, now });
  const marker = markerOf(config, log);
  const ports = { store, log, now, ...notesOf(journal, marker) };
  try {
    await watchSpool(spool, ports, uploadOptionsOf(options, seed, config), {
      signal: ending,
      onListening: () => process.send?.('ready'),
    });
  } finally {
    await marker?.settled();
    await journal.close();
    // The channel that is listened to would keep this process alive.
    process.off('disconnect', orphaned);
  }
}

const now = (): Date => new Date();

/** What the uploader does, noted for `storestow status`, and marked on the files that stay. */
function notesOf(journal: UploadJournal, marker: FileMarker | undefined): Pick<UploadPorts, 'onSending' | 'onEnded'> {
  return {
    onSending: (file) => journal.sending(file),
    onEnded: (file) => {
      journal.ended(file);
      marker?.mark(file);
    },
  };
}

function markerOf({ upload: { marks } }: Config, log: Log): FileMarker | undefined {
  return marks ? new FileMarker(openExtendedAttributes, log) : undefined;
}

async function upload(
  args: readonly string[],
  options: Options,
  seed: SeedArguments | undefined,
  { config, data }: Settings,
  store: ObjectStore,
  log: Log,
): Promise<readonly UploadReport[]> {
  const progress = createProgress({ label: 'uploaded', unit: 'files', total: 0, stream: process.stderr });
  let files = 0;
  const onProgress = (): void => progress.step(++files);
  const uploadOptions = uploadOptionsOf(options, seed, config);
  const marker = markerOf(config, log);
  const noting = async <Result>(spool: string, work: (ports: UploadPorts) => Promise<Result>): Promise<Result> => {
    const journal = new UploadJournal(spool, { log, now });
    try {
      return await work({ store, log, now, onProgress, ...notesOf(journal, marker) });
    } finally {
      await marker?.settled();
      await journal.close();
    }
  };
  try {
    if (options.all === true) {
      const spool = spoolOf({ spool: options.spool, data });
      return await noting(spool, (ports) => uploadSpool(spool, ports, uploadOptions));
    }
    const folders = seed === undefined ? args : [seed.studyFolder];
    if (folders.length === 0) throw new StorestowError('USAGE', "give a study's folder, or --all");
    const reports: UploadReport[] = [];
    for (const folder of folders)
      reports.push(await noting(dirname(resolve(folder)), (ports) => uploadStudy(folder, ports, uploadOptions)));
    return reports;
  } finally {
    progress.stop();
  }
}

function uploadOptionsOf(options: Options, seed: SeedArguments | undefined, { site, upload }: Config): UploadOptions {
  const callingIP = seed?.callingIP ?? options.callingIp;
  const callingAET = seed?.callingAET ?? options.callingAet;
  const moveTo = options.moveTo ?? upload.moveTo;
  return {
    site,
    after: options.after ?? upload.after,
    concurrency: options.concurrency ?? upload.concurrency,
    settle: upload.settle,
    // Without a bucket there is nowhere to keep them.
    manifests: options.direct !== true,
    ...(callingIP === undefined ? {} : { callingIP }),
    ...(callingAET === undefined ? {} : { callingAET }),
    ...(moveTo === undefined ? {} : { moveTo: resolve(moveTo) }),
  };
}

/** What a person must look at, a line each; the rest as counts. */
function write(reports: readonly UploadReport[]): void {
  const files = reports.flatMap((report) => report.files);
  for (const { path, outcome, code } of files) {
    if (outcome !== 'uploaded' && outcome !== 'present')
      process.stderr.write(`${outcome} ${printable(path)}${code === undefined ? '' : `: ${code}`}\n`);
  }
  const count = (outcome: string): number => files.filter((file) => file.outcome === outcome).length;
  const others = reports.filter(({ leftToOther }) => leftToOther).length;
  process.stdout.write(
    `${count('uploaded')} uploaded, ${count('present')} there already, ${count('waiting')} still being written, ` +
      `${count('foreign')} foreign, ${count('damaged') + count('failed')} failed` +
      `${others === 0 ? '' : `; ${others} folders left to the uploader that is at them`}\n`,
  );
}
