/** What every adapter of the ObjectStore port keeps. */
import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StorestowError } from '../../core/errors.ts';
import { objectKey } from '../../core/store/object-key.ts';
import type { ListOptions, ObjectInfo, ObjectStore } from '../../core/store/object-store.ts';

export interface OpenedStore {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

export interface ContractOptions {
  /**
   * Keys become paths on the store's disk (MinIO): segments over 255 bytes, and a key below another object's, may be refused with
   * `STORE_INVALID`, and the latter are not listed. No key that storestow writes is such a key.
   */
  readonly keysArePaths?: boolean;
  /** A delete's `If-Match` is not looked at (MinIO). */
  readonly deletesRegardless?: boolean;
  readonly skip?: boolean;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');

/** Segments that a path resolver would take away: refused, never stored elsewhere. */
const RESOLVED_KEYS = ['.', '..', '../outside', 'a/../../b', 'a/./b', 'a//b', '/leading', 'trailing/', '/', './a', 'a/..'];

const HOSTILE_KEYS = [
  '...',
  '..a',
  'con',
  'a b+c',
  '%2F%00%',
  'a%20b',
  '%2E%2E/outside',
  'quote"<&>\'`$(id)',
  'back\\slash',
  '..\\outside',
  'new\nline\ttab',
  '\u0001\u001f\u007f',
  'Grüße/病院/💙',
  '\uffff',
  'e\u0301',
  '\u00e9',
  'k'.repeat(1024),
  `${'k'.repeat(200)}/`.repeat(4) + 'k'.repeat(220),
  '病'.repeat(341),
];

const isResolved = (key: string): boolean => key.split('/').some((segment) => ['', '.', '..'].includes(segment));

const keyArbitrary = fc.oneof(
  fc.constantFrom(...HOSTILE_KEYS),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 60 })
    .filter((key) => key.isWellFormed() && !key.includes('\0') && !isResolved(key)),
  fc
    .array(fc.string({ unit: fc.constantFrom(...'abzAZ019._-~%@=+ é💙'), minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 6,
    })
    .map((parts) => parts.join('/'))
    .filter((key) => !isResolved(key)),
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '-'), minLength: 400, maxLength: 500 }),
);

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof StorestowError) return error.code;
    throw error;
  }
  return 'no error';
}

async function listed(store: ObjectStore, options: ListOptions): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of store.list(options)) found.push(info);
  return found;
}

