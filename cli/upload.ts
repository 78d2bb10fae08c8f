/**
 * `storestow upload`: what storescp execs. Spool → bucket, or with `--direct` the whole way in this process. It comes here where no
 * resident uploader has taken it (`leave-to-resident.ts`).
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StorestowError } from '../core/errors.ts';
import { createLog, type Log } from '../core/logging.ts';
import { stateFolder } from '../core/spool-layout.ts';
import { openStore } from '../core/store/open-store.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { announceSender } from '../local-uploader/spool/announced-senders.ts';
import { beatOnce } from '../local-uploader/status/attend-spool.ts';
import { BucketGate } from '../local-uploader/outage/bucket-gate.ts';
import { parseSeedArguments, type SeedArguments } from './seed-arguments.ts';
import {
  uploadExitCode,
  type FileOutcome,
  type UploadCounts,
  type UploadReport,
} from '../local-uploader/upload/upload-report.ts';
import { uploadSpool } from '../local-uploader/upload/upload-spool.ts';
import { uploadStudy, type UploadOptions, type UploadPorts } from '../local-uploader/upload/upload-study.ts';
import {
  bucketOption,
  Command,
  configOption,
  dataOption,
  examples,
  logLevelOption,
  noSyslogOption,
  Option,
  syslogOption,
  wholeNumber,
  type Subcommand,
} from './command.ts';
import type { Finish } from './exit-code.ts';
import { createProgress } from './progress.ts';
import { ANNOUNCED_WITHIN, stayAtSpool } from './resident-uploader.ts';
import { loadSettings, type Settings } from './settings.ts';
import { DEFAULT_DATA, spoolOf } from './spool-folder.ts';
import { mustNotBeRootsGuest } from './spool-owner.ts';
import { mustBeStudy } from './study-folder.ts';
import { printable } from './table.ts';
import { senderOf, uploadOptionsOf, type UploadArguments } from './upload-arguments.ts';
import { UploadNotes } from './upload-notes.ts';
import { version } from './version.ts';

export function uploadCommand(finish: Finish): Subcommand {
  return new Command('upload')
    .description('Bring what storescp received to the bucket, verified; then remove, keep or move the files')
    .argument(
      '[study-folder...]',
      "a study's folder; or, in the order of the first storestow: AET IP FOLDER STOW-URL MAPPING.plist",
    )
    .optionsGroup('What:')
    .option('--all', 'everything in the spool; a resident uploader that is at it is told, and does it')
    .option('--watch', 'everything in the spool, and what arrives in it, until ended')
    .option('--here', 'in this process, though others are at the spool; a study whose sender is not told yet waits a minute')
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
    .addOption(noSyslogOption())
    .addHelpText(
      'after',
      examples(
        ['storestow upload --all --spool /var/spool/storestow --config site.json', 'everything that waits in the spool'],
        ['storestow upload --watch --spool /var/spool/storestow --config site.json', 'the same, and what arrives, until ended'],
        ['storestow upload spool/study_1.2.3 --calling-ip 10.1.2.3 --config site.json', 'one study'],
        [
          "storestow upload --direct CT1 10.1.2.3 study_1.2.3 'https://pacs/dcm4chee-arc/aets/%@/rs/studies' map.plist",
          'the whole way without a bucket, as the first storestow did',
        ],
      ),
    )
    .action(async (args, options) => {
      const seed = parseSeedArguments(args);
      const folders = seed === undefined ? args : [seed.studyFolder];
      const settings = await loadSettings(options);
      const whole = options.all === true || options.watch === true;
      if (!whole) for (const folder of folders) mustBeStudy(folder);
      const spools = whole
        ? [spoolOf({ spool: options.spool, data: settings.data })]
        : folders.map((folder) => dirname(resolve(folder)));
      for (const spool of spools) mustNotBeRootsGuest(spool);
      const syslog = options.syslog ?? settings.config.log.syslog;
      const log = createLog({ level: options.logLevel ?? 'warn', name: 'upload', syslog });
      const store = await openTarget(settings, options, seed, folders, log);
      try {
        if (options.watch === true) {
          await stayAtSpool({ args: options, seed, settings, store, log });
          return;
        }
        const reports = await upload(folders, options, seed, settings, store, log);
        write(reports);
        finish(uploadExitCode(reports));
      } finally {
        await store.close();
      }
    });
}

async function openTarget(
  { config, bucket, data }: Settings,
  options: UploadArguments,
  seed: SeedArguments | undefined,
  folders: readonly string[],
  log: Log,
): Promise<ObjectStore> {
  if (options.direct !== true) {
    if (isNowhere({ config, data }, options)) throw noBucket();
    return openStore(bucket);
  }
  const whole = options.all === true || options.watch === true;
  const folder = whole ? spoolOf({ spool: options.spool, data }) : resolve(folders[0] ?? '');
  const { openDirectTarget } = await import('./direct-target.ts');
  return openDirectTarget({ folder, spool: whole ? folder : dirname(folder) }, config, options, seed, log);
}

/** An embedded bucket that nobody asked for, in whatever folder the command is run: nothing would ever take it on from there. */
function isNowhere({ config, data }: Pick<Settings, 'config' | 'data'>, { bucket, data: given }: UploadArguments): boolean {
  return bucket === undefined && config.bucket === undefined && given === DEFAULT_DATA && !existsSync(data);
}

