/**
 * A folder of the spool into the bucket. Every file ends with an outcome; one that fails does not stop the others. Nothing is removed
 * that the bucket does not hold verified, so a run may be killed at any point and started again.
 */
import { lstat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { stateFolder } from '../../core/spool-layout.ts';
import { forgetAnnouncements } from '../spool/announced-senders.ts';
import { FolderRun } from './folder-run.ts';
import { isMissing } from '../spool/list-files.ts';
import { mustMoveElsewhere } from '../spool/move-elsewhere.ts';
import { oneAtATime } from '../spool/study-lock.ts';
import { uploadLimits, type UploadLimits } from './upload-limits.ts';
import type { UploadOptions, UploadPorts } from './upload-options.ts';
import type { UploadReport } from './upload-report.ts';

export type { Senders, UploadOptions, UploadPorts } from './upload-options.ts';

/**
 * For a study's folder; `uploadSpool` is for a spool. Throws `SPOOL_INVALID` where the folder is missing, cannot be listed or locked,
 * `CONFIG_INVALID` for `move` without a place to move to, or to one where it would be uploaded again. A folder that is missing where an uploader has been counts as done: a second
 * exec comes after the first one has emptied it.
 */
export async function uploadStudy(
  folder: string,
  ports: UploadPorts,
  options: UploadOptions,
  limits: UploadLimits = uploadLimits(options.concurrency, ports),
): Promise<UploadReport> {
  const upload = prepareUpload(folder, ports, options, limits);
  if (options.after === 'move' && options.moveTo !== undefined) await mustMoveElsewhere(resolve(folder), resolve(options.moveTo));
  await upload.run();
  return upload.report();
}

export interface StudyUpload {
  /** As `uploadStudy`; again, too: what failed the first time is not tried again. */
  readonly run: () => Promise<void>;
  /** Of all runs. */
  readonly report: () => UploadReport;
}

export function prepareUpload(folder: string, ports: UploadPorts, options: UploadOptions, limits: UploadLimits): StudyUpload {
  if (options.after === 'move' && options.moveTo === undefined)
    throw new StorestowError('CONFIG_INVALID', 'upload.after is "move", but upload.moveTo names no folder; set it');
  const root = resolve(folder);
  const state = options.state ?? stateFolder(dirname(root));
  const run = new FolderRun(root, ports, options, limits);
  let leftToOther = false;
  const work = async (): Promise<void> => {
    await run.untilQuiet();
    if (!(await isThere(root))) await forgetAnnouncements(root, state);
  };
  return {
    report: () => run.tally.report(root, { leftToOther }),
    run: async () => {
      // Where it is gone and an uploader has been, that one may have died before it was done with its lock.
      if (!(await isThere(root)) && !(await isThere(state)))
        throw new StorestowError('SPOOL_INVALID', `there is no folder ${root}; check the path`, { object: root });
      if ((await options.handled?.isQuiet(ports.now())) === true) return;
      leftToOther = !(await oneAtATime(root, state, work, ports.onStep));
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw new StorestowError('SPOOL_INVALID', `cannot look at ${path}; check its owner and permissions`, {
      object: path,
      cause: error,
    });
  }
}
