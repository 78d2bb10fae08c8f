/**
 * The Lambda handler of new objects. Environment: `STORESTOW_CONFIG` and the secrets beside it (`core/config/load.ts`);
 * `STORESTOW_MAX_RECEIVES`, the queue's tries; `STORESTOW_LOG_LEVEL`. Rules and institution mapping are read anew with each invocation.
 */
import type { SQSBatchResponse } from 'aws-lambda';
import { ruleSetDigest } from '../../core/coerce/rule-set.ts';
import { loadConfig } from '../../core/config/load.ts';
import { createLog } from '../../core/logging.ts';
import { CurrentPorts } from './current-ports.ts';
import { handleEvent } from './handle-event.ts';
import type { InvocationContext } from './invocation.ts';
import { openPorts } from './open-ports.ts';
import { openRuleSet } from './open-rule-set.ts';

let current: Promise<CurrentPorts> | undefined;

/** Once a process; after a failure, anew with the next invocation. */
async function open(): Promise<CurrentPorts> {
  current ??= openCurrent();
  try {
    return await current;
  } catch (error) {
    current = undefined;
    throw error;
  }
}

async function openCurrent(): Promise<CurrentPorts> {
  const config = await loadConfig({ env: process.env });
  const log = createLog(logOptions());
  const ports = new CurrentPorts({
    open: () => openPorts(config, log),
    digestNow: async ({ store }) => ruleSetDigest(await openRuleSet(config.coerce, store)),
  });
  await ports.open();
  return ports;
}

// Lambda's init phase has processors to spare, and a runner has time before the first arrival; a failure is met again, and told,
// by the first invocation.
const opening = process.env['STORESTOW_CONFIG'] === undefined ? undefined : open();

/** For a runner that can wait until nothing that an arrival needs has still to be started; Lambda does not look at it. */
export const ready: Promise<void> =
  opening
    ?.then((ports) => ports.open())
    .then(({ warm }) => warm)
    .catch(() => undefined) ?? Promise.resolve();

function logOptions(): { readonly name: string; readonly level?: string } {
  const level = process.env['STORESTOW_LOG_LEVEL'];
  return { name: 'ingest', ...(level === undefined ? {} : { level }) };
}

export async function handler(event: unknown, context: InvocationContext): Promise<SQSBatchResponse> {
  const ports = await (await open()).ports();
  const maxReceives = Number.parseInt(process.env['STORESTOW_MAX_RECEIVES'] ?? '', 10);
  return handleEvent(event, context, ports, Number.isNaN(maxReceives) ? {} : { maxReceives });
}
