/** The configuration → what `verifyRows` needs. */
import type { Config } from '../../core/config/schema.ts';
import { createFramePool } from '../../core/encode/frame-pool.ts';
import { StorestowError } from '../../core/errors.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { createArchiveReader, type ArchiveReader } from '../../core/stow/archive-reader.ts';
import { archiveUrl } from '../../core/stow/archive-url.ts';
import { openConnection } from '../../core/stow/dicomweb.ts';
import { appliedRules } from './applied-rules.ts';
import { openKeptRuleSets } from '../ingest/kept-rule-sets.ts';
import type { VerifyPorts } from './ports.ts';

export interface OpenVerifyPorts {
  readonly ports: VerifyPorts;
  /** Ends threads and connections; not the store. */
  close(): Promise<void>;
}

/** Throws `CONFIG_INVALID` without an archive, and what `openConnection` throws. */
export function openVerifyPorts({ archive, encode, ingest }: Config, store: ObjectStore): OpenVerifyPorts {
  if (archive === undefined) {
    throw new StorestowError('CONFIG_INVALID', 'the configuration names no archive; set archive.url, or give --archive');
  }
  const connection = openConnection(archive);
  const pool = createFramePool({ threads: encode.threads, maxBytesInFlight: ingest.maxBytesInFlight });
  const ruleSets = openKeptRuleSets(store);
  const readers = new Map<string, ArchiveReader>();
  return {
    ports: {
      readerFor({ callingAET: aet, site, record }) {
        const source = { aet, site, institution: record?.institution };
        const url = archiveUrl(archive.url, source);
        const reader = readers.get(url) ?? createArchiveReader(archive, source, connection);
        readers.set(url, reader);
        return reader;
      },
      ruleSet: async (digest, key) => appliedRules(await ruleSets(digest), key, store),
      pool,
      connections: archive.connections,
      maxBytesInFlight: ingest.maxBytesInFlight,
    },
    async close() {
      await pool.close();
      await connection.close();
    },
  };
}
