import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import type { Outcome } from '../../../core/stow/outcome.ts';
import { createDirectStore } from '../../../functions/direct/direct-store.ts';
import { openStowedJournal } from '../../../functions/direct/stowed-journal.ts';
import { FakeArchive, fakeObject, ingestDouble, type FakeInstance, type Script } from '../../support/ingest-double.ts';

function double(script?: Script, store: ObjectStore = createMemoryStore()) {
  const { ports, archive } = ingestDouble({ archive: new FakeArchive(script), store });
  return { ports, archive, store, direct: createDirectStore(ports, { journal: openStowedJournal(':memory:') }) };
}

/** As the uploader does. */
async function put(store: ObjectStore, instance: FakeInstance): Promise<string> {
  const { key, file, sha256 } = fakeObject(instance);
  await store.put(key, file, {
    metadata: {
      site: 'north',
      'calling-aet': 'CT1',
      'calling-ip': '10.0.0.7',
      'received-at': '2026-11-24T10:00:00.000Z',
      sha256,
    },
    sha256,
    ifAbsent: true,
  });
  return key;
}

async function incoming(store: ObjectStore): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: 'incoming/' })) keys.push(key);
  return keys;
}

const retryable: Outcome = { kind: 'retryable', code: 'ARCHIVE_UNAVAILABLE', message: 'down' };
const permanent: Outcome = { kind: 'permanent', code: 'ARCHIVE_REFUSED', message: 'no' };