function noBucket(): StorestowError {
  return new StorestowError(
    'CONFIG_INVALID',
    'no bucket is named, and there is no folder of storestow up here; give --config, --bucket or --data, or set STORESTOW_CONFIG',
  );
}

async function upload(
  folders: readonly string[],
  options: UploadArguments,
  seed: SeedArguments | undefined,
  { config, data }: Settings,
  store: ObjectStore,
  log: Log,
): Promise<readonly UploadReport[]> {
  const progress = createProgress({ label: 'uploaded', unit: 'files', total: 0, stream: process.stderr });
  let files = 0;
  const onProgress = (): void => progress.step(++files);
  const uploadOptions = uploadOptionsOf(options, seed, config);
  const now = (): Date => new Date();
  const gate = new BucketGate({ log, now });
  const noting = async <Result>(spool: string, work: (ports: UploadPorts) => Promise<Result>): Promise<Result> => {
    const notes = new UploadNotes(spool, config, log);
    try {
      return await work({ store, log, now, gate, onProgress, ...notes.ports });
    } finally {
      await notes.close();
    }
  };
  try {
    if (options.all === true) {
      const spool = spoolOf({ spool: options.spool, data });
      const reports = await noting(spool, (ports) => uploadSpool(spool, ports, spoolOptions(uploadOptions, options)));
      const beats = options.direct !== true && config.upload.heartbeat > 0 && gate.bucket.state === 'taking';
      if (beats)
        await beatOnce(spool, { store, log, now }, { site: config.site, version: await version(), disk: config.upload.disk });
      return reports;
    }
    if (folders.length === 0) throw new StorestowError('USAGE', "give a study's folder, or --all");
    const reports: UploadReport[] = [];
    for (const folder of folders) {
      await announce(folder, uploadOptions, log);
      reports.push(await noting(dirname(resolve(folder)), (ports) => uploadStudy(folder, ports, uploadOptions)));
    }
    return reports;
  } finally {
    progress.stop();
  }
}

/**
 * `--here` is for who comes by while others receive (the sweep of a service): a study that its exec has yet to announce waits for it, as a
 * resident uploader lets it. Without it, it is storescp's own exec, or a person, who comes when all is there.
 */
function spoolOptions(options: UploadOptions, { here = false }: UploadArguments): UploadOptions {
  return here ? { ...options, announcedWithin: ANNOUNCED_WITHIN } : options;
}

/** For whoever uploads what this run leaves behind. The run itself does not need it, and may be what makes room on a full disk. */
async function announce(folder: string, options: UploadOptions, log: Log): Promise<void> {
  const sender = senderOf(options);
  const path = resolve(folder);
  if (Object.keys(sender).length === 0 || !existsSync(path)) return;
  try {
    await announceSender(path, stateFolder(dirname(path)), { at: Date.now(), sender });
  } catch (err) {
    log.warn({ folder: path, err }, 'who sent this study could not be noted; another run would upload it without its sender');
  }
}

/** What a person must look at, a line each; the rest as counts. */
function write(reports: readonly UploadReport[]): void {
  const listed = reports.flatMap(({ files }) => files).filter(({ outcome, code }) => !isDone(outcome) || code !== undefined);
  for (const { path, outcome, code, after } of listed) {
    const why = code === undefined ? '' : `: ${code}`;
    process.stderr.write(`${outcome} ${printable(path)}${why}${after === 'set-aside' ? ', set aside' : ''}\n`);
  }
  const count = (...kinds: readonly (keyof UploadCounts)[]): number =>
    reports.reduce((total, { counts }) => total + kinds.reduce((sum, kind) => sum + counts[kind], 0), 0);
  const unlisted = count('waiting', 'foreign', 'damaged', 'failed', 'notPutAway') - listed.length;
  if (unlisted > 0) process.stderr.write(`and ${unlisted} more\n`);
  const others = reports.filter(({ leftToOther }) => leftToOther).length;
  process.stdout.write(
    `${count('uploaded')} uploaded, ${count('present')} there already, ${count('waiting')} still being written, ` +
      `${count('foreign')} foreign, ${count('damaged', 'failed')} failed` +
      `${others === 0 ? '' : `; ${others} folders left to the uploader that is at them`}\n`,
  );
}

function isDone(outcome: FileOutcome): boolean {
  return outcome === 'uploaded' || outcome === 'present';
}
