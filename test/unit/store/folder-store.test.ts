/** What the embedded bucket does on its own disk; the contract suite has the rest. */
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inTransaction } from '../../../core/shared-database.ts';
import { databaseError, openBucketDatabase } from '../../../core/store/bucket-database.ts';
import { openFolderStore, type FolderStore } from '../../../core/store/folder-store.ts';
import { GroupCommit } from '../../../core/store/group-commit.ts';
import { fileError, ObjectFiles } from '../../../core/store/object-files.ts';
import { openStore } from '../../../core/store/open-store.ts';
import { StorestowError } from '../../../core/errors.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('the folder store', () => {
  let folder: TemporaryFolder;
  let path: string;
  let store: FolderStore;

  beforeEach(async () => {
    folder = await temporaryFolder('folder-store');
    path = join(folder.path, 'new', 'bucket');
    store = await openFolderStore(path);
  });
  afterEach(async () => {
    await store.close();
    await folder.remove();
  });

  async function files(): Promise<string[]> {
    const found = await readdir(join(path, 'objects'), { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  it('says in its own words that the disk fails, where what was begun cannot be taken back either', async () => {
    await rm(join(path, 'writing'), { recursive: true });
    await writeFile(join(path, 'writing'), '');
    await expect(store.put('key', text('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('is a folder that its owner alone may read', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it('is what a configuration of kind folder opens', async () => {
    await store.put('key', text('x'));
    const other = await openStore({ kind: 'folder', path });
    expect(other.description).toBe(`folder ${path}`);
    expect((await other.head('key'))?.size).toBe(1);
    await other.close();
  });

  it('keeps objects over a restart', async () => {
    await store.put('key', text('kept'), { tags: { a: 'b' }, metadata: { c: 'd' } });
    const head = await store.head('key');
    await store.close();
    store = await openFolderStore(path);
    expect(await store.head('key')).toEqual({ ...head, asOf: expect.any(Date) as Date });
    expect(await store.getTags('key')).toEqual({ a: 'b' });
    expect(Buffer.from(await (await store.get('key')).bytes()).toString()).toBe('kept');
  });

  it('writes one arrival for each put below incoming/, and none for tags, failures, deletions and other objects', async () => {
    const { etag } = await store.put('incoming/key', text('12345'));
    await store.putTags('incoming/key', { a: 'b' });
    await store.put('incoming/key', text('x'), { ifAbsent: true }).catch(() => undefined);
    await store.put('incoming/other', text('x'), { sha256: '0'.repeat(64) }).catch(() => undefined);
    await store.delete('incoming/key');
    for (const key of ['rules/key', 'leases/incoming/key', 'incoming']) await store.put(key, text('12345'));
    const database = new DatabaseSync(store.databasePath);
    expect(database.prepare('SELECT key, size, etag, receives, receipt, dead, error FROM arrivals').all()).toEqual([
      { key: 'incoming/key', size: 5, etag, receives: 0, receipt: null, dead: 0, error: null },
    ]);
    expect(database.prepare('SELECT at = visible_at AS same, abs(at - ?) < 60000 AS now FROM arrivals').get(Date.now())).toEqual({
      same: 1,
      now: 1,
    });
    database.close();
  });

  it('leaves no file behind: overwritten, deleted, refused', async () => {
    await store.put('key', text('1'));
    await store.put('key', text('2'));
    await store.put('key', text('3'), { ifMatch: 'other' }).catch(() => undefined);
    await store.put('key', text('4'), { sha256: '0'.repeat(64) }).catch(() => undefined);
    await store.put('gone', text('5'));
    await store.delete('gone');
    expect(await files()).toHaveLength(1);
    expect(await readdir(join(path, 'writing'))).toEqual([]);
    const database = new DatabaseSync(store.databasePath);
    expect(database.prepare('SELECT * FROM discarded').all()).toEqual([]);
    database.close();
  });

  it('notices bytes that changed on the disk', async () => {
    await store.put('key', text('as it was'));
    const [file = ''] = await files();
    await writeFile(file, 'as it Was');
    await expect((await store.get('key')).bytes()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await expect((await store.get('key')).stream().toArray()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await writeFile(file, 'as');
    await expect((await store.get('key', { start: 0, end: 5 })).bytes()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    await rm(file);
    await expect(store.get('key')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('clears what dead processes left, after an hour, and nothing that a row names', async () => {
    await store.put('key', text('kept'));
    const [kept = ''] = await files();
    const name = kept.split('/').at(-1) ?? '';
    const old = new Date(Date.now() - 2 * 3_600_000);
    const orphan = `${'ab'.repeat(32)}.${'0'.repeat(16)}`;
    const discarded = `${'cd'.repeat(32)}.${'0'.repeat(16)}`;
    const fresh = `${'ef'.repeat(32)}.${'0'.repeat(16)}`;
    // As after a crash behind the commit, before it, after an overwrite; and one that is still being written.
    await writeFile(join(path, 'writing', name), 'kept');
    await writeFile(join(path, 'writing', orphan), 'x');
    await writeFile(join(path, 'objects', 'ab', orphan), 'x');
    await writeFile(join(path, 'objects', 'cd', discarded), 'x');
    await writeFile(join(path, 'writing', fresh), 'x');
    for (const left of [name, orphan]) await utimes(join(path, 'writing', left), old, old);
    const database = new DatabaseSync(store.databasePath);
    database.prepare('INSERT INTO discarded (file) VALUES (?)').run(discarded);
    database.close();

    await store.close();
    store = await openFolderStore(path);
    expect(await files()).toEqual([kept]);
    expect(await readdir(join(path, 'writing'))).toEqual([fresh]);
    expect(Buffer.from(await (await store.get('key')).bytes()).toString()).toBe('kept');
  });

  it('stores nothing under a file that was cleared away meanwhile', async () => {
    // As if this process had been stopped for more than an hour, and another one had cleared up.
    const write = vi.spyOn(ObjectFiles.prototype, 'write').mockImplementationOnce(async (key, body) => {
      const files = new ObjectFiles(path);
      const written = await files.write(key, body);
      files.removeNow(written.name);
      return written;
    });
    await expect(store.put('key', text('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    write.mockRestore();
    expect(await store.head('key')).toBeUndefined();
    expect(await readdir(join(path, 'writing'))).toEqual([]);
  });

  it('says what is wrong with its folder', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, 'not a folder');
    await expect(openFolderStore(file)).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) as string });
    const broken = join(folder.path, 'broken');
    await mkdir(broken);
    await writeFile(join(broken, 'bucket.sqlite'), 'this is no database at all'.repeat(100));
    await expect(openFolderStore(broken)).rejects.toMatchObject({ code: 'STORE_INVALID' });
  });

  it('refuses a database of a later version', async () => {
    await store.close();
    const database = new DatabaseSync(store.databasePath);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(openFolderStore(path)).rejects.toMatchObject({ code: 'STORE_INVALID' });
  });

  it('takes bytes and names from outside as they are', async () => {
    // The key reaches the disk as a digest only.
    await store.put('"; DROP TABLE objects; --', text('x'));
    expect((await files()).every((file) => /\/objects\/([0-9a-f]{2})\/\1[0-9a-f]{62}\.[0-9a-f]{16}$/.test(file))).toBe(true);
    await rename(join(path, 'objects'), join(path, 'moved'));
    await expect(store.put('key', text('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await rename(join(path, 'moved'), join(path, 'objects'));
    expect(await readdir(join(path, 'writing'))).toEqual([]);
    await store.put('key', text('x'));
  });
});

describe('a folder that cannot be synced', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('unsynced');
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await folder.remove();
  });

  /** From now on. */
  async function failSync(path: string, code: string): Promise<void> {
    const handle = await open(path);
    const { ino } = await handle.stat();
    await handle.close();
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    const sync = Reflect.get(prototype, 'sync');
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      if ((await this.stat()).ino === ino) throw Object.assign(new Error('as the test wants it'), { code });
      return sync.call(this);
    });
  }

  it.each(['EACCES', 'EINVAL', 'EROFS', 'EPERM'])('above the bucket stands in no way (%s)', async (code) => {
    await failSync(folder.path, code);
    await new ObjectFiles(join(folder.path, 'bucket')).prepare();
    expect(await readdir(join(folder.path, 'bucket', 'objects'))).toHaveLength(256);
  });

  it.each([
    ['above the bucket, whose disk fails', 'EIO', '.', 'STORE_UNAVAILABLE'],
    ['the bucket itself', 'EROFS', 'bucket', 'STORE_DENIED'],
  ])('%s', async (_name, errno, path, code) => {
    await mkdir(join(folder.path, 'bucket'));
    await failSync(join(folder.path, path), errno);
    await expect(new ObjectFiles(join(folder.path, 'bucket')).prepare()).rejects.toMatchObject({ code });
  });
});

describe('the database of the folder store', () => {
  let folder: TemporaryFolder;
  let path: string;
  let database: DatabaseSync;

  beforeEach(async () => {
    folder = await temporaryFolder('database');
    path = join(folder.path, 'bucket.sqlite');
    database = openBucketDatabase(path);
    database.exec('CREATE TABLE rows (value TEXT NOT NULL UNIQUE) STRICT');
  });
  afterEach(async () => {
    database.close();
    await folder.remove();
  });

  const values = (): unknown[] =>
    database
      .prepare('SELECT value FROM rows ORDER BY value')
      .all()
      .map((row) => row['value']);
  const insert = (value: string): void => void database.prepare('INSERT INTO rows VALUES (?)').run(value);

  it('waits for the disk at each commit', () => {
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
  });

  it('rolls back what fails', () => {
    expect(() =>
      inTransaction(database, () => {
        insert('a');
        throw new Error('fails');
      }),
    ).toThrow('fails');
    expect(values()).toEqual([]);
    expect(database.isTransaction).toBe(false);
  });

  it('commits in groups; a refused step fails alone', async () => {
    const commits = new GroupCommit(database, path);
    const results = await Promise.allSettled([
      commits.run(() => insert('a')),
      commits.run(() => {
        throw new StorestowError('PRECONDITION_FAILED', 'refused');
      }),
      commits.run(() => (insert('b'), 'result')),
    ]);
    expect(results).toEqual([
      { status: 'fulfilled', value: undefined },
      { status: 'rejected', reason: expect.objectContaining({ code: 'PRECONDITION_FAILED' }) as unknown },
      { status: 'fulfilled', value: 'result' },
    ]);
    expect(values()).toEqual(['a', 'b']);
  });

  it('commits nothing of a group with a step that fails in the database', async () => {
    const commits = new GroupCommit(database, path);
    insert('taken');
    const results = await Promise.allSettled([commits.run(() => insert('a')), commits.run(() => insert('taken'))]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(values()).toEqual(['taken']);
    await commits.run(() => insert('later'));
    expect(values()).toEqual(['later', 'taken']);
  });

  it('says that the disk is full', async () => {
    database.exec(`PRAGMA max_page_count = ${Number(database.prepare('PRAGMA page_count').get()?.['page_count']) + 2}`);
    const commits = new GroupCommit(database, path);
    await expect(commits.run(() => insert('x'.repeat(100_000)))).rejects.toMatchObject({ code: 'STORE_FULL', retryable: true });
    await commits.run(() => insert('small'));
    expect(values()).toEqual(['small']);
  });

  it.each([
    [5, 'STORE_UNAVAILABLE'],
    [261, 'STORE_UNAVAILABLE'],
    [8, 'STORE_DENIED'],
    [10, 'STORE_UNAVAILABLE'],
    [11, 'STORE_INVALID'],
    [13, 'STORE_FULL'],
    [14, 'STORE_DENIED'],
    [26, 'STORE_INVALID'],
    [1, 'INTERNAL'],
  ])('result code %d → %s', (errcode, code) => {
    expect(databaseError(Object.assign(new Error('m'), { errcode }), path)).toMatchObject({ code, object: path });
  });
});

describe('errors of files', () => {
  it.each([
    ['ENOSPC', 'STORE_FULL'],
    ['EDQUOT', 'STORE_FULL'],
    ['EACCES', 'STORE_DENIED'],
    ['EROFS', 'STORE_DENIED'],
    ['EIO', 'STORE_UNAVAILABLE'],
    ['EMFILE', 'STORE_UNAVAILABLE'],
  ])('%s → %s', async (system, code) => {
    expect(fileError(Object.assign(new Error('m'), { code: system }), '/path')).toMatchObject({ code, object: '/path' });
  });

  it('come from the real thing', async () => {
    const thrown = await readFile('/nowhere/at/all').catch((error: unknown) => error);
    expect(fileError(thrown, '/nowhere')).toMatchObject({ code: 'STORE_UNAVAILABLE', cause: thrown });
    const bug = new TypeError('x');
    expect(fileError(bug, '/path')).toBe(bug);
  });
});
