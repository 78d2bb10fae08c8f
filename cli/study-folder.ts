/** What `storestow upload FOLDER` takes for a study. */
import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { StorestowError } from '../core/errors.ts';
import { NOT_STUDIES, RECEIVED_FOLDER, receivingFolder, STATE_FOLDER, stateFolder } from '../core/spool-layout.ts';

/**
 * A spool, and what storescp has in it, have rules of their own (who sent a file, whether it is whole), which hold for the spool as a
 * whole alone. Throws `USAGE` for:
 *
 * | folder                                            | the spool             |
 * |---------------------------------------------------|-----------------------|
 * | `.storestow`                                      | what it lies in       |
 * | `receiving`, `received`, `set-aside` of a spool   | that                  |
 * | a sender's, in the `received` of a spool          | what that lies in     |
 * | one with `receiving` or `.storestow` in it        | itself                |
 */
export function mustBeStudy(folder: string): void {
  const path = resolve(folder);
  const spool = spoolWith(path);
  if (spool === undefined) return;
  const is = path === spool ? `is a spool, since ${whySpool(spool)},` : `is a part of the spool ${spool}`;
  throw new StorestowError('USAGE', `${folder} ${is} and no study's folder; for all of it give instead: --all --spool ${spool}`, {
    object: folder,
  });
}

/** Whoever uploaded a folder of studies one by one has not made a spool that they know of. */
function whySpool(spool: string): string {
  const receiving = receivingFolder(spool);
  if (existsSync(receiving)) return `storescp writes into it (${receiving})`;
  return `folders in it were uploaded before (${stateFolder(spool)})`;
}

function spoolWith(path: string): string | undefined {
  const parent = dirname(path);
  if (basename(path) === STATE_FOLDER || (NOT_STUDIES.has(basename(path)) && isSpool(parent))) return parent;
  if (basename(parent) === RECEIVED_FOLDER && isSpool(dirname(parent))) return dirname(parent);
  return isSpool(path) ? path : undefined;
}

function isSpool(path: string): boolean {
  return existsSync(stateFolder(path)) || existsSync(receivingFolder(path));
}
