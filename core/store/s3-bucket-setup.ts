/** What is done once to a bucket, by `storestow up` and by tests: creating it, and subscribing to its events. */
import {
  CreateBucketCommand,
  HeadBucketCommand,
  PutBucketNotificationConfigurationCommand,
  type Event,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createS3Client, describeS3, type S3Config } from './s3-client.ts';
import { s3Error, s3ErrorCode } from './s3-errors.ts';

/**
 * By name, as MinIO counts `PutTagging` among `s3:ObjectCreated:*`: a function that tags its own object would start itself
 * again, for ever.
 */
const EVENTS: readonly Event[] = [
  's3:ObjectCreated:Put',
  's3:ObjectCreated:Post',
  's3:ObjectCreated:Copy',
  's3:ObjectCreated:CompleteMultipartUpload',
];

/** Creates the bucket where it is absent. Throws `STORE_DENIED`, `STORE_INVALID`, `STORE_UNAVAILABLE`. */
export async function ensureBucket(config: S3Config): Promise<void> {
  await withClient(config, async (client) => {
    if (await bucketExists(client, config.bucket)) return;
    try {
      await client.send(new CreateBucketCommand({ Bucket: config.bucket }));
    } catch (error) {
      // Someone else was faster; 409 for a name that another account has stays an error.
      if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return;
      throw error;
    }
  });
}

export interface EventSubscription {
  /** Where events go: `arn:minio:sqs::{ID}:webhook`, or a queue's. */
  readonly arn: string;
  /** Only of objects whose key begins so. */
  readonly prefix?: string;
}

/** Replaces the bucket's notification configuration: an event for each object that is put, none for a tag. */
export async function subscribeToEvents(config: S3Config, { arn, prefix }: EventSubscription): Promise<void> {
  const filter = prefix === undefined ? {} : { Filter: { Key: { FilterRules: [{ Name: 'prefix' as const, Value: prefix }] } } };
  await withClient(config, async (client) => {
    const QueueConfigurations = [{ QueueArn: arn, Events: [...EVENTS], ...filter }];
    await client.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: config.bucket,
        NotificationConfiguration: { QueueConfigurations },
      }),
    );
  });
}

async function bucketExists(client: S3Client, bucket: string): Promise<boolean> {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return true;
  } catch (error) {
    if (s3ErrorCode(error) === 'OBJECT_NOT_FOUND') return false;
    throw error;
  }
}

async function withClient(config: S3Config, work: (client: S3Client) => Promise<void>): Promise<void> {
  const client = createS3Client(config);
  try {
    await work(client);
  } catch (error) {
    throw s3Error(error, config.bucket, describeS3(config));
  } finally {
    client.destroy();
  }
}
