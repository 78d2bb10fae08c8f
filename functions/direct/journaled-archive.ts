/** An archive of which a journal knows what it was sent. */
import type { Archive, OutgoingInstance } from '../../core/stow/outcome.ts';
import type { SentInstance, SentJournal } from './sent-journal.ts';

/** Each instance is in the journal before it goes, so that a process that dies knows afterwards what was its own. */
export function journaledArchive(archive: Archive, journal: SentJournal): Archive {
  return {
    description: archive.description,
    find: (study, uids) => archive.find(study, uids),
    institutions: (study, options) => archive.institutions(study, options),
    close: () => archive.close(),
    store: async (instances, options) => {
      const entries = instances.map(sentEntry);
      const added = new Set(journal.add(entries));
      const outcomes = await archive.store(instances, options);
      // It was there before this first try: somebody else's, whatever its content.
      journal.remove(
        entries.filter((entry, index) => {
          const outcome = outcomes[index];
          return added.has(entry) && outcome !== undefined && 'alreadyThere' in outcome && outcome.alreadyThere;
        }),
      );
      return outcomes;
    },
  };
}

function sentEntry({ studyInstanceUID, sopInstanceUID, md5 }: OutgoingInstance): SentInstance {
  return { studyInstanceUID, sopInstanceUID, content: sentContent(md5) };
}

/** Of an entry for the bytes as they were sent; `md5` of them. */
export function sentContent(md5: string): string {
  return `sent:${md5}`;
}
