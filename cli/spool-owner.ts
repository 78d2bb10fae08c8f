/** Whom a spool belongs to. */
import { statSync } from 'node:fs';
import { StorestowError } from '../core/errors.ts';
import { stateFolder } from '../core/spool-layout.ts';

/**
 * Root may write in any spool, but the locks and notes that it leaves there would be in the way of the user who has locks and notes there already.
 * A spool that only lies in another user's folder (a container's volume, storescp as root on port 104) is root's own. Throws `USAGE` for
 * `user` 0 where another one's locks are.
 */
export function mustNotBeRootsGuest(spool: string, user: number | undefined = process.getuid?.()): void {
  if (user !== 0) return;
  const owner = statSync(stateFolder(spool), { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === 0) return;
  throw new StorestowError(
    'USAGE',
    `the uploader of ${spool} is another user, who could not go on with what root leaves there; run this as that user: sudo -u '#${owner}' storestow …`,
    { object: spool },
  );
}
