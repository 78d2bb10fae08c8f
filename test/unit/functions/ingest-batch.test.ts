import { hash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { StorestowError, type ErrorCode } from '../../../core/errors.ts';
import { Leases } from '../../../core/store/lease.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore, Tags } from '../../../core/store/object-store.ts';
import type { Outcome } from '../../../core/stow/outcome.ts';
import { ingestBatch } from '../../../functions/ingest/ingest-batch.ts';
import { clearOutcome } from '../../../functions/ingest/object-outcome.ts';
import type { IngestOptions, IngestPorts, IngestResult, RulesInForce } from '../../../functions/ingest/ports.ts';
import { FakeArchive, fakeObject, ingestDouble, type IngestDouble } from '../../support/ingest-double.ts';

async function ingest(
  double: IngestDouble,
  keys: readonly string[],
  options: IngestOptions = {},
): Promise<readonly IngestResult[]> {
  return ingestBatch(
    keys.map((key) => ({ key })),
    double.ports,
    options,
  );
}

function only(results: readonly IngestResult[]): IngestResult {
  expect(results).toHaveLength(1);
  return results[0] as IngestResult;
}

function failure(kind: 'retryable' | 'permanent', code: ErrorCode): Outcome {
  return { kind, code, message: 'as the test wants it' };
}

/** A store that fails when told to. */
function failingStore(fails: Partial<Record<'get' | 'head' | 'putTags' | 'put', () => StorestowError | undefined>>): ObjectStore {
  const store = createMemoryStore();
  const check = (name: keyof typeof fails): void => {
    const error = fails[name]?.();
    if (error !== undefined) throw error;
  };
  return Object.assign(Object.create(store) as ObjectStore, {
    async get(key: string) {
      check('get');
      return store.get(key);
    },
    async head(key: string) {
      check('head');
      return store.head(key);
    },
    async put(...args: Parameters<ObjectStore['put']>) {
      if (args[0].startsWith('rules/')) check('put');
      return store.put(...args);
    },
    async putTags(key: string, tags: Tags) {
      check('putTags');
      return store.putTags(key, tags);
    },
    getTags: async (key: string) => store.getTags(key),
    delete: async (...args: Parameters<ObjectStore['delete']>) => store.delete(...args),
    list: (options: Parameters<ObjectStore['list']>[0]) => store.list(options),
  });
}

describe('outcome → tags', () => {
  const table: [string, Outcome | undefined, string | undefined, IngestResult['state'], ErrorCode | undefined][] = [
    ['stored', undefined, 'stowed', 'stowed', undefined],
    ['stored, was there', { kind: 'stored', proof: 'listed', alreadyThere: true }, 'stowed', 'stowed', undefined],
    ['warned', { kind: 'warned', proof: 'answered', alreadyThere: false, reason: 0xb000 }, 'stowed', 'stowed', undefined],
    ['permanent', failure('permanent', 'ARCHIVE_REFUSED'), 'quarantined/ARCHIVE_REFUSED', 'quarantined', 'ARCHIVE_REFUSED'],
    ['retryable', failure('retryable', 'ARCHIVE_UNAVAILABLE'), undefined, 'retry', 'ARCHIVE_UNAVAILABLE'],
  ];
  it.each(table)('%s', async (_name, outcome, tag, state, code) => {
    const double = ingestDouble({ archive: new FakeArchive(new Map([['1.1', outcome === undefined ? [] : [outcome]]])) });
    const key = await double.arrive({ sop: '1.1' });
    expect(only(await ingest(double, [key]))).toMatchObject({ key, state, ...(code === undefined ? {} : { code }) });
    expect(await double.status(key)).toBe(tag);
  });

  it.each<[string, Outcome]>([
    ['B007', { kind: 'warned', proof: 'listed', alreadyThere: false, reason: 0xb007 }],
    ['A778', { kind: 'permanent', code: 'CONFLICT', message: 'as the test wants it', reason: 0xa778 }],
  ])("keeps the archive's reason %s where a person can see it", async (reason, outcome) => {
    const double = ingestDouble({ archive: new FakeArchive(new Map([['1.1', [outcome]]])) });
    const key = await double.arrive({ sop: '1.1' });
    await ingest(double, [key]);
    expect((await double.store.getTags(key))['detail']).toContain(` reason:${reason} `);
  });

  const refusals: [ErrorCode, string | undefined, IngestResult['state']][] = [
    ['MALFORMED', 'quarantined/MALFORMED', 'quarantined'],
    ['UNKNOWN_SOURCE', 'quarantined/UNKNOWN_SOURCE', 'quarantined'],
    ['CODEC_UNAVAILABLE', undefined, 'retry'],
    ['INTERNAL', undefined, 'retry'],
  ];
  it.each(refusals)('preparing throws %s', async (refused, tag, state) => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1', refused });
    expect(only(await ingest(double, [key]))).toMatchObject({ state, code: refused });
    expect(await double.status(key)).toBe(tag);
    expect(double.archive.sent).toEqual([]);
  });

  it('keeps what an auditor asks for, beside the tags of the site', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    await double.store.putTags(key, { retention: '10y', status: 'failed/INTERNAL' });
    const { record } = only(await ingest(double, [key]));
    const tags = await double.store.getTags(key);
    expect(tags).toEqual({
      retention: '10y',
      status: 'stowed',
      institution: 'North Clinic',
      'pixel-length': '512',
      'pixel-md5': 'd41d8cd98f00b204e9800998ecf8427e',
      'sent-md5': record?.sentMd5,
      detail:
        'syntax:1.2.840.10008.1.2.1/1.2.840.10008.1.2.4.90 codec:openjpeg-1.3.6 rules:0123456789ab proof:digest at:2026-11-24T12:00:00.000Z',
    });
  });

  it('quarantines what the archive’s address cannot be made for', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    double.ports = {
      ...double.ports,
      archiveFor() {
        throw new StorestowError('UNKNOWN_SOURCE', 'as the test wants it');
      },
    };
    expect(only(await ingest(double, [key]))).toMatchObject({ state: 'quarantined', code: 'UNKNOWN_SOURCE' });
  });
});

