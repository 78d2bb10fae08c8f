/** The configuration → what `ingestBatch` needs. Opened once a process, and used for all its batches. */
import { institutionOf } from '../../core/coerce/institution-mapping.ts';
import { ruleSetDigest, serializeRuleSet, type RuleSet } from '../../core/coerce/rule-set.ts';
import type { ArchiveConfig, Config, WorklistConfig } from '../../core/config/schema.ts';
import { createFramePool } from '../../core/encode/frame-pool.ts';
import { warmUp } from '../../core/encode/warm-up.ts';
import { StorestowError } from '../../core/errors.ts';
import type { Log } from '../../core/logging.ts';
import { createKeptMatcher, createWorklistMatcher, type WorklistMatcher } from '../../core/match-worklist.ts';
import { prepareInstance } from '../../core/prepare-instance.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { Leases } from '../../core/store/lease.ts';
import { openStore } from '../../core/store/open-store.ts';
import { archiveUrl } from '../../core/stow/archive-url.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { openConnection } from '../../core/stow/dicomweb.ts';
import type { Archive } from '../../core/stow/outcome.ts';
import { createWorklist, openWorklistConnection } from '../../core/stow/worklist.ts';
import { openEarlierRules } from './earlier-rules.ts';
import { openRuleSet } from './open-rule-set.ts';
import type { IngestPorts } from './ports.ts';
import { leaseTimes } from './study-lease.ts';

export interface OpenPorts {
  readonly ports: IngestPorts;
  /** Resolves, always, when the threads that encode have started and their code is compiled. Nothing needs to wait for it. */
  readonly warm: Promise<void>;
  /** Opened anew by the rule set as it is now; undefined: it is the same. Throws as `openPorts` does. */
  renewed(): Promise<OpenPorts | undefined>;
  /** Ends threads and connections. */
  close(): Promise<void>;
}

/**
 * `given` serves in place of the configured bucket, and is closed with the rest. Throws `CONFIG_INVALID` without a bucket or an archive, and
 * what `openStore`, `openRuleSet` and `openConnection` throw; what was opened by then is closed.
 */
export async function openPorts(config: Config, log: Log, given?: ObjectStore): Promise<OpenPorts> {
  const opened = new AsyncDisposableStack();
  try {
    return await openOnto(opened, config, log, given);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

async function openOnto(
  opened: AsyncDisposableStack,
  config: Config,
  log: Log,
  given: ObjectStore | undefined,
): Promise<OpenPorts> {
  const archiveConfig = config.archive;
  if (archiveConfig === undefined)
    throw new StorestowError('CONFIG_INVALID', 'the configuration names no archive; set archive.url');
  const store = given ?? (await openBucket(config));
  opened.defer(() => store.close());
  const connection = openConnection(archiveConfig);
  opened.defer(() => connection.close());
  const ruleSet = await openRuleSet(config.coerce, store);
  const digest = ruleSetDigest(ruleSet);
  const worklist = config.coerce.worklist && openWorklist(config.coerce.worklist, archiveConfig, store);
  opened.defer(() => worklist?.close());
  const { threads, syntax, enabled } = config.encode;
  const framePool = createFramePool({ threads, syntax, maxBytesInFlight: config.ingest.maxBytesInFlight });
  opened.defer(() => framePool.close());
  // Whatever keeps the threads from it will be met by the first frame, and said there.
  const warm = enabled ? warmUp(framePool).catch(() => undefined) : Promise.resolve();
  const prepareBy =
    (rules: RuleSet, matcher: WorklistMatcher | undefined): IngestPorts['prepare'] =>
    async (file, source) =>
      prepareInstance(file, source, rules, framePool, { encode: enabled, ...(matcher && { worklist: matcher }) });
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
      prepare: prepareBy(ruleSet, worklist?.matcher),
      // What was taken of a worklist then is kept, and nobody is asked for it now.
      earlierRules: openEarlierRules(store, digest, (earlier) => prepareBy(earlier, createKeptMatcher(store))),
      ruleSet: { digest, json: serializeRuleSet(ruleSet) },
      config: { ...config, archive: archiveConfig },
      log,
      now: () => new Date(),
    },
    async renewed() {
      const now = ruleSetDigest(await openRuleSet(config.coerce, store));
      return now === digest ? undefined : openPorts(config, log, given);
    },
    close: () => opened.disposeAsync(),
  };
}

/** With the archive's credentials. Throws `CONFIG_INVALID`. */
function openWorklist(
  config: WorklistConfig,
  archive: ArchiveConfig,
  store: ObjectStore,
): { readonly matcher: WorklistMatcher; close(): Promise<void> } {
  const connection = openWorklistConnection(config, archive);
  return {
    matcher: createWorklistMatcher({ store, worklist: createWorklist(config.url, config.attributes, connection) }),
    close: async () => connection.close(),
  };
}

async function openBucket({ bucket }: Config): Promise<ObjectStore> {
  if (bucket === undefined) throw new StorestowError('CONFIG_INVALID', 'the configuration names no bucket; set bucket');
  return openStore(bucket);
}
