/** A file on disk through the steps that every instance goes through. */
import { open, type FileHandle } from 'node:fs/promises';
import type { Source } from '../../core/coerce/coerce.ts';
import type { ByteSource } from '../../core/dicom/byte-source.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { asciiText } from '../../core/dicom/element-value.ts';
import { fileSource } from '../../core/dicom/file-source.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { StorestowError } from '../../core/errors.ts';
import { LARGE_FILE, preparePart10, readInstance, type PreparedInstance } from '../../core/prepare-instance.ts';
import type { ProcessPorts } from './process-ports.ts';

export interface PreparedFile {
  /** As it is on disk. */
  readonly original: Part10;
  readonly prepared: PreparedInstance;
}

/**
 * As if the file had come from the sender that it names, when it was last written. `use` may read what was prepared, which
 * for a large file lies on disk, until it is done. Throws what `readInstance`, `preparePart10` and `use` throw; `USAGE` where the file cannot
 * be opened, `FILE_CHANGED` where it was cut meanwhile.
 */
export async function withPreparedFile<Result>(
  path: string,
  ports: ProcessPorts,
  use: (file: PreparedFile) => Promise<Result>,
): Promise<Result> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new StorestowError('USAGE', `cannot read ${path}; check its permissions`, { object: path, cause });
  });
  try {
    const { size, mtime } = await handle.stat();
    // Head, tail and frames under way of one that is read where it lies are bounded as the file that just is not.
    const release = await ports.budget.acquire(Math.min(size, LARGE_FILE));
    try {
      const isLarge = size >= (ports.largeFile ?? LARGE_FILE);
      const original = await readInstance(isLarge ? largeFile(handle, size, path) : await handle.readFile());
      const source = { callingAET: senderOf(original) || ports.callingAET, callingIP: ports.callingIP, receivedAt: mtime };
      return await usePrepared(original, source, ports, use);
    } finally {
      release();
    }
  } finally {
    await handle.close();
  }
}

async function usePrepared<Result>(
  original: Part10,
  source: Source,
  { ruleSet, framePool, encode, spillFolder }: ProcessPorts,
  use: (file: PreparedFile) => Promise<Result>,
): Promise<Result> {
  const options = { encode, ...(spillFolder === undefined ? {} : { spillFolder }) };
  const prepared = await preparePart10(original, source, ruleSet, framePool, options);
  try {
    return await use({ original, prepared });
  } finally {
    await prepared.release?.();
  }
}

function largeFile(handle: FileHandle, size: number, path: string): ByteSource {
  const changed = (): StorestowError =>
    new StorestowError('FILE_CHANGED', `${path} was cut while it was read; try again`, { object: path });
  return fileSource(handle, size, changed);
}

/** storescp writes the calling title there. */
function senderOf({ meta }: Part10): string {
  return asciiText(meta, TAG.SourceApplicationEntityTitle) ?? '';
}
