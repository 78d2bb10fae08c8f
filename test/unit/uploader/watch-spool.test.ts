import { mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import type { FileReport } from '../../../local-uploader/upload/upload-report.ts';
import type { UploadOptions } from '../../../local-uploader/upload/upload-study.ts';
import { watchSpool } from '../../../local-uploader/upload/watch-spool.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

/** Longer than a test lasts: what comes earlier was heard. */
const NEVER = 600_000;
const options: UploadOptions = {
  site: 'test',
  after: 'remove',
  concurrency: 4,
  settle: 0,
  patience: 0,
  retries: { retries: 0, firstDelay: 1, maxDelay: 1 },
};

describe('watchSpool', () => {
  let folder: TemporaryFolder;
  let store: ObjectStore;
  let ending: AbortController;
  let watching: Promise<void>;

  beforeEach(async () => {
    folder = await temporaryFolder('watch');
    store = createMemoryStore();
    ending = new AbortController();
    watching = Promise.resolve();
    await mkdir(at('received'), { recursive: true });
    await mkdir(at('receiving'));
  });
  afterEach(async () => {
    ending.abort();
    await watching;
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, 'spool', ...names);

  function watch(
    every: number,
    target: ObjectStore = store,
    other: Partial<UploadOptions> = {},
    onEnded: (file: FileReport) => void = () => undefined,
  ): void {
    const ports = { store: target, log: createLog({ to: join(folder.path, 'log') }), now: () => new Date(), onEnded };
    watching = watchSpool(at(), ports, { ...options, ...other }, { signal: ending.signal, every });
  }

  /** As storescp and its exec do: written aside, then moved in one step. */
  async function receive(number: number, ip = '10.0.0.1'): Promise<void> {
    const written = at('receiving', String(number));
    await writeFile(written, buildImage({ sopUID: `1.2.3.${number}`, callingAET: 'CT1' }));
    await mkdir(at('received', ip), { recursive: true });
    await rename(written, at('received', ip, String(number)));
  }

  async function stored(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const { key } of store.list({ prefix: 'incoming/' })) {
      const { sopInstanceUID, callingIP } = parseObjectKey(key) ?? expect.fail(key);
      found.push(`${sopInstanceUID} from ${callingIP}`);
    }
    return found.toSorted();
  }

  async function untilStored(...expected: readonly string[]): Promise<void> {
    await waitUntil(
      `in the bucket: ${expected.join(', ')}`,
      async () => {
        const found = await stored();
        return expected.every((one) => found.includes(one));
      },
      { timeout: 15_000 },
    );
  }

  /** Each round takes locks, which lie in this folder; two looks further apart than two rounds find it as it was. */
  async function untilIdle(): Promise<void> {
    let before: bigint | undefined;
    await waitUntil(
      'no round follows another',
      async () => {
        const { mtimeNs } = await stat(at('.storestow'), { bigint: true });
        const idle = mtimeNs === before;
        before = mtimeNs;
        return idle;
      },
      { timeout: 15_000, interval: 500 },
    );
  }

  /** The bucket, with another `put`. */
  function withPut(put: ObjectStore['put']): ObjectStore {
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'put') return put;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  it('uploads what lies there when it starts', async () => {
    await receive(1);
    await receive(2, '10.0.0.2');
    watch(NEVER);
    await untilStored('1.2.3.1 from 10.0.0.1', '1.2.3.2 from 10.0.0.2');
    await waitUntil('the files are gone', async () => (await readdir(at('received', '10.0.0.1'))).length === 0);
  });

  it('uploads each file that comes, in folders that are there and in new ones', async () => {
    await receive(1);
    watch(NEVER);
    await untilStored('1.2.3.1 from 10.0.0.1');
    for (const number of [2, 3]) {
      await untilIdle();
      await receive(number);
      await untilStored(`1.2.3.${number} from 10.0.0.1`);
    }
    for (const number of [4, 5]) {
      await untilIdle();
      await receive(number, '10.0.0.2');
      await untilStored(`1.2.3.${number} from 10.0.0.2`);
    }
  });

  it('hears a folder that was removed and came again', async () => {
    await receive(1);
    watch(NEVER);
    await untilStored('1.2.3.1 from 10.0.0.1');
    await waitUntil('its file is gone', async () => (await readdir(at('received', '10.0.0.1'))).length === 0);
    await rm(at('received', '10.0.0.1'), { recursive: true });
    for (const number of [2, 3, 4]) {
      await receive(number);
      await untilStored(`1.2.3.${number} from 10.0.0.1`);
    }
  });

  it('looks now and then where nothing is heard', async () => {
    watch(50);
    await mkdir(at('study_1.2.3'));
    await writeFile(at('study_1.2.3', '1'), buildImage({ sopUID: '1.2.3.1', callingAET: 'CT1' }));
    await untilStored('1.2.3.1 from ');
  });

  it('tries again a file that the bucket did not take', async () => {
    await receive(1);
    let failures = 0;
    const target = withPut(async (...args) => {
      if (failures === 2) return store.put(...args);
      failures += 1;
      throw new StorestowError('STORE_UNAVAILABLE', 'as the test wants it');
    });
    watch(50, target);
    await untilStored('1.2.3.1 from 10.0.0.1');
    expect(failures).toBe(2);
  });

  it('tries again a round that failed as a whole', async () => {
    await rm(at(), { recursive: true });
    watch(50);
    await waitUntil('a round has failed', async () =>
      (await readFile(join(folder.path, 'log'), 'utf8')).includes('the spool was not uploaded'),
    );
    await mkdir(at('receiving'), { recursive: true });
    await receive(1);
    await untilStored('1.2.3.1 from 10.0.0.1');
  });

  it('ends when it is told to, in the middle of its wait', async () => {
    watch(NEVER);
    await receive(1);
    await untilStored('1.2.3.1 from 10.0.0.1');
    await untilIdle();
    ending.abort();
    await watching;
    await receive(2);
    expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.1']);
  });

  it('finishes the round under way when it is told to end', async () => {
    const begun = Promise.withResolvers<undefined>();
    const go = Promise.withResolvers<undefined>();
    const slow = withPut(async (...args) => {
      begun.resolve(undefined);
      await go.promise;
      return store.put(...args);
    });
    await receive(1);
    watch(NEVER, slow);
    await begun.promise;
    ending.abort();
    go.resolve(undefined);
    await watching;
    expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.1']);
    expect(await readdir(at('received', '10.0.0.1'))).toEqual([]);
  });

  it('begins no other file when it is told to end', async () => {
    const begun = Promise.withResolvers<undefined>();
    const go = Promise.withResolvers<undefined>();
    let puts = 0;
    const slow = withPut(async (...args) => {
      puts += 1;
      if (puts === options.concurrency) begun.resolve(undefined);
      await go.promise;
      return store.put(...args);
    });
    for (let number = 1; number <= 20; number++) await receive(number);
    watch(NEVER, slow);
    await begun.promise;
    ending.abort();
    go.resolve(undefined);
    await watching;
    expect(await stored()).toHaveLength(options.concurrency);
    expect(await readdir(at('received', '10.0.0.1'))).toHaveLength(20 - options.concurrency);
  });

  it('reads no file again that stays as it is, and one that has changed', async () => {
    const files = { kept: buildImage({ sopUID: '1.2.3.1' }), cut: buildImage().subarray(0, -10), notes: 'call the ward' };
    await mkdir(at('received', '10.0.0.1'));
    for (const [name, content] of Object.entries(files)) await writeFile(at('received', '10.0.0.1', name), content);
    const ended: string[] = [];
    let refused = 0;
    const target = withPut(async (key, ...rest) => {
      if (!key.includes('1.2.3.9~')) return store.put(key, ...rest);
      refused += 1;
      throw new StorestowError('STORE_DENIED', 'as the test wants it');
    });
    watch(50, target, { after: 'keep' }, ({ path, outcome }) => ended.push(`${outcome} ${basename(path)}`));
    await waitUntil('each has its outcome', () => ended.length === 3);
    // A file that is refused is tried again in each round: it counts them.
    await writeFile(at('received', '10.0.0.1', 'refused'), buildImage({ sopUID: '1.2.3.9' }));
    await waitUntil('more rounds', () => refused >= 3);
    expect(ended.filter((line) => !line.startsWith('failed')).sort()).toEqual(['damaged cut', 'foreign notes', 'uploaded kept']);
    await writeFile(at('received', '10.0.0.1', 'cut'), buildImage({ sopUID: '1.2.3.2' }));
    await untilStored('1.2.3.2 from 10.0.0.1');
  });

  it('takes what comes while a large file is on its way, in its folder and in others', async () => {
    const go = Promise.withResolvers<undefined>();
    onTestFinished(() => go.resolve(undefined));
    const begun = Promise.withResolvers<undefined>();
    const target = withPut(async (key, ...rest) => {
      if (key.includes('1.2.3.1~')) {
        begun.resolve(undefined);
        await go.promise;
      }
      return store.put(key, ...rest);
    });
    await mkdir(at('received', '10.0.0.1'));
    await writeFile(
      at('received', '10.0.0.1', 'large'),
      buildImage({ sopUID: '1.2.3.1', rows: 3000, columns: 3000, pixels: new Uint8Array(18_000_000) }),
    );
    watch(50, target);
    await begun.promise;
    await receive(2, '10.0.0.1');
    await receive(3, '10.0.0.2');
    await untilStored('1.2.3.2 from 10.0.0.1', '1.2.3.3 from 10.0.0.2');
    expect((await stored()).some((line) => line.startsWith('1.2.3.1 '))).toBe(false);
    go.resolve(undefined);
    await untilStored('1.2.3.1 from 10.0.0.1');
  });

  it('lists more folders than it works off at once while those have large files in line', async () => {
    const go = Promise.withResolvers<undefined>();
    onTestFinished(() => go.resolve(undefined));
    const target = withPut(async (key, ...rest) => {
      if (!key.includes('1.2.3.2~')) await go.promise;
      return store.put(key, ...rest);
    });
    const large = buildImage({ sopUID: '1.2.3.1', rows: 3000, columns: 3000, pixels: new Uint8Array(18_000_000) });
    for (let number = 0; number < 128; number++) {
      const file = at('received', `10.0.1.${number}`, 'large');
      await mkdir(dirname(file));
      // Two are under way at once. The others, which are newer, only stand in line: holes will do.
      await writeFile(file, number < 2 ? large : '');
      await truncate(file, large.length);
      if (number < 2) await utimes(file, new Date(0), new Date(0));
      await utimes(dirname(file), new Date(0), new Date(0));
    }
    await receive(2);
    watch(NEVER, target);
    await untilStored('1.2.3.2 from 10.0.0.1');
    ending.abort();
    go.resolve(undefined);
  });

  it('begins nothing where it is told to end before', async () => {
    await receive(1);
    ending.abort();
    watch(NEVER);
    await watching;
    expect(await stored()).toEqual([]);
  });
});
