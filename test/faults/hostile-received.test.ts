/**
 * What a peer can send to a real storescp with the exec line of the services: titles and UIDs that a shell, a path or a terminal would
 * take for something else. What storescp acknowledged is in the bucket, or left in the spool and listed; and nothing anywhere else.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../core/logging.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { uploadSpool } from '../../local-uploader/upload/upload-spool.ts';
import { buildImage, type BuiltImage } from '../support/build-dicom.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const installed = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);

const UIDS = [
  '$(touch${IFS}pwned)',
  '`touch${IFS}pwned`',
  "1';touch${IFS}pwned;'",
  '"|touch${IFS}pwned|"',
  '..',
  '../../../pwned',
  '/tmp/../pwned',
  '1.2/3',
  '1.2\n3',
  '1.2\u001b[2J',
  '1.2\u00e4',
  '#a#c#p',
  `1.${'2'.repeat(62)}`,
  `1.${'2'.repeat(63)}`,
  `1.${'2'.repeat(300)}`,
];
/** A title has at most 16 characters; storescu cuts what is longer. */
const TITLES = [
  '$(touch pwned)',
  '`touch pwned`',
  "';touch pwned;'",
  '"|touch pwned|"',
  '../../../pwned',
  '/tmp/pwned',
  'a\nb',
  '\u001b[2J',
  '#a#c',
  'T'.repeat(70),
];

describe.skipIf(requirePeer("DCMTK's storescp and storescu", installed))('hostile titles and UIDs, received', () => {
  let folder: TemporaryFolder;
  let receiver: RunningStorescp;

  beforeEach(async () => {
    folder = await temporaryFolder('hostile-received');
    receiver = await startStorescp({ port: 0, aet: 'STORESTOW', spool: at('spool'), log: createLog({ level: 'silent' }) });
  });
  afterEach(async () => {
    await receiver.close();
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, ...names);

  /** Whether it was acknowledged. */
  async function send(image: BuiltImage, name: string, title = 'MODALITY'): Promise<boolean> {
    await mkdir(at('to-send'), { recursive: true });
    await writeFile(at('to-send', name), buildImage(image));
    return run('storescu', ['-aet', title, '-aec', 'STORESTOW', '127.0.0.1', String(receiver.port), at('to-send', name)]).then(
      () => true,
      () => false,
    );
  }

  async function spooled(): Promise<string[]> {
    const entries = await readdir(at('spool'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => relative(at('spool'), join(entry.parentPath, entry.name)));
  }

  interface Carried {
    readonly keys: readonly string[];
    readonly digests: readonly string[];
    readonly left: readonly string[];
  }

  /** Waits until what was acknowledged lies in its sender's folder, and uploads it. */
  async function carry(acknowledged: number): Promise<Carried> {
    await waitUntil('each instance lies where its sender is named', async () => {
      const files = await spooled();
      return files.length === acknowledged && files.every((path) => /^received\/127\.0\.0\.1\/[\w.-]+$/.test(path));
    });
    const store = await openFolderStore(at('bucket'));
    try {
      const ports = { store, log: createLog({ level: 'silent' }), now: () => new Date() };
      const reports = await uploadSpool(at('spool'), ports, {
        site: 'test',
        after: 'remove',
        concurrency: 4,
        settle: 0,
        manifests: false,
      });
      const files = reports.flatMap((report) => report.files);
      const keys: string[] = [];
      const digests: string[] = [];
      for await (const { key } of store.list()) {
        keys.push(key);
        digests.push(
          createHash('sha256')
            .update(await (await store.get(key)).bytes())
            .digest('hex')
            .slice(0, 12),
        );
      }
      const left = files.filter(({ outcome }) => outcome !== 'uploaded').map(({ path }) => relative(at('spool'), path));
      return { keys, digests, left };
    } finally {
      await store.close();
    }
  }

  async function expectNothingElse({ keys, digests, left }: Carried, acknowledged: number): Promise<void> {
    expect(keys.length + left.length).toBe(acknowledged);
    expect((await spooled()).sort()).toEqual([...left].sort());
    // Each object is what its own key says.
    expect(keys.map((key) => parseObjectKey(key)?.digest)).toEqual(digests);
    for (const key of keys)
      expect(key).toMatch(/^incoming\/test\/[\w.%-]+@127\.0\.0\.1\/[\w.%-]+\/[\w.%-]+\/[\w.%-]+~[0-9a-f]{12}\.dcm$/);
    expect((await readdir(folder.path)).sort()).toEqual(['bucket', 'spool', 'to-send']);
    for (const place of [folder.path, process.cwd(), '/tmp'])
      expect(
        (await readdir(place)).filter((name) => name === 'pwned'),
        place,
      ).toEqual([]);
    expect((await readdir(at('spool'), { recursive: true })).filter((name) => /(^|\/)pwned$/.test(name))).toEqual([]);
  }

  it('UIDs of study, series and instance', async () => {
    let acknowledged = 0;
    for (const [index, uid] of UIDS.entries()) {
      const sent = [
        await send({ studyUID: uid, sopUID: `1.2.3.${index}.1` }, `${index}-study`),
        await send({ seriesUID: uid, sopUID: `1.2.3.${index}.2` }, `${index}-series`),
        await send({ sopUID: uid }, `${index}-sop`),
      ];
      acknowledged += sent.filter(Boolean).length;
    }
    // Of study and series nobody asks; the instance's own UID stands in the command, where DCMTK bounds it.
    expect(acknowledged).toBeGreaterThanOrEqual(2 * UIDS.length);
    await expectNothingElse(await carry(acknowledged), acknowledged);
  });

  it('calling titles', async () => {
    let acknowledged = 0;
    for (const [index, title] of TITLES.entries())
      if (await send({ sopUID: `1.2.3.${index}` }, String(index), title)) acknowledged += 1;
    expect(acknowledged).toBeGreaterThanOrEqual(8);
    const carried = await carry(acknowledged);
    await expectNothingElse(carried, acknowledged);
    const titles = carried.keys.map((key) => parseObjectKey(key)?.callingAET);
    for (const title of TITLES.slice(0, 6)) expect(titles).toContain(title);
  });
});