describe('the store that is the archive', () => {
  it('has put what the archive has stored, and says so when asked', async () => {
    const { direct, archive } = double();
    const key = await put(direct, { sop: '1' });
    const { file, sha256 } = fakeObject({ sop: '1' });
    expect(archive.sent).toEqual(['1']);
    expect(await direct.head(key)).toMatchObject({ key, size: file.length, sha256 });
  });

  it.each([
    ['an archive that is down', { sop: '1' }, retryable, 'ARCHIVE_UNAVAILABLE', true],
    ['an archive that refuses it', { sop: '1' }, permanent, 'ARCHIVE_REFUSED', false],
    ['an instance that cannot be coerced', { sop: '1', refused: 'UNKNOWN_SOURCE' }, undefined, 'UNKNOWN_SOURCE', false],
    ['a codec that cannot be had', { sop: '1', refused: 'CODEC_UNAVAILABLE' }, undefined, 'CODEC_UNAVAILABLE', true],
  ] as const)('has not put it: %s', async (_, instance, outcome, code, retry) => {
    const { direct, store } = double(new Map(outcome === undefined ? [] : [['1', [outcome]]]));
    const rejected = await put(direct, instance).catch((error: unknown) => error);
    expect(rejected).toBeInstanceOf(StorestowError);
    const { key } = fakeObject(instance);
    expect(rejected).toMatchObject({ code, retryable: retry, object: key });
    expect(await direct.head(key)).toBeUndefined();
    expect(await incoming(store)).toEqual([]);
  });

  it('has put none of a batch that fails as a whole, and takes the next one', async () => {
    const memory = createMemoryStore();
    let broken = true;
    const store: ObjectStore = {
      description: 'memory',
      put: async (key, body, options) => {
        if (broken && key.startsWith('rules/')) throw new StorestowError('STORE_UNAVAILABLE', 'as the test wants it');
        return memory.put(key, body, options);
      },
      get: async (key, range) => memory.get(key, range),
      head: async (key) => memory.head(key),
      getTags: async (key) => memory.getTags(key),
      putTags: async (key, tags) => memory.putTags(key, tags),
      list: (options) => memory.list(options),
      delete: async (key) => memory.delete(key),
      close: async () => memory.close(),
    };
    const { direct, archive } = double(undefined, store);
    const rejected = await Promise.allSettled([put(direct, { sop: '1' }), put(direct, { sop: '2' })]);
    expect(rejected).toMatchObject([
      { status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } },
      { status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } },
    ]);
    broken = false;
    await put(direct, { sop: '1' });
    expect(archive.sent).toEqual(['1']);
  });

  it('gathers puts of a study into one request', async () => {
    const { direct, archive } = double();
    await Promise.all(['1', '2', '3', '4'].map((sop) => put(direct, { sop })));
    expect(archive.requests.map((request) => request.toSorted())).toEqual([['1', '2', '3', '4']]);
  });

  it('takes what comes while a batch is under way into the next one', async () => {
    const { direct, archive } = double();
    const answer = Promise.withResolvers<undefined>();
    archive.answering = answer.promise;
    const first = put(direct, { sop: '1' });
    await expect.poll(() => archive.requests).toEqual([['1']]);
    const later = [put(direct, { sop: '2' }), put(direct, { sop: '3' })];
    answer.resolve(undefined);
    await Promise.all([first, ...later]);
    expect(archive.requests.map((request) => request.toSorted())).toEqual([['1'], ['2', '3']]);
  });

  it('tells the good from the bad in one batch', async () => {
    const { direct, archive } = double(new Map([['2', [permanent]]]));
    const settled = await Promise.allSettled(['1', '2', '3'].map((sop) => put(direct, { sop })));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([...archive.held.values()].map(({ sopInstanceUID }) => sopInstanceUID).toSorted()).toEqual(['1', '3']);
  });

  it('holds no instance once its put has settled', async () => {
    const { direct, store } = double(new Map([['2', [retryable]]]));
    await Promise.allSettled(['1', '2', '3'].map((sop) => put(direct, { sop })));
    expect(await incoming(store)).toEqual([]);
  });

  it('does not send again what it has stowed', async () => {
    const { direct, archive } = double();
    await put(direct, { sop: '1' });
    await expect(put(direct, { sop: '1' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect(archive.sent).toEqual(['1']);
  });

  it('takes again what failed', async () => {
    const { direct, archive } = double(new Map([['1', [retryable]]]));
    await expect(put(direct, { sop: '1' })).rejects.toMatchObject({ code: 'ARCHIVE_UNAVAILABLE' });
    const key = await put(direct, { sop: '1' });
    expect(archive.sent).toEqual(['1', '1']);
    expect(await direct.head(key)).toBeDefined();
  });

  it('forgets the oldest beyond what it is to remember; the archive is asked about it, and not sent it', async () => {
    const { ports, archive } = double();
    const direct = createDirectStore(ports, { journal: openStowedJournal(':memory:'), remembered: 2 });
    const keys = [await put(direct, { sop: '1' }), await put(direct, { sop: '2' }), await put(direct, { sop: '3' })];
    const heads = await Promise.all(keys.map((key) => direct.head(key)));
    expect(heads.map((head) => head?.key)).toEqual([undefined, keys[1], keys[2]]);
    await put(direct, { sop: '1' });
    expect(archive.sent).toEqual(['1', '2', '3']);
  });

  describe('with an instance that the archive has before', () => {
    it('counts it as stowed where the archive holds this content', async () => {
      const { ports, archive } = double();
      await put(createDirectStore(ports, { journal: openStowedJournal(':memory:') }), { sop: '1' });
      const other = createDirectStore(ports, { journal: openStowedJournal(':memory:') });
      expect(await put(other, { sop: '1' })).toBe(fakeObject({ sop: '1' }).key);
      expect(archive.sent).toEqual(['1']);
    });

    it('keeps the file where the archive holds other content, and nothing says that it is of this original', async () => {
      const { ports, archive } = double();
      archive.held.set('1.2.3/1', { sopInstanceUID: '1', storageDigest: 'other' });
      const direct = createDirectStore(ports, { journal: openStowedJournal(':memory:') });
      await expect(put(direct, { sop: '1' })).rejects.toMatchObject({ code: 'CONFLICT', retryable: false });
      expect(archive.sent).toEqual([]);
    });

    it('counts it as stowed where this original was stowed from here, whatever would be sent of it now', async () => {
      const { ports, archive } = double();
      const journal = openStowedJournal(':memory:');
      const key = await put(createDirectStore(ports, { journal }), { sop: '1' });
      archive.held.set('1.2.3/1', { sopInstanceUID: '1', storageDigest: 'of another time' });
      expect(await put(createDirectStore(ports, { journal }), { sop: '1' })).toBe(key);
      await expect(put(createDirectStore(ports, { journal }), { sop: '1', content: 'b' })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
      expect(archive.sent).toEqual(['1']);
    });
  });

  it('waits at its close for what is under way', async () => {
    const { direct, archive } = double();
    const answer = Promise.withResolvers<undefined>();
    archive.answering = answer.promise;
    const putting = put(direct, { sop: '1' });
    await expect.poll(() => archive.requests).toEqual([['1']]);
    const heldAtClose = direct.close().then(() => archive.held.size);
    await new Promise(setImmediate);
    answer.resolve(undefined);
    await putting;
    expect(await heldAtClose).toBe(1);
  });
});
