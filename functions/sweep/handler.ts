/**
 * The Lambda handler of the sweep, run by a schedule. Environment: `STORESTOW_CONFIG`; `STORESTOW_QUEUE_URL`, the queue of
 * arrivals; in minutes `STORESTOW_SWEEP_PENDING_AFTER` (default 60: SQS hides a failed message about as long) and
 * `STORESTOW_SWEEP_FAILED_AFTER` (default 60).
 */
import { loadConfig } from '../../core/config/load.ts';
import { StorestowError } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import { openStore } from '../../core/store/open-store.ts';
import { openSqsQueue } from './sqs-queue.ts';
import { sweep, type SweepReport } from './sweep.ts';
import { keepSweepPosition, readSweepPosition } from './sweep-position.ts';

interface SweepContext {
  getRemainingTimeInMillis(): number;
}

/** Milliseconds of an invocation that are left for its end. */
const RESERVE = 10_000;

export async function handler(_event: unknown, context: SweepContext): Promise<SweepReport> {
  const { env } = process;
  const { bucket } = await loadConfig({ env });
  const queueUrl = env['STORESTOW_QUEUE_URL'];
  if (bucket?.kind !== 's3') throw new StorestowError('CONFIG_INVALID', 'the configuration names no S3 bucket; set bucket');
  if (queueUrl === undefined)
    throw new StorestowError('CONFIG_INVALID', 'STORESTOW_QUEUE_URL is not set; set the queue of arrivals');
  const store = await openStore(bucket);
  const queue = openSqsQueue({ queueUrl, bucket: bucket.bucket, region: bucket.region });
  try {
    const position = await readSweepPosition(store);
    const report = await sweep(store, (keys) => queue.enqueue(keys), {
      ...(position.round === undefined ? {} : { round: position.round }),
      pendingAfter: numberOf(env['STORESTOW_SWEEP_PENDING_AFTER']) ?? 60,
      failedAfter: numberOf(env['STORESTOW_SWEEP_FAILED_AFTER']) ?? 60,
      log: createLog({ name: 'sweep' }),
      now: () => new Date(),
      stop: AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE)),
    });
    await keepSweepPosition(store, position, report.round);
    return report;
  } finally {
    queue.close();
    await store.close();
  }
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (value >= 0) return value;
  throw new StorestowError('CONFIG_INVALID', `${JSON.stringify(text)} is not a number of minutes; correct STORESTOW_SWEEP_…`);
}
