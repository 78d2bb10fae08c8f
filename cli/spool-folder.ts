/** Where the spool lies. Loads nothing: what storescp starts asks this before it knows whether it has any work. */
import { join, resolve } from 'node:path';

/** Where `up` keeps everything that is not placed elsewhere. */
export const DEFAULT_DATA = 'storestow-data';

/** Absolute: `--spool`, else `spool` in the data folder. */
export function spoolOf(
  { spool, data }: { readonly spool?: string | undefined; readonly data: string },
  cwd: string = process.cwd(),
): string {
  return resolve(cwd, spool ?? join(data, 'spool'));
}
