/**
 * A handler that does what the keys say: `…crash…` kills its process, `…hang…` never answers, `…fail…` is a partial failure,
 * `…late…` was not begun, `…held…` is another's for eight turns, `…throw…` throws, `…nonsense…` answers out of form; anything else succeeds. Notes each batch in the file
 * `STORESTOW_TEST_NOTES`. Ready after a while, when it has made the file `STORESTOW_TEST_READY`, where that is given.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { StorestowError } from '../../../core/errors.ts';
import { readObjectEvent } from '../../../core/store/object-event.ts';

const HELD_TURNS = 8;
let turn = 0;

interface Context {
  readonly report?: (result: unknown) => void;
}

async function becomeReady(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  await delay(300);
  writeFileSync(path, '');
}

export const ready: Promise<void> = becomeReady(process.env['STORESTOW_TEST_READY']);

export async function handler(event: unknown, context: Context): Promise<unknown> {
  const { messages } = readObjectEvent(event);
  const keys = messages.flatMap((message) => message.keys);
  const has = (what: string): boolean => keys.some((key) => key.includes(what));
  appendFileSync(process.env['STORESTOW_TEST_NOTES'] ?? '', `${JSON.stringify({ pid: process.pid, keys })}\n`);
  if (has('crash')) process.kill(process.pid, 'SIGKILL');
  if (has('hang')) await new Promise(() => setInterval(() => undefined, 1_000));
  if (has('throw')) throw new StorestowError('CONFIG_INVALID', 'as the test wants it');
  if (has('nonsense')) return { batchItemFailures: [{ itemIdentifier: 'nobody' }] };
  turn += 1;
  const codeOf = (key: string): string | undefined => {
    if (key.includes('fail')) return 'ARCHIVE_UNAVAILABLE';
    if (key.includes('held') && turn <= HELD_TURNS) return 'LEASE_HELD';
    return key.includes('late') ? 'INVOCATION_TIMEOUT' : undefined;
  };
  for (const key of keys) {
    const code = codeOf(key);
    const retryAfter = code === 'LEASE_HELD' ? { retryAfter: 12.5 } : {};
    context.report?.(code === undefined ? { key, state: 'stowed' } : { key, state: 'retry', code, ...retryAfter });
  }
  const failed = messages.filter((message) => message.keys.some((key) => codeOf(key) !== undefined));
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}
