/** The port to what an archive itself tells of the files that it keeps: their digests, and that it has just read them. */
import type { ArchivedInstance } from './outcome.ts';
import type { InstanceReference } from './wado.ts';

export interface FileQuestion extends InstanceReference {
  /** As QIDO-RS lists it. */
  readonly listed: ArchivedInstance;
  /** MD5s, lower-case hexadecimal, of which the archive's file is known to have had one when it was proved. */
  readonly expected: readonly string[];
}

/**
 * | state     | what it means                                                                                        |
 * |-----------|------------------------------------------------------------------------------------------------------|
 * | `intact`  | the archive tells one of the expected digests, has read its file now, and it still has this digest    |
 * | `damaged` | the archive has read, or tried to read, its file now, and it no longer is what it keeps the digest of |
 * | `untold`  | anything else: only retrieving can tell                                                              |
 */
export type FileState = 'intact' | 'damaged' | 'untold';

/**
 * A digest alone tells what an archive took in: it is of a database, and stays when the file is altered or lost. So a file counts as
 * proved only where the archive can be made to read it.
 */
export interface FileCheck {
  /** Of instances of one study, by SOP Instance UID; of the others nothing is told. Throws `ARCHIVE_…` errors. */
  check(questions: readonly FileQuestion[], signal?: AbortSignal): Promise<ReadonlyMap<string, FileState>>;
}