describe('what is skipped', () => {
  it.each([
    ['stowed', 'skipped', 0],
    ['quarantined/MALFORMED', 'skipped', 0],
    ['failed/ARCHIVE_UNAVAILABLE', 'stowed', 1],
    ['not one of ours', 'stowed', 1],
  ])('tagged %s: %s', async (status, state, sent) => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    await double.store.putTags(key, { status: status === 'not one of ours' ? 'checked' : status });
    expect(only(await ingest(double, [key])).state).toBe(state);
    expect(double.archive.sent).toHaveLength(sent);
  });

  it('keys elsewhere, and objects that are gone', async () => {
    const double = ingestDouble();
    await double.store.put('rules/x.json', new Uint8Array(1));
    const gone = fakeObject({ sop: '1.1' }).key;
    expect(await ingest(double, ['rules/x.json', gone])).toEqual([
      { key: 'rules/x.json', state: 'skipped' },
      { key: gone, state: 'skipped', code: 'OBJECT_NOT_FOUND' },
    ]);
  });

  it('takes an object that something else put below incoming/, by what it contains', async () => {
    const double = ingestDouble();
    await double.store.put('incoming/by hand.dcm', fakeObject({ sop: '1.1' }).file);
    expect(only(await ingest(double, ['incoming/by hand.dcm'])).state).toBe('stowed');
    expect(double.sources).toEqual([expect.objectContaining({ site: 'default', callingAET: '', institution: 'North Clinic' })]);
  });
});

