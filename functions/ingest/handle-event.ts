/** An event → a batch → what the queue is to do with each message. */
import type { SQSBatchResponse } from 'aws-lambda';
import { asStorestowError, StorestowError, type ErrorCode } from '../../core/errors.ts';
import { readObjectEvent, type ObjectEventMessage } from '../../core/store/object-event.ts';
import { ingestBatch } from './ingest-batch.ts';
import { deadlines, deadlineSignals, type InvocationContext } from './invocation.ts';
import { markFailed } from './object-outcome.ts';
import type { IngestPorts, IngestResult } from './ports.ts';
import { leasePatience } from './study-lease.ts';

export interface HandleOptions {
  /** Tries of the queue, where it has a bound: an object that fails in the last one is tagged `failed`. */
  readonly maxReceives?: number;
}

/**
 * | the event   | all its keys done | a key must be tried again                                  |
 * |-------------|-------------------|------------------------------------------------------------|
 * | SQS message | done              | its id among the failures; in its last try, `failed/CODE` on the object, but for `LEASE_HELD` |
 * | S3 event    | done              | throws, retryable, so that the sender sends it again       |
 *
 * `LEASE_HELD` says nothing of the object: without an outcome, the sweep queues it again, with all its tries.
 * What cannot be read is logged and done: it would be no better the next time, and the sweep finds the objects.
 */
export async function handleEvent(
  event: unknown,
  context: InvocationContext,
  ports: IngestPorts,
  options: HandleOptions = {},
): Promise<SQSBatchResponse> {
  const { kind, messages } = readObjectEvent(event);
  for (const { problems } of messages) for (const err of problems) ports.log.error({ err }, 'event not understood; passed over');
  const results = await ingest(messages, context, ports);
  const failed = messages
    .map((message) => ({ message, retries: message.keys.flatMap((key) => retryOf(results.get(key))) }))
    .filter(({ retries }) => retries.length > 0);
  if (kind === 's3') {
    const first = failed[0]?.retries[0];
    if (first === undefined) return { batchItemFailures: [] };
    throw new StorestowError(first.code, `${first.key} was not stowed; send the event again`, {
      object: first.key,
      retryable: true,
    });
  }
  for (const { message, retries } of failed) {
    if (!isLastTry(message, options)) continue;
    const tried = retries.filter(({ code }) => code !== 'LEASE_HELD');
    await Promise.all(tried.map(({ key, code }) => giveUp(key, code, ports)));
  }
  return {
    batchItemFailures: failed.flatMap(({ message: { messageId } }) =>
      messageId === undefined ? [] : [{ itemIdentifier: messageId }],
    ),
  };
}

async function ingest(
  messages: readonly ObjectEventMessage[],
  context: InvocationContext,
  ports: IngestPorts,
): Promise<ReadonlyMap<string, IngestResult>> {
  const references = messages.flatMap(({ keys }) => keys.map((key) => ({ key })));
  if (references.length === 0) return new Map();
  const due = deadlines(context.getRemainingTimeInMillis());
  const begun = performance.now();
  const { stop, abort, clear } = deadlineSignals(due);
  try {
    const results = await ingestBatch(references, ports, {
      stop,
      abort,
      patience: () => leasePatience(Math.max(0, due.stop - (performance.now() - begun)), context.comesBackFree === true),
      ...(context.report === undefined ? {} : { onResult: context.report }),
    });
    return new Map(results.map((result) => [result.key, result]));
  } finally {
    clear();
  }
}

function retryOf(result: IngestResult | undefined): readonly { readonly key: string; readonly code: ErrorCode }[] {
  return result?.state === 'retry' ? [{ key: result.key, code: result.code ?? 'INTERNAL' }] : [];
}

function isLastTry({ receives }: ObjectEventMessage, { maxReceives }: HandleOptions): boolean {
  return maxReceives !== undefined && receives !== undefined && receives >= maxReceives;
}

/** Where even that fails, the object has no outcome, and the sweep finds it. */
async function giveUp(key: string, code: ErrorCode, ports: IngestPorts): Promise<void> {
  try {
    await markFailed(ports.store, key, code, ports);
  } catch (thrown) {
    ports.log.error({ key, code, err: asStorestowError(thrown, key) }, 'failed, and the object could not be marked so');
  }
}
