import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { heartbeatKey, parseHeartbeat, putHeartbeat, readHeartbeats, type SeenHeartbeat } from '../../../core/audit/heartbeat.ts';
import { queryAudit } from '../../../core/audit/query.ts';
import { createLog } from '../../../core/logging.ts';
import { openFolderStore } from '../../../core/store/folder-store.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { objectCreated, readObjectEvent } from '../../../core/store/object-event.ts';
import { sweep } from '../../../functions/sweep/sweep.ts';
import { ArrivalsQueue } from '../../../local-cloud/arrivals-queue.ts';
import { heartbeatOf } from '../../../local-uploader/status/heartbeat.ts';
import { spoolStatus, type SpoolFacts } from '../../support/spool-status.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = new Date('2026-11-25T12:00:00Z');
const at = now.toISOString();
const facts: SpoolFacts = {
  files: [
    {
      path: '/spool/received/10.0.0.1/a',
      size: 1000,
      modified: new Date('2026-11-25T11:00:00Z'),
      receiving: false,
    },
    { path: '/spool/study/b', size: 500, modified: new Date('2026-11-25T11:30:00Z'), receiving: false },
    { path: '/spool/set-aside/foreign/c', size: 5, modified: now, receiving: false, aside: 'foreign' },
  ],
  others: [],
  noted: new Map([
    ['/spool/study/b', { outcome: 'failed', code: 'CONFLICT', retryable: false, at: new Date('2026-11-25T11:50:00Z') }],
    ['/spool/gone', { outcome: 'failed', code: 'STORE_FULL', retryable: true, at: now }],
  ]),
  sending: new Map(),
  today: { studies: 2, instances: 30, bytes: 9000 },
  minutes: [],
  disk: { freeBytes: 1e6, totalBytes: 2e6, freeFiles: 10, totalFiles: 20 },
  now,
};
const resident = { since: new Date('2026-11-01T00:00:00Z'), every: 60 };
const about = { site: 'north/1', version: '1.2.3', disk: {} };

async function seenIn(store: ReturnType<typeof createMemoryStore>): Promise<readonly SeenHeartbeat[]> {
  return Array.fromAsync(readHeartbeats(store, () => new Date()));
}

/** What the ingest function makes of the event that such an object would raise. */
function keysOf(key: string): readonly string[] {
  return readObjectEvent(objectCreated('bucket', [key])).messages.flatMap(({ keys }) => keys);
}

describe('heartbeatOf', () => {
  it('counts what the spool has; no path and no UID is in it', () => {
    const heartbeat = heartbeatOf(spoolStatus(facts), { ...about, resident });
    expect(heartbeat).toEqual({
      version: 1,
      site: 'north/1',
      at,
      storestow: '1.2.3',
      since: '2026-11-01T00:00:00.000Z',
      every: 60,
      backlog: { instances: 1, bytes: 1000, oldest: '2026-11-25T11:00:00.000Z' },
      failed: 1,
      setAside: { foreign: 1, damaged: 0 },
      doneToday: { instances: 30, bytes: 9000 },
      disk: { freeBytes: 1e6, freeInodes: 10, fullInSeconds: expect.any(Number) as number },
      lastError: { code: 'CONFLICT', at: '2026-11-25T11:50:00.000Z' },
    });
  });

  it('says of what there is less than the site wants', () => {
    const disk = (thresholds: { warnFreeBytes?: number; warnFreeInodes?: number }): unknown =>
      heartbeatOf(spoolStatus(facts), { ...about, disk: thresholds }).disk.short;
    expect(disk({ warnFreeBytes: 1e6 })).toBeUndefined();
    expect(disk({ warnFreeBytes: 1e6 + 1 })).toEqual(['bytes']);
    expect(disk({ warnFreeBytes: 2e6, warnFreeInodes: 11 })).toEqual(['bytes', 'inodes']);
  });

  it('tells the last error of what waits or failed, and of nothing that was written since or is only listed', () => {
    const codeWith = (more: Partial<SpoolFacts>): string | undefined =>
      heartbeatOf(spoolStatus({ ...facts, ...more }), about).lastError?.code;
    expect(codeWith({})).toBe('CONFLICT');
    const [first, second, third] = facts.files;
    if (first === undefined || second === undefined || third === undefined) throw new Error('there are three files');
    expect(codeWith({ files: [first, { ...second, modified: now }, third] })).toBeUndefined();
    const foreign = { outcome: 'foreign', code: 'NOT_PART10', retryable: false, at: now } as const;
    expect(codeWith({ noted: new Map([[second.path, foreign]]) })).toBeUndefined();
  });

  it('leaves out what there is not', () => {
    const disk = { ...facts.disk, freeFiles: 0, totalFiles: 0 };
    const heartbeat = heartbeatOf(spoolStatus({ ...facts, files: [], disk }), about);
    expect(heartbeat).toEqual({
      ...{ version: 1, site: 'north/1', at, storestow: '1.2.3', backlog: { instances: 0, bytes: 0 }, failed: 0 },
      ...{ setAside: { foreign: 0, damaged: 0 }, doneToday: { instances: 30, bytes: 9000 }, disk: { freeBytes: 1e6 } },
    });
  });
});

