/** `storestow upload --watch`: stays at the spool, and takes what storescp starts (`leave-to-resident.ts`) over the spool's socket. */
import { existsSync } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../core/logging.ts';
import { NOT_STUDIES, stateFolder } from '../core/spool-layout.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { announceSender } from '../local-uploader/announced-senders.ts';
import { attendSpool } from '../local-uploader/attend-spool.ts';
import { HandoverListener } from '../local-uploader/handover-listener.ts';
import type { HandoverWord } from '../local-uploader/handover-word.ts';
import { isMissing } from '../local-uploader/list-files.ts';
import type { SeedArguments } from '../local-uploader/seed-arguments.ts';
import type { UploadOptions } from '../local-uploader/upload-study.ts';
import { watchSpool } from '../local-uploader/watch-spool.ts';
import { endingSignal } from './ending-signal.ts';
import { judgeWord, type Asked, type Terms } from './judge-word.ts';
import { bucketAt, loadSettings, type Settings } from './settings.ts';
import { spoolOf } from './spool-folder.ts';
import { senderOf, uploadOptionsOf, type UploadArguments } from './upload-arguments.ts';
import { UploadNotes } from './upload-notes.ts';
import { version } from './version.ts';

/** Seconds; an exec of `storescp -xcs` comes sooner after the last instance, and with it the sender's address. */
const ANNOUNCED_WITHIN = 60;

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
            listener = await HandoverListener.open(spool, { log, take: (word) => take(word, { spool, own, hear, log }) });
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

interface Taking {
  readonly spool: string;
  readonly own: Terms;
  /** The next round begins after this call. */
  readonly hear: () => void;
  readonly log: Log;
}

async function take(word: HandoverWord, { spool, own, hear, log }: Taking): Promise<boolean> {
  const wanted = await termsOf(word);
  const judgement = wanted === undefined ? 'leave' : judgeWord(await askedOf(word, spool), wanted, own);
  if (wanted === undefined || judgement === 'leave') {
    log.info(
      'what storescp started asks for other settings, or another folder, than those of this uploader; it does its own work',
    );
    return false;
  }
  const folder = join(spool, basename(word.folder ?? ''));
  // One that is gone was emptied before, and there is nothing to say of it.
  if (judgement === 'announce' && existsSync(folder)) {
    await announceSender(folder, stateFolder(spool), { at: Date.now(), sender: senderOf(wanted.options) });
  }
  hear();
  return true;
}

/** By the code that the exec would run, for its folder and its environment. `undefined`: only the exec can say what is wrong. */
async function termsOf(word: HandoverWord): Promise<Terms | undefined> {
  const { cwd, data, config: path, environment, bucket: address, moveTo, callingIP, callingAET } = word;
  const [after, concurrency] = [afterOf(word.after), concurrencyOf(word.concurrency)];
  if (after === null || concurrency === null) return undefined;
  const { config, bucket } = await loadSettings({ config: path, data, bucket: address, asker: { cwd, environment } });
  const args = { after, concurrency, moveTo, callingIp: callingIP, callingAet: callingAET };
  return { bucket, options: uploadOptionsOf(args, undefined, config, cwd), marks: config.upload.marks };
}

/** `null` for what the command line would refuse. */
function afterOf(text: string | undefined): UploadOptions['after'] | undefined | null {
  return text === undefined || text === 'remove' || text === 'keep' || text === 'move' ? text : null;
}

function concurrencyOf(text: string | undefined): number | undefined | null {
  if (text === undefined) return undefined;
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}

/** A study's folder lies in the spool itself, and is a folder, no link to one; or it was there. */
async function askedOf({ folder }: HandoverWord, spool: string): Promise<Asked> {
  if (folder === undefined) return 'spool';
  const name = basename(folder);
  if (name === '' || NOT_STUDIES.has(name)) return 'elsewhere';
  if ((await realpath(dirname(folder))) !== (await realpath(spool))) return 'elsewhere';
  try {
    return (await lstat(folder)).isDirectory() ? 'study' : 'elsewhere';
  } catch (error) {
    if (isMissing(error)) return 'study';
    throw error;
  }
}
