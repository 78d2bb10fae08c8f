import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import type { UploadOptions } from '../../../local-uploader/upload-study.ts';
import { watchSpool } from '../../../local-uploader/watch-spool.ts';
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

  function watch(every: number, target: ObjectStore = store): void {
    const ports = { store: target, log: createLog({ to: join(folder.path, 'log') }), now: () => new Date() };
    watching = watchSpool(at(), ports, options, { signal: ending.signal, every });
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

  it('begins nothing where it is told to end before', async () => {
    await receive(1);
    ending.abort();
    watch(NEVER);
    await watching;
    expect(await stored()).toEqual([]);
  });
});
