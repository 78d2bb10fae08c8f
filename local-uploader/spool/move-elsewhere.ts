/** Whether what is uploaded moves to a place where no uploader finds it again, and sends it once more without its sender. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { StorestowError } from '../../core/errors.ts';
import { receivedFolder, receivingFolder } from '../../core/spool-layout.ts';
import { isMissing } from './list-files.ts';

/**
 * `folder` is a spool, or a study's folder. Throws `CONFIG_INVALID` where `moveTo` is, by the real paths:
 *
 * | place                                              | because                                              |
 * |----------------------------------------------------|------------------------------------------------------|
 * | the folder, or below it                            | it is listed again                                   |
 * | the folder that the folder lies in                 | files keep their place in that, so they would not move |
 * | below that, where that is a spool by its folders   | it is a study's folder for whoever uploads the spool |
 */
export async function mustMoveElsewhere(folder: string, moveTo: string): Promise<void> {
  const [own, target] = [await realPathOf(folder), await realPathOf(moveTo)];
  const parent = dirname(own);
  const isRefused = isIn(target, own) || target === parent || (isSpool(parent) && isIn(target, parent));
  if (!isRefused) return;
  throw new StorestowError(
    'CONFIG_INVALID',
    `upload.moveTo is ${moveTo}, where files are uploaded from, so they would be uploaded again; name a folder outside of the spool`,
    { object: moveTo },
  );
}

function isSpool(folder: string): boolean {
  return existsSync(receivingFolder(folder)) || existsSync(receivedFolder(folder));
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** Of a path that is not there yet too. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    if (isMissing(cause)) return join(await realPathOf(dirname(path)), basename(path));
    throw new StorestowError('SPOOL_INVALID', `cannot look at ${path}; check its owner and permissions`, { object: path, cause });
  }
}
