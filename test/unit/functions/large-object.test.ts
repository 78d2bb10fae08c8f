import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { LARGE_FILE, type LargeFile } from '../../../core/prepare-instance.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { ingestBatch } from '../../../functions/ingest/ingest-batch.ts';
import { largeObject } from '../../../functions/ingest/large-object.ts';
import { seededBytes } from '../../support/build-dicom.ts';
import { fakeObject, ingestDouble, prepareFake } from '../../support/ingest-double.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function opened(store: ObjectStore, key: string): Promise<LargeFile> {
  const head = await store.head(key);
  if (head === undefined) throw new Error(`no ${key}`);
  return largeObject(store, head);
}

describe('largeObject', () => {
  it('reads any range of the object, and knows what all of it must be', async () => {
    const store = createMemoryStore();
    const bytes = seededBytes(1000);
    await store.put('k', bytes, { metadata: { sha256: sha256(bytes) } });
    const large = await opened(store, 'k');
    expect(large).toMatchObject({ length: 1000, sha256: sha256(bytes) });
    expect(await large.read(0, 1000)).toEqual(bytes);
    expect(await large.read(999, 1000)).toEqual(bytes.subarray(999));
    expect(await large.read(10, 10)).toHaveLength(0);
  });

  it('notices that the object is another one meanwhile', async () => {
    const store = createMemoryStore();
    await store.put('k', seededBytes(1000));
    const large = await opened(store, 'k');
    await store.put('k', seededBytes(1000, 2));
    await expect(large.read(0, 10)).rejects.toMatchObject({ code: 'FILE_CHANGED', retryable: true, object: 'k' });
  });

  it('passes on what the store throws', async () => {
    const store = createMemoryStore();
    await store.put('k', seededBytes(1000));
    const large = await opened(store, 'k');
    await store.delete('k');
    await expect(large.read(0, 10)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
  });
});

describe('ingestBatch with a large object', () => {
  async function arriveLarge(double: ReturnType<typeof ingestDouble>, size: number): Promise<string> {
    const { key } = fakeObject({ sop: '1.1' });
    const file = new Uint8Array(size);
    await double.store.put(key, file, { metadata: { sha256: sha256(file), 'calling-aet': 'CT1', 'calling-ip': '10.0.0.7' } });
    return key;
  }

  /** The memory of an instance that is prepared, released or not. */
  function preparing(double: ReturnType<typeof ingestDouble>): { readonly given: unknown[]; readonly released: () => number } {
    const given: unknown[] = [];
    let released = 0;
    double.ports = {
      ...double.ports,
      prepare: async (file) => {
        given.push(file instanceof Uint8Array ? 'in memory' : 'ranges');
        return { ...prepareFake(fakeObject({ sop: '1.1' }).file), release: async () => void (released += 1) };
      },
    };
    return { given, released: () => released };
  }

  it.each([
    [LARGE_FILE, 'ranges'],
    [LARGE_FILE - 1, 'in memory'],
  ])('of %s bytes: %s', async (size, expected) => {
    const double = ingestDouble();
    const { given, released } = preparing(double);
    const key = await arriveLarge(double, size);
    expect(await ingestBatch([{ key }], double.ports)).toMatchObject([{ key, state: 'stowed' }]);
    expect(given).toEqual([expected]);
    expect(released()).toBe(1);
  });

  it('lets go of what it holds where the archive refuses it, too', async () => {
    const double = ingestDouble();
    double.archive.script.set('1.1', [{ kind: 'permanent', code: 'ARCHIVE_REFUSED', message: 'as the test wants it' }]);
    const { released } = preparing(double);
    const key = await arriveLarge(double, LARGE_FILE);
    expect(await ingestBatch([{ key }], double.ports)).toMatchObject([{ state: 'quarantined' }]);
    expect(released()).toBe(1);
  });

  it.each([
    ['STORE_DENIED', 'retry'],
    ['OBJECT_NOT_FOUND', 'skipped'],
    ['MALFORMED', 'quarantined'],
  ] as const)('is not to blame for the bucket: %s while it is read: %s', async (code, state) => {
    const double = ingestDouble();
    double.ports = { ...double.ports, prepare: async () => Promise.reject(new StorestowError(code, 'as the test wants it')) };
    const key = await arriveLarge(double, LARGE_FILE);
    expect(await ingestBatch([{ key }], double.ports)).toMatchObject([{ key, state }]);
  });
});
