/** Whom a spool belongs to. */
import { statSync } from 'node:fs';
import { StorestowError } from '../core/errors.ts';

/**
 * Root may write in any spool, but the locks and notes that it leaves there would be in the way of the spool's own user. Throws `USAGE` for
 * `user` 0 at a spool of another user.
 */
export function mustNotBeRootsGuest(spool: string, user: number | undefined = process.getuid?.()): void {
  const owner = statSync(spool, { throwIfNoEntry: false })?.uid;
  if (user !== 0 || owner === undefined || owner === 0) return;
  throw new StorestowError(
    'USAGE',
    `${spool} belongs to another user, who could not go on with what root leaves there; run this as that user: sudo -u '#${owner}' storestow …`,
    { object: spool },
  );
}
