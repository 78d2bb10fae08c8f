/**
 * What a bucket tells of new objects: S3's event notification, as S3, MinIO's webhook and this project's own queue send
 * it, bare or within messages of SQS. Events are hints, and hostile until checked: what cannot be read is a problem to
 * log, never a reason to fail (the sweep finds the object).
 */
import { z } from 'zod';
import { StorestowError } from '../errors.ts';
import { INCOMING_PREFIX } from './object-key.ts';

/** One message of a queue (`messageId` given), or one bare notification. */
export interface ObjectEventMessage {
  readonly messageId?: string;
  /** How often the queue has handed the message out, this time included. */
  readonly receives?: number;
  /** Keys of received instances that are new, as they are in the bucket; without repetitions. */
  readonly keys: readonly string[];
  /** `EVENT_INVALID`, one for each thing that was not understood. */
  readonly problems: readonly StorestowError[];
}

export interface ObjectEvent {
  readonly kind: 'sqs' | 's3';
  readonly messages: readonly ObjectEventMessage[];
}

/** S3 allows 1,024 bytes of UTF-8; percent-encoded each of them may take three. */
const MAX_ENCODED_KEY = 3 * 1024;

const CREATED = new Set(['Put', 'Post', 'Copy', 'CompleteMultipartUpload'].map((name) => `ObjectCreated:${name}`));

const sqsRecord = z.looseObject({
  eventSource: z.literal('aws:sqs'),
  messageId: z.string().min(1),
  body: z.string(),
  attributes: z.looseObject({ ApproximateReceiveCount: z.coerce.number().int().min(0) }).optional(),
});
const sqsEvent = z.looseObject({ Records: z.array(sqsRecord).min(1) });

const testEvent = z.looseObject({ Event: z.literal('s3:TestEvent') });
const notification = z.looseObject({ Records: z.array(z.unknown()) });
const namedRecord = z.looseObject({ eventName: z.string() });
const createdRecord = z.looseObject({
  s3: z.looseObject({ object: z.looseObject({ key: z.string().min(1).max(MAX_ENCODED_KEY) }) }),
});

/**
 * | event                                               | gives                                   |
 * |-----------------------------------------------------|-----------------------------------------|
 * | SQS batch                                           | one message for each record             |
 * | S3 notification, MinIO's webhook (the same and more)| one message                             |
 * | record ObjectCreated: Put, Post, Copy, CompleteMultipartUpload below `incoming/` | its key     |
 * | any other record; a key elsewhere; `s3:TestEvent`   | nothing                                 |
 * | anything else                                       | a problem, `EVENT_INVALID`              |
 *
 * MinIO counts `PutTagging` as ObjectCreated: taking it would make a function that tags its object start itself for ever.
 */
export function readObjectEvent(event: unknown): ObjectEvent {
  const sqs = sqsEvent.safeParse(event);
  if (!sqs.success) return { kind: 's3', messages: [readNotification(event)] };
  return {
    kind: 'sqs',
    messages: sqs.data.Records.map(({ messageId, body, attributes }) => ({
      messageId,
      ...(attributes === undefined ? {} : { receives: attributes.ApproximateReceiveCount }),
      ...readBody(body, messageId),
    })),
  };
}

type Notification = Pick<ObjectEventMessage, 'keys' | 'problems'>;

/** The keys of one notification, not within a message. */
export function readNotification(event: unknown, name = 'the event'): Notification {
  if (testEvent.safeParse(event).success) return { keys: [], problems: [] };
  const parsed = notification.safeParse(event);
  if (!parsed.success) return { keys: [], problems: [invalid(name, 'is not an S3 event notification', parsed.error)] };
  const keys = new Set<string>();
  const problems: StorestowError[] = [];
  for (const record of parsed.data.Records) {
    const read = readRecord(record, name);
    if (read instanceof StorestowError) problems.push(read);
    else if (read?.startsWith(INCOMING_PREFIX) === true) keys.add(read);
  }
  return { keys: [...keys], problems };
}

function readBody(body: string, messageId: string): Notification {
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch (cause) {
    return { keys: [], problems: [invalid(`message ${messageId}`, 'is not JSON', cause)] };
  }
  return readNotification(event, `message ${messageId}`);
}

function readRecord(record: unknown, name: string): string | StorestowError | undefined {
  const named = namedRecord.safeParse(record);
  if (!named.success) return invalid(name, 'has a record without eventName', named.error);
  // S3 writes `ObjectCreated:Put`, MinIO `s3:ObjectCreated:Put`.
  if (!CREATED.has(named.data.eventName.replace(/^s3:/, ''))) return undefined;
  const created = createdRecord.safeParse(record);
  if (!created.success) return invalid(name, 'has a record without the key of an object', created.error);
  try {
    return decodeURIComponent(created.data.s3.object.key.replaceAll('+', ' '));
  } catch (cause) {
    return invalid(name, 'has a key that is not percent-encoded UTF-8', cause);
  }
}

function invalid(name: string, what: string, cause: unknown): StorestowError {
  return new StorestowError('EVENT_INVALID', `${name} ${what}; check what sends to this queue or address`, {
    object: name,
    cause,
  });
}

/** The notification that S3 would send of a new object; `readNotification` reads it. */
export function objectCreated(bucket: string, keys: readonly string[]): { readonly Records: readonly unknown[] } {
  return {
    Records: keys.map((key) => ({
      eventVersion: '2.1',
      eventSource: 'storestow',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: bucket }, object: { key: encodeEventKey(key) } },
    })),
  };
}

/** As S3 does: slashes stay, a space is `+`, other reserved bytes are percent-encoded. */
function encodeEventKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}
