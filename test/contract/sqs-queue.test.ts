/** The queue on AWS as SQS's own protocol has it (AWS JSON 1.0), against a server that notes what it is sent. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readNotification } from '../../core/store/object-event.ts';
import { openSqsQueue, type SqsQueue } from '../../functions/sweep/sqs-queue.ts';

interface Batch {
  readonly QueueUrl: string;
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

describe('the queue of arrivals on AWS', () => {
  let server: Server;
  let queue: SqsQueue;
  let batches: Batch[];
  /** Id of an entry that is refused, in each batch. */
  let refused: string | undefined;

  beforeEach(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    batches = [];
    refused = undefined;
    server = createServer((request, response) => {
      void text(request).then((body) => {
        const batch = JSON.parse(body) as Batch;
        batches.push(batch);
        const [failed, taken] = [
          batch.Entries.filter(({ Id }) => Id === refused),
          batch.Entries.filter(({ Id }) => Id !== refused),
        ];
        response.setHeader('content-type', 'application/x-amz-json-1.0');
        response.end(
          JSON.stringify({
            Successful: taken.map(({ Id, MessageBody }) => ({ Id, MessageId: Id, MD5OfMessageBody: hash('md5', MessageBody) })),
            Failed: failed.map(({ Id }) => ({ Id, Code: 'InternalError', SenderFault: false })),
          }),
        );
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    vi.stubEnv('AWS_ENDPOINT_URL_SQS', endpoint);
    const queueUrl = `${endpoint}/123456789012/arrivals`;
    queue = openSqsQueue({ queueUrl, bucket: 'instances', region: 'eu-central-1' });
  });

  afterEach(() => {
    queue.close();
    server.closeAllConnections();
    server.close();
    vi.unstubAllEnvs();
  });

  it('gets each key once, in the form that S3 itself would send, ten at a time', async () => {
    const keys = Array.from({ length: 23 }, (_, index) => `incoming/north/CT 1+ä@::1/1.2/1.3/${index}~0123456789ab.dcm`);
    await queue.enqueue(keys);
    expect(batches.map(({ Entries }) => Entries.length)).toEqual([10, 10, 3]);
    const bodies = batches.flatMap(({ Entries }) => Entries.map(({ MessageBody }) => MessageBody));
    expect(bodies.flatMap((body) => readNotification(JSON.parse(body)).keys)).toEqual(keys);
  });

  it('says so where it did not take one', async () => {
    refused = '1';
    await expect(queue.enqueue(['incoming/a', 'incoming/b'])).rejects.toMatchObject({
      code: 'QUEUE_UNAVAILABLE',
      retryable: true,
    });
  });

  it('says so where it does not answer', async () => {
    server.closeAllConnections();
    server.close();
    await expect(queue.enqueue(['incoming/a'])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE', retryable: true });
  });
});
