/**
 * A function's process, as Lambda would run it: loads the handler whose module is the first argument, and calls it for each
 * invocation that comes by IPC. Whatever kills this process kills nothing else.
 */
import { pathToFileURL } from 'node:url';
import { asStorestowError } from '../core/errors.ts';
import type { FromFunction, ToFunction } from './function-protocol.ts';

interface Context {
  readonly awsRequestId: string;
  readonly getRemainingTimeInMillis: () => number;
  readonly report: (result: unknown) => void;
  readonly comesBackFree: true;
}

interface FunctionModule {
  /** Resolves when the module has all that it starts. */
  readonly ready?: Promise<unknown>;
  readonly handler: (event: unknown, context: Context) => Promise<unknown>;
}

function tell(message: FromFunction): void {
  process.send?.(message);
}

async function invoke({ handler }: FunctionModule, { id, event, remaining }: ToFunction): Promise<void> {
  const deadline = performance.now() + remaining;
  const context: Context = {
    awsRequestId: String(id),
    getRemainingTimeInMillis: () => Math.max(0, deadline - performance.now()),
    report: (result) => tell({ kind: 'result', id, result }),
    comesBackFree: true,
  };
  try {
    tell({ kind: 'answer', id, response: await handler(event, context) });
  } catch (thrown) {
    const error = asStorestowError(thrown);
    process.stderr.write(
      `${error.code}: ${error.message}\n${error.cause instanceof Error ? `${error.cause.stack ?? ''}\n` : ''}`,
    );
    tell({ kind: 'failed', id, code: error.code });
  }
}

// The runner is gone: its messages go to another one, and nothing may be sent twice at the same time. At once, whatever goes on.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// The terminal's and systemd's signals go to every process of the group; the runner decides when this one ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

const loaded = (await import(pathToFileURL(process.argv[2] ?? '').href)) as FunctionModule;
process.on('message', (message: ToFunction) => void invoke(loaded, message));
await loaded.ready;
tell({ kind: 'ready' });
