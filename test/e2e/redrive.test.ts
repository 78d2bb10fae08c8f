/** What was quarantined goes through again when its cause is gone, with the real programs: storescu, up, redrive. */
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAudit, settledAudit } from '../support/audit-process.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { minioAvailable } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow, type Finished, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const installed = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);
const noDcmtk = requirePeer("DCMTK's storescp and storescu", installed);
const noMinio = requirePeer('MinIO', await minioAvailable());

function mapping(names: Readonly<Record<string, string>>): string {
  const entries = Object.entries(names).map(([title, name]) => `<key>${title}</key><string>${name}</string>`);
  return `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>${entries.join('')}</dict></plist>`;
}

describe.each([
  { bucket: 'folder', skip: noDcmtk },
  { bucket: 'minio', skip: noDcmtk || noMinio },
])('redrive, with the bucket $bucket', ({ bucket, skip }) => {
  describe.skipIf(skip)('of studies of an AE title that the mapping did not have', () => {
    let folder: TemporaryFolder;
    let data: string;
    let plist: string;
    let up: RunningStorestow;
    let unknown: CtStudy;
    let known: CtStudy;

    const redrive = async (...args: string[]): Promise<Finished> => runStorestow(['redrive', '--data', data, ...args]);
    const settled = async (study: CtStudy): Promise<readonly string[]> => {
      const entries = await waitUntil('all objects have an outcome', () => settledAudit(data, study.studyInstanceUID, 3), {
        timeout: 60_000,
      });
      return entries.map(({ status, reason, institution = '' }) => [status, reason, institution].filter(Boolean).join('/'));
    };
    async function archived(study: CtStudy): Promise<readonly string[]> {
      const [, url = ''] = /^archive +embedded, (\S+?),/m.exec(up.output().stdout) ?? [];
      const address = url.replace('{aet}', 'NEWCT').replace('%@', 'NEWCT');
      const answer = await fetch(`${address}/${study.studyInstanceUID}/instances`, {
        headers: { accept: 'application/dicom+json' },
      });
      if (answer.status === 204) return [];
      const instances = (await answer.json()) as readonly Record<string, { readonly Value: readonly string[] }>[];
      return instances.flatMap((instance) => instance['00080018']?.Value ?? []);
    }

    beforeAll(async () => {
      folder = await temporaryFolder('redrive');
      data = join(folder.path, 'data');
      plist = join(folder.path, 'institutions.plist');
      unknown = await writeCtStudy(join(folder.path, 'unknown'), 3, '1.2.826.0.1.3680043.10.61');
      known = await writeCtStudy(join(folder.path, 'known'), 3, '1.2.826.0.1.3680043.10.62');
      await writeFile(plist, mapping({ CT1: 'North Clinic' }));
      const port = await freePort();
      up = startStorestow(['up', '--data', data, '--bucket', bucket, '--institutions', plist, '--port', String(port)]);
      await up.waitFor(/running; end with/);
      const target = ['-aec', 'STORESTOW', '127.0.0.1', String(port), '+sd'];
      await run('storescu', ['-aet', 'NEWCT', ...target, join(folder.path, 'unknown')]);
      await run('storescu', ['-aet', 'CT1', ...target, join(folder.path, 'known')]);
    }, 120_000);

    afterAll(async () => {
      await up?.stop();
      await folder?.remove();
    });

    it('they are quarantined, and the archive has none of them', async () => {
      expect(await settled(unknown)).toEqual(Array.from({ length: 3 }, () => 'quarantined/UNKNOWN_SOURCE'));
      expect(await settled(known)).toEqual(Array.from({ length: 3 }, () => 'stowed/North Clinic'));
      expect(await archived(unknown)).toEqual([]);
    });

    it('a dry run lists them, and does nothing', async () => {
      const { code, stdout } = await redrive('--reason', 'UNKNOWN_SOURCE', '--dry-run', '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        dryRun: true,
        chosen: 3,
        redriven: 0,
        groups: [{ status: 'quarantined', reason: 'UNKNOWN_SOURCE', studyInstanceUID: unknown.studyInstanceUID, objects: 3 }],
      });
      expect(await settled(unknown)).toEqual(Array.from({ length: 3 }, () => 'quarantined/UNKNOWN_SOURCE'));
    });

    it('redriven before the mapping changed, they are quarantined again', async () => {
      const before = (await runAudit(data, ['--reason', 'UNKNOWN_SOURCE'])).map(({ key }) => key);
      expect(await redrive('--study', unknown.studyInstanceUID)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/3 objects queued in /) as unknown,
      });
      expect(await settled(unknown)).toEqual(Array.from({ length: 3 }, () => 'quarantined/UNKNOWN_SOURCE'));
      expect((await runAudit(data, ['--reason', 'UNKNOWN_SOURCE'])).map(({ key }) => key)).toEqual(before);
    });

    it('redriven when the mapping has the AE title, they arrive, while up runs on', async () => {
      await writeFile(plist, mapping({ CT1: 'North Clinic', NEWCT: 'South Clinic' }));
      const { code, stdout, stderr } = await redrive('--reason', 'UNKNOWN_SOURCE');
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('redriven: 3 of 3 objects') as unknown });
      expect(stdout).toMatch(/quarantined\/UNKNOWN_SOURCE .*1\.2\.826\.0\.1\.3680043\.10\.61 /);
      expect(stdout).toMatch(/^3 quarantined\/UNKNOWN_SOURCE$/m);
      expect(await settled(unknown)).toEqual(Array.from({ length: 3 }, () => 'stowed/South Clinic'));
      expect((await archived(unknown)).toSorted()).toEqual(unknown.sopInstanceUIDs.toSorted());
    });

    it('a second redrive finds nothing, and leaves what is stowed', async () => {
      expect(await redrive('--all')).toMatchObject({ code: 0, stdout: 'nothing to redrive\n' });
      expect(await settled(known)).toEqual(Array.from({ length: 3 }, () => 'stowed/North Clinic'));
    });

    it('a study that the archive holds under another institution is quarantined, and arrives when the mapping is corrected', async () => {
      const more = await writeCtStudy(join(folder.path, 'more'), 4, '1.2.826.0.1.3680043.10.62');
      await writeFile(plist, mapping({ CT1: 'North Clinic', NEWCT: 'South Clinic' }));
      const port = /-aec STORESTOW 127\.0\.0\.1 (\d+)|storescu .*127\.0\.0\.1 (\d+)/.exec(up.output().stdout);
      const to = port?.[1] ?? port?.[2] ?? '';
      await run('storescu', ['-aet', 'NEWCT', '-aec', 'STORESTOW', '127.0.0.1', to, more.paths[3] ?? '']);
      const states = async (): Promise<readonly string[]> =>
        (await runAudit(data, ['--study', known.studyInstanceUID, '--calling-aet', 'NEWCT'])).map(
          ({ status, reason = '' }) => `${status}/${reason}`,
        );
      const outcome = async (): Promise<string | undefined> => (await states()).find((state) => state !== 'pending/');
      expect(await waitUntil('it has an outcome', outcome)).toBe('quarantined/INSTITUTION_CONFLICT');
      await writeFile(plist, mapping({ CT1: 'North Clinic', NEWCT: 'North Clinic' }));
      expect((await redrive('--reason', 'INSTITUTION_CONFLICT')).code).toBe(0);
      expect(await waitUntil('it has an outcome', outcome)).toBe('stowed/');
      expect(await archived(known)).toHaveLength(4);
    });
  });
});

describe('redrive refuses', () => {
  it.each([
    ['to send everything for want of a condition', [], /name what is to go/],
    ['to send all that is stowed', ['--status', 'stowed'], /with --status stowed/],
    ['a bucket that is not there', ['--all', '--data', 'nowhere'], /there is no bucket in .*nowhere/],
  ])('%s', async (_name, args, message) => {
    const { code, stderr } = await runStorestow(['redrive', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
