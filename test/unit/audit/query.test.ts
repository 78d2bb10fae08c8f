import { beforeEach, describe, expect, it } from 'vitest';
import {
  auditPrefix,
  matchesKey,
  matchesRecord,
  queryAudit,
  type AuditFilter,
  type AuditRow,
} from '../../../core/audit/query.ts';
import type { AuditRecord } from '../../../core/audit/record.ts';
import { toTags } from '../../../core/audit/tags.ts';
import { StorestowError } from '../../../core/errors.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { objectKey, type ObjectKeyParts } from '../../../core/store/object-key.ts';
import type { ObjectStore, Tags } from '../../../core/store/object-store.ts';

const PARTS: ObjectKeyParts = {
  site: 'north',
  callingAET: 'CT 1',
  callingIP: '10.0.0.5',
  studyInstanceUID: '1.2.3',
  seriesInstanceUID: '1.2.3.1',
  sopInstanceUID: '1.2.3.1.1',
  digest: '0123456789ab',
};
const stowed = (institution: string, at = '2026-11-24T10:00:00.000Z'): AuditRecord => ({
  status: { kind: 'stowed' },
  institution,
  detail: { at },
});

async function collect(rows: AsyncIterable<AuditRow>): Promise<AuditRow[]> {
  const all: AuditRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

describe('auditPrefix', () => {
  it.each<[AuditFilter, string]>([
    [{}, 'incoming/'],
    [{ callingAET: 'CT 1' }, 'incoming/'],
    [{ site: 'north' }, 'incoming/north/'],
    [{ site: 'north', callingAET: 'CT 1' }, 'incoming/north/CT%201@'],
    [{ site: 'north', callingAET: 'CT 1', callingIP: '::1' }, 'incoming/north/CT%201@%3A%3A1/'],
    [{ site: 'a/b', studyInstanceUID: '1.2.3' }, 'incoming/a%2Fb/'],
    [{ site: 'n', callingAET: 'A', callingIP: '1.1.1.1', studyInstanceUID: '1.2.3' }, 'incoming/n/A@1.1.1.1/1.2.3/'],
  ])('%j → %s', (filter, prefix) => {
    expect(auditPrefix(filter)).toBe(prefix);
  });
});

describe('matchesKey', () => {
  const received = new Date('2026-11-24T10:00:00Z');
  it.each<[AuditFilter, boolean]>([
    [{}, true],
    [{ site: 'north', callingAET: 'CT 1', callingIP: '10.0.0.5', studyInstanceUID: '1.2.3' }, true],
    [{ site: 'south' }, false],
    [{ callingAET: 'CT' }, false],
    [{ callingIP: '10.0.0.6' }, false],
    [{ studyInstanceUID: '1.2.3.1' }, false],
    [{ receivedFrom: received }, true],
    [{ receivedTo: received }, false],
    [{ receivedFrom: new Date('2026-11-25T00:00:00Z') }, false],
    [{ receivedTo: new Date('2026-11-25T00:00:00Z') }, true],
  ])('%j → %j', (filter, matches) => {
    expect(matchesKey(filter, PARTS, received)).toBe(matches);
  });
});

describe('matchesRecord', () => {
  const quarantined: AuditRecord = { status: { kind: 'quarantined', reason: 'UNKNOWN_SOURCE' } };
  const long = 'Klinik '.repeat(60);
  it.each<[string, AuditFilter, AuditRecord | undefined, boolean]>([
    ['no condition', {}, undefined, true],
    ['pending', { status: 'pending' }, undefined, true],
    ['pending, but stowed', { status: 'pending' }, stowed('A'), false],
    ['stowed', { status: 'stowed' }, stowed('A'), true],
    ['stowed, but pending', { status: 'stowed' }, undefined, false],
    ['reason', { reason: 'UNKNOWN_SOURCE' }, quarantined, true],
    ['another reason', { status: 'quarantined', reason: 'MALFORMED' }, quarantined, false],
    ['reason of what is stowed', { reason: 'UNKNOWN_SOURCE' }, stowed('A'), false],
    ['institution', { institution: 'A' }, stowed('A'), true],
    ['another institution', { institution: 'A' }, stowed('AB'), false],
    ['institution of what has none', { institution: 'A' }, quarantined, false],
    ['institution that was cut', { institution: long }, stowed(`${long.slice(0, 247)}...`), true],
    [
      'outcome in the range',
      { outcomeFrom: new Date('2026-11-24T00:00Z'), outcomeTo: new Date('2026-11-25T00:00Z') },
      stowed('A'),
      true,
    ],
    ['outcome before', { outcomeFrom: new Date('2026-11-25T00:00Z') }, stowed('A'), false],
    ['outcome without a time', { outcomeTo: new Date('2026-11-25T00:00Z') }, quarantined, false],
    ['outcome with a bad time', { outcomeTo: new Date('2026-11-25T00:00Z') }, stowed('A', 'soon'), false],
  ])('%s', (_name, filter, record, matches) => {
    expect(matchesRecord(filter, record)).toBe(matches);
  });
});

describe('queryAudit', () => {
  let store: ObjectStore;
  const keyOf = (parts: Partial<ObjectKeyParts>): string => objectKey({ ...PARTS, ...parts });
  const put = async (key: string, tags?: Tags): Promise<void> => {
    await store.put(key, new Uint8Array(7), tags === undefined ? {} : { tags });
  };

  beforeEach(async () => {
    store = createMemoryStore();
    for (let index = 0; index < 25; index++) {
      const sopInstanceUID = `1.2.3.1.${index + 100}`;
      await put(keyOf({ sopInstanceUID }), toTags(stowed(index % 2 === 0 ? 'Klinik Köln' : 'Other')));
    }
    await put(keyOf({ site: 'south', callingAET: 'MR@2', sopInstanceUID: '1.9' }));
    await put('incoming/stranger.dcm');
    await put('rules/abc.json');
  });

  it('gives rows in key order, with key parts, size and record', async () => {
    const rows = await collect(queryAudit(store, { institution: 'Klinik Köln' }, { concurrency: 4 }));
    expect(rows.map((row) => row.sopInstanceUID)).toEqual(Array.from({ length: 13 }, (_, index) => `1.2.3.1.${index * 2 + 100}`));
    expect(rows[0]).toMatchObject({ ...PARTS, sopInstanceUID: '1.2.3.1.100', size: 7, record: stowed('Klinik Köln') });
  });

  it('gives an untagged object as pending, and no object that is not of ours', async () => {
    const rows = await collect(queryAudit(store, {}));
    expect(rows).toHaveLength(26);
    const pending = await collect(queryAudit(store, { status: 'pending' }));
    expect(pending).toMatchObject([{ site: 'south', callingAET: 'MR@2' }]);
    expect(pending[0]).not.toHaveProperty('record');
  });

  it('lists below the site only', async () => {
    const prefixes: (string | undefined)[] = [];
    const list = store.list.bind(store);
    store.list = (options) => {
      prefixes.push(options?.prefix);
      return list(options);
    };
    expect(await collect(queryAudit(store, { site: 'south' }))).toHaveLength(1);
    expect(prefixes).toEqual(['incoming/south/']);
  });

  it('finds a study below every source, in key order, without listing the others', async () => {
    const bucket = createMemoryStore();
    const sources = ['north', 'north-2', 'a/b'].flatMap((site) =>
      ['CT1', 'CT1 ', 'CT10', ''].flatMap((callingAET) =>
        ['10.0.0.5', '::1', ''].map((callingIP) => ({ site, callingAET, callingIP })),
      ),
    );
    for (const source of sources) {
      for (const studyInstanceUID of ['1.2.3', '1.2.3.4', '1.2']) {
        await bucket.put(objectKey({ ...PARTS, ...source, studyInstanceUID }), new Uint8Array(1));
      }
    }
    let listed = 0;
    const counting = Object.assign(Object.create(bucket) as ObjectStore, {
      async *list(options: Parameters<ObjectStore['list']>[0]) {
        for await (const info of bucket.list(options)) {
          listed += 1;
          yield info;
        }
      },
      getTags: (key: string) => bucket.getTags(key),
    });
    const filters: AuditFilter[] = [
      {},
      { site: 'north' },
      { callingAET: 'CT1' },
      { callingIP: '::1' },
      { site: 'a/b', callingAET: 'CT10' },
      { callingAET: '', callingIP: '' },
    ];
    const everything = await collect(queryAudit(bucket, {}));
    for (const filter of filters) {
      const wanted = { ...filter, studyInstanceUID: '1.2.3' };
      listed = 0;
      const found = await collect(queryAudit(counting, wanted));
      expect(found).toEqual(everything.filter((row) => matchesKey(wanted, row, row.received)));
      expect(found.length).toBeGreaterThan(0);
      // One a source and site at most beside what was asked for, of three times as many objects.
      expect(listed).toBeLessThanOrEqual(found.length + sources.length + 3);
    }
  });

  it('reads tags in parallel, within the bound, and keeps the order of the keys', async () => {
    let underWay = 0;
    let most = 0;
    const getTags = store.getTags.bind(store);
    store.getTags = async (key) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      return getTags(key);
    };
    const rows = await collect(queryAudit(store, { site: 'north' }, { concurrency: 3 }));
    expect(rows.map((row) => row.key)).toEqual(rows.map((row) => row.key).sort());
    expect(rows).toHaveLength(25);
    expect(most).toBe(3);
  });

  it('leaves out an object that is deleted while it lists', async () => {
    const getTags = store.getTags.bind(store);
    store.getTags = async (key) => {
      if (key.includes('1.2.3.1.103')) throw new StorestowError('OBJECT_NOT_FOUND', `${key} is gone`);
      return getTags(key);
    };
    expect(await collect(queryAudit(store, { site: 'north' }))).toHaveLength(24);
  });

  it('passes a failure of the store on', async () => {
    store.getTags = async (key) => {
      throw new StorestowError('STORE_DENIED', `tags of ${key} are denied`);
    };
    await expect(collect(queryAudit(store, {}))).rejects.toMatchObject({ code: 'STORE_DENIED' });
  });

  it('may be left early', async () => {
    for await (const row of queryAudit(store, {}, { concurrency: 2 })) {
      expect(row.sopInstanceUID).toBe('1.2.3.1.100');
      break;
    }
  });
});
