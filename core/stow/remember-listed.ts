/** QIDO-RS for one call of the client: what it told of an instance is kept, so that the proof need not ask again. */
import type { ArchivedInstance } from './outcome.ts';
import type { Qido } from './qido.ts';

export interface RememberingQido extends Qido {
  /** What it told last of each, by SOP Instance UID. */
  readonly listed: ReadonlyMap<string, ArchivedInstance>;
}

/** `digests`: each question asks for the digest too. */
export function rememberListed(qido: Qido, digests: boolean): RememberingQido {
  const listed = new Map<string, ArchivedInstance>();
  return {
    ...qido,
    listed,
    async find(studyInstanceUID, sopInstanceUIDs, asking = {}) {
      const found = await qido.find(studyInstanceUID, sopInstanceUIDs, {
        ...asking,
        digests: digests || asking.digests === true,
      });
      for (const [uid, instance] of found) listed.set(uid, instance);
      return found;
    },
  };
}
