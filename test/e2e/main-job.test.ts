/**
 * storescu → storescp → uploader → bucket → functions → Orthanc, with the real programs, and each claim checked with
 * somebody else's: dcmdump for the coercions, GDCM for the pixels.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXPLICIT_LE, J2K_LOSSLESS } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { minioAvailable } from '../support/minio.ts';
import { writeMixedStudy, type MixedStudy, type StudyInstance } from '../support/mixed-study.ts';
import { orthancAvailable, startOrthanc, type Orthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const INSTITUTION = 'Hôpital Général = "A"';
const MAPPING = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>MODALITY1</key><string>Hôpital Général = &quot;A&quot;</string></dict></plist>`;

interface Entry {
  readonly status: string;
  readonly institution?: string;
  readonly sopInstanceUID: string;
  readonly callingAET: string;
  readonly callingIP: string;
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
  readonly sentMd5?: string;
  readonly syntaxReceived?: string;
  readonly syntaxSent?: string;
  readonly codec?: string;
  readonly proof?: string;
}

const noPeers =
  requirePeer('DCMTK', existsSync('/usr/bin/storescp') && existsSync('/usr/bin/dcmdump')) ||
  requirePeer('Orthanc with DICOMweb', orthancAvailable()) ||
  requirePeer("GDCM's tools", existsSync('/usr/bin/gdcmraw'));
const noMinio = requirePeer('MinIO', await minioAvailable());

describe.each([
  { bucket: 'folder', skip: noPeers },
  { bucket: 'minio', skip: noPeers || noMinio },
])('a mixed study through storestow up with the bucket $bucket', ({ bucket, skip }) => {
  describe.skipIf(skip)('as it arrives in Orthanc', () => {
    let folder: TemporaryFolder;
    let orthanc: Orthanc;
    let up: RunningStorestow;
    let study: MixedStudy;
    let data: string;
    let entries: readonly Entry[];
    let archived: ReadonlyMap<string, string>;

    beforeAll(async () => {
      folder = await temporaryFolder('main-job');
      data = join(folder.path, 'data');
      study = await writeMixedStudy(join(folder.path, 'study'));
      orthanc = await startOrthanc();
      const mapping = join(folder.path, 'institutions.plist');
      await writeFile(mapping, MAPPING);
      const port = await freePort();
      up = startStorestow([
        ...['up', '--data', data, '--bucket', bucket, '--archive', orthanc.stowUrl],
        ...['--institutions', mapping, '--port', String(port), '--aet', 'STORESTOW'],
      ]);
      await up.waitFor(/storescu .*127\.0\.0\.1/);
      const target = ['-aet', 'MODALITY1', '-aec', 'STORESTOW', '127.0.0.1', String(port), '+sd'];
      await run('storescu', [...target, join(folder.path, 'study', 'native')]);
      await run('storescu', ['-xs', ...target, join(folder.path, 'study', 'compressed')]);
      entries = await waitUntil('all 30 objects have an outcome', () => audit(['--study', study.studyInstanceUID]), {
        timeout: 120_000,
      });
      archived = await listArchived(orthanc);
    }, 240_000);

    afterAll(async () => {
      await up?.stop();
      await orthanc?.stop();
      await folder?.remove();
    });

    async function audit(filter: readonly string[]): Promise<readonly Entry[] | undefined> {
      const { stdout, code } = await runStorestow(['audit', '--data', data, '--json', ...filter]);
      if (code !== 0) return undefined;
      const found = JSON.parse(stdout) as readonly Entry[];
      return found.length === 30 && found.every(({ status }) => status !== 'pending') ? found : undefined;
    }

    function all(): readonly StudyInstance[] {
      return [...study.native, ...study.compressed];
    }

    async function download({ sopInstanceUID }: StudyInstance): Promise<string> {
      const answer = await fetch(`${orthanc.restUrl}/instances/${archived.get(sopInstanceUID) ?? ''}/file`);
      const path = join(folder.path, `${sopInstanceUID}.dcm`);
      await writeFile(path, new Uint8Array(await answer.arrayBuffer()));
      return path;
    }

    it('brings every instance to the archive, once', () => {
      expect([...archived.keys()].sort()).toEqual(
        all()
          .map(({ sopInstanceUID }) => sopInstanceUID)
          .sort(),
      );
      expect(entries.map(({ status }) => status)).toEqual(entries.map(() => 'stowed'));
    });

    it('sends JPEG 2000 reversible where that can be, and as received elsewhere', async () => {
      for (const instance of all()) {
        const id = archived.get(instance.sopInstanceUID) ?? '';
        const answer = await fetch(`${orthanc.restUrl}/instances/${id}/metadata/TransferSyntax`);
        expect(await answer.text(), instance.path).toBe(instance.sentSyntax);
      }
    });

    it('coerces what the rules name, as dcmdump shows', async () => {
      for (const instance of all()) {
        const { stdout } = await run('dcmdump', ['+U8', await download(instance)]);
        expect(stdout).toMatch(/\(0008,1060\) PN \[-\^-\^-\]/);
        expect(stdout).toMatch(/\(0020,0010\) SH \[29991231235959\]/);
        expect(stdout).toMatch(/\(0008,0090\) PN \[-\^-\^-\^-\]/);
        expect(stdout).toContain(`(0008,0080) LO [${INSTITUTION}]`);
        expect(stdout).toContain('(0400,0561) SQ');
        expect(stdout).toContain('[STUDY7]');
      }
    });

    it('keeps the pixels: GDCM decodes to the original bytes', async () => {
      for (const instance of study.native.filter(({ pixels }) => pixels !== undefined)) {
        const file = await download(instance);
        const raw = `${file}.raw.dcm`;
        await run('gdcmconv', ['--raw', file, raw]);
        await run('gdcmraw', ['-i', raw, '-o', `${file}.raw`]);
        const decoded = await readFile(`${file}.raw`);
        const original = instance.pixels ?? new Uint8Array(0);
        expect(Buffer.compare(decoded.subarray(0, original.length), original), instance.path).toBe(0);
      }
    });

    it('tags each original with length and MD5 of its pixel data, institution, syntaxes and proof', () => {
      const byUID = new Map(entries.map((entry) => [entry.sopInstanceUID, entry]));
      for (const instance of study.native) {
        const entry = byUID.get(instance.sopInstanceUID);
        const original = pixelValue(instance);
        expect(entry).toMatchObject({
          institution: INSTITUTION,
          callingAET: 'MODALITY1',
          callingIP: '127.0.0.1',
          syntaxReceived: EXPLICIT_LE,
          syntaxSent: instance.sentSyntax,
          codec: instance.sentSyntax === J2K_LOSSLESS ? (expect.stringMatching(/^openjpeg-/) as unknown) : 'NO_PIXEL_DATA',
          // The first one of a source teaches by what the digests of the others are predicted.
          proof: expect.stringMatching(/^(digest|retrieved)$/) as unknown,
          ...(original === undefined
            ? {}
            : { pixelLength: original.length, pixelMd5: createHash('md5').update(original).digest('hex') }),
        });
        expect(entry?.sentMd5).toMatch(/^[0-9a-f]{32}$/);
        if (original === undefined) expect(entry?.pixelMd5).toBeUndefined();
      }
      for (const instance of study.compressed) {
        expect(byUID.get(instance.sopInstanceUID)).toMatchObject({
          codec: 'ALREADY_COMPRESSED',
          syntaxSent: instance.sentSyntax,
        });
      }
    });

    it('leaves nothing in the spool', async () => {
      await waitUntil('the spool is empty', async () => (await filesBelow(join(data, 'spool'))).length === 0);
    });

    it('lists by institution, and writes CSV', async () => {
      const named = await runStorestow(['audit', '--data', data, '--institution', INSTITUTION, '--json']);
      expect(JSON.parse(named.stdout)).toHaveLength(30);
      const other = await runStorestow(['audit', '--data', data, '--institution', 'Elsewhere', '--json']);
      expect(JSON.parse(other.stdout)).toEqual([]);
      const csv = await runStorestow(['audit', '--data', data, '--csv']);
      expect(csv.stdout.trimEnd().split('\r\n')).toHaveLength(31);
    });
  });
});

/** The Pixel Data value as the modality sent it, from the file itself: it is the last element. */
function pixelValue({ file, pixels }: StudyInstance): Uint8Array | undefined {
  return pixels === undefined
    ? undefined
    : file.subarray(file.length - pixels.length - (pixels.length % 2), file.length - (pixels.length % 2));
}

async function listArchived(orthanc: Orthanc): Promise<ReadonlyMap<string, string>> {
  const instances = (await orthanc.get('/instances?expand')) as readonly {
    ID: string;
    MainDicomTags: { SOPInstanceUID: string };
  }[];
  return new Map(instances.map(({ ID, MainDicomTags }) => [MainDicomTags.SOPInstanceUID, ID]));
}

/** Locks and marks of the uploader aside. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && !entry.parentPath.includes('.storestow')).map(({ name }) => name);
}
