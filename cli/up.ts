/** `storestow up`: the whole of storestow on this machine. */
import { stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMAND_LINE, loadConfig, parseConfig } from '../core/config/load.ts';
import type { Config } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { createLog, type Log } from '../core/logging.ts';
import { stateFolder } from '../core/spool-layout.ts';
import { archiveUrl } from '../core/stow/archive-url.ts';
import { markFailed } from '../functions/ingest/object-outcome.ts';
import { IN_BUCKET, openRuleSet } from '../functions/ingest/open-rule-set.ts';
import { sweep } from '../functions/sweep/sweep.ts';
import { startLocalCloud, type LocalBucket, type LocalCloud, type LocalCloudOptions } from '../local-cloud/local-cloud.ts';
import { keepProcess } from '../local-cloud/kept-process.ts';
import { startStorescp } from '../local-cloud/storescp.ts';
import { storescuLine } from '../local-cloud/storescp-command.ts';
import { uploadStudy } from '../local-uploader/upload/upload-study.ts';
import type { FileReport } from '../local-uploader/upload/upload-report.ts';
import { parseBucketAddress } from './bucket-address.ts';
import {
  Command,
  configOption,
  examples,
  logLevelOption,
  noSyslogOption,
  syslogOption,
  wholeNumber,
  type Subcommand,
} from './command.ts';
import { endingSignal } from './ending-signal.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { IngestSummary } from './ingest-summary.ts';
import { createProgress } from './progress.ts';
import { DEFAULT_DATA, spoolOf } from './spool-folder.ts';
import { mustNotBeRootsGuest } from './spool-owner.ts';
import { StudyLines } from './study-lines.ts';

interface Options {
  readonly data: string;
  readonly config?: string | undefined;
  readonly bucket?: string | undefined;
  readonly archive?: string | undefined;
  readonly eventsPort?: number | undefined;
  readonly institutions?: string | undefined;
  readonly rules?: string | undefined;
  readonly site?: string | undefined;
  readonly callingAet?: string | undefined;
  readonly port: number;
  readonly aet: string;
  readonly receiver: boolean;
  readonly logLevel?: string | undefined;
  readonly syslog?: boolean | undefined;
}

interface RunningReceiver {
  readonly port: number;
  close(): Promise<void>;
}

export function upCommand(finish: Finish): Subcommand {
  return new Command('up')
    .description('Bucket, functions and storescp on this machine; with folders: ingest them, print what became of them, exit')
    .argument('[folder...]', 'folders of DICOM files to ingest; they stay as they are')
    .optionsGroup('Receive:')
    .option('--port <n>', 'TCP port of storescp', wholeNumber('ports', 1), 11112)
    .option('--aet <title>', 'AE title of storescp', 'STORESTOW')
    .option('--no-receiver', 'do not start storescp')
    .option('--site <name>', 'names this receiver in keys and metadata')
    .option('--calling-aet <title>', 'AE title of a file that names none in (0002,0016)')
    .optionsGroup('Where to:')
    .option('--bucket <address>', 'folder, folder:PATH, minio, s3://NAME or http(s)://[KEY:SECRET@]HOST/NAME (default: folder)')
    .option(
      '--events-port <n>',
      "for an S3 server by URL: take MinIO's webhook events here, token in STORESTOW_EVENTS_TOKEN (default: the bucket is listed)",
      wholeNumber('ports', 1),
    )
    .option('--archive <url>', 'STOW-RS address; %@ becomes the calling AE title (default: the embedded archive)')
    .option('--data <folder>', 'where spool, bucket and archive lie', DEFAULT_DATA)
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .option('--institutions <plist>', 'institution mapping, an XML property list (default: InstitutionName stays as received)')
    .option('--rules <file>', 'site rules, JSON')
    .addOption(logLevelOption())
    .addOption(syslogOption())
    .addOption(noSyslogOption())
    .addHelpText(
      'after',
      examples(
        ['storestow up', 'receive on port 11112, into an embedded bucket and archive'],
        ['storestow up study/', 'ingest a folder, print what became of each instance, exit'],
        ["storestow up --archive 'https://pacs/dcm4chee-arc/aets/%@/rs/studies' --institutions map.plist", 'into your archive'],
        ['storestow up --bucket minio', 'with MinIO as the bucket (minio on the PATH, or MINIO_BIN)'],
      ),
    )
    .action(async (folders, options) => {
      const config = await configOf(options);
      const level = options.logLevel ?? (folders.length > 0 ? 'silent' : 'warn');
      const log = createLog({ level, name: 'up', syslog: options.syslog ?? config.log.syslog });
      await checkConfig(config);
      await checkFolders(folders);
      if (folders.length > 0) finish(await ingestFolders(folders, options, config, log));
      else await serve(options, config, log);
    });
}

async function configOf(options: Options): Promise<Config> {
  const config = await loadConfig({ ...(options.config === undefined ? {} : { path: options.config }), env: process.env });
  const { archive, institutions, rules, site } = options;
  return parseConfig(
    {
      ...config,
      ...(site === undefined ? {} : { site }),
      ...(archive === undefined ? {} : { archive: { ...config.archive, url: archive } }),
      coerce: {
        ...config.coerce,
        ...(institutions === undefined ? {} : { institutions: resolve(institutions) }),
        ...(rules === undefined ? {} : { rules: resolve(rules) }),
      },
    },
    COMMAND_LINE,
  );
}

/**
 * What the functions would meet again and again, said once, before anything is started. What lies in the bucket is judged by
 * them.
 */