describe('nothing is done twice', () => {
  it('one event twice in a batch', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    expect(only(await ingest(double, [key, key])).state).toBe('stowed');
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('an event again after it was stowed', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    await ingest(double, [key]);
    expect(only(await ingest(double, [key])).state).toBe('skipped');
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('a crash between STOW and tags: the archive is asked, and nothing is sent', async () => {
    const double = ingestDouble({ archive: new FakeArchive(new Map([['1.1', ['throw']]])) });
    double.ports = { ...double.ports, leases: new Leases(double.store, { term: 300, grace: 100 }) };
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    expect((await ingest(double, keys)).map(({ state }) => state)).toEqual(['retry', 'retry']);
    expect(await double.status(keys[0] ?? '')).toBeUndefined();
    // Its lease runs out first.
    const again = await ingest(double, keys, { patience: () => ({ alive: 30_000, gone: 30_000 }) });
    expect(again.map(({ state }) => state)).toEqual(['stowed', 'stowed']);
    expect(again[0]?.record?.detail?.proof).toBe('digest');
    expect([...double.archive.sent].sort()).toEqual(['1.1', '1.2']);
  });

  it('tags that could not be written: the archive is asked, and nothing is sent', async () => {
    const failures = [new StorestowError('STORE_UNAVAILABLE', 'as the test wants it')];
    const double = ingestDouble({ store: failingStore({ putTags: () => failures.shift() }) });
    const key = await double.arrive({ sop: '1.1' });
    expect(only(await ingest(double, [key]))).toEqual({ key, state: 'retry', code: 'STORE_UNAVAILABLE' });
    expect(only(await ingest(double, [key])).state).toBe('stowed');
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('sends nothing while the archive cannot be asked', async () => {
    const double = ingestDouble();
    double.archive.finding = new StorestowError('ARCHIVE_UNAVAILABLE', 'as the test wants it');
    const key = await double.arrive({ sop: '1.1' });
    expect(only(await ingest(double, [key]))).toEqual({ key, state: 'retry', code: 'ARCHIVE_UNAVAILABLE' });
    expect(double.archive.sent).toEqual([]);
  });
});

describe('different content under one SOP Instance UID', () => {
  async function rivals(double: IngestDouble): Promise<readonly [earlier: string, later: string]> {
    const later = await double.arrive({ sop: '1.1', content: 'a' }, '2026-11-24T11:00:00.000Z');
    const earlier = await double.arrive({ sop: '1.1', content: 'b' }, '2026-11-24T10:00:00.000Z');
    return [earlier, later];
  }
  async function states(double: IngestDouble, keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return Promise.all(keys.map((key) => double.status(key)));
  }

  it.each([
    ['a', 'b'],
    ['b', 'a'],
  ])('the earlier one wins within a batch, whatever the keys (%s, %s)', async (first, second) => {
    const double = ingestDouble();
    const later = await double.arrive({ sop: '1.1', content: second }, '2026-11-24T11:00:00.000Z');
    const earlier = await double.arrive({ sop: '1.1', content: first }, '2026-11-24T10:00:00.000Z');
    await ingest(double, [later, earlier]);
    expect(await states(double, [earlier, later])).toEqual(['stowed', 'quarantined/CONFLICT']);
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('the later one goes where the archive refused the earlier one', async () => {
    const script = new Map([['1.1', [failure('permanent', 'ARCHIVE_REFUSED')]]]);
    const double = ingestDouble({ archive: new FakeArchive(script) });
    const [earlier, later] = await rivals(double);
    await ingest(double, [later, earlier]);
    expect(await states(double, [earlier, later])).toEqual(['quarantined/ARCHIVE_REFUSED', 'stowed']);
  });

  it('both wait where it is not known what became of the earlier one', async () => {
    const script = new Map([['1.1', [failure('retryable', 'ARCHIVE_AMBIGUOUS')]]]);
    const double = ingestDouble({ archive: new FakeArchive(script) });
    const [earlier, later] = await rivals(double);
    expect((await ingest(double, [later, earlier])).map(({ state }) => state)).toEqual(['retry', 'retry']);
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('a stowed one of an earlier batch wins', async () => {
    const double = ingestDouble();
    const [earlier, later] = await rivals(double);
    await ingest(double, [later]);
    await ingest(double, [earlier]);
    expect(await states(double, [earlier, later])).toEqual(['quarantined/CONFLICT', 'stowed']);
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('an instance that the archive has from elsewhere is no conflict', async () => {
    const double = ingestDouble();
    double.archive.held.set('1.2.3/1.1', { sopInstanceUID: '1.1' });
    const key = await double.arrive({ sop: '1.1' });
    await ingest(double, [key]);
    expect(await double.status(key)).toBe('stowed');
    expect(double.archive.sent).toEqual([]);
  });

  it('from another modality: never both at once, and the second is compared with what is there', async () => {
    const double = ingestDouble();
    const first = await double.arrive({ sop: '1.1', content: 'a', callingAET: 'CT1' });
    const same = await double.arrive({ sop: '1.1', content: 'a', callingAET: 'CT2' });
    const other = await double.arrive({ sop: '1.1', content: 'b', callingAET: 'CT3' });
    await ingest(double, [first, same, other]);
    const found = await states(double, [first, same, other]);
    expect(found.filter((state) => state === 'stowed')).not.toEqual([]);
    expect(found[2] === 'stowed').not.toBe(found[0] === 'stowed');
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('keys that do not tell it: never both at once, and the second is compared with what is there', async () => {
    const double = ingestDouble();
    const keys = ['incoming/one.dcm', 'incoming/two.dcm'];
    for (const [index, key] of keys.entries()) {
      await double.store.put(key, fakeObject({ sop: '1.1', content: String(index) }).file);
    }
    await ingest(double, keys);
    expect((await states(double, keys)).toSorted()).toEqual(['quarantined/CONFLICT', 'stowed']);
    expect(double.archive.sent).toEqual(['1.1']);
  });
});

describe('rules that changed after the archive had stored it, and before that was written down', () => {
  /** As `ports`, by rules that make another content of each instance. */
  function byRules(ports: IngestPorts, digest: string, ...earlier: readonly RulesInForce[]): IngestPorts {
    return {
      ...ports,
      ruleSet: { digest, json: '{}' },
      async prepare(file, source) {
        const prepared = await ports.prepare(file, source);
        return { ...prepared, md5: hash('md5', prepared.md5 + digest) };
      },
      async *earlierRules() {
        yield* earlier;
      },
    };
  }
  const rulesOf = async ({ store }: IngestDouble, key: string): Promise<string> => (await store.getTags(key))['detail'] ?? '';

  let double: IngestDouble;
  let first: IngestPorts;
  let key: string;
  beforeEach(async () => {
    double = ingestDouble();
    first = byRules(double.ports, '111111111111');
    key = await double.arrive({ sop: '1.1' });
    double.ports = first;
    await ingest(double, [key]);
    await clearOutcome(double.store, key);
  });

  it('it is stowed by the rules by which it was sent', async () => {
    double.ports = byRules(double.ports, '333333333333', byRules(double.ports, '222222222222'), first);
    expect(only(await ingest(double, [key]))).toMatchObject({ state: 'stowed', alreadyThere: true });
    expect(await rulesOf(double, key)).toContain(' rules:111111111111 ');
    expect(double.archive.sent).toEqual(['1.1']);
  });

  it('other content is a conflict as before', async () => {
    double.ports = byRules(double.ports, '333333333333', byRules(double.ports, '222222222222'));
    expect(only(await ingest(double, [key]))).toMatchObject({ state: 'quarantined', code: 'CONFLICT' });
    expect(await rulesOf(double, key)).toContain(' rules:333333333333 ');
  });

  it('rules that refuse it are passed over; what cannot be told now is tried again', async () => {
    const refusing = (code: ErrorCode): RulesInForce => ({
      ...first,
      prepare: async () => Promise.reject(new StorestowError(code, 'as the test wants it')),
    });
    const { ports } = double;
    double.ports = byRules(ports, '333333333333', refusing('UNKNOWN_SOURCE'), refusing('CODEC_UNAVAILABLE'), first);
    expect(only(await ingest(double, [key]))).toMatchObject({ state: 'retry', code: 'CODEC_UNAVAILABLE' });
    expect(await double.status(key)).toBeUndefined();
    double.ports = byRules(ports, '333333333333', refusing('UNKNOWN_SOURCE'), first);
    expect(only(await ingest(double, [key]))).toMatchObject({ state: 'stowed' });
  });
});

describe('the study as a whole', () => {
  it('one bad instance does not hold it up', async () => {
    const script = new Map([
      ['1.3', [failure('permanent', 'ARCHIVE_REFUSED')]],
      ['1.4', [failure('retryable', 'NOT_IN_ARCHIVE')]],
    ]);
    const double = ingestDouble({ archive: new FakeArchive(script) });
    const keys = [
      await double.arrive({ sop: '1.1', refused: 'TRUNCATED' }),
      ...(await Promise.all(['1.2', '1.3', '1.4', '1.5'].map((sop) => double.arrive({ sop })))),
    ];
    expect((await ingest(double, keys)).map(({ state }) => state)).toEqual([
      'quarantined',
      'stowed',
      'quarantined',
      'retry',
      'stowed',
    ]);
  });

  // What fills a request: the number of instances, or the bytes that one more would add.
  it.each([
    ['instances', { maxInstances: 2 }, ['1.1', '1.2']],
    ['bytes', { maxBytes: 350 }, ['1.1', '1.2', '1.3']],
  ] as const)('sends a request that is full by %s while others are still being prepared', async (_by, limits, sops) => {
    const double = ingestDouble(limits);
    const gate = Promise.withResolvers<undefined>();
    const { prepare } = double.ports;
    double.ports = {
      ...double.ports,
      prepare: async (file, source) => {
        const prepared = await prepare(file, source);
        if (prepared.sopInstanceUID === '1.9') await gate.promise;
        return prepared;
      },
    };
    const keys = await Promise.all([...sops, '1.9'].map((sop) => double.arrive({ sop })));
    let stowed = 0;
    const results = await ingest(double, keys, {
      onResult: () => {
        stowed += 1;
        // Two of the study are in the archive before the last one is prepared.
        if (stowed === 2) gate.resolve(undefined);
      },
    });
    expect(results.every(({ state }) => state === 'stowed')).toBe(true);
    expect(double.archive.requests[0]).toEqual(['1.1', '1.2']);
    expect([...double.archive.sent].sort()).toEqual([...sops, '1.9']);
  });

  it('comes to an end where the bytes in flight are fewer than a request takes', async () => {
    const one = fakeObject({ sop: '1.10' }).file.length;
    const double = ingestDouble({ maxInstances: 20, maxBytesInFlight: 3 * one });
    const keys = await Promise.all(Array.from({ length: 10 }, (_, index) => double.arrive({ sop: `1.${10 + index}` })));
    expect((await ingest(double, keys)).every(({ state }) => state === 'stowed')).toBe(true);
    expect(double.archive.requests.every(({ length }) => length <= 3)).toBe(true);
  });

  it('keeps studies apart', async () => {
    const double = ingestDouble();
    const keys = [await double.arrive({ study: '1.2.3', sop: '1.1' }), await double.arrive({ study: '1.2.4', sop: '1.2' })];
    await ingest(double, keys);
    expect(double.archive.requests.map((request) => request.join()).sort()).toEqual(['1.1', '1.2']);
  });
});

describe('the bucket', () => {
  it('having lost an object while its request gathered: that one is skipped, the others of the request are stowed', async () => {
    const double = ingestDouble();
    const { config, prepare, store } = double.ports;
    const keys = await Promise.all(['1.1', '1.2', '1.3'].map((sop) => double.arrive({ sop })));
    double.ports = {
      ...double.ports,
      // Then the tags are read once more before something is sent.
      config: { ...config, archive: { ...config.archive, confirm: false } },
      prepare: async (file, source) => {
        const prepared = await prepare(file, source);
        if (prepared.sopInstanceUID === '1.2') await store.delete(keys[1] ?? '');
        return prepared;
      },
    };
    expect((await ingest(double, keys)).map(({ state }) => state)).toEqual(['stowed', 'skipped', 'stowed']);
    expect(double.archive.requests).toEqual([['1.1', '1.3']]);
  });

  it.each([
    ['get', 'STORE_UNAVAILABLE'],
    ['head', 'STORE_UNAVAILABLE'],
    ['get', 'STORE_DENIED'],
  ] as const)('failing at %s with %s is nobody’s fault: tried again', async (at, code) => {
    const double = ingestDouble({ store: failingStore({ [at]: () => new StorestowError(code, 'as the test wants it') }) });
    const key = await double.arrive({ sop: '1.1' });
    expect(only(await ingest(double, [key]))).toEqual({ key, state: 'retry', code });
    expect(await double.status(key)).toBeUndefined();
  });

  it('giving other bytes than the uploader had: not sent', async () => {
    const double = ingestDouble();
    const { key, file } = fakeObject({ sop: '1.1' });
    await double.store.put(key, file, { metadata: { sha256: '0'.repeat(64) } });
    expect(only(await ingest(double, [key]))).toEqual({ key, state: 'retry', code: 'CHECKSUM_MISMATCH' });
    expect(double.archive.sent).toEqual([]);
  });

  it('keeps the rule set before anything is sent, once', async () => {
    const double = ingestDouble();
    await ingest(double, [await double.arrive({ sop: '1.1' })]);
    await ingest(double, [await double.arrive({ sop: '1.2' })]);
    const kept = await double.store.get('rules/0123456789ab.json');
    expect(new TextDecoder().decode(await kept.bytes())).toBe('{"rules":[]}');
  });

  it('not keeping the rule set: nothing is sent, and the next batch tries again', async () => {
    const failures = [new StorestowError('STORE_DENIED', 'as the test wants it')];
    const double = ingestDouble({ store: failingStore({ put: () => failures.shift() }) });
    const key = await double.arrive({ sop: '1.1' });
    await expect(ingest(double, [key])).rejects.toMatchObject({ code: 'STORE_DENIED' });
    expect(double.archive.sent).toEqual([]);
    expect(only(await ingest(double, [key])).state).toBe('stowed');
  });
});

describe('running out of time', () => {
  it('begins nothing new, and gives it back', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    const stop = AbortSignal.abort();
    expect(only(await ingest(double, [key], { stop }))).toEqual({ key, state: 'retry', code: 'INVOCATION_TIMEOUT' });
    expect(double.archive.sent).toEqual([]);
  });

  it('still sends what is prepared', async () => {
    const double = ingestDouble({ maxBytesInFlight: 1 });
    const stop = new AbortController();
    const { prepare } = double.ports;
    double.ports = {
      ...double.ports,
      prepare: async (file, source) => {
        stop.abort();
        return prepare(file, source);
      },
    };
    const keys = [await double.arrive({ sop: '1.1' }), await double.arrive({ sop: '1.2' })];
    const results = await ingest(double, keys, { stop: stop.signal });
    expect(results.map(({ state }) => state).sort()).toEqual(['retry', 'stowed']);
  });
});
