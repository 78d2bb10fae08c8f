/** Doubles of what `ingestBatch` needs: a bucket in memory, an archive by script, and instances that are JSON. */
import { createHash } from 'node:crypto';
import type { ErrorCode } from '../../core/errors.ts';
import { StorestowError } from '../../core/errors.ts';
import { createLog } from '../../core/logging.ts';
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import { Leases } from '../../core/store/lease.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { objectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { Archive, ArchivedInstance, OutgoingInstance, Outcome } from '../../core/stow/outcome.ts';
import type { ArchiveSource, IngestPorts } from '../../functions/ingest/ports.ts';

export interface FakeInstance {
  readonly study?: string;
  readonly sop: string;
  /** Distinguishes contents under one SOP Instance UID. */
  readonly content?: string;
  readonly callingAET?: string;
  /** What preparing it throws. */
  readonly refused?: ErrorCode;
}

/** What the archive is to do with a SOP Instance UID, one entry a try; then it stores. `throw`: stored, but the process dies. */
export type Script = Map<string, (Outcome | 'throw')[]>;

const THERE: Outcome = { kind: 'stored', proof: 'digest', alreadyThere: true };
const OTHER_CONTENT: Outcome = { kind: 'permanent', code: 'CONFLICT', message: 'the archive holds other content' };

export class FakeArchive implements Archive {
  readonly description = 'fake';
  /** SOP Instance UIDs of each request, in order. */
  readonly requests: string[][] = [];
  readonly held = new Map<string, ArchivedInstance>();
  readonly script: Script;
  /** Resolved before each answer, so that a test decides when. */
  answering: Promise<unknown> = Promise.resolve();
  /** Why it cannot be asked what it has. */
  finding: StorestowError | undefined;

  constructor(script: Script = new Map(), registered = new Map<string, readonly string[]>()) {
    this.script = script;
    this.registered = registered;
  }

  /** As the client does: it asks first, sends nothing that is there, and compares what is. */
  async store(instances: readonly OutgoingInstance[]): Promise<readonly Outcome[]> {
    const { finding } = this;
    if (finding !== undefined) return instances.map(() => ({ kind: 'retryable', code: finding.code, message: finding.message }));
    const absent = instances.filter((instance) => !this.#holds(instance));
    if (absent.length === 0) return instances.map((instance) => this.#found(instance));
    this.requests.push(absent.map(({ sopInstanceUID }) => sopInstanceUID));
    await this.answering;
    let died = false;
    const outcomes = instances.map((instance): Outcome => {
      if (!absent.includes(instance)) return this.#found(instance);
      const { studyInstanceUID, sopInstanceUID } = instance;
      const scripted = this.script.get(sopInstanceUID)?.shift();
      died ||= scripted === 'throw';
      if (scripted !== undefined && scripted !== 'throw' && (scripted.kind === 'retryable' || scripted.kind === 'permanent')) {
        return scripted;
      }
      this.held.set(`${studyInstanceUID}/${sopInstanceUID}`, { sopInstanceUID, storageDigest: instance.md5 });
      this.#register(instance);
      return scripted === undefined || scripted === 'throw' ? { kind: 'stored', proof: 'digest', alreadyThere: false } : scripted;
    });
    if (died) throw new Error('the process died here');
    return outcomes;
  }

  async compare(instance: OutgoingInstance): Promise<Outcome> {
    const { finding } = this;
    if (finding !== undefined) return { kind: 'retryable', code: finding.code, message: finding.message };
    return this.#holds(instance) ? this.#found(instance) : { kind: 'permanent', code: 'NOT_IN_ARCHIVE', message: 'not there' };
  }

  async find(study: string, uids: readonly string[]): Promise<ReadonlyMap<string, ArchivedInstance>> {
    if (this.finding !== undefined) throw this.finding;
    return new Map(
      uids.flatMap((uid) => {
        const found = this.held.get(`${study}/${uid}`);
        return found === undefined ? [] : [[uid, found] as const];
      }),
    );
  }

  /** By study: what it holds it under. */
  readonly registered: Map<string, readonly string[]>;
  /** Studies that it was asked about. */
  readonly questions: string[] = [];

  async institutions(study: string): Promise<ReadonlySet<string>> {
    this.questions.push(study);
    if (this.finding !== undefined) throw this.finding;
    return new Set(this.registered.get(study) ?? []);
  }

  #register(instance: OutgoingInstance): void {
    const { studyInstanceUID, institution } = instance as PreparedInstance;
    const names = this.registered.get(studyInstanceUID) ?? [];
    if (institution !== undefined) this.registered.set(studyInstanceUID, [...names, institution]);
  }

  #found({ studyInstanceUID, sopInstanceUID, md5 }: OutgoingInstance): Outcome {
    const digest = this.held.get(`${studyInstanceUID}/${sopInstanceUID}`)?.storageDigest;
    return digest === undefined || digest === md5 ? THERE : OTHER_CONTENT;
  }

