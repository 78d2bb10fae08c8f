/**
 * Where the keys of objects go that are to be worked on again:
 *
 * | bucket                                     | queue                                                       |
 * |--------------------------------------------|-------------------------------------------------------------|
 * | the embedded one                           | its table of arrivals, whether `up` runs or starts later    |
 * | S3, and `--queue` is given                 | that queue of SQS                                           |
 * | S3, and `up` runs or ran on it in `--data` | `arrivals.sqlite` there                                     |
 * | S3, and the environment names a queue      | that queue of SQS                                           |
 * | any other                                  | none: the sweep queues what has no outcome                  |
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../core/config/load.ts';
import type { BucketConfig } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { DATABASE_NAME } from '../core/store/bucket-database.ts';
import type { DeadLetter } from '../functions/redrive/dead-letters.ts';
import { ArrivalsQueue, QUEUE_NAME } from '../local-cloud/arrivals-queue.ts';
import { runningConfigPath, type Settings } from './settings.ts';

type S3Bucket = Extract<BucketConfig, { kind: 's3' }>;

export interface ArrivalsTarget {
  /** For people. */
  readonly description: string;
  /** Absent: there is no queue. */
  readonly enqueue?: (keys: readonly string[]) => Promise<void>;
  readonly deadLetters: () => readonly DeadLetter[];
  close(): void;
}

/** Addresses of a queue of SQS. */
export interface QueueUrls {
  /** By `--queue`. */
  readonly given?: string | undefined;
  /** Of the environment, which is not this bucket's alone. */
  readonly byDefault?: string | undefined;
}

/** Throws `USAGE` for a queue that is given where the bucket is a folder. */
export async function openArrivals(
  { bucket, data }: Pick<Settings, 'bucket' | 'data'>,
  { given, byDefault }: QueueUrls,
): Promise<ArrivalsTarget> {
  if (bucket.kind === 'folder') {
    if (given !== undefined) throw new StorestowError('USAGE', 'a bucket that is a folder has its own queue; leave --queue out');
    return localTarget(join(bucket.path, DATABASE_NAME));
  }
  if (given !== undefined) return sqsTarget(given, bucket);
  const local = join(data, QUEUE_NAME);
  if (existsSync(local) && (await isRunningBucket(bucket, data))) return localTarget(local);
  if (byDefault !== undefined) return sqsTarget(byDefault, bucket);
  return { description: 'none; the sweep queues what has no outcome', deadLetters: () => [], close: () => undefined };
}

async function sqsTarget(queueUrl: string, { bucket, region }: S3Bucket): Promise<ArrivalsTarget> {
  // Only where it is used, as with the bucket's adapters: loading the AWS SDK takes a tenth of a second.
  const { openSqsQueue } = await import('../functions/sweep/sqs-queue.ts');
  const queue = openSqsQueue({ queueUrl, bucket, region });
  return {
    description: queueUrl,
    enqueue: (keys) => queue.enqueue(keys),
    deadLetters: () => [],
    close: () => queue.close(),
  };
}

function localTarget(path: string): ArrivalsTarget {
  const queue = new ArrivalsQueue({ path });
  return {
    description: path,
    enqueue: async (keys) => queue.enqueue(keys.map((key) => ({ key }))),
    deadLetters: () => queue.deadLetters(),
    close: () => queue.close(),
  };
}

/** A folder can have served for several buckets, one after the other. */
async function isRunningBucket(bucket: S3Bucket, data: string): Promise<boolean> {
  const running = runningConfigPath(data);
  if (!existsSync(running)) return false;
  const served = (await loadConfig({ path: running, env: {} })).bucket;
  return served?.kind === 's3' && served.bucket === bucket.bucket && served.endpoint === bucket.endpoint;
}
