/** The errors of the port that every adapter throws in the same words. */
import { StorestowError } from '../errors.ts';

export function objectNotFound(key: string, cause?: unknown): StorestowError {
  return new StorestowError('OBJECT_NOT_FOUND', `no object ${key} in the bucket; it was deleted, or never arrived`, {
    object: key,
    cause,
  });
}

export function preconditionFailed(key: string, cause?: unknown): StorestowError {
  return new StorestowError(
    'PRECONDITION_FAILED',
    `${key} was not written: the bucket holds another state of it; read it again`,
    {
      object: key,
      cause,
    },
  );
}

export function checksumMismatch(key: string, cause?: unknown): StorestowError {
  return new StorestowError(
    'CHECKSUM_MISMATCH',
    `the bytes of ${key} do not have the SHA-256 that was promised; transfer it again`,
    {
      object: key,
      cause,
    },
  );
}

/** The file that was to be stored is gone, unreadable, or not as long as it was. */
export function bodyChanged(key: string, path: string, cause?: unknown): StorestowError {
  return new StorestowError('FILE_CHANGED', `${path} changed or vanished while it was stored as ${key}; store it again`, {
    object: path,
    cause,
  });
}
