/** A disk that has no room for another byte, or for another file. */
import { StorestowError } from '../../core/errors.ts';

export function isNoRoom(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function noRoom(place: string, cause: unknown): StorestowError {
  return new StorestowError('SPOOL_FULL', `no room in ${place}; free space there, or files where those have run out`, {
    object: place,
    cause,
  });
}
