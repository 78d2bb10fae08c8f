/** What a resident uploader does with a word of storescp's exec: judged, the sender written down, the next round asked for. */
import { existsSync } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../core/logging.ts';
import { NOT_STUDIES, stateFolder } from '../core/spool-layout.ts';
import { announceSender } from '../local-uploader/spool/announced-senders.ts';
import type { HandoverWord } from '../local-uploader/handover/handover-word.ts';
import { isMissing } from '../local-uploader/spool/list-files.ts';
import type { UploadOptions } from '../local-uploader/upload/upload-study.ts';
import { judgeWord, type Asked, type Terms } from './judge-word.ts';
import { loadSettings } from './settings.ts';
import { senderOf, uploadOptionsOf } from './upload-arguments.ts';

export interface Taking {
  readonly spool: string;
  readonly own: Terms;
  /** The next round begins after this call. */
  readonly hear: () => void;
  readonly log: Log;
}

/** Whether it is taken. What is wrong with the settings is thrown: the exec meets it too, and says so. */
export async function takeWord(word: HandoverWord, { spool, own, hear, log }: Taking): Promise<boolean> {
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