  #holds({ studyInstanceUID, sopInstanceUID }: OutgoingInstance): boolean {
    return this.held.has(`${studyInstanceUID}/${sopInstanceUID}`);
  }

  /** Holds nothing. */
  async close(): Promise<void> {}

  get sent(): readonly string[] {
    return this.requests.flat();
  }
}

export const NOW = new Date('2026-11-24T12:00:00.000Z');
export const RULES = { digest: '0123456789ab', json: '{"rules":[]}' };

/** Of leases that nothing is to run out of, unless a test replaces its clock. */
const LEASE_TIMES = { term: 30_000, grace: 300_000 };

export interface IngestDouble {
  readonly store: ObjectStore;
  readonly archive: FakeArchive;
  /** Replaceable, to change one of them. */
  ports: IngestPorts;
  /** Puts an instance as the uploader does; gives its key. */
  arrive(instance: FakeInstance, receivedAt?: string): Promise<string>;
  /** The `status` tag. */
  status(key: string): Promise<string | undefined>;
  /** Sources that archives were asked for. */
  readonly sources: ArchiveSource[];
}

export function ingestDouble({
  archive = new FakeArchive(),
  store = createMemoryStore(),
  maxInstances = 20,
  maxBytes = 1_000_000,
  maxBytesInFlight = 1_000_000,
}: {
  readonly archive?: FakeArchive;
  readonly store?: ObjectStore;
  readonly maxInstances?: number;
  readonly maxBytes?: number;
  readonly maxBytesInFlight?: number;
} = {}): IngestDouble {
  const sources: ArchiveSource[] = [];
  const ports: IngestPorts = {
    store,
    leases: new Leases(store, LEASE_TIMES),
    archiveFor(source) {
      sources.push(source);
      return archive;
    },
    ownInstitution: () => undefined,
    prepare: async (file) => prepareFake(file instanceof Uint8Array ? file : await file.read(0, file.length)),
    ruleSet: RULES,
    async *earlierRules() {
      // None.
    },
    config: { site: 'default', ingest: { maxBytesInFlight }, archive: { maxInstances, maxBytes, confirm: true } },
    log: createLog({ level: 'silent' }),
    now: () => NOW,
  };
  return {
    store,
    archive,
    ports,
    sources,
    async arrive(instance, receivedAt = '2026-11-24T10:00:00.000Z') {
      const { key, file, sha256 } = fakeObject(instance);
      await store.put(key, file, {
        metadata: {
          site: 'north',
          'calling-aet': instance.callingAET ?? 'CT1',
          'calling-ip': '10.0.0.7',
          'received-at': receivedAt,
          sha256,
        },
      });
      return key;
    },
    status: async (key) => (await store.getTags(key))['status'],
  };
}

export function fakeObject(instance: FakeInstance): { readonly key: string; readonly file: Uint8Array; readonly sha256: string } {
  const file = new TextEncoder().encode(JSON.stringify(instance));
  const sha256 = createHash('sha256').update(file).digest('hex');
  const key = objectKey({
    site: 'north',
    callingAET: instance.callingAET ?? 'CT1',
    callingIP: '10.0.0.7',
    studyInstanceUID: instance.study ?? '1.2.3',
    seriesInstanceUID: '1.2.3.1',
    sopInstanceUID: instance.sop,
    digest: sha256,
  });
  return { key, file, sha256 };
}

export function prepareFake(file: Uint8Array): PreparedInstance {
  const { study = '1.2.3', sop, refused } = JSON.parse(new TextDecoder().decode(file)) as FakeInstance;
  if (refused !== undefined) throw new StorestowError(refused, 'as the test wants it');
  return {
    studyInstanceUID: study,
    seriesInstanceUID: '1.2.3.1',
    sopInstanceUID: sop,
    sopClassUID: '1.2.840.10008.5.1.4.1.1.2',
    segments: [file],
    length: file.length,
    md5: createHash('md5').update(file).digest('hex'),
    institution: 'North Clinic',
    pixelLength: 512,
    pixelMd5: 'd41d8cd98f00b204e9800998ecf8427e',
    codec: 'openjpeg-1.3.6',
    encoded: true,
    applied: [],
    named: [],
    syntaxReceived: '1.2.840.10008.1.2.1',
    syntaxSent: '1.2.840.10008.1.2.4.90',
  };
}
