/**
 * Uploaders as a process of their own: `node uploader-process.ts PLAN`, the plan as JSON. Prints each file's outcome as it comes, then
 * the reports as JSON, and ends with their exit code.
 *
 * With `hold` an upload stops for ever at that step. When all that are to be held are, the process kills itself: one kill -9 for many
 * uploads, each of which dies at its own point.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { BucketConfig } from '../../core/config/schema.ts';
import { createLog } from '../../core/logging.ts';
import type { RetryOptions } from '../../core/retry.ts';
import { openStore } from '../../core/store/open-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { uploadExitCode } from '../../local-uploader/upload/upload-report.ts';
import { uploadSpool } from '../../local-uploader/upload/upload-spool.ts';
import type { ReachStep, UploadStep } from '../../local-uploader/spool/upload-step.ts';
import { uploadStudy, type UploadOptions, type UploadPorts } from '../../local-uploader/upload/upload-study.ts';

export interface PlannedUpload {
  readonly kind: 'study' | 'spool';
  readonly folder: string;
  readonly site?: string;
  readonly after?: UploadOptions['after'];
  readonly moveTo?: string;
  /** The step, and which of its occurrences: from 1. */
  readonly hold?: { readonly step: UploadStep; readonly occurrence: number };
}

export interface UploaderPlan {
  readonly bucket: BucketConfig;
  readonly uploads: readonly PlannedUpload[];
  /** Milliseconds before each PUT. */
  readonly slowness?: number;
  /** Milliseconds that the process believes to be later than it is. */
  readonly clockAhead?: number;
  readonly retries?: RetryOptions;
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '') as UploaderPlan);

async function run({ bucket, uploads, slowness = 0, clockAhead = 0, retries }: UploaderPlan): Promise<void> {
  if (clockAhead !== 0) setClock(clockAhead);
  const store = slowed(await openStore(bucket), slowness);
  const holds = uploads.filter(({ hold }) => hold !== undefined).length;
  let held = 0;
  const killWhenAllAreHeld = (): void => {
    held += 1;
    if (held === holds) process.kill(process.pid, 'SIGKILL');
  };
  const reports = await Promise.all(
    uploads.map(async ({ kind, folder, hold, ...planned }) => {
      const ports: UploadPorts = {
        store,
        log: createLog({ level: 'fatal' }),
        now: () => new Date(),
        onProgress: ({ path, outcome }) => console.log(`${outcome} ${path}`),
        ...(hold === undefined ? {} : { onStep: holdAt(hold, killWhenAllAreHeld) }),
      };
      const options: UploadOptions = {
        ...{ site: 'test', after: 'remove', concurrency: 2, settle: 0, ...planned },
        ...(retries === undefined ? {} : { retries }),
      };
      const report = kind === 'spool' ? await uploadSpool(folder, ports, options) : [await uploadStudy(folder, ports, options)];
      if (hold !== undefined) throw new Error(`${folder} was not held at ${hold.step}`);
      return report;
    }),
  );
  console.log(JSON.stringify(reports.flat()));
  await store.close();
  process.exitCode = uploadExitCode(reports.flat());
}

function holdAt({ step, occurrence }: NonNullable<PlannedUpload['hold']>, held: () => void): ReachStep {
  let seen = 0;
  return async (reached) => {
    if (reached !== step) return;
    seen += 1;
    if (seen !== occurrence) return;
    held();
    // A promise alone keeps no process alive.
    for (;;) await delay(60_000);
  };
}

function slowed(inner: ObjectStore, slowness: number): ObjectStore {
  return {
    description: inner.description,
    async put(key, body, options) {
      await delay(slowness);
      return inner.put(key, body, options);
    },
    get: (key, range) => inner.get(key, range),
    head: (key) => inner.head(key),
    getTags: (key) => inner.getTags(key),
    putTags: (key, tags) => inner.putTags(key, tags),
    list: (options) => inner.list(options),
    delete: (key, options) => inner.delete(key, options),
    close: () => inner.close(),
  };
}

/** For whoever asks in this process, the AWS SDK included. */
function setClock(ahead: number): void {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...given: readonly unknown[]) {
      super(...((given.length === 0 ? [RealDate.now() + ahead] : given) as [number]));
    }
    static override now(): number {
      return RealDate.now() + ahead;
    }
  } as DateConstructor;
}
