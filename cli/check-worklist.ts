/** Check of `storestow doctor`: whether the worklist that coercion asks answers, by a question about an order that nobody has. */
import type { ArchiveConfig, WorklistConfig } from '../core/config/schema.ts';
import { createWorklist, openWorklistConnection } from '../core/stow/worklist.ts';

const NOBODYS = { match: 'accession', accessionNumber: 'STORESTOW-DOCTOR' } as const;

/** Throws `WORKLIST_UNAVAILABLE`, and what the configuration throws. */
export async function checkWorklist(config: WorklistConfig, archive: ArchiveConfig): Promise<string> {
  const { url, attributes } = config;
  const connection = openWorklistConnection(config, archive);
  try {
    await createWorklist(url, attributes, connection).find(NOBODYS);
    return `${url} answers; ${attributes.join(', ')} are taken of its items`;
  } finally {
    await connection.close();
  }
}
