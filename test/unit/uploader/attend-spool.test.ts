import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { heartbeatKey, parseHeartbeat, type Heartbeat } from '../../../core/audit/heartbeat.ts';
import type { DiskThresholds } from '../../../core/config/schema.ts';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { attendSpool, beatOnce } from '../../../local-uploader/status/attend-spool.ts';
import { journalPath } from '../../../local-uploader/upload/upload-journal.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

let folder: TemporaryFolder;
let store: ObjectStore;
let ending: AbortController;
let attending: Promise<void>;
let looks: number;

beforeEach(async () => {
  folder = await temporaryFolder('attend');
  store = createMemoryStore();
  ending = new AbortController();
  attending = Promise.resolve();
  looks = 0;
  await mkdir(at('received', '10.0.0.1'), { recursive: true });
});
afterEach(async () => {
  ending.abort();
  await attending;
  await folder.remove();
});

const at = (...names: string[]): string => join(folder.path, 'spool', ...names);
const ports = (target: ObjectStore) => ({
  store: target,
  log: createLog({ to: join(folder.path, 'log') }),
  now: () => new Date(),
  onLook: () => (looks += 1),
});

function attend({
  target = store,
  heartbeat = 1,
  disk = {},
}: {
  target?: ObjectStore;
  heartbeat?: number;
  disk?: DiskThresholds;
}): void {
  const options = { site: 'north', version: '1.2.3', heartbeat, disk, signal: ending.signal, every: 20 };
  attending = attendSpool(at(), ports(target), options);
}

async function heartbeat(): Promise<Heartbeat | undefined> {
  const key = heartbeatKey('north');
  return (await store.head(key)) === undefined ? undefined : parseHeartbeat(await (await store.get(key)).bytes(), key);
}

async function logged(): Promise<readonly { readonly level: number; readonly msg: string; readonly freeBytes?: number }[]> {
  const text = await readFile(join(folder.path, 'log'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { level: number; msg: string });
}

const untilLooked = async (times: number): Promise<true> => waitUntil(`${times} looks`, () => looks >= times && true);

describe('attendSpool', () => {
  it('writes a heartbeat at once, and again when there is something else to say', async () => {
    attend({});
    const first = await waitUntil('the first one', heartbeat);
    expect(first).toMatchObject({ site: 'north', storestow: '1.2.3', every: 1, backlog: { instances: 0 } });
    await writeFile(at('received', '10.0.0.1', 'a'), buildImage({}));
    const second = await waitUntil('one with the file', async () => {
      const seen = await heartbeat();
      return seen?.backlog.instances === 1 && seen;
    });
    expect(second.since).toBe(first.since);
    expect(second.at > first.at).toBe(true);
  });

  it('none where none is wanted; the disk is watched all the same, and told once', async () => {
    attend({ heartbeat: 0, disk: { warnFreeBytes: Number.MAX_SAFE_INTEGER } });
    await untilLooked(5);
    expect(await heartbeat()).toBeUndefined();
    expect(await logged()).toMatchObject([{ level: 40, msg: expect.stringMatching(/short of room/) as string }]);
    expect((await logged())[0]?.freeBytes).toBeGreaterThan(0);
  });

  it('a bucket that does not take it is told once, and it is tried again', async () => {
    let puts = 0;
    const target: ObjectStore = {
      ...store,
      put: async (key, body, options) => {
        puts += 1;
        if (puts < 3) throw new StorestowError('STORE_DENIED', 'as the test wants it');
        return store.put(key, body, options);
      },
    };
    attend({ target });
    await waitUntil('the third is taken', heartbeat);
    expect(await logged()).toMatchObject([{ level: 40, msg: expect.stringMatching(/heartbeat/) as string }]);
  });

  it('a spool that is not there is told once, and looked at when it is', async () => {
    await rm(at(), { recursive: true });
    attend({});
    await untilLooked(5);
    expect(await logged()).toMatchObject([{ level: 40, msg: expect.stringMatching(/cannot be looked at/) as string }]);
    await mkdir(at());
    await waitUntil('a heartbeat', heartbeat);
  });

  it('notes that cannot be read are told once; the heartbeat and the disk do without', async () => {
    await mkdir(at('.storestow'));
    await writeFile(journalPath(at()), 'no database '.repeat(100));
    await writeFile(at('received', '10.0.0.1', 'a'), buildImage({}));
    attend({ disk: { warnFreeBytes: Number.MAX_SAFE_INTEGER } });
    const seen = await waitUntil('a heartbeat', heartbeat);
    expect(seen.backlog.instances).toBe(1);
    await untilLooked(5);
    expect((await logged()).map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/what was noted of uploads cannot be read/),
      expect.stringMatching(/short of room/),
    ]);
  });

  it('a look is given up when the uploader ends, without a word: it would take as long as there are files', async () => {
    await writeFile(at('received', '10.0.0.1', 'a'), buildImage({}));
    const options = { site: 'north', version: '1.2.3', heartbeat: 1, disk: {}, signal: ending.signal };
    await attendSpool(at(), { ...ports(store), onLook: () => ending.abort() }, options);
    expect([await heartbeat(), await logged()]).toEqual([undefined, []]);
  });

  it('a run that ends writes one without a next', async () => {
    await beatOnce(at(), ports(store), { site: 'north', version: '1.2.3', disk: {} });
    const seen = await heartbeat();
    expect(seen).toMatchObject({ site: 'north' });
    expect([seen?.every, seen?.since]).toEqual([undefined, undefined]);
    await rm(at(), { recursive: true });
    await expect(beatOnce(at(), ports(store), { site: 'north', version: '1.2.3', disk: {} })).resolves.toBeUndefined();
  });
});
