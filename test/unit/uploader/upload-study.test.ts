import { mkdir, readdir, readFile, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { uploadSpool } from '../../../local-uploader/upload/upload-spool.ts';
import { uploadStudy, type UploadOptions, type UploadPorts } from '../../../local-uploader/upload/upload-study.ts';
import type { UploadReport } from '../../../local-uploader/upload/upload-report.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import { buildDicom, buildImage, imageElements } from '../../support/build-dicom.ts';
import { canMount, mountSmallDisk } from '../../support/small-disk.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

/** Whole seconds: `utimes` takes fractions as a binary number. */
const HOUR_AGO = new Date(Math.floor(Date.now() / 1000 - 3600) * 1000);
const quick: UploadOptions = {
  site: 'test',
  callingIP: '10.0.0.7',
  after: 'remove',
  concurrency: 4,
  settle: 0,
  patience: 0.3,
  retries: { retries: 2, firstDelay: 1, maxDelay: 2 },
};

describe('the uploader', () => {
  let folder: TemporaryFolder;
  let memory: ObjectStore;

  beforeEach(async () => {
    folder = await temporaryFolder('spool');
    memory = createMemoryStore();
  });
  afterEach(() => folder.remove());

  const at = (...names: string[]): string => join(folder.path, ...names);

  async function lay(path: string, content: Uint8Array | string, modified = HOUR_AGO): Promise<void> {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), content);
    await utimes(at(path), modified, modified);
  }

  const image = (number: number): Uint8Array => buildImage({ sopUID: `1.2.3.${number}`, callingAET: 'CT1' });

  function portsOf(store: ObjectStore): UploadPorts {
    return { store, log: createLog({ level: 'silent' }), now: () => new Date() };
  }

  async function left(): Promise<string[]> {
    const entries = await readdir(folder.path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && !entry.parentPath.includes('.storestow'))
      .map((entry) => relative(folder.path, join(entry.parentPath, entry.name)))
      .sort();
  }

  async function keys(): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of memory.list({ prefix: 'incoming/' })) found.push(key);
    return found;
  }

  function outcomes({ files }: UploadReport): Record<string, string> {
    return Object.fromEntries(
      files.map(({ path, outcome, code }) => [relative(folder.path, path), code === undefined ? outcome : `${outcome} ${code}`]),
    );
  }

  /** The memory store with some operations replaced. */
  function storeWith(replaced: Partial<ObjectStore>): ObjectStore {
    return {
      description: 'double',
      put: (key, body, options) => memory.put(key, body, options),
      get: (key, range) => memory.get(key, range),
      head: (key) => memory.head(key),
      getTags: (key) => memory.getTags(key),
      putTags: (key, tags) => memory.putTags(key, tags),
      list: (options) => memory.list(options),
      delete: (key) => memory.delete(key),
      close: () => memory.close(),
      ...replaced,
    };
  }

  describe('uploadStudy', () => {
    it.skipIf(!canMount())('is done with a folder that cannot go, as a disk is mounted there', async () => {
      const disk = await mountSmallDisk('tmpfs', { bytes: 1 << 20, files: 64, mountPoint: at('study') });
      try {
        await lay('study/a', image(1));
        const report = await uploadStudy(at('study'), portsOf(memory), quick);
        expect([outcomes(report), await left()]).toEqual([{ 'study/a': 'uploaded' }, []]);
      } finally {
        await disk.unmount();
      }
    });

    it('stores each instance with its metadata, removes files and folders, and leaves and lists what is not DICOM', async () => {
      await lay('study/a', image(1));
      await lay('study/series/b', image(2));
      await lay('study/notes.txt', 'call the ward');
      await lay('study/cut', image(3).subarray(0, -10));
      await lay('outside', image(4));
      await symlink(at('outside'), at('study', 'link'));
      await symlink(at(), at('study', 'up'));
      const report = await uploadStudy(at('study'), portsOf(memory), quick);
      expect(outcomes(report)).toEqual({
        'study/a': 'uploaded',
        'study/series/b': 'uploaded',
        'study/notes.txt': 'foreign NOT_PART10',
        'study/cut': 'damaged TRUNCATED',
        'study/link': 'foreign SPOOL_INVALID',
        'study/up': 'foreign SPOOL_INVALID',
      });
      expect(await left()).toEqual(['outside', 'study/cut', 'study/link', 'study/notes.txt', 'study/up']);
      await expect(stat(at('study/series'))).rejects.toMatchObject({ code: 'ENOENT' });
      const [key = ''] = await keys();
      expect(await keys()).toHaveLength(2);
      expect((await memory.head(key))?.metadata).toMatchObject({
        'calling-aet': 'CT1',
        'calling-ip': '10.0.0.7',
        site: 'test',
        'received-at': HOUR_AGO.toISOString(),
      });
      expect(Buffer.from(await (await memory.get(key)).bytes()).equals(image(1))).toBe(true);
    });

    it('removes the emptied folder; one that is gone already counts as done; one that never was does not', async () => {
      await lay('study/a', image(1));
      await uploadStudy(at('study'), portsOf(memory), quick);
      await expect(stat(at('study'))).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await uploadStudy(at('study'), portsOf(memory), quick)).toMatchObject({ files: [], leftToOther: false });
      await expect(uploadStudy(at('other', 'study'), portsOf(memory), quick)).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
    });

    it('keeps, and finds everything present the next time, without sending it again', async () => {
      await lay('study/a', image(1));
      const keep = { ...quick, after: 'keep' } as const;
      const sent: string[] = [];
      const store = storeWith({
        put(key, body, options) {
          if (key.startsWith('incoming/')) sent.push(key);
          return memory.put(key, body, options);
        },
      });
      expect((await uploadStudy(at('study'), portsOf(store), keep)).files).toMatchObject([
        { outcome: 'uploaded', after: 'kept' },
      ]);
      expect((await uploadStudy(at('study'), portsOf(store), keep)).files).toMatchObject([{ outcome: 'present', after: 'kept' }]);
      expect(sent).toHaveLength(1);
      expect(await left()).toEqual(['study/a']);
    });

    it('moves, and never over another file', async () => {
      await lay('study/series/a', image(1));
      await lay('done/study/series/a', 'of an earlier study');
      const report = await uploadStudy(at('study'), portsOf(memory), { ...quick, after: 'move', moveTo: at('done') });
      expect(report.files).toMatchObject([{ outcome: 'uploaded', after: 'moved' }]);
      const names = await left();
      expect(names).toEqual(['done/study/series/a', expect.stringMatching(/^done\/study\/series\/a~[0-9a-f]{12}$/)]);
      expect((await readFile(at(names[1] ?? ''))).equals(image(1))).toBe(true);
    });

    it('needs to know where to move', async () => {
      await lay('study/a', image(1));
      await expect(uploadStudy(at('study'), portsOf(memory), { ...quick, after: 'move' })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
      });
    });

    it.each([
      ['the folder itself', 'study', 'study'],
      ['a folder below it', 'study', 'study/done/deep'],
      ['the folder beside which it lies', 'study', '.'],
      ['the spool that it lies in', 'spool/study', 'spool/done'],
      ['the same by a link', 'spool/study', 'link/done'],
    ])('does not move where it would be uploaded again: %s', async (_, source, moveTo) => {
      await mkdir(at('spool', 'receiving'), { recursive: true });
      await symlink(at('spool'), at('link'));
      await lay(`${source}/a`, image(1));
      const options: UploadOptions = { ...quick, after: 'move', moveTo: at(moveTo) };
      await expect(uploadStudy(at(source), portsOf(memory), options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      const whole = uploadSpool(dirname(at(source)), portsOf(memory), options);
      await expect(whole).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      expect(await keys()).toEqual([]);
      expect(await left()).toEqual(['link', `${source}/a`]);
    });

    it('moves to a place that holds the spool', async () => {
      await lay('deep/spool/study/a', image(1));
      await lay('deep/spool/b', image(2));
      await mkdir(at('deep', 'spool', 'receiving'));
      await uploadSpool(at('deep', 'spool'), portsOf(memory), { ...quick, after: 'move', moveTo: folder.path });
      expect(await left()).toEqual(['spool/b', 'study/a']);
    });

    it('leaves a file that is being written for the next run, and takes it when it has settled', async () => {
      await lay('study/young', image(1), new Date());
      await lay('study/old', image(2));
      const report = await uploadStudy(at('study'), portsOf(memory), { ...quick, settle: 60 });
      expect(outcomes(report)).toEqual({ 'study/young': 'waiting', 'study/old': 'uploaded' });
      expect(await left()).toEqual(['study/young']);
      const later = { ...portsOf(memory), now: () => new Date(Date.now() + 61_000) };
      expect(outcomes(await uploadStudy(at('study'), later, { ...quick, settle: 60 }))).toEqual({ 'study/young': 'uploaded' });
    });

    it('waits within its patience for a file to settle', async () => {
      await lay('study/young', image(1), new Date());
      const report = await uploadStudy(at('study'), portsOf(memory), { ...quick, settle: 0.2, patience: 20 });
      expect(outcomes(report)).toEqual({ 'study/young': 'uploaded' });
    });

    it('does not remove a file that was replaced after it was read, and uploads the new content', async () => {
      await lay('study/a', image(1));
      await lay('new', image(2));
      let replaced = false;
      const store = storeWith({
        async put(key, body, options) {
          if (!replaced) await rename(at('new'), at('study/a'));
          replaced = true;
          return memory.put(key, body, options);
        },
      });
      const report = await uploadStudy(at('study'), portsOf(store), quick);
      expect(outcomes(report)).toEqual({ 'study/a': 'uploaded' });
      expect((await keys()).map((key) => parseObjectKey(key)?.sopInstanceUID)).toEqual(['1.2.3.1', '1.2.3.2']);
      expect(await left()).toEqual([]);
    });

    it('keeps what was written to a file after it was read', async () => {
      await lay('study/a', image(1));
      const store = storeWith({
        async put(key, body, options) {
          const answer = await memory.put(key, body, options);
          await writeFile(at('study/a'), 'x', { flag: 'a' });
          return answer;
        },
      });
      const report = await uploadStudy(at('study'), portsOf(store), quick);
      expect(outcomes(report)).toEqual({ 'study/a': 'damaged TRUNCATED' });
      expect(await left()).toEqual(['study/a']);
    });

    it('puts both contents under one SOP Instance UID into the bucket', async () => {
      await lay('study/a', image(1));
      await lay('study/b', buildImage({ sopUID: '1.2.3.1', callingAET: 'CT1', rows: 8 }));
      await uploadStudy(at('study'), portsOf(memory), quick);
      expect((await keys()).map((key) => parseObjectKey(key)?.sopInstanceUID)).toEqual(['1.2.3.1', '1.2.3.1']);
    });

    it('one that fails does not stop the others; what a later try can help is said', async () => {
      for (const number of [1, 2, 3]) await lay(`study/${number}`, image(number));
      const store = storeWith({
        async put(key, body, options) {
          if (key.includes('1.2.3.1~')) throw new StorestowError('STORE_DENIED', 'no');
          if (key.includes('1.2.3.2~')) throw new StorestowError('STORE_UNAVAILABLE', 'down');
          return memory.put(key, body, options);
        },
      });
      const report = await uploadStudy(at('study'), portsOf(store), quick);
      expect(report.files).toMatchObject([
        { outcome: 'failed', code: 'STORE_DENIED', retryable: false },
        { outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true },
        { outcome: 'uploaded' },
      ]);
      expect(await left()).toEqual(['study/1', 'study/2']);
    });

    it('asks again after an answer that got lost, and stores once', async () => {
      await lay('study/a', image(1));
      let puts = 0;
      const store = storeWith({
        async put(key, body, options) {
          const answer = await memory.put(key, body, options);
          puts += 1;
          if (puts === 1) throw new StorestowError('STORE_UNAVAILABLE', 'connection reset');
          return answer;
        },
      });
      expect((await uploadStudy(at('study'), portsOf(store), quick)).files).toMatchObject([
        { outcome: 'present', after: 'removed' },
      ]);
      expect(await keys()).toHaveLength(1);
    });

    it.each([
      ['another size', { size: 1 }, 'CONFLICT'],
      ['other bytes', { sha256: '0'.repeat(64) }, 'CONFLICT'],
      ['nothing', undefined, 'STORE_UNAVAILABLE'],
    ])('removes nothing when the bucket, which told no digest and is asked, has %s', async (_, wrong, code) => {
      await lay('study/a', image(1));
      const store = storeWith({
        async put(key, body, options) {
          const { etag } = await memory.put(key, body, options);
          return { etag };
        },
        async head(key) {
          const head = await memory.head(key);
          return head === undefined || wrong === undefined ? undefined : { ...head, ...wrong };
        },
      });
      expect(outcomes(await uploadStudy(at('study'), portsOf(store), quick))).toEqual({ 'study/a': `failed ${code}` });
      expect(await left()).toEqual(['study/a']);
    });

    it('believes the digest that the bucket found in what it got, and no other', async () => {
      for (const number of [1, 2]) await lay(`study/${number}`, image(number));
      const asked: string[] = [];
      const store = storeWith({
        async put(key, body, options) {
          const answer = await memory.put(key, body, options);
          return key.includes('1.2.3.2~') ? { ...answer, sha256: '0'.repeat(64) } : answer;
        },
        async head(key) {
          asked.push(parseObjectKey(key)?.sopInstanceUID ?? key);
          return memory.head(key);
        },
      });
      const report = await uploadStudy(at('study'), portsOf(store), quick);
      expect(report.files).toMatchObject([{ outcome: 'uploaded' }, { outcome: 'uploaded' }]);
      expect(asked).toEqual(['1.2.3.2']);
    });

    it('has the memory of a file for the next one when the bucket has told that it got all of it, and not before', async () => {
      const used = async (tells: boolean): Promise<readonly ArrayBufferLike[]> => {
        for (const number of [1, 2, 3]) await lay(`study/${number}`, image(number));
        const buffers: ArrayBufferLike[] = [];
        const store = storeWith({
          async put(key, body, options) {
            if (key.startsWith('incoming/') && body instanceof Uint8Array) buffers.push(body.buffer);
            const { sha256, ...answer } = await memory.put(key, body, options);
            return tells && sha256 !== undefined ? { ...answer, sha256 } : answer;
          },
        });
        await uploadStudy(at('study'), portsOf(store), { ...quick, concurrency: 1 });
        for (const key of await keys()) {
          const head = await memory.head(key);
          expect([head?.sha256?.slice(0, 12), head?.metadata['sha256']]).toEqual([parseObjectKey(key)?.digest, head?.sha256]);
          await memory.delete(key);
        }
        return buffers;
      };
      expect(new Set(await used(true)).size).toBe(1);
      expect(new Set(await used(false)).size).toBe(3);
    });

    it('removes nothing when the key has other bytes', async () => {
      await lay('study/a', image(1));
      await uploadStudy(at('study'), portsOf(memory), { ...quick, after: 'keep' });
      const [key = ''] = await keys();
      await memory.put(key, new Uint8Array(5));
      expect(outcomes(await uploadStudy(at('study'), portsOf(memory), quick))).toEqual({ 'study/a': 'failed CONFLICT' });
      expect(await left()).toEqual(['study/a']);
    });

    it('finishes what a run left that died between the look and the removal', async () => {
      await lay('study/a.uploaded', image(1));
      expect(outcomes(await uploadStudy(at('study'), portsOf(memory), quick))).toEqual({ 'study/a.uploaded': 'uploaded' });
      expect(await left()).toEqual([]);
    });

    it('streams files too large for memory', async () => {
      await lay('study/large', buildImage({ sopUID: '1.2.3.9', pixels: new Uint8Array(17 * 1024 * 1024) }));
      let streamed = false;
      const store = storeWith({
        put(key, body, options) {
          streamed ||= !(body instanceof Uint8Array);
          return memory.put(key, body, options);
        },
      });
      expect(outcomes(await uploadStudy(at('study'), portsOf(store), quick))).toEqual({ 'study/large': 'uploaded' });
      expect(streamed).toBe(true);
    });
  });

  describe('uploadSpool', () => {
    it('takes received instances with their address, study folders and loose files, and leaves what is being received', async () => {
      await lay('received/192.168.1.7/x', image(1), new Date());
      await lay('received/2001:db8::7/y', image(2), new Date());
      await lay('1.2.840.1/z', image(3));
      await lay('loose', image(4));
      await lay('receiving/young', image(5), new Date());
      await lay('receiving/abandoned', image(6));
      const reports = await uploadSpool(folder.path, portsOf(memory), { ...quick, settle: 1, callingIP: '127.0.0.1' });
      expect(
        (await keys())
          .map((key) => parseObjectKey(key))
          .map((parts) => [parts?.sopInstanceUID, parts?.callingIP])
          .sort(),
      ).toEqual([
        ['1.2.3.1', '192.168.1.7'],
        ['1.2.3.2', '2001:db8::7'],
        ['1.2.3.3', '127.0.0.1'],
        ['1.2.3.4', '127.0.0.1'],
        ['1.2.3.6', '127.0.0.1'],
      ]);
      expect(await left()).toEqual(['receiving/young']);
      expect(reports.flatMap(({ files }) => files).every(({ outcome }) => outcome === 'uploaded')).toBe(true);
      expect((await readdir(folder.path)).sort()).toEqual(['.storestow', 'received', 'receiving']);
      expect(await readdir(at('received'))).toHaveLength(2);
      expect(await readdir(at('.storestow'))).toEqual([]);
    });

    it('lists from one room what its folders have, and counts all of it', async () => {
      for (const [index, name] of ['1.2.840.1/a', '1.2.840.1/b', '1.2.840.2/a', 'received/10.0.0.1/a'].entries())
        await lay(name, image(index));
      await lay('1.2.840.2/text', Buffer.from('no DICOM, and long enough to be looked at as such'.repeat(10)));
      const listed = { done: 1, others: 1 };
      const reports = await uploadSpool(folder.path, portsOf(memory), { ...quick, listed });
      const files = reports.flatMap((report) => report.files).map(({ outcome }) => outcome);
      expect(files.sort()).toEqual(['foreign', 'uploaded']);
      expect(reports.map(({ counts }) => counts.uploaded).reduce((a, b) => a + b)).toBe(4);
    });

    it('leaves the folder of a study that storescp may still be at', async () => {
      await lay('1.2.840.1/z', image(3), new Date(Date.now() - 5000));
      await mkdir(at('just-made'));
      await uploadSpool(folder.path, portsOf(memory), quick);
      expect(await left()).toEqual([]);
      expect((await readdir(folder.path)).sort()).toEqual(['.storestow', '1.2.840.1', 'just-made']);
    });

    const uploadAll = async (): Promise<Record<string, string>> => {
      const reports = await uploadSpool(folder.path, portsOf(memory), quick);
      return Object.assign({}, ...reports.map(outcomes)) as Record<string, string>;
    };

    it('sets old files aside that are foreign or damaged, under their paths, and does not look at them again', async () => {
      const cut = image(1).subarray(0, -10);
      for (const place of ['', 'received/', 'received/10.0.0.1/', 'receiving/', 'study/series/']) {
        await lay(`${place}notes`, 'call the ward');
        await lay(`${place}cut`, cut);
      }
      await lay('study/series/whole', image(2));
      const said = await uploadAll();
      expect(Object.values(said).sort()).toEqual([
        ...Array<string>(5).fill('damaged TRUNCATED'),
        ...Array<string>(5).fill('foreign NOT_PART10'),
        'uploaded',
      ]);
      const aside = (name: string, kind: string): string[] =>
        ['', 'received/', 'received/10.0.0.1/', 'receiving/', 'study/series/'].map(
          (place) => `set-aside/${kind}/${place}${name}`,
        );
      expect(await left()).toEqual([...aside('cut', 'damaged'), ...aside('notes', 'foreign')].sort());
      expect((await readFile(at('set-aside/damaged/study/series/cut'))).equals(cut)).toBe(true);
      expect((await readdir(folder.path)).sort()).toEqual(['.storestow', 'received', 'receiving', 'set-aside']);
      expect(await uploadAll()).toEqual({});
      await writeFile(at('set-aside/damaged/received/10.0.0.1/cut'), image(1));
      await rename(at('set-aside/damaged/received/10.0.0.1/cut'), at('received/10.0.0.1/cut'));
      expect(await uploadAll()).toEqual({ 'received/10.0.0.1/cut': 'uploaded' });
      expect((await keys()).map((key) => parseObjectKey(key)?.sopInstanceUID)).toEqual(['1.2.3.1', '1.2.3.2']);
    });

    it('leaves young ones where they are, and links in any case', async () => {
      const minutesAgo = new Date(Date.now() - 5 * 60_000);
      await lay('study/notes', 'call the ward', minutesAgo);
      await lay('received/10.0.0.1/cut', image(1).subarray(0, -10), minutesAgo);
      await symlink('notes', at('study', 'link'));
      const expected = {
        'study/notes': 'foreign NOT_PART10',
        'study/link': 'foreign SPOOL_INVALID',
        'received/10.0.0.1/cut': 'damaged TRUNCATED',
      };
      expect(await uploadAll()).toEqual(expected);
      expect(await uploadAll()).toEqual(expected);
      expect(await left()).toEqual(Object.keys(expected).sort());
    });

    it('lists a state folder that is not its own, and looks into neither', async () => {
      await lay('study/series/.storestow/a', image(1));
      await lay('received/10.0.0.1/inner/.storestow/b', image(2));
      await lay('.storestow/c', image(3));
      expect(await uploadAll()).toEqual({
        'study/series/.storestow': 'foreign SPOOL_INVALID',
        'received/10.0.0.1/inner/.storestow': 'foreign SPOOL_INVALID',
      });
      expect(await keys()).toEqual([]);
    });

    it('leaves what cannot be set aside where it is, and lists it', async () => {
      await lay('study/notes', 'call the ward');
      await mkdir(at('outside'));
      await symlink('outside', at('set-aside'));
      expect(await uploadAll()).toEqual({ 'study/notes': 'foreign NOT_PART10', 'set-aside': 'foreign SPOOL_INVALID' });
      expect(await left()).toEqual(['set-aside', 'study/notes']);
    });

    it('takes no image without its pixels that storescp has left, and no file that has lost its bytes for a stray one', async () => {
      const cut = buildDicom({ elements: imageElements({ sopUID: '1.2.3.1' }).filter(({ tag }) => tag !== 0x7fe00010) });
      const zeros = new Uint8Array(5000);
      for (const place of ['receiving', 'received/10.0.0.1', 'study']) {
        await lay(`${place}/cut`, cut);
        await lay(`${place}/empty`, '');
        await lay(`${place}/zeros`, zeros);
      }
      await lay(
        'receiving/report',
        buildDicom({
          elements: imageElements({ sopClassUID: '1.2.840.10008.5.1.4.1.1.88.11' }).filter(({ tag }) => tag < 0x00280000),
        }),
      );
      expect(await uploadAll()).toEqual({
        'receiving/cut': 'damaged TRUNCATED',
        'receiving/empty': 'damaged TRUNCATED',
        'receiving/zeros': 'damaged TRUNCATED',
        'receiving/report': 'uploaded',
        'received/10.0.0.1/cut': 'uploaded',
        'received/10.0.0.1/empty': 'damaged TRUNCATED',
        'received/10.0.0.1/zeros': 'damaged TRUNCATED',
        'study/cut': 'uploaded',
        'study/empty': 'foreign NOT_PART10',
        'study/zeros': 'foreign NOT_PART10',
      });
    });

    it('puts both contents under one SOP Instance UID of one sender into the bucket, whatever order and run they come in', async () => {
      await lay('received/10.0.0.1/a', image(1));
      await lay('received/10.0.0.1/b', buildImage({ sopUID: '1.2.3.1', callingAET: 'CT1', rows: 8 }));
      await uploadAll();
      await lay('received/10.0.0.1/a', buildImage({ sopUID: '1.2.3.1', callingAET: 'CT1', rows: 4 }));
      expect(await uploadAll()).toEqual({ 'received/10.0.0.1/a': 'uploaded' });
      const found = (await keys()).map((key) => parseObjectKey(key));
      expect(found.map((parts) => parts?.sopInstanceUID)).toEqual(['1.2.3.1', '1.2.3.1', '1.2.3.1']);
      expect(new Set(found.map((parts) => parts?.digest)).size).toBe(3);
      expect(await left()).toEqual([]);
    });

    it('works off more folders than are locked at once, those first in which nothing has come since longest', async () => {
      const count = 300;
      for (let number = 0; number < count; number++) await lay(`study-${number}/a`, image(number));
      const report = await uploadAll();
      expect(Object.values(report)).toEqual(Array<string>(count).fill('uploaded'));
      expect(await left()).toEqual([]);
    });

    it('says that a spool is missing', async () => {
      await expect(uploadSpool(at('nowhere'), portsOf(memory), quick)).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
    });
  });
});
