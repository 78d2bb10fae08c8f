/**
 * Whether a resident uploader does what an exec asks of it, which it does only where it comes to the same as the exec's own work would:
 *
 * | asked for                                          | settings | sender                      | answer                               |
 * |----------------------------------------------------|----------|-----------------------------|--------------------------------------|
 * | the whole spool                                    | its own  | its own                     | `round`                              |
 * | a study's folder of the spool                      | its own  | any, where it has none itself | `announce`: the sender is noted, then a round |
 * | the same                                           | its own  | its own                     | `announce`                           |
 * | a folder elsewhere, or one that is no study's      | any      | any                         | `leave`                              |
 * | anything                                           | others   | any                         | `leave`                              |
 * | the whole spool, or a study's folder               | its own  | another                     | `leave`                              |
 *
 * Settings are where the bucket is, and all that the uploader is told but for the sender.
 */
import { isDeepStrictEqual } from 'node:util';
import type { BucketConfig } from '../core/config/schema.ts';
import type { UploadOptions } from '../local-uploader/upload/upload-study.ts';
import { senderOf } from './upload-arguments.ts';

/** What one uploader would do. */
export interface Terms {
  readonly bucket: BucketConfig;
  readonly options: UploadOptions;
  /** Whether files that stay are marked. */
  readonly marks: boolean;
}

export type Asked = 'spool' | 'study' | 'elsewhere';
export type Judgement = 'round' | 'announce' | 'leave';

export function judgeWord(asked: Asked, wanted: Terms, own: Terms): Judgement {
  if (asked === 'elsewhere' || !isDeepStrictEqual(settingsOf(wanted), settingsOf(own))) return 'leave';
  const [wantedSender, ownSender] = [senderOf(wanted.options), senderOf(own.options)];
  const same = isDeepStrictEqual(wantedSender, ownSender);
  if (asked === 'spool') return same ? 'round' : 'leave';
  return same || isDeepStrictEqual(ownSender, {}) ? 'announce' : 'leave';
}

function settingsOf({ bucket, options, marks }: Terms): object {
  return { bucket, options: { ...options, callingIP: undefined, callingAET: undefined }, marks };
}
