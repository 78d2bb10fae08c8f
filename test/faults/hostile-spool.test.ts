/**
 * A spool in which lies what an attacker, or a tired person, may have put there: no path leaves its root, nothing is lost, and what is
 * not taken is left and listed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash, hash } from 'node:crypto';
import { once } from 'node:events';
import { chown, link, mkdir, readdir, readFile, stat, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../core/store/open-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import type { BucketConfig } from '../../core/config/schema.ts';
import { createLog } from '../../core/logging.ts';
import type { FileReport, UploadReport } from '../../local-uploader/upload/upload-report.ts';
import { uploadSpool } from '../../local-uploader/upload/upload-spool.ts';
import { buildImage } from '../support/build-dicom.ts';
import { minioAvailable, startTestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import type { UploaderPlan } from './uploader-process.ts';

const UPLOADER = fileURLToPath(new URL('./uploader-process.ts', import.meta.url));
const OTHER_DISK = '/dev/shm';
const hasMinio = await minioAvailable();

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await temporaryFolder('hostile');
  await mkdir(spool());
  await mkdir(outside());
});
afterEach(() => folder.remove());

const at = (...names: string[]): string => join(folder.path, ...names);
const spool = (...names: string[]): string => at('spool', ...names);
const outside = (...names: string[]): string => at('outside', ...names);
const bucket = (): string => at('bucket');
const image = (number: number): Uint8Array => buildImage({ sopUID: `1.2.3.${number}` });

async function lay(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

interface Outcome {
  readonly code: number | null;
  readonly files: readonly FileReport[];
}

/** The uploader as a process of its own, over the whole spool. */
async function upload(user?: number): Promise<Outcome> {
  const plan: UploaderPlan = { bucket: { kind: 'folder', path: bucket() }, uploads: [{ kind: 'spool', folder: spool() }] };
  const child = spawn(process.execPath, [UPLOADER, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const [code] = (await once(child, 'close')) as [number | null];
  const line = stdout.split('\n').find((text) => text.startsWith('[')) ?? '[]';
  return { code, files: (JSON.parse(line) as UploadReport[]).flatMap(({ files }) => files) };
}

async function objects(config: BucketConfig = { kind: 'folder', path: bucket() }): Promise<{ key: string; bytes: Uint8Array }[]> {
  const store = await openStore(config);
  try {
    const found: { key: string; bytes: Uint8Array }[] = [];
    for await (const { key } of store.list({ prefix: 'incoming/' }))
      found.push({ key, bytes: await (await store.get(key)).bytes() });
    return found;
  } finally {
    await store.close();
  }
}

/** Of what the uploader wrote down beside the instances. */
async function manifestKeys(config: BucketConfig): Promise<string[]> {
  const store = await openStore(config);
  try {
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: 'manifests/' })) keys.push(key);
    return keys;
  } finally {
    await store.close();
  }
}

const instances = async (): Promise<string[]> =>
  (await objects()).map(({ key }) => parseObjectKey(key)?.sopInstanceUID ?? key).sort();

