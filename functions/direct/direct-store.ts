/**
 * The whole way behind the face of a bucket: an object counts as put when the archive has it. So the uploader removes a file
 * of the spool only when it is stowed, and its locks, checks and retries hold without a bucket too.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { StorestowError } from '../../core/errors.ts';
import type { ObjectBody, ObjectHead, ObjectStore, PutOptions } from '../../core/store/object-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { ingestBatch } from '../ingest/ingest-batch.ts';
import type { IngestPorts, IngestResult } from '../ingest/ports.ts';
import type { StowedJournal } from './stowed-journal.ts';

interface Waiting {
  readonly key: string;
  readonly settled: PromiseWithResolvers<void>;
}

/** Milliseconds in which puts gather, so that instances of a study share a request. */
const GATHER = 20;

export interface DirectStoreOptions {
  readonly journal: StowedJournal;
  /**
   * How many objects, of those stowed last, `head` still knows: more than an uploader has under way, fewer than a resident one
   * brings in a year. Of an older one the archive is asked again. Default 10 000.
   */
  readonly remembered?: number;
}

/** `ports.store` holds what is under way, and nothing longer: a store in memory does, since the files stay in the spool. */
export function createDirectStore(ports: IngestPorts, { journal, remembered = 10_000 }: DirectStoreOptions): ObjectStore {
  const underWay = ports.store;
  const stowed = new Map<string, ObjectHead>();
  let waiting: Waiting[] = [];
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    await delay(GATHER);
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await ingest(batch);
    }
    working = undefined;
  }

  async function ingest(batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await ingestBatch(batch, ports);
      const byKey = new Map(results.map((result) => [result.key, result]));
      for (const { key, settled } of batch) {
        const failure = failureOf(key, byKey.get(key), journal);
        if (failure === undefined) {
          const parts = parseObjectKey(key);
          if (parts !== undefined) journal.add(parts);
          settled.resolve();
        } else settled.reject(failure);
      }
    } catch (error) {
      for (const { settled } of batch) settled.reject(error);
    }
  }

  async function put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ readonly etag: string }> {
    if (stowed.has(key)) throw new StorestowError('PRECONDITION_FAILED', `${key} is stowed already`, { object: key });
    const answer = await underWay.put(key, body, options);
    const settled = Promise.withResolvers<void>();
    waiting.push({ key, settled });
    working ??= work();
    try {
      await settled.promise;
      const head = await underWay.head(key);
      if (head !== undefined) remember(head);
      return answer;
    } finally {
      await underWay.delete(key);
    }
  }

  function remember(head: ObjectHead): void {
    stowed.set(head.key, head);
    const [oldest] = stowed.keys();
    if (stowed.size > remembered && oldest !== undefined) stowed.delete(oldest);
  }

  return {
    ...bound(underWay),
    description: 'the archive, without a bucket',
    put,
    head: async (key) => stowed.get(key),
    close: async () => {
      await working;
      await underWay.close();
    },
  };
}

/**
 * | ingest's result                                              | the put                                     |
 * |--------------------------------------------------------------|---------------------------------------------|
 * | stowed, now or before                                        | done                                        |
 * | other content is there, but this original was stowed from here | done                                      |
 * | quarantined                                                  | fails for good; the file stays in the spool |
 * | retry, or none                                               | fails, to be tried again                    |
 */
function failureOf(key: string, result: IngestResult | undefined, journal: StowedJournal): StorestowError | undefined {
  if (result?.state === 'stowed' || (result?.code === 'CONFLICT' && wasStowed(key, journal))) return undefined;
  const code = result?.code ?? 'INTERNAL';
  const refused = result?.state === 'quarantined';
  const message = refused
    ? `${key} was refused: ${code}; correct the cause, its file stays`
    : `${key} is not stowed yet: ${code}`;
  return new StorestowError(code, message, { object: key, retryable: !refused });
}

function wasStowed(key: string, journal: StowedJournal): boolean {
  const parts = parseObjectKey(key);
  return parts !== undefined && journal.has(parts);
}

function bound(store: ObjectStore): Pick<ObjectStore, 'get' | 'getTags' | 'putTags' | 'list' | 'delete'> {
  return {
    get: (key, range) => store.get(key, range),
    getTags: (key) => store.getTags(key),
    putTags: (key, tags) => store.putTags(key, tags),
    list: (options) => store.list(options),
    delete: (key) => store.delete(key),
  };
}