async function checkConfig({ archive, coerce, site }: Config): Promise<void> {
  if (archive !== undefined) archiveUrl(archive.url, { aet: 'AET', institution: 'institution', site });
  const inBucket = [coerce.rules, coerce.institutions].some((source) => source?.startsWith(IN_BUCKET));
  if (!inBucket) await openRuleSet(coerce);
}

async function checkFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const info = await stat(folder).catch(() => undefined);
    if (info?.isDirectory() !== true) throw new StorestowError('USAGE', `there is no folder ${folder}; check the path`);
  }
}

function bucketOf({ bucket, data }: Options, config: Config): LocalBucket {
  const embedded = join(resolve(data), 'bucket');
  if (bucket !== undefined) return parseBucketAddress(bucket, embedded);
  return { kind: 'bucket', config: config.bucket ?? { kind: 'folder', path: embedded } };
}

/** MinIO sends the token with each event, and nobody else may queue anything. */
function eventsOf({ eventsPort: port }: Options): Pick<LocalCloudOptions, 'events'> {
  if (port === undefined) return {};
  const token = process.env['STORESTOW_EVENTS_TOKEN'] ?? '';
  if (token === '') throw new StorestowError('USAGE', "set STORESTOW_EVENTS_TOKEN to the auth_token of MinIO's webhook");
  return { events: { port, token } };
}

async function startCloud(
  options: Options,
  config: Config,
  log: Log,
  onResult: NonNullable<LocalCloudOptions['onResult']>,
): Promise<LocalCloud> {
  const now = (): Date => new Date();
  return startLocalCloud({
    data: resolve(options.data),
    config,
    bucket: bucketOf(options, config),
    log,
    onResult,
    ...eventsOf(options),
    sweep: async (store, enqueue, timing) => {
      await sweep(store, enqueue, { ...timing, failedAfter: 60, log, now });
    },
    onDead: async (store, key, code) => {
      await markFailed(store, key, code, { log, now });
    },
  });
}

async function ingestFolders(folders: readonly string[], options: Options, config: Config, log: Log): Promise<number> {
  const summary = new IngestSummary();
  const progress = createProgress({ label: 'ingested', unit: 'instances', total: 0, stream: process.stderr });
  const cloud = await startCloud(options, config, log, (result) => {
    const first = summary.addResult(result);
    progress.note(summary.waiting(), summary.expected);
    if (first) progress.step(summary.expected);
  });
  try {
    const ports = {
      store: cloud.store,
      log,
      now: () => new Date(),
      onProgress: (file: FileReport) => summary.addFile(file),
    };
    for (const folder of folders) {
      await uploadStudy(folder, ports, {
        ...{ site: config.site, callingAET: options.callingAet ?? 'STORESTOW', callingIP: '127.0.0.1' },
        ...{ after: 'keep', settle: 0, concurrency: config.upload.concurrency },
        state: stateFolder(spoolOf({ data: options.data })),
      });
    }
    cloud.announce(summary.keys);
    await cloud.runner.drained();
    progress.stop();
    await summary.readOutcomes(cloud.store);
    process.stdout.write(`${summary.table()}\n`);
    for (const line of summary.problems()) process.stdout.write(`${line}\n`);
    process.stdout.write(`bucket  ${cloud.store.description}\narchive ${archiveLine(cloud, options)}\n`);
    return summary.allStowed ? EXIT.done : EXIT.failed;
  } finally {
    progress.stop();
    await cloud.close();
  }
}

async function serve(options: Options, config: Config, log: Log): Promise<void> {
  const ending = endingSignal();
  const lines = new StudyLines(process.stdout);
  const cloud = await startCloud(options, config, log, (result) => lines.add(result));
  let receiver: RunningReceiver | undefined;
  try {
    const spool = spoolOf({ data: options.data });
    receiver = options.receiver ? await startReceiver(spool, cloud, options, log) : undefined;
    process.stdout.write(`bucket    ${cloud.store.description}\narchive   ${archiveLine(cloud, options)}\n`);
    if (receiver === undefined) process.stdout.write('receiver  none (--no-receiver)\n');
    else {
      process.stdout.write(`receiver  ${options.aet} on port ${receiver.port}, spool ${spool}\n\nTry it:\n  `);
      process.stdout.write(`${storescuLine({ port: receiver.port, aet: options.aet, files: ['FOLDER_OF_DICOM'] })}\n\n`);
    }
    process.stdout.write('running; end with Ctrl-C\n');
    await aborted(ending);
  } finally {
    lines.flush();
    await receiver?.close();
    await cloud.close();
  }
}

/** storescp, and the resident uploader, a process of its own: neither takes the other, or the functions, down. */
async function startReceiver(spool: string, cloud: LocalCloud, { port, aet }: Options, log: Log): Promise<RunningReceiver> {
  // Before anything is accepted: its uploader would refuse.
  mustNotBeRootsGuest(spool);
  const storescp = await startStorescp({ port, aet, spool, log });
  const uploader = keepProcess({
    module: fileURLToPath(new URL(`./storestow${extname(fileURLToPath(import.meta.url))}`, import.meta.url)),
    // Its lines become this process's, which brings them to the system's log.
    args: ['upload', '--watch', '--spool', spool, '--config', cloud.configPath, '--log-level', log.level, '--no-syslog'],
    name: 'the uploader',
    log,
  });
  await uploader.begun;
  return {
    port: storescp.port,
    close: async () => {
      await storescp.close();
      await uploader.close();
    },
  };
}

function archiveLine({ config, embeddedArchive }: LocalCloud, { data }: Options): string {
  return embeddedArchive ? `embedded, ${config.archive.url}, folder ${join(resolve(data), 'archive')}` : config.archive.url;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