describe('a heartbeat in the bucket', () => {
  it('stands under the name of its site, outside of what raises events, and replaces the one before', async () => {
    expect(heartbeatKey('north/1')).toBe('heartbeats/north%2F1.json');
    const store = createMemoryStore();
    const heartbeat = heartbeatOf(spoolStatus(facts), { ...about, resident });
    await putHeartbeat(store, { ...heartbeat, failed: 7 });
    await putHeartbeat(store, heartbeat);
    await putHeartbeat(store, { ...heartbeat, site: 'a' });
    const seen = await seenIn(store);
    expect(seen.map(({ heartbeat: one }) => one)).toEqual([{ ...heartbeat, site: 'a' }, heartbeat]);
  });

  it('raises no event, and neither audit nor sweep looks at it', async () => {
    const folder = await temporaryFolder('heartbeat');
    const store = await openFolderStore(folder.path);
    const queue = new ArrivalsQueue({ path: join(folder.path, 'bucket.sqlite') });
    try {
      await putHeartbeat(store, heartbeatOf(spoolStatus(facts), about));
      expect(queue.receive({ max: 10, visibilityTimeout: 1000 })).toEqual([]);
      expect(await Array.fromAsync(queryAudit(store, {}))).toEqual([]);
      const later = (): Date => new Date(Date.now() + 3_600_000);
      const options = { pendingAfter: 0, failedAfter: 0, log: createLog({ level: 'silent' }), now: later };
      const report = await sweep(store, () => expect.fail('a heartbeat is queued'), options);
      expect(report).toMatchObject({ looked: 0 });
      expect(keysOf(heartbeatKey('north'))).toEqual([]);
      // Of an instance each of them knows.
      const key = 'incoming/north/CT@10.0.0.1/1.2/1.2.3/1.2.3.4~0123456789ab.dcm';
      await store.put(key, new Uint8Array(1));
      expect(queue.receive({ max: 10, visibilityTimeout: 1000 })).toMatchObject([{ key }]);
      expect(keysOf(key)).toEqual([key]);
    } finally {
      queue.close();
      await store.close();
      await folder.remove();
    }
  });

  const good = heartbeatOf(spoolStatus(facts), about);
  it.each<[string, unknown]>([
    ['no JSON', undefined],
    ['another site', { ...good, site: 'south' }],
    ['another form', { ...good, version: 2 }],
    ['no count', { ...good, failed: -1 }],
    ['text where a code stands', { ...good, lastError: { code: '\u001b[2J', at } }],
  ])('%s is no heartbeat, and hides no other one', async (_, body) => {
    const text = body === undefined ? '{' : JSON.stringify(body);
    const bytes = new TextEncoder().encode(text);
    expect(() => parseHeartbeat(bytes, heartbeatKey('north/1'))).toThrow(expect.objectContaining({ code: 'HEARTBEAT_INVALID' }));
    const store = createMemoryStore();
    await store.put(heartbeatKey('north/1'), bytes);
    await putHeartbeat(store, { ...good, site: 'south' });
    const seen = await seenIn(store);
    expect(seen).toMatchObject([{ heartbeat: { code: 'HEARTBEAT_INVALID' } }, { heartbeat: { site: 'south' } }]);
  });

  it('one that is too long is not read', async () => {
    const store = createMemoryStore();
    await store.put(heartbeatKey('a'), new TextEncoder().encode(JSON.stringify({ ...good, more: 'x'.repeat(20_000) })));
    expect(await seenIn(store)).toMatchObject([{ heartbeat: { code: 'HEARTBEAT_INVALID' } }]);
  });

  it('one that is removed while it is read hides no other one', async () => {
    const store = createMemoryStore();
    for (const site of ['a', 'south']) await putHeartbeat(store, { ...good, site });
    const shrinking = Object.assign(Object.create(store) as typeof store, {
      list: () => store.list({ prefix: 'heartbeats/' }),
      async head(key: string) {
        const head = await store.head(key);
        if (key === heartbeatKey('a')) await store.delete(key);
        return head;
      },
      get: async (key: string) => store.get(key),
    });
    expect(await seenIn(shrinking)).toMatchObject([{ heartbeat: { site: 'south' } }]);
  });

  it('may say more than this version knows', () => {
    const more = { ...good, site: 'a', weather: 'fine' };
    expect(parseHeartbeat(new TextEncoder().encode(JSON.stringify(more)), heartbeatKey('a'))).toEqual({ ...good, site: 'a' });
  });
});
