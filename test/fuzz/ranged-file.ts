/** A file as one that is too large for memory is read: by ranges, each of which must lie in it. */
import { createHash } from 'node:crypto';
import type { ByteSource } from '../../core/dicom/byte-source.ts';

export function rangedFile(file: Uint8Array): { readonly source: ByteSource; readonly sha256: string } {
  return {
    sha256: createHash('sha256').update(file).digest('hex'),
    source: {
      length: file.length,
      read: async (start, end) => {
        if (start < 0 || end < start || end > file.length) throw new RangeError(`${start}–${end} of ${file.length} bytes`);
        return file.slice(start, end);
      },
    },
  };
}
