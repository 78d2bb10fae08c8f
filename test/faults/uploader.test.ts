/** The uploader as real processes: killed at any moment, several at once, woken while another ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { buildImage } from '../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import type { PlannedUpload, UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const LOCKER = fileURLToPath(new URL('./uploader-lock-process.ts', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
}

interface Process {
  readonly child: ChildProcess;
  /** Resolves when it has printed so many lines of this beginning. */
  printed(beginning: string, count: number): Promise<void>;
  readonly ended: Promise<Ended>;
}

function start(script: string, ...args: readonly string[]): Process {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const watcher of watchers) watcher();
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout }));
  return {
    child,
    ended,
    printed: (beginning, count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stdout.split('\n').filter((line) => line.startsWith(beginning)).length >= count) resolve();
        };
        watchers.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended without ${count} × ${beginning}:\n${stdout}`)));
      }),
  };
}

describe('the uploader as a process', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('uploader');
    await mkdir(study());
  });
  afterEach(() => folder.remove());

  const study = (): string => join(folder.path, 'study');
  const bucket = (): string => join(folder.path, 'bucket');

  async function fill(count: number, from = 0): Promise<void> {
    for (let index = from; index < from + count; index++) {
      await writeFile(join(study(), String(index)), buildImage({ sopUID: `1.2.3.${index + 1}` }));
    }
  }

  /** The instances in the bucket, each object once, and the arrivals that were announced. */
  async function inBucket(): Promise<string[]> {
    const store = await openFolderStore(bucket());
    try {
      const uids: string[] = [];
      for await (const { key } of store.list({ prefix: 'incoming/' })) uids.push(parseObjectKey(key)?.sopInstanceUID ?? key);
      return uids.sort();
    } finally {
      await store.close();
    }
  }

  const upload = (kind: PlannedUpload['kind'] = 'study', slowness = 0): Process => {
    const plan: UploaderPlan = { bucket: { kind: 'folder', path: bucket() }, uploads: [{ kind, folder: study() }], slowness };
    return start(UPLOADER, JSON.stringify(plan));
  };

  const instances = (count: number): string[] => Array.from({ length: count }, (_, index) => `1.2.3.${index + 1}`).sort();

  it.each([1, 5, 11])(
    'killed after %i files, started again: everything is in the bucket once, the spool empty',
    async (files) => {
      await fill(24);
      const first = upload('study', 20);
      await first.printed('uploaded', files);
      first.child.kill('SIGKILL');
      await first.ended;
      expect((await readdir(study())).length).toBeGreaterThan(0);
      const second = await upload().ended;
      expect(second.code).toBe(0);
      expect(await inBucket()).toEqual(instances(24));
      expect((await readdir(folder.path)).sort()).toEqual(['.storestow', 'bucket']);
    },
  );

  it('two at once on one study: one works, the other leaves word and goes; nothing is sent twice', async () => {
    await fill(20);
    const first = upload('study', 60);
    await first.printed('uploaded', 1);
    const second = await upload().ended;
    expect(second.code).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject([{ files: [], leftToOther: true }]);
    const { code, stdout } = await first.ended;
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.startsWith('uploaded'))).toHaveLength(20);
    expect(await inBucket()).toEqual(instances(20));
  });

  it('many at once on one spool', async () => {
    await fill(30);
    const ended = await Promise.all(Array.from({ length: 4 }, () => upload('spool', 5).ended));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(ended.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line.startsWith('uploaded')))).toHaveLength(30);
    expect(await inBucket()).toEqual(instances(30));
    expect(await readdir(study())).toEqual(['.storestow']);
  });

  it('a file whose exec found the lock taken is uploaded by the holder', async () => {
    await fill(4);
    const first = upload('study', 150);
    await first.printed('uploaded', 2);
    const arriving = join(folder.path, 'arriving');
    await writeFile(arriving, buildImage({ sopUID: '1.2.3.5' }));
    await rename(arriving, join(study(), '4'));
    const second = await upload().ended;
    await first.ended;
    expect(second.code).toBe(0);
    expect(await inBucket()).toEqual(instances(5));
  });

  it('loses no word: what was there before a process asked for the lock is seen by a round that begins after', async () => {
    const log = join(folder.path, 'log');
    await appendFile(log, '');
    const rounds = 25;
    // Each process writes its item, then runs the work, which reads all items; the holders change at every interleaving.
    const processes = await Promise.all(
      Array.from(
        { length: 4 },
        (_, index) => start(LOCKER, study(), join(folder.path, 'state'), log, String(index), String(rounds)).ended,
      ),
    );
    expect(processes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const lines = (await readFile(log, 'utf8')).trim().split('\n');
    // The work notes `seen` with the highest number of each process, and `begin`/`end` around itself.
    const lastSeen = lines.filter((line) => line.startsWith('seen')).at(-1);
    expect(lastSeen).toBe(`seen ${Array.from({ length: 4 }, () => rounds).join(',')}`);
    let inside = 0;
    for (const line of lines) {
      if (line === 'begin') inside += 1;
      if (line === 'end') inside -= 1;
      expect(inside === 0 || inside === 1).toBe(true);
    }
    expect(await readdir(join(folder.path, 'state'))).toEqual([]);
  });
});
