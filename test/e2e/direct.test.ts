/** `storestow upload` as the first storestow was called, with `--direct` the whole way in one process, against the embedded archive. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify } from '../../core/dicom/identify.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { tagOf } from '../../core/dicom/dictionary.ts';
import { textValues } from '../../core/dicom/text-values.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey, type ObjectKeyParts } from '../../core/store/object-key.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { J2K_LOSSLESS } from '../support/build-dicom.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { runStorestow, startStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const MAPPING = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
  <key>CT1</key><string>North Clinic</string>
  <key>10.0.0.8</key><string>South Clinic</string>
</dict></plist>
`;
const DIRECT = ['upload', '--direct'] as const;

describe('storestow upload in the order of the first storestow', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;

  beforeEach(async () => {
    folder = await temporaryFolder('direct');
    archive = await startEmbeddedArchive({ folder: at('archive') });
    await writeFile(at('map.plist'), MAPPING);
    // What the receiver's exec finds: files written a while ago are complete.
    await writeFile(at('config.json'), JSON.stringify({ upload: { settle: 0 } }));
  });
  afterEach(async () => {
    await archive.close();
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, ...names);
  const studyFolder = (): string => at('spool', 'study');
  const stowUrl = (): string => archive.url.replace('{aet}', '%@');

  async function study(count: number): Promise<CtStudy> {
    return writeCtStudy(studyFolder(), count, undefined, { rows: 16, columns: 16, bitsStored: 12 });
  }

  /** What follows `storestow upload`. */
  function seed({ aet = 'CT1', ip = '10.0.0.7', url = stowUrl() } = {}): readonly string[] {
    return ['--config', at('config.json'), aet, ip, studyFolder(), url, at('map.plist')];
  }

  async function run(args: readonly string[]): Promise<Finished> {
    return runStorestow(args, { cwd: folder.path });
  }

  /** Names of the files in the study's folder; none where it is gone. */
  async function left(): Promise<readonly string[]> {
    return readdir(studyFolder()).catch(() => []);
  }

  async function archived(): Promise<readonly Uint8Array[]> {
    const entries = await readdir(at('archive', 'instances'), { recursive: true, withFileTypes: true });
    return Promise.all(entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => readFile(join(parentPath, name))));
  }

  function institutionsOf(files: readonly Uint8Array[]): readonly string[] {
    return files.map((file) => {
      const { dataSet } = readPart10(file);
      const element = dataSet.get(tagOf('InstitutionName') ?? expect.fail('no such attribute'));
      return element === undefined ? '' : textValues(dataSet, element).join('\\');
    });
  }

  function uidsOf(files: readonly Uint8Array[]): readonly string[] {
    return files.map((file) => identify(readPart10(file)).sopInstanceUID).toSorted();
  }

  it('--direct brings a study to the archive, coerced and encoded, and removes its files', async () => {
    const { sopInstanceUIDs } = await study(5);
    const { code, stdout, stderr } = await run([...DIRECT, ...seed()]);
    expect({ code, stderr: stderr.replace(/^uploaded: .*\n/gm, '') }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('5 uploaded, 0 there already, 0 still being written, 0 foreign, 0 failed\n');
    const files = await archived();
    expect(uidsOf(files)).toEqual(sopInstanceUIDs.toSorted());
    expect(new Set(institutionsOf(files))).toEqual(new Set(['North Clinic']));
    expect(new Set(files.map((file) => readPart10(file).transferSyntax.uid))).toEqual(new Set([J2K_LOSSLESS]));
    expect(archive.faults.of('stow').map(({ url }) => url)).toContain('/dcm4chee-arc/aets/CT1/rs/studies');
    expect(await left()).toEqual([]);
    // No bucket was made on the way.
    expect((await readdir(folder.path)).toSorted()).toEqual(['archive', 'config.json', 'map.plist', 'spool']);
  });

  it('--direct finds the institution of an unknown title by its address', async () => {
    await study(1);
    expect((await run([...DIRECT, ...seed({ aet: 'CT9', ip: '10.0.0.8' })])).code).toBe(0);
    expect(institutionsOf(await archived())).toEqual(['South Clinic']);
  });

  it('--direct leaves the file of an unknown source where it is, and says why', async () => {
    const { paths } = await study(1);
    const { code, stderr } = await run([...DIRECT, ...seed({ aet: 'CT9' })]);
    expect(code).toBe(1);
    expect(stderr).toContain(`failed ${paths[0] ?? ''}: UNKNOWN_SOURCE\n`);
    expect(await left()).toHaveLength(1);
    expect(archive.faults.of('stow')).toEqual([]);
  });

  it('--direct with an archive that is down leaves the file, ends, and is to be tried again', { timeout: 90_000 }, async () => {
    const { paths, sopInstanceUIDs } = await study(1);
    const nobody = `http://127.0.0.1:${await freePort()}/dcm4chee-arc/aets/%@/rs/studies`;
    const { code, stderr } = await run([...DIRECT, ...seed({ url: nobody })]);
    expect(code).toBe(75);
    expect(stderr).toContain(`failed ${paths[0] ?? ''}: ARCHIVE_UNAVAILABLE\n`);
    expect(await left()).toHaveLength(1);
    expect((await run([...DIRECT, ...seed()])).code).toBe(0);
    expect(uidsOf(await archived())).toEqual(sopInstanceUIDs);
    expect(await left()).toEqual([]);
  });

  it('--direct asks the archive first: an instance that comes again is not sent again', async () => {
    const { sopInstanceUIDs } = await study(3);
    expect((await run([...DIRECT, ...seed()])).code).toBe(0);
    await study(3);
    expect((await run([...DIRECT, ...seed()])).code).toBe(0);
    expect(await left()).toEqual([]);
    expect(sopInstanceUIDs.map((uid) => archive.faults.arrivals(uid))).toEqual([1, 1, 1]);
  });

  it('--direct killed in the middle of a study, started again: every instance arrived once', async () => {
    const { sopInstanceUIDs } = await study(40);
    const slow = { kind: 'delay', milliseconds: 5000 } as const;
    archive.faults.next('stow', { kind: 'delay', milliseconds: 0 }, ...Array.from({ length: 40 }, () => slow));
    const first = startStorestow([...DIRECT, ...seed()], { cwd: folder.path });
    const arrived = (): number => archive.faults.of('stow').flatMap((request) => request.sopInstanceUIDs).length;
    // Files that are gone, files whose instance is stored without an answer yet, and files not sent at all.
    await waitUntil(
      'an instance is stored, and its file still there',
      async () => {
        const files = await left();
        return files.length < 40 && (await archived()).length > 40 - files.length;
      },
      { interval: 20 },
    );
    first.child.kill('SIGKILL');
    await first.finished;
    const leftThen = (await left()).length;
    expect(leftThen).toBeGreaterThan(0);
    archive.faults.clear();
    await waitUntil('what was under way is carried out', async () => (await archived()).length === arrived());
    const before = (await archived()).length;
    expect(before).toBeGreaterThan(40 - leftThen);
    expect(before).toBeLessThan(40);
    const second = await run([...DIRECT, ...seed()]);
    expect(second.code).toBe(0);
    expect(uidsOf(await archived())).toEqual(sopInstanceUIDs.toSorted());
    expect(sopInstanceUIDs.filter((uid) => archive.faults.arrivals(uid) !== 1)).toEqual([]);
    expect(await left()).toEqual([]);
  });

  it.each([
    ['without /studies', 'http://127.0.0.1/dcm4chee-arc/aets/%@/rs', 'CONFIG_INVALID', 'must end in /studies'],
    ['with credentials', 'http://me:secret@127.0.0.1/rs/studies', 'CONFIG_INVALID', 'set archive.auth'],
    ['with a placeholder as host', 'http://%@/rs/studies', 'CONFIG_INVALID', 'in its path only'],
    ['of another scheme', 'ftp://127.0.0.1/rs/studies', 'USAGE', 'must be the http or https URL'],
    ['with an unknown placeholder', 'http://127.0.0.1/{where}/rs/studies', 'USAGE', 'must be the http or https URL'],
  ])('--direct refuses an address %s in one line, before it looks at a file', async (_, url, code, why) => {
    await study(1);
    const finished = await run([...DIRECT, ...seed({ url })]);
    expect(finished).toMatchObject({ code: 2, stdout: '' });
    expect(finished.stderr).toMatch(new RegExp(`^storestow: ${code}: .*\\n$`));
    expect(finished.stderr).toContain(why);
    expect(finished.stderr).not.toContain('secret');
    expect(await left()).toHaveLength(1);
  });

  it('--direct refuses an empty --archive', async () => {
    await study(1);
    const finished = await run([...DIRECT, '--archive', '', '--config', at('config.json'), studyFolder()]);
    expect(finished.code).toBe(2);
    expect(finished.stderr).toMatch(/^storestow: CONFIG_INVALID: /);
    expect(finished.stderr).toContain('archive.url');
  });

  it('without --direct the files go to the bucket, and nothing to the archive', async () => {
    const { sopInstanceUIDs } = await study(3);
    expect((await run(['upload', ...seed()])).stderr).toMatch(/^storestow: CONFIG_INVALID: no bucket is named/);
    expect(await left()).toHaveLength(3);
    expect((await run(['upload', '--bucket', 'folder:bucket', ...seed()])).code).toBe(0);
    expect(await left()).toEqual([]);
    const store = await openFolderStore(at('bucket'));
    try {
      const keys: (ObjectKeyParts | undefined)[] = [];
      for await (const { key } of store.list({ prefix: 'incoming/' })) keys.push(parseObjectKey(key));
      expect(keys.map((key) => key?.sopInstanceUID).toSorted()).toEqual(sopInstanceUIDs.toSorted());
      for (const key of keys) expect(key).toMatchObject({ callingAET: 'CT1', callingIP: '10.0.0.7' });
    } finally {
      await store.close();
    }
    expect(archive.faults.requests).toEqual([]);
  });

  it('leaves what is no DICOM, and takes the rest', async () => {
    await study(1);
    await mkdir(studyFolder(), { recursive: true });
    await writeFile(join(studyFolder(), 'notes.txt'), 'no DICOM');
    const { code, stderr } = await run([...DIRECT, ...seed()]);
    expect(code).toBe(0);
    expect(stderr).toContain('foreign');
    expect(await left()).toEqual(['notes.txt']);
    expect(await archived()).toHaveLength(1);
  });
});
