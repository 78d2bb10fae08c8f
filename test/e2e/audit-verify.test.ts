/**
 * `storestow audit verify` after a real `up`: what is as it was sent is equal, and what somebody altered, coerced anew or removed in the
 * archive's store is found; against the embedded archive and against Orthanc.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { valueBytes } from '../../core/dicom/element-value.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { openOpenJpeg } from '../../core/encode/openjpeg.ts';
import { buildImage, EXPLICIT_BE, imagePixels, type BuiltImage } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow, type Finished, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);

const STUDY = '1.2.826.0.1.3680043.10.55';
const LAYOUT: BuiltImage = { rows: 64, columns: 64, bitsStored: 12 };
/** By name: what is in the study. */
const IMAGES: Readonly<Record<string, BuiltImage>> = {
  plain: LAYOUT,
  altered: LAYOUT,
  recoerced: LAYOUT,
  removed: LAYOUT,
  'beside-pixels': LAYOUT,
  'big-endian': { ...LAYOUT, transferSyntaxUID: EXPLICIT_BE },
  planar: { rows: 40, columns: 50, samplesPerPixel: 3, bitsAllocated: 8, planarConfiguration: 1, frames: 3 },
  'not-encoded': { rows: 16, columns: 16, bitsAllocated: 32 },
};
const NAMES = Object.keys(IMAGES);
const uidOf = (name: string): string => `${STUDY}.1.${NAMES.indexOf(name) + 1}`;

interface Entry {
  readonly verdict: string;
  readonly by?: string;
  readonly differences?: readonly string[];
  readonly listed?: boolean;
  readonly code?: string;
  readonly sopInstanceUID: string;
}

interface Verified {
  readonly code: number | null;
  /** By name. */
  readonly entries: Readonly<Record<string, Omit<Entry, 'sopInstanceUID'>>>;
  readonly stdout: string;
}

/** What the test reads of an entry. */
function shortOf({ verdict, by, differences, listed, code }: Entry): Omit<Entry, 'sopInstanceUID'> {
  return Object.fromEntries(
    Object.entries({ verdict, by, differences, listed, code }).filter(([, value]) => value !== undefined),
  ) as unknown as Omit<Entry, 'sopInstanceUID'>;
}

async function writeStudy(folder: string): Promise<void> {
  for (const [index, name] of NAMES.entries()) {
    const image = IMAGES[name] ?? {};
    const ids = { studyUID: STUDY, seriesUID: `${STUDY}.1`, sopUID: uidOf(name) };
    await writeFile(join(folder, `${name}.dcm`), buildImage({ ...image, ...ids, pixels: imagePixels(image, index + 1) }));
  }
}

