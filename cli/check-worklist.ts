/** Check of `storestow doctor`: whether the worklist that coercion asks answers, by a question about an order that nobody has. */
import type { ArchiveConfig, WorklistConfig } from '../core/config/schema.ts';
import { openConnection } from '../core/stow/dicomweb.ts';
import { createWorklist, worklistAddress } from '../core/stow/worklist.ts';

const NOBODYS = { match: 'accession', accessionNumber: 'STORESTOW-DOCTOR' } as const;

/** Throws `WORKLIST_UNAVAILABLE`, and what the configuration throws. */
export async function checkWorklist({ url, attributes }: WorklistConfig, archive: ArchiveConfig): Promise<string> {
  const connection = openConnection(archive, worklistAddress(url).origin);
  try {
    await createWorklist(url, attributes, connection).find(NOBODYS);
    return `${url} answers; ${attributes.join(', ')} are taken of its items`;
  } finally {
    await connection.close();
  }
}