export function objectStoreContract(name: string, open: () => Promise<OpenedStore>, options: ContractOptions = {}): void {
  describe.skipIf(options.skip === true)(`object store: ${name}`, () => {
    let opened: OpenedStore;
    let store: ObjectStore;
    let folder: string;
    let serial = 0;
    /** A prefix of its own for each case, as they share the bucket. */
    const fresh = (): string => `case-${(serial += 1)}/`;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'storestow-contract-'));
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('describes itself without credentials', () => {
      expect(store.description).toMatch(/^(memory|folder \/|s3:\/\/)/);
      expect(store.description).not.toMatch(/secret|password/i);
    });

    it('gives back bytes, metadata and digest of what was put', async () => {
      const key = `${fresh()}object`;
      const body = text('the bytes');
      const metadata = {
        'calling-aet': 'CT 1',
        'received-at': '2026-01-02T03:04:05.678Z',
        odd: `!"#$%&'()*+,-./:;<=>?@[]^_{|}~`,
        two: 'a  b',
      };
      const before = Date.now();
      const { etag, ...told } = await store.put(key, body, {
        metadata,
        sha256: sha256(body),
        contentType: 'application/dicom',
      });
      expect(told).toEqual({ sha256: sha256(body) });
      const head = await store.head(key);
      expect(head).toMatchObject({ key, size: body.length, etag, metadata, sha256: sha256(body) });
      expect(etag).not.toMatch(/"/);
      expect(Math.abs((head?.lastModified.getTime() ?? 0) - before)).toBeLessThan(60_000);
      const object = await store.get(key);
      expect(object.head).toMatchObject({ key, size: body.length, etag, metadata });
      expect(Buffer.from(await object.bytes())).toEqual(Buffer.from(body));
    });

    it('puts an empty object', async () => {
      const key = `${fresh()}empty`;
      await store.put(key, new Uint8Array(0));
      expect((await store.head(key))?.size).toBe(0);
      expect(await (await store.get(key)).bytes()).toHaveLength(0);
      expect(await (await store.get(key)).stream().toArray()).toHaveLength(0);
    });

    it('does not keep the buffer of its caller', async () => {
      const key = `${fresh()}copied`;
      const body = text('before');
      await store.put(key, body);
      body.fill(0);
      const given = await (await store.get(key)).bytes();
      given.fill(1);
      expect(Buffer.from(await (await store.get(key)).bytes()).toString()).toBe('before');
    });

    it('puts a file, and refuses one that is not as long as promised, or gone', async () => {
      const prefix = fresh();
      const path = join(folder, 'body');
      const body = Buffer.alloc(3_000_001, 'xyz');
      await writeFile(path, body);
      await store.put(`${prefix}file`, { path, size: body.length }, { sha256: sha256(body) });
      expect(sha256(await (await store.get(`${prefix}file`)).bytes())).toBe(sha256(body));
      expect(await codeOf(store.put(`${prefix}long`, { path, size: body.length + 1 }))).toBe('FILE_CHANGED');
      expect(await codeOf(store.put(`${prefix}short`, { path, size: body.length - 1 }))).toBe('FILE_CHANGED');
      expect(await codeOf(store.put(`${prefix}gone`, { path: join(folder, 'nothing'), size: 1 }))).toBe('FILE_CHANGED');
      expect((await listed(store, { prefix })).map(({ key }) => key)).toEqual([`${prefix}file`]);
    });

    it('refuses bytes whose SHA-256 is another one, and stores nothing', async () => {
      const key = `${fresh()}mismatch`;
      const path = join(folder, 'mismatch');
      await writeFile(path, 'sent');
      expect(await codeOf(store.put(key, text('sent'), { sha256: sha256(text('meant')) }))).toBe('CHECKSUM_MISMATCH');
      expect(await codeOf(store.put(key, { path, size: 4 }, { sha256: sha256(text('meant')) }))).toBe('CHECKSUM_MISMATCH');
      expect(await store.head(key)).toBeUndefined();
      await store.put(key, text('first'));
      expect(await codeOf(store.put(key, text('sent'), { sha256: sha256(text('meant')) }))).toBe('CHECKSUM_MISMATCH');
      expect(Buffer.from(await (await store.get(key)).bytes()).toString()).toBe('first');
    });

    it('puts if absent, once', async () => {
      const key = `${fresh()}absent`;
      const outcomes = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          codeOf(store.put(key, text(`writer ${index}`), { ifAbsent: true, tags: { writer: String(index) } })),
        ),
      );
      // A store that meets two writers at once may also say "not now" (S3: 409); never may two succeed.
      const winners = outcomes.flatMap((outcome, index) => (outcome === 'no error' ? [index] : []));
      expect(winners).toHaveLength(1);
      expect(new Set(outcomes.filter((outcome) => !['no error', 'STORE_UNAVAILABLE'].includes(outcome)))).toEqual(
        new Set(['PRECONDITION_FAILED']),
      );
      expect(Buffer.from(await (await store.get(key)).bytes()).toString()).toBe(`writer ${winners[0]}`);
      expect(await store.getTags(key)).toEqual({ writer: String(winners[0]) });
      expect(await codeOf(store.put(key, text('later'), { ifAbsent: true }))).toBe('PRECONDITION_FAILED');
      await store.delete(key);
      expect(await codeOf(store.put(key, text('again'), { ifAbsent: true }))).toBe('no error');
    });

    it('puts if the ETag matches', async () => {
      const key = `${fresh()}match`;
      expect(await codeOf(store.put(key, text('0'), { ifMatch: 'd41d8cd98f00b204e9800998ecf8427e' }))).toBe(
        'PRECONDITION_FAILED',
      );
      expect(await store.head(key)).toBeUndefined();
      const first = await store.put(key, text('1'));
      const second = await store.put(key, text('2'), { ifMatch: first.etag });
      expect(second.etag).not.toBe(first.etag);
      expect(await codeOf(store.put(key, text('3'), { ifMatch: first.etag }))).toBe('PRECONDITION_FAILED');
      expect(Buffer.from(await (await store.get(key)).bytes()).toString()).toBe('2');
    });

    it('replaces bytes, metadata and tags with a put', async () => {
      const key = `${fresh()}replace`;
      await store.put(key, text('old'), { metadata: { a: '1' }, tags: { t: '1' } });
      await store.put(key, text('newer'), { metadata: { b: '2' } });
      expect(await store.head(key)).toMatchObject({ size: 5, metadata: { b: '2' } });
      expect((await store.head(key))?.metadata).not.toHaveProperty('a');
      expect(await store.getTags(key)).toEqual({});
    });

    it('keeps the old bytes for a read that goes on while the object is replaced or deleted', async () => {
      const key = `${fresh()}reading`;
      const old = Buffer.alloc(3_000_000, 'old');
      await store.put(key, old);
      const reading = await store.get(key);
      const deleting = await store.get(key);
      await store.put(key, Buffer.alloc(3_000_000, 'new'));
      await store.delete(key);
      expect(sha256(await reading.bytes())).toBe(sha256(old));
      expect(sha256(Buffer.concat(await deleting.stream().toArray()))).toBe(sha256(old));
    });

    it('says which object is not there', async () => {
      const key = `${fresh()}nothing`;
      expect(await store.head(key)).toBeUndefined();
      expect(await codeOf(store.get(key))).toBe('OBJECT_NOT_FOUND');
      expect(await codeOf(store.get(key, { start: 0, end: 0 }))).toBe('OBJECT_NOT_FOUND');
      expect(await codeOf(store.getTags(key))).toBe('OBJECT_NOT_FOUND');
      expect(await codeOf(store.putTags(key, { a: 'b' }))).toBe('OBJECT_NOT_FOUND');
      await expect(store.delete(key)).resolves.toBeUndefined();
    });

    it('deletes', async () => {
      const prefix = fresh();
      await store.put(`${prefix}a`, text('a'), { tags: { a: '1' } });
      await store.delete(`${prefix}a`);
      expect(await store.head(`${prefix}a`)).toBeUndefined();
      expect(await listed(store, { prefix })).toEqual([]);
    });

    it('deletes if the ETag matches', async () => {
      const key = `${fresh()}delete`;
      const { etag } = await store.put(key, text('1'));
      const second = await store.put(key, text('2'), { ifMatch: etag });
      if (options.deletesRegardless !== true) {
        expect(await codeOf(store.delete(key, { ifMatch: etag }))).toBe('PRECONDITION_FAILED');
        expect(await store.head(key)).toMatchObject({ etag: second.etag });
      }
      await store.delete(key, { ifMatch: second.etag });
      expect(await store.head(key)).toBeUndefined();
      await expect(store.delete(key, { ifMatch: second.etag })).resolves.toBeUndefined();
    });

    it('tells its own time with the head of an object', async () => {
      const key = `${fresh()}clock`;
      await store.put(key, text('1'));
      const { lastModified, asOf } = (await store.head(key)) ?? expect.fail('not there');
      const age = (asOf?.getTime() ?? NaN) - lastModified.getTime();
      expect(age).toBeGreaterThanOrEqual(0);
      expect(age).toBeLessThan(60_000);
    });

    it('gives ranges as HTTP does', async () => {
      const key = `${fresh()}range`;
      const body = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
      await store.put(key, body);
      await fc.assert(
        fc.asyncProperty(fc.nat(999), fc.nat(1500), fc.boolean(), async (start, length, streamed) => {
          const object = await store.get(key, { start, end: start + length });
          expect(object.head.size).toBe(1000);
          const got = streamed ? Buffer.concat(await object.stream().toArray()) : Buffer.from(await object.bytes());
          expect(got).toEqual(Buffer.from(body.subarray(start, start + length + 1)));
        }),
        { numRuns: 40 },
      );
      expect(await codeOf(store.get(key, { start: 1000, end: 1001 }))).toBe('STORE_INVALID');
      for (const [start, end] of [
        [2, 1],
        [-1, 3],
        [0, -1],
        [0.5, 2],
        [NaN, 1],
      ] as const)
        expect(await codeOf(store.get(key, { start, end }))).toBe('STORE_INVALID');
    });

    it('keeps tags, up to the limits of S3, and refuses what is beyond', async () => {
      const key = `${fresh()}tags`;
      const ten = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`key${index}`, `value ${index}`]));
      const wide = {
        ['k'.repeat(128)]: 'v'.repeat(256),
        empty: '',
        'odd +-=._:/@': 'a+b=c/d@e f: g.-_',
        'a=b/c': ' 1 ',
      };
      await store.put(key, text('x'), { tags: ten });
      expect(await store.getTags(key)).toEqual(ten);
      await store.putTags(key, wide);
      expect(await store.getTags(key)).toEqual(wide);
      await store.put(key, text('y'), { tags: wide });
      expect(await store.getTags(key)).toEqual(wide);
      const refused: Record<string, string>[] = [
        { ...ten, eleventh: '' },
        { ['k'.repeat(129)]: '' },
        { key: 'v'.repeat(257) },
        { key: 'a,b' },
        { 'a&b': '1' },
        { key: 'Müller' },
        { key: 'a\nb' },
        { 'aws:key': '' },
        { '': 'x' },
      ];
      for (const tags of refused) {
        expect(await codeOf(store.putTags(key, tags)), JSON.stringify(tags)).toBe('STORE_INVALID');
        expect(await codeOf(store.put(key, text('z'), { tags })), JSON.stringify(tags)).toBe('STORE_INVALID');
      }
      expect(await store.getTags(key)).toEqual(wide);
      await store.putTags(key, {});
      expect(await store.getTags(key)).toEqual({});
    });

    it('refuses keys, metadata and digests that S3 does not take', async () => {
      const key = `${fresh()}refused`;
      for (const bad of ['', 'k'.repeat(1025), 'a\ud800', 'a\0b']) {
        expect(await codeOf(store.put(bad, text('x')))).toBe('STORE_INVALID');
        expect(await codeOf(store.get(bad))).toBe('STORE_INVALID');
        expect(await codeOf(store.head(bad))).toBe('STORE_INVALID');
        expect(await codeOf(store.delete(bad))).toBe('STORE_INVALID');
      }
      const metadata = [
        { Upper: 'x' },
        { 'a b': 'x' },
        { a: 'ü' },
        { a: 'x\r\ny: z' },
        { a: ' x' },
        { a: 'v'.repeat(2048) },
      ] as Record<string, string>[];
      for (const one of metadata)
        expect(await codeOf(store.put(key, text('x'), { metadata: one })), JSON.stringify(one)).toBe('STORE_INVALID');
      expect(await codeOf(store.put(key, text('x'), { sha256: 'ABC' }))).toBe('STORE_INVALID');
      expect(await codeOf(store.put(key, text('x'), { ifAbsent: true, ifMatch: 'x' }))).toBe('STORE_INVALID');
      expect(await store.head(key)).toBeUndefined();
    });

    it('lists in key order, by prefix and after a key', async () => {
      const prefix = fresh();
      // UTF-16 would sort U+1F499 before U+FF01; UTF-8 sorts it after.
      const keys = ['a', 'a-b', 'a.b', 'a/b', 'a/c', 'b', 'é', '！', '💙']
        .filter((key) => key !== 'a' || options.keysArePaths !== true)
        .map((key) => `${prefix}${key}`);
      await Promise.all([...keys].reverse().map((key) => store.put(key, text(key))));
      const all = await listed(store, { prefix });
      expect(all.map(({ key }) => key)).toEqual(keys);
      for (const info of all) {
        const head = await store.head(info.key);
        expect(info).toMatchObject({ size: head?.size, etag: head?.etag });
      }
      for (const [index, after] of keys.entries())
        expect((await listed(store, { prefix, after })).map(({ key }) => key)).toEqual(keys.slice(index + 1));
      const within = async (sub: string, after?: string): Promise<string[]> =>
        (await listed(store, { prefix: prefix + sub, ...(after === undefined ? {} : { after: prefix + after }) })).map(
          ({ key }) => key.slice(prefix.length),
        );
      expect(await within('a/')).toEqual(['a/b', 'a/c']);
      expect(await within('a/', 'a')).toEqual(['a/b', 'a/c']);
      expect(await within('a/', 'a/b')).toEqual(['a/c']);
      expect(await within('a/', 'a/bb')).toEqual(['a/c']);
      expect(await within('a/', 'b')).toEqual([]);
      expect(await within('zzz')).toEqual([]);
    });

    it('lists more than a page, and stops when its reader does', async () => {
      const prefix = fresh();
      const keys = Array.from({ length: 1203 }, (_, index) => `${prefix}${String(index).padStart(5, '0')}`);
      for (let index = 0; index < keys.length; index += 32)
        await Promise.all(keys.slice(index, index + 32).map((key) => store.put(key, text('.'))));
      expect((await listed(store, { prefix })).map(({ key }) => key)).toEqual(keys);
      for await (const { key } of store.list({ prefix })) if (key === keys[3]) break;
    });

    it('survives a reader that gives up', async () => {
      const key = `${fresh()}given-up`;
      await store.put(key, Buffer.alloc(2_000_000, 1));
      for (let round = 0; round < 3; round += 1) {
        (await store.get(key)).stream().destroy();
        for await (const chunk of (await store.get(key)).stream()) {
          expect((chunk as Uint8Array).length).toBeGreaterThan(0);
          break;
        }
      }
      expect(await (await store.get(key)).bytes()).toHaveLength(2_000_000);
    });

    it('refuses keys that would be resolved to others', async () => {
      for (const key of RESOLVED_KEYS) expect(await codeOf(store.put(key, text('x'))), key).toBe('STORE_INVALID');
    });

    it('keeps objects under the keys that storestow writes, whatever a modality calls itself', async () => {
      const body = text('instance');
      for (const callingAET of ['CT1', '$(touch pwned)', "';id;'", '../..', '', 'a/b', 'Ä 病', '%', '\u0000'])
        for (const site of ['default', '..']) {
          const key = objectKey({
            site,
            callingAET,
            callingIP: 'fe80::1',
            studyInstanceUID: '1.2.3',
            seriesInstanceUID: '1.2.3.4',
            sopInstanceUID: '9'.repeat(64),
            digest: sha256(text(callingAET)),
          });
          await store.put(key, body, { ifAbsent: true });
          expect(Buffer.from(await (await store.get(key)).bytes())).toEqual(Buffer.from(body));
          expect((await listed(store, { prefix: key })).map((info) => info.key)).toEqual([key]);
        }
    });

    it('keeps any object under any key, or refuses the key', async () => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(keyArbitrary, fc.uint8Array({ maxLength: 5000 }), async (key, body) => {
          const tags = { round: String((round += 1)) };
          const outcome = await codeOf(store.put(key, body, { tags, sha256: sha256(body) }));
          if (options.keysArePaths === true && outcome !== 'no error') {
            expect(outcome).toBe('STORE_INVALID');
            return;
          }
          expect(outcome).toBe('no error');
          const object = await store.get(key);
          expect(object.head.key).toBe(key);
          expect(Buffer.from(await object.bytes())).toEqual(Buffer.from(body));
          expect(await store.getTags(key)).toEqual(tags);
          expect((await listed(store, { prefix: key })).map((info) => info.key)).toContain(key);
          await store.delete(key);
          expect(await store.head(key)).toBeUndefined();
        }),
        { numRuns: 150, examples: HOSTILE_KEYS.map((key) => [key, text('hostile')]) },
      );
    });
  });
}
