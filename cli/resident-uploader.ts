/** `storestow upload --watch`: stays at the spool, and takes what storescp starts (`leave-to-resident.ts`) over the spool's socket. */
import type { Log } from '../core/logging.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { attendSpool } from '../local-uploader/status/attend-spool.ts';
import { HandoverListener } from '../local-uploader/handover/handover-listener.ts';
import type { SeedArguments } from './seed-arguments.ts';
import { watchSpool } from '../local-uploader/upload/watch-spool.ts';
import { endingSignal } from './ending-signal.ts';
import { bucketAt, type Settings } from './settings.ts';
import { spoolOf } from './spool-folder.ts';
import { takeWord } from './take-word.ts';
import { uploadOptionsOf, type UploadArguments } from './upload-arguments.ts';
import { UploadNotes } from './upload-notes.ts';
import { version } from './version.ts';

/** Seconds; an exec of `storescp -xcs` comes sooner after the last instance, and with it the sender's address. */
export const ANNOUNCED_WITHIN = 60;

export interface Resident {
  readonly args: UploadArguments;
  readonly seed: SeedArguments | undefined;
  readonly settings: Settings;
  readonly store: ObjectStore;
  readonly log: Log;
}

/** Ends on SIGTERM and SIGINT, and with the process that started it. */
export async function stayAtSpool({ args, seed, settings, store, log }: Resident): Promise<void> {
  const ending = endingSignal();
  const orphaned = (): void => void process.kill(process.pid, 'SIGTERM');
  process.once('disconnect', orphaned);
  const { config, bucket, data } = settings;
  const spool = spoolOf({ spool: args.spool, data });
  const notes = new UploadNotes(spool, config, log);
  const now = (): Date => new Date();
  const ports = { store, log, now, ...notes.ports };
  const options = uploadOptionsOf(args, seed, config);
  const own = { bucket: bucketAt(bucket, process.cwd()), options, marks: config.upload.marks };
  const over = new AbortController();
  const attending = attendSpool(
    spool,
    { store, log, now, onLook: () => notes.look() },
    {
      site: config.site,
      version: await version(),
      // Without a bucket there is nowhere to write one.
      heartbeat: args.direct === true ? 0 : config.upload.heartbeat,
      disk: config.upload.disk,
      signal: AbortSignal.any([ending, over.signal]),
    },
  );
  let listener: HandoverListener | undefined;
  try {
    await watchSpool(
      spool,
      ports,
      { ...options, announcedWithin: ANNOUNCED_WITHIN },
      {
        signal: ending,
        onListening: async (hear) => {
          // An exec without --direct means the bucket, and one with it works in its own process.
          if (args.direct !== true)
            listener = await HandoverListener.open(spool, { log, take: (word) => takeWord(word, { spool, own, hear, log }) });
          // What comes now is for the next uploader, or for the exec itself: the round under way is the last.
          ending.addEventListener('abort', () => void listener?.close(), { once: true });
          process.send?.('ready');
        },
      },
    );
  } finally {
    over.abort();
    await listener?.close();
    await attending;
    await notes.close();
    // The channel that is listened to would keep this process alive.
    process.off('disconnect', orphaned);
  }
}
