/** What `storestow upload` was given → what the uploader is told. The same for the one who asks and for the resident uploader that is asked. */
import { resolve } from 'node:path';
import type { Config } from '../core/config/schema.ts';
import type { Sender } from '../local-uploader/spool/announced-senders.ts';
import type { SeedArguments } from './seed-arguments.ts';
import type { UploadOptions } from '../local-uploader/upload/upload-study.ts';

export interface UploadArguments {
  readonly all?: boolean | undefined;
  readonly watch?: boolean | undefined;
  readonly here?: boolean | undefined;
  readonly spool?: string | undefined;
  readonly callingIp?: string | undefined;
  readonly callingAet?: string | undefined;
  readonly after?: UploadOptions['after'] | undefined;
  readonly moveTo?: string | undefined;
  readonly concurrency?: number | undefined;
  readonly direct?: boolean | undefined;
  readonly archive?: string | undefined;
  readonly institutions?: string | undefined;
  readonly config?: string | undefined;
  readonly bucket?: string | undefined;
  readonly data: string;
  readonly logLevel?: string | undefined;
  readonly syslog?: boolean | undefined;
}

type Uploading = Pick<UploadArguments, 'callingIp' | 'callingAet' | 'after' | 'moveTo' | 'concurrency' | 'direct'>;

/** `cwd`: what a relative path is relative to. */
export function uploadOptionsOf(
  args: Uploading,
  seed: SeedArguments | undefined,
  { site, upload }: Config,
  cwd: string = process.cwd(),
): UploadOptions {
  const callingIP = seed?.callingIP ?? args.callingIp;
  const callingAET = seed?.callingAET ?? args.callingAet;
  const moveTo = args.moveTo ?? upload.moveTo;
  return {
    site,
    after: args.after ?? upload.after,
    concurrency: args.concurrency ?? upload.concurrency,
    settle: upload.settle,
    // Without a bucket there is nowhere to keep them.
    manifests: args.direct !== true,
    ...senderOf({ callingIP, callingAET }),
    ...(moveTo === undefined ? {} : { moveTo: resolve(cwd, moveTo) }),
  };
}

/** Without what is not known. */
export function senderOf({
  callingIP,
  callingAET,
}: {
  readonly callingIP?: string | undefined;
  readonly callingAET?: string | undefined;
}): Sender {
  return { ...(callingIP === undefined ? {} : { callingIP }), ...(callingAET === undefined ? {} : { callingAET }) };
}
