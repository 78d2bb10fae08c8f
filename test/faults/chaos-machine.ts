/**
 * A machine that runs the ingest function over a folder bucket and a queue, in a process of its own, so that it can be killed:
 * `chaos-machine.ts BUCKET QUEUE CONFIG`, `CONFIG` as JSON. Ends with the process that forked it.
 */
import { asStorestowError } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { markFailed } from '../../functions/ingest/object-outcome.ts';
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';
import { FunctionRunner, INGEST_HANDLER, type RunnerOptions } from '../../local-cloud/function-runner.ts';

const [bucket = '', path = '', config = ''] = process.argv.slice(2);

process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
const log = createLog({ level: 'silent' });
const store = await openFolderStore(bucket);
const queue = new ArrivalsQueue({ path, firstDelay: 200, maxDelay: 2000 });
const options: RunnerOptions = {
  queue,
  handler: INGEST_HANDLER,
  env: { STORESTOW_CONFIG: config, STORESTOW_LOG_LEVEL: 'silent' },
  bucket: 'folder',
  log,
  maxBatch: 40,
  visibilityTimeout: 3000,
  timeout: 60_000,
  onDead: async (key, code) => void (await markFailed(store, key, code, { log, now: () => new Date() })),
};

/** Its function may be killed before it is ready: then a machine is started anew by whatever watches over it. */
async function start(): Promise<void> {
  try {
    await new FunctionRunner(options).start();
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'PROCESS_FAILED') throw thrown;
    await start();
  }
}

await start();
