/**
 * The Lambda handler of new objects. Environment: `STORESTOW_CONFIG` and the secrets beside it (`core/config/load.ts`);
 * `STORESTOW_MAX_RECEIVES`, the queue's tries; `STORESTOW_LOG_LEVEL`. Rules and institution mapping are read anew with each invocation.
 */
import type { SQSBatchResponse } from 'aws-lambda';
import { loadConfig } from '../../core/config/load.ts';
import { createLog } from '../../core/logging.ts';
import { CurrentPorts } from './current-ports.ts';
import { handleEvent } from './handle-event.ts';
import type { InvocationContext } from './invocation.ts';
import { openPorts } from './open-ports.ts';

const current = new CurrentPorts(async () => openPorts(await loadConfig({ env: process.env }), createLog(logOptions())));

// Lambda's init phase has processors to spare, and a runner has time before the first arrival; a failure is met again, and told,
// by the first invocation.
const opening = process.env['STORESTOW_CONFIG'] === undefined ? undefined : current.open();

/** For a runner that can wait until nothing that an arrival needs has still to be started; Lambda does not look at it. */
export const ready: Promise<void> = opening?.then(({ warm }) => warm).catch(() => undefined) ?? Promise.resolve();

function logOptions(): { readonly name: string; readonly level?: string } {
  const level = process.env['STORESTOW_LOG_LEVEL'];
  return { name: 'ingest', ...(level === undefined ? {} : { level }) };
}

export async function handler(event: unknown, context: InvocationContext): Promise<SQSBatchResponse> {
  const ports = await current.ports();
  const maxReceives = Number.parseInt(process.env['STORESTOW_MAX_RECEIVES'] ?? '', 10);
  return handleEvent(event, context, ports, Number.isNaN(maxReceives) ? {} : { maxReceives });
}