/** Names and contents of everything outside the spool and the bucket. */
async function elsewhere(): Promise<Record<string, string>> {
  const entries = await readdir(outside(), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(
    files.map(async (path) => [relative(outside(), path), (await readFile(path)).toString('base64')]),
  );
  return Object.fromEntries(contents.sort()) as Record<string, string>;
}

const listed = ({ files }: Outcome): Record<string, string> =>
  Object.fromEntries(
    files
      .filter(({ outcome }) => outcome !== 'uploaded')
      .map(({ path, outcome, code }) => [relative(spool(), path), `${outcome} ${code}`]),
  );

describe('links and devices in the spool', () => {
  beforeEach(async () => {
    await lay(outside('secret.dcm'), image(90));
    await lay(outside('folder', 'secret.dcm'), image(91));
  });

  it('are listed and left, whatever they point to; what lies beside them is uploaded', async () => {
    await lay(spool('study', 'a'), image(1));
    await lay(spool('received', '10.0.0.1', 'b'), image(2));
    await lay(spool('received', 'c'), image(3));
    await symlink(outside('secret.dcm'), spool('study', 'file'));
    await symlink(outside('folder'), spool('study', 'folder'));
    await symlink(outside('nothing'), spool('study', 'dangling'));
    await symlink('.', spool('study', 'loop'));
    await symlink(outside('folder'), spool('received', '10.0.0.2'));
    await symlink(outside('secret.dcm'), spool('received', '10.0.0.1', 'file'));
    await symlink(outside('folder'), spool('linked-study'));
    spawnSync('mkfifo', [spool('study', 'fifo')]);
    const socket = createServer().listen(spool('study', 'socket'));
    await once(socket, 'listening');
    const before = await elsewhere();
    const outcome = await upload();
    socket.close();
    expect(listed(outcome)).toEqual({
      'study/file': 'foreign SPOOL_INVALID',
      'study/folder': 'foreign SPOOL_INVALID',
      'study/dangling': 'foreign SPOOL_INVALID',
      'study/loop': 'foreign SPOOL_INVALID',
      'study/fifo': 'foreign SPOOL_INVALID',
      'study/socket': 'foreign SPOOL_INVALID',
      'received/10.0.0.2': 'foreign SPOOL_INVALID',
      'received/10.0.0.1/file': 'foreign SPOOL_INVALID',
      'linked-study': 'foreign SPOOL_INVALID',
    });
    expect(outcome.code).toBe(0);
    expect(await instances()).toEqual(['1.2.3.1', '1.2.3.2', '1.2.3.3']);
    expect(await elsewhere()).toEqual(before);
    expect((await readdir(spool('study'))).sort()).toEqual(['dangling', 'fifo', 'file', 'folder', 'loop']);
  });

  it('a hard link is a file of the spool: its name goes, what it is elsewhere stays', async () => {
    await mkdir(spool('study'));
    await link(outside('secret.dcm'), spool('study', 'a'));
    const before = await elsewhere();
    expect((await upload()).code).toBe(0);
    expect(await instances()).toEqual(['1.2.3.90']);
    expect(await elsewhere()).toEqual(before);
  });

  it.each(['received', 'receiving'])('%s that is a link is not followed', async (name) => {
    await lay(outside(name, '10.0.0.1', 'a'), image(1));
    await symlink(outside(name), spool(name));
    const before = await elsewhere();
    expect(listed(await upload())).toEqual({ [name]: 'foreign SPOOL_INVALID' });
    expect(await instances()).toEqual([]);
    expect(await elsewhere()).toEqual(before);
  });

  it('a state folder that is a link is refused, and nothing is written where it points to', async () => {
    await lay(spool('a'), image(1));
    await symlink(outside(), spool('.storestow'));
    const before = await elsewhere();
    const { code } = await runStorestow(['upload', '--all', '--spool', spool(), '--bucket', `folder:${bucket()}`]);
    expect(code).toBe(1);
    expect(await elsewhere()).toEqual(before);
    expect(await readdir(spool())).toEqual(['.storestow', 'a']);
  });

  // As study-lock.ts names it.
  const markOf = (suffix: string): string =>
    spool('.storestow', createHash('sha256').update(spool('study')).digest('hex').slice(0, 24) + suffix);

  it('a lock that is a link is refused, and what it points to stays as it is', async () => {
    await lay(spool('study', 'a'), image(1));
    await upload();
    await lay(spool('study', 'b'), image(2));
    for (const target of ['secret.dcm', 'nothing']) {
      await symlink(outside(target), markOf('.lock'));
      const before = await elsewhere();
      const { code } = await upload();
      expect(code).not.toBe(0);
      expect(await elsewhere()).toEqual(before);
      expect(await readdir(spool('study'))).toEqual(['b']);
      await unlink(markOf('.lock'));
    }
    expect((await upload()).code).toBe(0);
    expect(await instances()).toEqual(['1.2.3.1', '1.2.3.2']);
  });

  it.each(['secret.dcm', 'nothing'])('word that is a link goes, and what it points to (%s) stays as it is', async (target) => {
    await lay(spool('study', 'a'), image(1));
    await mkdir(spool('.storestow'));
    await symlink(outside(target), markOf('.again'));
    const before = await elsewhere();
    expect((await upload()).code).toBe(0);
    expect(await elsewhere()).toEqual(before);
    expect(await instances()).toEqual(['1.2.3.1']);
    expect(await readdir(spool('.storestow'))).toEqual([]);
  });
});

describe('what a disk of its own has from the start', () => {
  const NOBODY = 65_534;
  beforeEach(async () => {
    await lay(spool('received', '10.0.0.1', 'a'), image(1));
    await mkdir(spool('lost+found'), { mode: 0o700 });
  });

  it.skipIf(process.getuid?.() !== 0)('is no failure where it is closed to the uploader', async () => {
    spawnSync('chown', ['-R', String(NOBODY), folder.path]);
    await chown(spool('lost+found'), 0, 0);
    const { code, files } = await upload(NOBODY);
    expect([code, files.map(({ outcome }) => outcome)]).toEqual([0, ['uploaded']]);
  });

  it('stays, and what was found there goes to the bucket', async () => {
    await lay(spool('lost+found', '#1234'), image(2));
    const before = new Date(Date.now() - 3_600_000);
    await utimes(spool('lost+found', '#1234'), before, before);
    expect((await upload()).code).toBe(0);
    expect(await instances()).toEqual(['1.2.3.1', '1.2.3.2']);
    expect(await readdir(spool('lost+found'))).toEqual([]);
  });
});

describe('names in the spool', () => {
  it('that no text can hold are listed, two of them as two; what lies beside them is uploaded', async () => {
    await lay(spool('study', 'a'), image(1));
    const bytes = (name: string): Buffer => Buffer.from(name, 'latin1');
    for (const name of ['M\xfcller.dcm', 'M\xe4ller.dcm'])
      await writeFile(Buffer.concat([bytes(`${spool('study')}/`), bytes(name)]), image(2));
    await mkdir(Buffer.concat([bytes(`${spool()}/`), bytes('Stra\xdfe')]));
    await mkdir(spool('received'));
    await mkdir(Buffer.concat([bytes(`${spool('received')}/`), bytes('\xff')]));
    const outcome = await upload();
    expect(listed(outcome)).toEqual({
      'study/M\\xfcller.dcm': 'foreign SPOOL_INVALID',
      'study/M\\xe4ller.dcm': 'foreign SPOOL_INVALID',
      'Stra\\xdfe': 'foreign SPOOL_INVALID',
      'received/\\xff': 'foreign SPOOL_INVALID',
    });
    expect(await instances()).toEqual(['1.2.3.1']);
    expect(await readdir(spool('study'))).toHaveLength(2);
  });

  it('of every other kind are names and nothing else', async () => {
    const names = [
      '-rf',
      '--',
      '~',
      '$(touch pwned)',
      '`touch pwned`',
      "';touch pwned;'",
      'a\nb',
      '\u001b[2Jx',
      '#a',
      '%2e%2e',
      '..x',
      ' ',
      '*',
    ];
    const all = [...names, 'n'.repeat(255), '\u{1f600}'.repeat(63), 'x', 'x.uploaded', 'x~0123456789abcdef.uploaded'];
    for (const [index, name] of all.entries()) await lay(spool('study', name), image(index));
    const outcome = await upload();
    expect(listed(outcome)).toEqual({});
    expect((await objects()).map(({ bytes }) => Buffer.from(bytes).toString('base64')).sort()).toEqual(
      all.map((_, index) => Buffer.from(image(index)).toString('base64')).sort(),
    );
    expect(await readdir(spool())).toEqual(['.storestow', 'study']);
    expect((await readdir(folder.path, { recursive: true })).filter((path) => /(^|\/)pwned$/.test(path))).toEqual([]);
  });

  it('show a terminal nothing but text', async () => {
    await lay(spool('study', '\u001b[2J\u0007not dicom'), new Uint8Array(300));
    const { stderr } = await runStorestow(['upload', '--all', '--spool', spool(), '--bucket', `folder:${bucket()}`]);
    expect(stderr).toContain('not dicom');
    expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  it.skipIf(requirePeer('/dev/shm', spawnSync('test', ['-w', OTHER_DISK]).status === 0))(
    'that stand already where files are moved to, on another disk too, take nothing away from each other',
    async () => {
      const other = await temporaryFolder('moved');
      const moved = spawnSync('mktemp', ['-d', '-p', OTHER_DISK], { encoding: 'utf8' }).stdout.trim();
      try {
        for (const [index, name] of ['a', 'a.partial', 'a.uploaded'].entries()) await lay(spool('study', name), image(index));
        await lay(join(moved, 'study', 'a'), image(50));
        await symlink(outside('written'), join(moved, 'study', 'a.partial'));
        const { code } = await runStorestow([
          ...['upload', '--all', '--spool', spool(), '--bucket', `folder:${bucket()}`, '--after', 'move', '--move-to', moved],
        ]);
        expect(code).toBe(0);
        expect(await instances()).toEqual(['1.2.3.0', '1.2.3.1', '1.2.3.2']);
        expect(await readdir(outside())).toEqual([]);
        const kept = await readdir(join(moved, 'study'), { withFileTypes: true });
        const contents = await Promise.all(
          kept.filter((entry) => entry.isFile()).map(async ({ name }) => readFile(join(moved, 'study', name))),
        );
        expect(contents.map((content) => content.toString('base64')).sort()).toEqual(
          [50, 0, 1, 2].map((number) => Buffer.from(image(number)).toString('base64')).sort(),
        );
      } finally {
        spawnSync('rm', ['-r', moved]);
        await other.remove();
      }
    },
  );
});

describe('values in the files', () => {
  const HOSTILE = [
    '$(touch pwned)',
    '`touch pwned`',
    "';touch pwned;'",
    '|touch pwned',
    '..',
    '.',
    '../../../pwned',
    '/etc/pwned',
    '1.2/../../3',
    'a\\..\\b',
    'a\nb\r\nc',
    '\u001b]0;x\u0007',
    '1.2.3\u0000\u00004',
    '%2e%2e%2f',
    '#a#c',
    '\u00ff\u00fe',
    '1'.repeat(65),
    '1.2.'.repeat(50),
    'x'.repeat(5000),
  ];

  const hostileImages = (): Uint8Array[] =>
    HOSTILE.flatMap((value, index) => [
      buildImage({ studyUID: value, sopUID: `1.2.3.${index}.1` }),
      buildImage({ seriesUID: value, sopUID: `1.2.3.${index}.2` }),
      buildImage({ sopUID: value }),
      buildImage({ callingAET: value, sopUID: `1.2.3.${index}.4` }),
    ]);

  async function checkOutcome(config: BucketConfig, files: readonly FileReport[]): Promise<void> {
    const images = hostileImages();
    const inBucket = await objects(config);
    const digest = (bytes: Uint8Array): string => hash('sha256', bytes);
    const stayed = files.filter(({ outcome }) => outcome !== 'uploaded');
    // Each is in one place or the other, byte for byte.
    const left = await Promise.all(stayed.map(({ path }) => readFile(path)));
    expect([...inBucket.map(({ bytes }) => digest(bytes)), ...left.map(digest)].sort()).toEqual(images.map(digest).sort());
    // What no key or no metadata of S3 can hold is refused for good; it is not tried again and again, nor taken for the bucket's fault.
    expect(stayed.map(({ outcome, code, retryable }) => `${outcome} ${code} ${retryable}`).sort()).toEqual([
      ...Array.from({ length: 3 }, () => 'damaged INVALID_UID false'),
      'damaged MALFORMED false',
    ]);
    for (const { key } of inBucket) {
      expect(key).toMatch(
        /^incoming\/test\/[A-Za-z0-9._%-]+@[A-Za-z0-9._%-]+(\/[A-Za-z0-9._%-]+){2}\/[A-Za-z0-9._%-]+~[0-9a-f]{12}\.dcm$/,
      );
      expect(parseObjectKey(key)).toBeDefined();
    }
    const manifests = await manifestKeys(config);
    expect(manifests.length).toBeGreaterThan(0);
    for (const key of [...inBucket.map((object) => object.key), ...manifests]) {
      expect(key).toMatch(/^[A-Za-z0-9._%@~/-]+$/);
      expect(key.split('/').filter((part) => /^\.*$/.test(part))).toEqual([]);
    }
    expect((await readdir(folder.path)).sort()).toEqual(
      ['bucket', 'outside', 'spool'].filter((name) => name !== 'bucket' || config.kind === 'folder'),
    );
    expect(await readdir(outside())).toEqual([]);
  }

  const layAll = async (): Promise<void> => {
    for (const [index, bytes] of hostileImages().entries()) await lay(spool('study', String(index)), bytes);
  };

  it('run no command, leave no root, and lose nothing: a folder as the bucket', async () => {
    await layAll();
    const outcome = await upload();
    expect(outcome.code).toBe(1);
    await checkOutcome({ kind: 'folder', path: bucket() }, outcome.files);
  });

  it.skipIf(requirePeer('MinIO', hasMinio))('the same with MinIO', async () => {
    await layAll();
    const minio = await startTestMinio();
    const store = await openStore(minio.bucket);
    try {
      const log = createLog({ level: 'silent' });
      const reports = await uploadSpool(
        spool(),
        { store, log, now: () => new Date() },
        { site: 'test', after: 'remove', concurrency: 4, settle: 0 },
      );
      await checkOutcome(
        minio.bucket,
        reports.flatMap(({ files }) => files),
      );
    } finally {
      await store.close();
      await minio.close();
    }
  });

  it('something huge that is no DICOM is known by its beginning', async () => {
    await lay(spool('huge'), new Uint8Array(300));
    await truncate(spool('huge'), 2 ** 42);
    expect((await stat(spool('huge'))).size).toBe(2 ** 42);
    expect(listed(await upload())).toEqual({ huge: 'foreign NOT_PART10' });
  });
});
