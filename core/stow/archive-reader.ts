/** The archive as an auditor has it: what it lists, what it tells of its files, what it gives back. Nothing is sent to be stored. */
import type { ArchiveConfig } from '../config/schema.ts';
import { retry } from '../retry.ts';
import type { UrlSource } from './archive-url.ts';
import { mayPass } from './connection-failure.ts';
import { createDicomWeb, type Connection } from './dicomweb.ts';
import type { FileCheck } from './file-check.ts';
import { createOrthancFileCheck } from './orthanc-file-check.ts';
import type { ArchivedInstance } from './outcome.ts';
import { createQido } from './qido.ts';
import { createStorageVerification } from './storage-verification.ts';
import { retrieveToFile, type InstanceReference, type RetrievedFile } from './wado.ts';

export interface ArchiveReader extends FileCheck {
  /** For people, without credentials. */
  readonly description: string;
  /** Those of the instances that it lists under the study, by SOP Instance UID. Throws `ARCHIVE_…` errors. */
  find(
    studyInstanceUID: string,
    sopInstanceUIDs: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, ArchivedInstance>>;
  /** On disk, any size; to be closed. Throws `NOT_IN_ARCHIVE` and other `ARCHIVE_…` errors, `STORE_FULL`, `STORE_UNAVAILABLE`. */
  retrieve(reference: InstanceReference, signal?: AbortSignal): Promise<RetrievedFile>;
}

const RETRY = { retries: 2, firstDelay: 250, maxDelay: 2000, again: mayPass };
const MAX_FILE = 2 ** 40;

export function createArchiveReader(config: ArchiveConfig, source: UrlSource, connection: Connection): ArchiveReader {
  const web = createDicomWeb(config, source, connection);
  const qido = createQido(web);
  const files = qido.tellsDigests ? createStorageVerification(web) : createOrthancFileCheck(web);
  const { limit } = connection;

  async function retried<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return retry(work, { ...RETRY, ...(signal === undefined ? {} : { signal }) });
  }

  return {
    description: web.url,
    find: async (studyInstanceUID, sopInstanceUIDs, signal) =>
      limit(() => qido.find(studyInstanceUID, sopInstanceUIDs, { digests: true, signal })),
    // Once: to read a study may take an archive until the time-out, and what is not told is retrieved.
    check: async (questions, signal) => limit(() => files.check(questions, signal)),
    retrieve: async (reference, signal) =>
      limit(() => retried(() => retrieveToFile(web, reference, { maxBytes: MAX_FILE, signal }), signal)),
  };
}
