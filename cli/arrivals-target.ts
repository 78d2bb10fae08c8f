/**
 * Where the keys of objects go that are to be worked on again:
 *
 * | bucket                                     | queue                                                       |
 * |--------------------------------------------|-------------------------------------------------------------|
 * | the embedded one                           | its table of arrivals, whether `up` runs or starts later    |
 * | S3, and `up` runs or ran on it in `--data` | `arrivals.sqlite` there                                     |
 * | S3, and the queue's address is given       | that queue of SQS                                           |
 * | any other                                  | none: the sweep queues what has no outcome                  |
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../core/config/load.ts';
import type { BucketConfig } from '../core/config/schema.ts';
import { DATABASE_NAME } from '../core/store/bucket-database.ts';
import type { DeadLetter } from '../functions/redrive/dead-letters.ts';
import { ArrivalsQueue, QUEUE_NAME } from '../local-cloud/arrivals-queue.ts';
import { runningConfigPath, type Settings } from './settings.ts';

export interface ArrivalsTarget {
  /** For people. */
  readonly description: string;
  /** Absent: there is no queue. */
  readonly enqueue?: (keys: readonly string[]) => Promise<void>;
  readonly deadLetters: () => readonly DeadLetter[];
  close(): void;
}

export async function openArrivals(
  { bucket, data }: Pick<Settings, 'bucket' | 'data'>,
  queueUrl: string | undefined,
): Promise<ArrivalsTarget> {
  if (bucket.kind === 'folder') return localTarget(join(bucket.path, DATABASE_NAME));
  if (queueUrl !== undefined) {
    // Only where it is used, as with the bucket's adapters: loading the AWS SDK takes a tenth of a second.
    const { openSqsQueue } = await import('../functions/sweep/sqs-queue.ts');
    const queue = openSqsQueue({ queueUrl, bucket: bucket.bucket, region: bucket.region });
    return {
      description: queueUrl,
      enqueue: (keys) => queue.enqueue(keys),
      deadLetters: () => [],
      close: () => queue.close(),
    };
  }
  const local = join(data, QUEUE_NAME);
  if ((await exists(local)) && (await isRunningBucket(bucket, data))) return localTarget(local);
  return { description: 'none; the sweep queues what has no outcome', deadLetters: () => [], close: () => undefined };
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
async function isRunningBucket(bucket: Extract<BucketConfig, { kind: 's3' }>, data: string): Promise<boolean> {
  const running = runningConfigPath(data);
  if (!(await exists(running))) return false;
  const served = (await loadConfig({ path: running, env: {} })).bucket;
  return served?.kind === 's3' && served.bucket === bucket.bucket && served.endpoint === bucket.endpoint;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
