/** What is heard from outside of the file system: a round begins after it, whatever the round before was at. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { openFolderStore, type FolderStore } from '../../../core/store/folder-store.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import { announceSender } from '../../../local-uploader/spool/announced-senders.ts';
import { watchSpool } from '../../../local-uploader/upload/watch-spool.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

const NEVER = 10 * 60_000;

describe('watchSpool', () => {
  let folder: TemporaryFolder;
  let store: FolderStore;
  let ending: AbortController;
  let watching: Promise<void>;

  beforeEach(async () => {
    folder = await temporaryFolder('hear');
    await mkdir(at('.storestow'), { recursive: true });
    store = await openFolderStore(join(folder.path, 'bucket'));
    ending = new AbortController();
  });
  afterEach(async () => {
    ending.abort();
    await watching;
    await store.close();
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, 'spool', ...names);

  /** Resolves with `hear`, before the first round. */
  async function watch(onListing: () => Promise<void> = async () => undefined): Promise<() => void> {
    const listening = Promise.withResolvers<() => void>();
    const ports = {
      ...{ store, log: createLog({ level: 'silent' }), now: () => new Date() },
      onStep: async (step: string) => (step === 'listed' ? onListing() : undefined),
    };
    const options = { site: 'test', after: 'remove' as const, concurrency: 2, settle: 0, announcedWithin: 3600 };
    watching = watchSpool(at(), ports, options, {
      signal: ending.signal,
      every: NEVER,
      onListening: (hear) => listening.resolve(hear),
    });
    return listening.promise;
  }

  async function write(study: string, number: number): Promise<void> {
    await mkdir(at(study), { recursive: true });
    await writeFile(at(study, String(number)), buildImage({ sopUID: `1.2.3.${number}` }));
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
    await waitUntil(`in the bucket: ${expected.join(', ')}`, async () => (await stored()).length >= expected.length);
    expect(await stored()).toEqual(expected);
  }

  const announce = async (study: string, callingIP: string): Promise<void> =>
    announceSender(at(study), at('.storestow'), { at: Date.now(), sender: { callingIP } });

  it('begins a round when it hears a word in its wait', async () => {
    const hear = await watch();
    for (const number of [1, 2]) {
      await write(`study_${number}`, number);
      await announce(`study_${number}`, `10.0.0.${number}`);
      hear();
      await untilStored(...['1.2.3.1 from 10.0.0.1', '1.2.3.2 from 10.0.0.2'].slice(0, number));
    }
  });

  it('begins another round when it hears a word in the middle of one, which has looked at the folder before', async () => {
    await write('study_1', 1);
    await announce('study_1', '10.0.0.1');
    let heard = false;
    const hear = await watch(async () => {
      if (heard) return;
      heard = true;
      await write('study_2', 2);
      await announce('study_2', '10.0.0.2');
      hear();
    });
    await untilStored('1.2.3.1 from 10.0.0.1', '1.2.3.2 from 10.0.0.2');
  });

  it('leaves a study alone that nobody has announced, and what came to one after it was announced', async () => {
    await write('study_1', 1);
    await announce('study_1', '10.0.0.1');
    await write('study_2', 2);
    const hear = await watch();
    await untilStored('1.2.3.1 from 10.0.0.1');
    await write('study_1', 3);
    await write('study_3', 4);
    await announce('study_3', '10.0.0.3');
    hear();
    await untilStored('1.2.3.1 from 10.0.0.1', '1.2.3.4 from 10.0.0.3');
    await announce('study_1', '10.0.0.4');
    hear();
    await untilStored('1.2.3.1 from 10.0.0.1', '1.2.3.3 from 10.0.0.4', '1.2.3.4 from 10.0.0.3');
  });
});
