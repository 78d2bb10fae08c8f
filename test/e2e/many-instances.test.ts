/**
 * A backlog as days without the bucket leave it: a hundred studies at once, two thousand instances, as received and in folders of their
 * own. All of it reaches the bucket, and what the uploader holds does not grow with it.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachConcurrently } from '../../core/concurrency.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { buildImage } from '../support/build-dicom.ts';
import { peakMemoryAvailable, peakMemoryDuring } from '../support/peak-memory.ts';
import { requirePeer } from '../support/peers.ts';
import { startStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const STUDIES = 100;
const EACH = 20;
const IMAGE = { rows: 272, columns: 272, bitsAllocated: 16 };
/** Bytes; all instances have more together, and Node itself with the program has about a third. */
const MEMORY_LIMIT = 320 * 1024 * 1024;
/** Megabytes of what is not the bytes of files. */
const HEAP_LIMIT = 64;

const noProc = requirePeer('/proc, which tells the peak of memory', peakMemoryAvailable);

describe.skipIf(noProc)(`${STUDIES} studies of ${EACH} instances at once`, () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('many');
  });
  afterEach(() => folder.remove());

  const at = (...names: readonly string[]): string => join(folder.path, ...names);

  /** Half of the studies as storescp's exec puts them, half in folders of their own. Resolves with their bytes. */
  async function fill(): Promise<number> {
    const pixels = new Uint8Array(IMAGE.rows * IMAGE.columns * 2);
    let bytes = 0;
    const studies = Array.from({ length: STUDIES }, (_, study) => study);
    await forEachConcurrently(studies, 4, async (study) => {
      const place = study % 2 === 0 ? at('spool', 'received', `10.0.0.${study % 8}`) : at('spool', `study-${study}`);
      await mkdir(place, { recursive: true });
      const studyUID = `1.2.3.${study}`;
      for (let index = 0; index < EACH; index++) {
        const file = buildImage({ ...IMAGE, pixels, studyUID, seriesUID: `${studyUID}.1`, sopUID: `${studyUID}.1.${index}` });
        await writeFile(join(place, `${studyUID}.${index}`), file);
        bytes += file.length;
      }
    });
    return bytes;
  }

  async function filesIn(spool: string): Promise<number> {
    const entries = await readdir(spool, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && !entry.parentPath.includes('.storestow')).length;
  }

  it('reach the bucket within bounded memory', async () => {
    expect(await fill()).toBeGreaterThan(MEMORY_LIMIT - 64 * 1024 * 1024);
    const { child, finished } = startStorestow(
      ['upload', '--all', '--spool', at('spool'), '--bucket', `folder:${at('bucket')}`],
      { env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_LIMIT}` } },
    );
    const peaks = await peakMemoryDuring(finished, child.pid ?? 0, 'storestow');
    expect(await finished).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(`^${STUDIES * EACH} uploaded, 0 there already`) as unknown,
    });
    expect(peaks.map(({ peak }) => peak).filter((peak) => peak > MEMORY_LIMIT)).toEqual([]);
    expect(await filesIn(at('spool'))).toBe(0);
    const store = await openFolderStore(at('bucket'));
    const instances = new Map<string, number>();
    for await (const { key } of store.list({ prefix: 'incoming/' })) {
      const study = parseObjectKey(key)?.studyInstanceUID ?? key;
      instances.set(study, (instances.get(study) ?? 0) + 1);
    }
    await store.close();
    expect(instances.size).toBe(STUDIES);
    expect(new Set(instances.values())).toEqual(new Set([EACH]));
  });
});
