/**
 * The cloud of one machine: bucket, arrivals queue, function runner and, where no other is configured, an archive. What it
 * runs by is written to `running.json` in its folder, for the uploader that storescp starts and for whoever asks.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveSchema, type ArchiveConfig, type BucketConfig, type Config } from '../core/config/schema.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import { DATABASE_NAME } from '../core/store/bucket-database.ts';
import { INCOMING_PREFIX } from '../core/store/object-key.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { openStore } from '../core/store/open-store.ts';
import { ensureBucket, subscribeToEvents } from '../core/store/s3-bucket-setup.ts';
import { startEmbeddedArchive } from './archive/server.ts';
import { ArrivalsQueue, QUEUE_NAME } from './arrivals-queue.ts';
import { FunctionRunner, INGEST_HANDLER, type FunctionResult, type RepeatedTask } from './function-runner.ts';
import { startMinio, webhookArn } from './minio.ts';
import { ListedArrivals } from './listed-arrivals.ts';
import { repeatSweep, type Enqueue, type Sweep } from './repeat-sweep.ts';
import { listenToWebhook, type WebhookOptions } from './webhook-listener.ts';

export type LocalBucket =
  /** The embedded one, or any S3 server. */
  | { readonly kind: 'bucket'; readonly config: BucketConfig }
  /** MinIO, started here. */
  | { readonly kind: 'minio' };

export interface LocalCloudOptions {
  /** Absolute; everything that is not placed elsewhere lies in it. */
  readonly data: string;
  readonly config: Config;
  readonly bucket: LocalBucket;
  /** Absent for an S3 server: the bucket is listed instead. */
  readonly events?: EventsOptions;
  readonly log: Log;
  readonly onResult?: (result: FunctionResult) => void;
  readonly sweep: Sweep;
  /** An object's message was tried for the last time. */
  readonly onDead: (store: ObjectStore, key: string, code: ErrorCode) => Promise<void>;
}

/** MinIO's webhook, for a bucket that was not started here. */
export interface EventsOptions {
  /** On all addresses. */
  readonly port: number;
  /** Of the webhook: `auth_token`. */
  readonly token: string;
}

export interface LocalCloud {
  /** With bucket and archive as they run. */
  readonly config: Config & { readonly bucket: BucketConfig; readonly archive: ArchiveConfig };
  /** Path of `running.json`. */
  readonly configPath: string;
  readonly store: ObjectStore;
  readonly runner: FunctionRunner;
  /** Queues objects whose events may still be on their way, or will never come. One that waits already is not queued twice. */
  announce(keys: readonly string[]): void;
  readonly embeddedArchive: boolean;
  close(): Promise<void>;
}

const WEBHOOK_ID = 'STORESTOW';
const MINIO_BUCKET = 'storestow';

/** Milliseconds between two listings of a bucket without events, and how much longer than a listing itself that is at least. */
const LIST_EVERY = 10_000;
const LIST_SHARE = 10;

/** Messages of one invocation: between two of them the processors idle. Bytes under way are bounded elsewhere. */
const MAX_BATCH = 400;

/** Milliseconds of one invocation: an object of several GB takes minutes. What hangs has time-outs of its own. */
const INVOCATION_TIMEOUT = 60 * 60_000;

/** Milliseconds between two looks at an empty queue: a tenth of a millisecond's work each. */
const POLL = 100;

/** For encoded frames of large objects: the system's own folder is memory on many machines. Nothing in it has a name for long. */
function temporaryFolder(data: string): string {
  return join(data, 'temporary');
}

interface Closable {
  close(): Promise<void> | void;
}

interface RunningBucket {
  readonly config: BucketConfig;
  readonly queue: ArrivalsQueue;
  readonly events: boolean;
}

