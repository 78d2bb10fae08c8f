/** `storestow status` beside real uploaders: what it says of a bucket that is away, of what failed, and of what is done. */
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildImage } from '../support/build-dicom.ts';
import { writeCtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { runStorestow, startStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

interface Status {
  readonly waiting: { readonly studies: number; readonly instances: number; readonly oldest?: string };
  readonly uploading: { readonly studies: number; readonly instances: number };
  readonly doneToday: { readonly studies: number; readonly instances: number; readonly bytes: number };
  readonly failed: readonly { readonly path: string; readonly code: string }[];
  readonly foreign: readonly { readonly path: string }[];
  readonly reasons: Readonly<Record<string, number>>;
}

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await temporaryFolder('status');
  await mkdir(spool(), { recursive: true });
});
afterEach(() => folder.remove());

const spool = (...names: string[]): string => join(folder.path, 'spool', ...names);
const bucket = (): string => `folder:${join(folder.path, 'bucket')}`;

async function status(): Promise<{ readonly code: number | null; readonly status: Status }> {
  const { code, stdout } = await runStorestow(['status', '--spool', spool(), '--json']);
  return { code, status: JSON.parse(stdout) as Status };
}

const upload = async (...args: string[]): Promise<number | null> =>
  (await runStorestow(['upload', '--all', '--spool', spool(), '--log-level', 'silent', ...args])).code;

describe('storestow status', () => {
  it('waiting, the bucket away, done: each is told, and the exit code says whether to look', async () => {
    await writeCtStudy(spool('received', '10.0.0.1'), 3, '1.2.3.1');
    await writeCtStudy(spool('study'), 2, '1.2.3.2');
    expect(await status()).toMatchObject({ code: 0, status: { waiting: { studies: 2, instances: 5 }, reasons: {} } });
    const away = `http://a:b@127.0.0.1:${await freePort()}/bucket`;
    expect(await upload('--bucket', away)).toBe(75);
    expect(await status()).toMatchObject({
      code: 75,
      status: { waiting: { studies: 2, instances: 5 }, reasons: { STORE_UNAVAILABLE: 5 }, doneToday: { instances: 0 } },
    });
    expect(await upload('--bucket', bucket())).toBe(0);
    const after = await status();
    expect(after).toMatchObject({
      code: 0,
      status: { waiting: { studies: 0, instances: 0 }, reasons: {}, doneToday: { studies: 2, instances: 5 }, failed: [] },
    });
    const { stdout } = await runStorestow(['status', '--spool', spool()]);
    expect(stdout).toMatch(/^done today 2 studies, 5 instances, /m);
  });

  it('what failed and what is foreign is listed; what is kept does not wait', async () => {
    await writeCtStudy(spool('study'), 2, '1.2.3.2');
    await mkdir(spool('cut'));
    await writeFile(spool('cut', 'a'), buildImage({}).subarray(0, 600));
    await writeFile(spool('notes.txt'), 'no DICOM');
    await symlink('/etc/passwd', spool('link'));
    const kept = (): Promise<number | null> => upload('--bucket', bucket(), '--after', 'keep');
    expect([await kept(), await kept()]).toEqual([1, 1]);
    const seen = await status();
    expect(seen).toMatchObject({
      code: 1,
      status: { waiting: { instances: 0 }, doneToday: { studies: 1, instances: 2 }, failed: [{ code: 'TRUNCATED' }] },
    });
    expect(seen.status.foreign.map(({ path }) => path).sort()).toEqual([spool('link'), spool('notes.txt')]);
  });

  it('what is on its way is uploading', async () => {
    await writeCtStudy(spool('received', '10.0.0.1'), 3, '1.2.3.1');
    // It takes the connection and does not answer.
    const server: Server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const uploader = startStorestow(['upload', '--watch', '--spool', spool(), '--bucket', `http://a:b@127.0.0.1:${port}/bucket`]);
    try {
      const seen = await waitUntil('it uploads', async () => {
        const now = await status();
        return now.status.uploading.instances === 3 && now;
      });
      expect(seen.status).toMatchObject({ uploading: { studies: 1, instances: 3 }, waiting: { instances: 0 } });
    } finally {
      await uploader.stop('SIGKILL');
      server.close();
    }
  });

  it.each([
    ['more than there is', { warnFreeBytes: Number.MAX_SAFE_INTEGER, warnFreeInodes: 0 }, 75],
    ['nothing', { warnFreeBytes: 0, warnFreeInodes: 0 }, 0],
  ])('the disk must have %s free', async (_, disk, code) => {
    const STORESTOW_CONFIG = JSON.stringify({ upload: { disk } });
    expect((await runStorestow(['status', '--spool', spool()], { env: { STORESTOW_CONFIG } })).code).toBe(code);
  });

  it('--sites has what each run of upload --all leaves in the bucket, and says where there is nothing', async () => {
    const sites = async () => runStorestow(['status', '--sites', '--bucket', bucket()]);
    expect(await upload('--bucket', bucket())).toBe(0);
    const config = { upload: { heartbeat: 0 }, site: 'mute' };
    const mute = await runStorestow(['upload', '--all', '--spool', spool(), '--bucket', bucket()], {
      env: { STORESTOW_CONFIG: JSON.stringify(config) },
    });
    expect(mute.code).toBe(0);
    const { code, stdout } = await sites();
    expect(stdout).toMatch(/│ default │ well +│/);
    expect(stdout).not.toContain('mute');
    expect(code).toBe(0);
    const empty = await runStorestow(['status', '--sites', '--bucket', `folder:${spool()}`]);
    expect(empty).toMatchObject({ code: 1, stdout: 'no site has written a heartbeat to this bucket\n' });
  });

  it('exit code 1 where there is no spool', async () => {
    const { code, stderr } = await runStorestow(['status', '--spool', spool('nowhere')]);
    expect(code).toBe(1);
    expect(stderr).toContain('there is no spool');
  });
});