/** One more in the lowest bit of one sample, encoded again: what a careful hand would do. */
async function alterPixel(path: string): Promise<void> {
  const file = await readFile(path);
  const { dataSet, body } = readPart10(file);
  const [, fragment] = dataSet.get(TAG.PixelData)?.fragments ?? [];
  if (fragment === undefined) throw new Error('it was encoded');
  const codestream = body.subarray(fragment.valueOffset, fragment.valueOffset + fragment.length);
  const codec = await openOpenJpeg();
  const layout = {
    ...({ rows: 64, columns: 64, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 12, signed: false } as const),
    ...{ colourByPlane: false, bigEndianWords: false, colourTransformation: false },
  };
  const samples = codec.decode(codestream, layout);
  samples[1000] = (samples[1000] ?? 0) ^ 1;
  const encoded = codec.encode(samples, layout);
  const padded = Buffer.concat([encoded, new Uint8Array(encoded.length % 2)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(padded.length);
  const altered = [
    file.subarray(0, fragment.valueOffset - 4),
    length,
    padded,
    file.subarray(fragment.valueOffset + fragment.length),
  ];
  await writeFile(path, Buffer.concat(altered));
}

/** Another value of the same length in place of the one that is there. */
async function overwrite(path: string, tag: number, text: string): Promise<void> {
  const file = await readFile(path);
  const { dataSet } = readPart10(file);
  const element = dataSet.get(tag);
  if (element === undefined || valueBytes(dataSet, element).length < text.length) throw new Error('there is such a value');
  file.write(text.padEnd(element.length, ' '), element.valueOffset, 'latin1');
  await writeFile(path, file);
}

const EQUAL_BY_DIGEST = { verdict: 'equal', by: 'digest' };
const RETRIEVED = { verdict: 'equal', by: 'retrieved' };

describe.skipIf(requirePeer('DCMTK', existsSync('/usr/bin/storescu')))('audit verify', () => {
  let folder: TemporaryFolder;
  let data: string;
  let up: RunningStorestow;

  async function start(archive: readonly string[]): Promise<void> {
    folder = await temporaryFolder('audit-verify');
    data = join(folder.path, 'data');
    const port = await freePort();
    up = startStorestow(['up', '--data', data, '--port', String(port), '--aet', 'STORESTOW', ...archive]);
    await up.waitFor(/storescu .*127\.0\.0\.1/);
    await writeStudy(folder.path);
    const files = NAMES.map((name) => join(folder.path, `${name}.dcm`));
    const native = files.filter((file) => !file.includes('big-endian'));
    const target = ['-aet', 'MODALITY1', '-aec', 'STORESTOW', '127.0.0.1', String(port)];
    await run('storescu', [...target, ...native]);
    await run('storescu', ['-xb', ...target, join(folder.path, 'big-endian.dcm')]);
    await waitUntil('all have an outcome', async () => {
      const { stdout } = await runStorestow(['audit', '--data', data, '--json', '--status', 'stowed']);
      return (JSON.parse(stdout) as readonly unknown[]).length === NAMES.length ? true : undefined;
    });
  }

  async function stop(): Promise<void> {
    await up.stop();
    await folder.remove();
  }

  async function audit(...args: readonly string[]): Promise<Finished> {
    return runStorestow(['audit', 'verify', '--data', data, ...args]);
  }

  async function verified(...args: readonly string[]): Promise<Verified> {
    const { code, stdout } = await audit('--json', ...args);
    const list = JSON.parse(stdout) as readonly Entry[];
    return {
      code,
      stdout,
      entries: Object.fromEntries(
        list.map((entry) => [NAMES[Number(entry.sopInstanceUID.split('.').at(-1)) - 1] ?? '', shortOf(entry)]),
      ),
    };
  }

  function allOf<T>(value: T): Readonly<Record<string, T>> {
    return Object.fromEntries(NAMES.map((name) => [name, value]));
  }

  describe('of the embedded archive', () => {
    beforeAll(async () => start([]), 120_000);
    afterAll(stop);

    const fileOf = (name: string): string => join(data, 'archive', 'instances', STUDY, `${STUDY}.1`, `${uidOf(name)}.dcm`);

    it('by its own check of its files, and by decoding what is retrieved: all equal', async () => {
      const { stdout } = await runStorestow(['audit', '--data', data, '--json']);
      const proofs = JSON.parse(stdout) as readonly { readonly proof?: string; readonly archivedMd5?: string }[];
      expect(proofs.map(({ proof }) => proof)).not.toContain('listed');
      expect(proofs.every(({ archivedMd5 }) => /^[0-9a-f]{32}$/.test(archivedMd5 ?? ''))).toBe(true);
      expect(await verified()).toMatchObject({ code: 0, entries: allOf(EQUAL_BY_DIGEST) });
      const retrieved = await verified('--retrieve');
      expect(retrieved).toMatchObject({ code: 0, entries: allOf(RETRIEVED) });
      expect(retrieved.stdout).not.toMatch(/Test|TEST-1/);
    });

    it('a sample, the same one again by its seed', async () => {
      const first = await verified('--sample', '3', '--seed', 'a');
      expect(Object.values(first.entries)).toEqual([EQUAL_BY_DIGEST, EQUAL_BY_DIGEST, EQUAL_BY_DIGEST]);
      expect((await verified('--sample', '3', '--seed', 'a')).entries).toEqual(first.entries);
      expect((await audit('--sample', '3', '--seed', 'a')).stdout).toContain(
        `a sample of 3 of ${NAMES.length} stowed instances, --seed a`,
      );
    });

    it('nothing that the filter asks for: a mistake, not a proof', async () => {
      expect(await audit('--study', '1.2.3')).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE') as string });
    });

    describe('when somebody was at its store', () => {
      beforeAll(async () => {
        await alterPixel(fileOf('altered'));
        await overwrite(fileOf('recoerced'), TAG.StudyID, '20000101000000');
        await overwrite(fileOf('beside-pixels'), TAG.PatientName, 'Someone^Else');
        await rm(fileOf('removed'));
      });

      const found = {
        ...allOf(EQUAL_BY_DIGEST),
        altered: { verdict: 'different', differences: ['pixel MD5'] },
        recoerced: { verdict: 'different', differences: ['StudyID'] },
        'beside-pixels': { verdict: 'different', differences: ["file (the archive's own check of its storage failed)"] },
        removed: { verdict: 'missing', listed: true },
      };

      it('what was altered, coerced anew, altered elsewhere and removed is found, and nothing else', async () => {
        expect(await verified()).toMatchObject({ code: 1, entries: found });
      });

      it('by retrieving alone, what lies beside pixels and rules is not looked at', async () => {
        const entries = { ...allOf(RETRIEVED), altered: found.altered, recoerced: found.recoerced, removed: found.removed };
        expect(await verified('--retrieve')).toMatchObject({ code: 1, entries });
      });

      it('in a table, and as CSV', async () => {
        const { stdout, code } = await audit();
        expect(code).toBe(1);
        expect(stdout).toMatch(/different *│ *pixel MD5 *│ *MODALITY1@127\.0\.0\.1/);
        expect(stdout).toContain(
          `${NAMES.length - 4} equal (${NAMES.length - 4} by digest, 0 retrieved), 3 different, 1 missing, 0 unverifiable`,
        );
        const csv = await audit('--csv');
        expect(csv.stdout.split('\r\n')).toHaveLength(NAMES.length + 2);
        expect(csv.stdout).toContain('different,,pixel MD5,');
      });
    });

    it('ends with 75 when the archive is gone', async () => {
      await up.stop();
      const { code, entries } = await verified();
      expect(code).toBe(75);
      expect(entries['plain']).toEqual({ verdict: 'unverifiable', code: 'ARCHIVE_UNAVAILABLE' });
    });
  });

  describe.skipIf(requirePeer('Orthanc with DICOMweb', orthancAvailable()))('of Orthanc', () => {
    let orthanc: Orthanc;
    let storage: TemporaryFolder;

    beforeAll(async () => {
      storage = await temporaryFolder('audit-verify-orthanc');
      orthanc = await startOrthanc({ folder: storage.path, settings: { MaximumStorageCacheSize: 0 } });
      await start(['--archive', orthanc.stowUrl]);
    }, 120_000);
    afterAll(async () => {
      await stop();
      await orthanc.stop();
      await storage.remove();
    });

    async function fileOf(name: string): Promise<string> {
      const entries = await readdir(join(storage.path, 'storage'), { recursive: true, withFileTypes: true });
      for (const entry of entries.filter((one) => one.isFile())) {
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        if (bytes.subarray(128, 132).toString('latin1') === 'DICM' && bytes.includes(uidOf(name))) return path;
      }
      throw new Error(`no file of Orthanc's is ${name}`);
    }

    it('equal, by the MD5 of what was sent and by decoding', async () => {
      expect(await verified()).toMatchObject({ code: 0, entries: allOf(EQUAL_BY_DIGEST) });
      expect(await verified('--retrieve')).toMatchObject({ code: 0, entries: allOf(RETRIEVED) });
    });

    it('what was altered in its storage, and what was deleted, is found', async () => {
      await alterPixel(await fileOf('altered'));
      await overwrite(await fileOf('recoerced'), TAG.StudyID, '20000101000000');
      const lookup = await fetch(`${orthanc.restUrl}/tools/lookup`, { method: 'POST', body: uidOf('removed') });
      const [{ ID: id }] = (await lookup.json()) as readonly [{ readonly ID: string }];
      expect((await fetch(`${orthanc.restUrl}/instances/${id}`, { method: 'DELETE' })).status).toBe(200);
      expect(await verified()).toMatchObject({
        code: 1,
        entries: {
          ...allOf(EQUAL_BY_DIGEST),
          altered: { verdict: 'different', differences: ['pixel MD5'] },
          recoerced: { verdict: 'different', differences: ['StudyID'] },
          removed: { verdict: 'missing', listed: false },
        },
      });
    });

    it('what is gone from its disk is found, though it can then list nothing of the study', async () => {
      await rm(await fileOf('beside-pixels'));
      const { code, entries } = await verified();
      expect(code).toBe(1);
      expect(entries).toMatchObject({
        plain: { verdict: 'equal' },
        planar: { verdict: 'equal' },
        altered: { verdict: 'different', differences: ['pixel MD5'] },
      });
      // Nor is it said to be listed.
      expect(entries['beside-pixels']).toEqual({ verdict: 'missing' });
    });
  });
});