/** Throws `PORT_IN_USE`, `CONFIG_INVALID`, `PROCESS_FAILED` and what the store throws; what was started by then is ended. */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const started: Closable[] = [];
  const close = async (): Promise<void> => {
    for (const part of started.toReversed()) await part.close();
  };
  const keep = <Part extends Closable>(part: Part): Part => {
    started.push(part);
    return part;
  };
  try {
    await mkdir(temporaryFolder(options.data), { recursive: true, mode: 0o700 });
    const bucket = await startBucket(options, keep);
    const store = keep(await openStore(bucket.config));
    const archive = options.config.archive ?? archiveSchema.parse({ url: (await startArchive(options.data, keep)).url });
    const config = { ...options.config, bucket: bucket.config, archive };
    const configPath = await writeRunning(options.data, config);
    const runner = startRunner(options, config, store, bucket);
    await runner.start();
    started.push({ close: () => runner.stop() });
    const announce = (keys: readonly string[]): void => bucket.queue.enqueue(keys.map((key) => ({ key })));
    return { config, configPath, store, runner, announce, embeddedArchive: options.config.archive === undefined, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Keep = <Part extends Closable>(part: Part) => Part;

async function startBucket({ data, bucket, log, events }: LocalCloudOptions, keep: Keep): Promise<RunningBucket> {
  if (bucket.kind === 'bucket' && bucket.config.kind === 'folder') {
    await mkdir(bucket.config.path, { recursive: true, mode: 0o700 });
    return {
      config: bucket.config,
      queue: keep(new ArrivalsQueue({ path: join(bucket.config.path, DATABASE_NAME) })),
      events: true,
    };
  }
  const queue = keep(new ArrivalsQueue({ path: join(data, QUEUE_NAME) }));
  if (bucket.kind === 'bucket') {
    if (events !== undefined) keep(await listenToWebhook({ ...listener(queue, log), ...events, host: '0.0.0.0' }));
    return { config: bucket.config, queue, events: events !== undefined };
  }
  return { config: await startMinioBucket(data, queue, log, keep), queue, events: true };
}

function listener(queue: ArrivalsQueue, log: Log): Pick<WebhookOptions, 'enqueue' | 'log'> {
  return { enqueue: (arrivals) => queue.enqueue(arrivals), log };
}

async function startMinioBucket(data: string, queue: ArrivalsQueue, log: Log, keep: Keep): Promise<BucketConfig> {
  const token = randomBytes(24).toString('hex');
  const webhook = keep(await listenToWebhook({ ...listener(queue, log), token }));
  const minio = keep(
    await startMinio({
      dataFolder: join(data, 'minio'),
      credentials: { accessKeyId: 'storestow', secretAccessKey: randomBytes(24).toString('hex') },
      webhook: { id: WEBHOOK_ID, endpoint: webhook.url, queueFolder: join(data, 'minio', 'events'), authToken: token },
    }),
  );
  const config = {
    kind: 's3' as const,
    bucket: MINIO_BUCKET,
    endpoint: minio.endpoint,
    region: 'us-east-1',
    accessKeyId: minio.accessKeyId,
    secretAccessKey: minio.secretAccessKey,
    multipartThreshold: 16 * 1024 * 1024,
  };
  await ensureBucket(config);
  await subscribeToEvents(config, { arn: webhookArn(WEBHOOK_ID), prefix: INCOMING_PREFIX });
  return config;
}

async function startArchive(data: string, keep: Keep): Promise<{ readonly url: string }> {
  return keep(await startEmbeddedArchive({ folder: join(data, 'archive') }));
}

function startRunner(
  { data, log, onResult, sweep, onDead }: LocalCloudOptions,
  config: Config,
  store: ObjectStore,
  bucket: RunningBucket,
): FunctionRunner {
  const enqueue = async (keys: readonly string[]): Promise<void> => bucket.queue.enqueue(keys.map((key) => ({ key })));
  return new FunctionRunner({
    queue: bucket.queue,
    handler: INGEST_HANDLER,
    env: { STORESTOW_CONFIG: JSON.stringify(config), STORESTOW_LOG_LEVEL: log.level, TMPDIR: temporaryFolder(data) },
    bucket: bucket.config.kind === 's3' ? bucket.config.bucket : 'folder',
    log,
    maxBatch: MAX_BATCH,
    poll: POLL,
    timeout: INVOCATION_TIMEOUT,
    ...(onResult === undefined ? {} : { onResult }),
    onDead: (key, code) => onDead(store, key, code),
    tasks: [repeatSweep(sweep, store, enqueue), ...(bucket.events ? [] : [repeatListing(store, enqueue)])],
  });
}

function repeatListing(store: ObjectStore, enqueue: Enqueue): RepeatedTask {
  const arrivals = new ListedArrivals(store, enqueue);
  return {
    name: 'the listing of the bucket',
    run: async () => {
      const begun = Date.now();
      await arrivals.queueNew();
      return Math.max(LIST_EVERY, LIST_SHARE * (Date.now() - begun));
    },
  };
}

/** It holds credentials: for its owner's eyes only. */
async function writeRunning(data: string, config: Config): Promise<string> {
  const path = join(data, 'running.json');
  await writeFile(`${path}.new`, JSON.stringify(config, null, 2), { mode: 0o600 });
  await rename(`${path}.new`, path);
  return path;
}
