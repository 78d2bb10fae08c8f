/** The queue of arrivals on AWS: keys as the messages that S3 itself would send. */
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { StorestowError } from '../../core/errors.ts';
import { objectCreated } from '../../core/store/object-event.ts';

export interface SqsQueue {
  /** Throws `QUEUE_UNAVAILABLE` where a key could not be queued; others may be. */
  enqueue(keys: readonly string[]): Promise<void>;
  close(): void;
}

export interface SqsQueueOptions {
  readonly queueUrl: string;
  /** Of the bucket that has the keys; stands in the messages. */
  readonly bucket: string;
  readonly region: string;
}

/** SQS takes no more in one request. */
const BATCH = 10;

export function openSqsQueue({ queueUrl, bucket, region }: SqsQueueOptions): SqsQueue {
  const client = new SQSClient({ region });
  const unavailable = (cause?: unknown): StorestowError =>
    new StorestowError(
      'QUEUE_UNAVAILABLE',
      `cannot send to the queue ${queueUrl}; check its address and the permission to send`,
      {
        object: queueUrl,
        cause,
      },
    );
  const send = async (keys: readonly string[]): Promise<void> => {
    const entries = keys.map((key, index) => ({
      Id: String(index),
      MessageBody: JSON.stringify(objectCreated(bucket, [key])),
    }));
    let failed: number;
    try {
      const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
      failed = Failed.length;
    } catch (cause) {
      throw unavailable(cause);
    }
    if (failed > 0) throw unavailable();
  };
  return {
    async enqueue(keys) {
      for (let start = 0; start < keys.length; start += BATCH) await send(keys.slice(start, start + BATCH));
    },
    close: () => client.destroy(),
  };
}
