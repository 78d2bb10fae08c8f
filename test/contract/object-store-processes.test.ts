/** The embedded bucket is shared by processes, and outlives them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

interface Writer {
  readonly child: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<unknown>;
  /** Complete lines so far. */
  lines(): string[];
}

interface WriterOptions {
  readonly name: string;
  readonly prefix: string;
  readonly count: number;
  readonly size: number;
  readonly concurrency: number;
  readonly condition?: 'ifAbsent';
}

describe('the embedded bucket and its processes', () => {
  let folder: TemporaryFolder;
  let writers: Writer[];

  beforeEach(async () => {
    folder = await temporaryFolder('processes');
    writers = [];
  });
  afterEach(async () => {
    for (const { child } of writers) child.kill('SIGKILL');
    await Promise.all(writers.map(({ ended }) => ended));
    await folder.remove();
  });

  function startWriter({ name, prefix, count, size, concurrency, condition }: WriterOptions): Writer {
    const script = join(import.meta.dirname, 'object-store-writer.ts');
    const args = [script, folder.path, name, prefix, count, size, concurrency, condition ?? ''].map(String);
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = once(child, 'close').then(([exitCode]: unknown[]) => exitCode);
    const writer = { child, ended, lines: () => output.split('\n').slice(0, -1) };
    writers.push(writer);
    return writer;
  }

  function arrivals(store: FolderStore): string[] {
    const database = new DatabaseSync(store.databasePath, { readOnly: true });
    const rows = database.prepare('SELECT key FROM arrivals ORDER BY key').all();
    database.close();
    return rows.map((row) => String(row['key']));
  }

  async function expectComplete(store: FolderStore): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key, size } of store.list()) {
      keys.push(key);
      const object = await store.get(key);
      const body = await object.bytes();
      expect(body.length).toBe(size);
      expect(createHash('sha256').update(body).digest('hex')).toBe(object.head.sha256);
    }
    return keys;
  }

  async function filesOnDisk(): Promise<string[]> {
    const found = await readdir(join(folder.path, 'objects'), { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  it('lets exactly one of several processes put an absent key, with exactly one arrival', async () => {
    const count = 150;
    const names = ['a', 'b', 'c', 'd'];
    // All at once, on a folder that does not exist yet: creating it is part of the race.
    for (const name of names)
      startWriter({ name, prefix: 'incoming/raced/', count, size: 3000, concurrency: 16, condition: 'ifAbsent' });
    expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0]);
    const outcomes = writers.flatMap((writer, index) => writer.lines().map((line) => [names[index], ...line.split(' ')]));
    expect(outcomes).toHaveLength(count * names.length);
    const won = outcomes.filter(([, , outcome]) => outcome === 'won');
    expect(new Set(won.map(([, key]) => key)).size).toBe(count);
    expect(won).toHaveLength(count);
    expect(new Set(outcomes.map(([, , outcome]) => outcome))).toEqual(new Set(['won', 'PRECONDITION_FAILED']));

    const store = await openFolderStore(folder.path);
    const keys = await expectComplete(store);
    expect(arrivals(store)).toEqual(keys);
    for (const [name, key = ''] of won) expect(await store.getTags(key)).toEqual({ writer: name });
    await store.close();
    // The losers' bytes are gone.
    expect(await filesOnDisk()).toHaveLength(count);
    expect(await readdir(join(folder.path, 'writing'))).toEqual([]);
  });

  it('keeps one whole version where several processes overwrite each other', async () => {
    const count = 40;
    for (const name of ['a', 'b', 'c']) startWriter({ name, prefix: 'incoming/same/', count, size: 20_000, concurrency: 8 });
    expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    expect(writers.flatMap((writer) => writer.lines()).filter((line) => !line.endsWith(' won'))).toEqual([]);
    const store = await openFolderStore(folder.path);
    const keys = await expectComplete(store);
    expect(keys).toHaveLength(count);
    for (const key of keys) {
      const { writer = '' } = await store.getTags(key);
      const body = Buffer.from(await (await store.get(key)).bytes()).toString();
      expect(body.startsWith(`${writer} `)).toBe(true);
    }
    expect(arrivals(store)).toHaveLength(3 * count);
    await store.close();
    expect(await filesOnDisk()).toHaveLength(count);
  });

  it('has every acknowledged object, whole, after kill -9 in the middle', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const writer = startWriter({
        name: 'killed',
        prefix: `incoming/round-${round}/`,
        count: 2000,
        size: 100_000,
        concurrency: 16,
      });
      await waitUntil('some objects', () => writer.lines().length >= 25 + 20 * round, { interval: 1 });
      writer.child.kill('SIGKILL');
      await writer.ended;
      expect(writer.lines().length).toBeLessThan(2000);
      acknowledged.push(...writer.lines().map((line) => line.replace(/ won$/, '')));
    }
    const store = await openFolderStore(folder.path);
    const keys = await expectComplete(store);
    expect(keys).toEqual(expect.arrayContaining(acknowledged));
    expect(arrivals(store)).toEqual(keys);
    // A process that goes on is not disturbed by what the dead ones left.
    await store.put('after', Buffer.from('x'), { ifAbsent: true });
    await store.close();
  });
});
