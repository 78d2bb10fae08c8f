/** A report of one JSON value a line, written as the work goes on. */
import { open } from 'node:fs/promises';
import { StorestowError } from '../core/errors.ts';

export interface ReportFile {
  /** Rejects with `STORE_FULL` or `STORE_UNAVAILABLE` (both retryable). */
  add(entry: unknown): Promise<void>;
  close(): Promise<void>;
}

/** In place of what is there. Rejects with `USAGE` where it cannot be written. */
export async function openReportFile(path: string): Promise<ReportFile> {
  const handle = await open(path, 'w').catch((cause: unknown) => {
    throw new StorestowError('USAGE', `cannot write the report ${path}; check its folder and permissions`, {
      object: path,
      cause,
    });
  });
  return {
    async add(entry) {
      try {
        await handle.appendFile(`${JSON.stringify(entry)}\n`);
      } catch (cause) {
        throw reportError(path, cause);
      }
    },
    close: () => handle.close(),
  };
}

function reportError(path: string, cause: unknown): StorestowError {
  const system = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const full = system === 'ENOSPC' || system === 'EDQUOT';
  return new StorestowError(
    full ? 'STORE_FULL' : 'STORE_UNAVAILABLE',
    `cannot write the report ${path}${full ? ', as the disk is full; free space' : '; check the disk'}, then process again`,
    { object: path, cause },
  );
}
