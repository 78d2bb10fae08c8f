/** The configuration → what `ingestBatch` needs. Opened once a process, and used for all its batches. */
import { institutionOf } from '../../core/coerce/institution-mapping.ts';
import { ruleSetDigest, serializeRuleSet } from '../../core/coerce/rule-set.ts';
import type { ArchiveConfig, Config, WorklistConfig } from '../../core/config/schema.ts';
import { createFramePool } from '../../core/encode/frame-pool.ts';
import { warmUp } from '../../core/encode/warm-up.ts';
import { StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import { createWorklistMatcher, type WorklistMatcher } from '../../core/match-worklist.ts';
import { prepareInstance } from '../../core/prepare-instance.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { Leases } from '../../core/store/lease.ts';
import { openStore } from '../../core/store/open-store.ts';
import { archiveUrl } from '../../core/stow/archive-url.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { openConnection } from '../../core/stow/dicomweb.ts';
import type { Archive } from '../../core/stow/outcome.ts';
import { createWorklist, openWorklistConnection } from '../../core/stow/worklist.ts';
import { openRuleSet } from './open-rule-set.ts';
import type { IngestPorts } from './ports.ts';
import { leaseTimes } from './study-lease.ts';

export interface OpenPorts {
  readonly ports: IngestPorts;
  /** Resolves, always, when the threads that encode have started and their code is compiled. Nothing needs to wait for it. */
  readonly warm: Promise<void>;
  /** Ends threads and connections. */
  close(): Promise<void>;
}

/** `given` serves in place of the configured bucket. Throws `CONFIG_INVALID` without a bucket or an archive, and what `openStore`, `openRuleSet` and `openConnection` throw. */
export async function openPorts(config: Config, log: Log, given?: ObjectStore): Promise<OpenPorts> {
  const archiveConfig = config.archive;
  if (archiveConfig === undefined)
    throw new StorestowError('CONFIG_INVALID', 'the configuration names no archive; set archive.url');
  const connection = openConnection(archiveConfig);
  const store = given ?? (await openBucket(config));
  const ruleSet = await openRuleSet(config.coerce, store);
  const worklist = config.coerce.worklist && openWorklist(config.coerce.worklist, archiveConfig, store);
  const { threads, syntax, enabled } = config.encode;
  const framePool = createFramePool({ threads, syntax, maxBytesInFlight: config.ingest.maxBytesInFlight });
  // Whatever keeps the threads from it will be met by the first frame, and said there.
  const warm = enabled ? warmUp(framePool).catch(() => undefined) : Promise.resolve();
  const archives = new Map<string, Archive>();
  return {
    warm,
    ports: {
      store,
      leases: new Leases(store, leaseTimes(archiveConfig.timeout)),
      archiveFor({ callingAET: aet, institution, site }) {
        const source = { aet, institution, site };
        const url = archiveUrl(archiveConfig.url, source);
        const archive = archives.get(url) ?? createArchive({ config: archiveConfig, source, log, connection });
        archives.set(url, archive);
        return archive;
      },
      ownInstitution: (source) => {
        const { confirm, otherInstitution } = archiveConfig;
        if (ruleSet.institutions === undefined || !confirm || otherInstitution === 'store') return undefined;
        return institutionOf(ruleSet.institutions, source);
      },
      prepare: async (file, source) =>
        prepareInstance(file, source, ruleSet, framePool, { encode: enabled, ...(worklist && { worklist: worklist.matcher }) }),
      ruleSet: { digest: ruleSetDigest(ruleSet), json: serializeRuleSet(ruleSet) },
      config: { ...config, archive: archiveConfig },
      log,
      now: () => new Date(),
    },
    async close() {
      await framePool.close();
      await connection.close();
      await worklist?.close();
      await store.close();
    },
  };
}

/** With the archive's credentials. Throws `CONFIG_INVALID`. */
function openWorklist(
  { url, attributes }: WorklistConfig,
  archive: ArchiveConfig,
  store: ObjectStore,
): { readonly matcher: WorklistMatcher; close(): Promise<void> } {
  const connection = openWorklistConnection(url, archive);
  return {
    matcher: createWorklistMatcher({ store, worklist: createWorklist(url, attributes, connection) }),
    close: async () => connection.close(),
  };
}

async function openBucket({ bucket }: Config): Promise<ObjectStore> {
  if (bucket === undefined) throw new StorestowError('CONFIG_INVALID', 'the configuration names no bucket; set bucket');
  return openStore(bucket);
}
