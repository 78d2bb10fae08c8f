/**
 * kill -9 in the middle of a study, of each process that `up` runs and of `up` itself: all arrives, once. A proxy before the
 * archive sees what is sent; audit, the archive and the spool show where everything ended.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { settledAudit } from '../support/audit-process.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { descendantsOf, isRunning, type ListedProcess } from '../support/process-tree.ts';
import { startRecordingProxy, type RecordingProxy } from '../support/recording-proxy.ts';
import { startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const skip = requirePeer('DCMTK', existsSync('/usr/bin/storescp') && existsSync('/usr/bin/storescu'));

const FUNCTION = /function-process/;
const UPLOADER = /upload --watch/;

describe.skipIf(skip)('kill -9 in the middle of a study', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  let proxy: RecordingProxy;
  let data: string;
  let port: number;
  let config: string;
  let up: RunningStorestow;

  beforeEach(async () => {
    folder = await temporaryFolder('kill');
    data = join(folder.path, 'data');
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
    proxy = await startRecordingProxy(archive.url);
    port = await freePort();
    config = join(folder.path, 'storestow.json');
    // The lease of a function that was killed runs out when the archive has had as long as this to answer.
    await writeFile(config, JSON.stringify({ archive: { url: proxy.url, timeout: 5, maxInstances: 5, connections: 2 } }));
    up = await startUp();
  });

  afterEach(async () => {
    await up.stop();
    await proxy.close();
    await archive.close();
    await folder.remove();
  });

  async function startUp(): Promise<RunningStorestow> {
    const started = startStorestow(['up', '--data', data, '--config', config, '--port', String(port)]);
    await started.waitFor(/running/);
    return started;
  }

  async function childOfUp(command: RegExp): Promise<ListedProcess> {
    const found = (await descendantsOf(up.child.pid ?? 0)).find((child) => command.test(child.command));
    return found ?? expect.fail(`up runs no process like ${command}`);
  }

  async function send(study: string): Promise<void> {
    await run('storescu', ['-aet', 'CT1', '-aec', 'STORESTOW', '127.0.0.1', String(port), '+sd', study]);
  }

  async function inTheMiddle(): Promise<void> {
    await waitUntil('some instances are stored, with and without an answer', () => proxy.inTheMiddle(), { interval: 5 });
  }

  /** What the archive gave an answer for, and what it kept without. */
  async function storedCount(): Promise<number> {
    return (await archived()).length;
  }

  async function archived(): Promise<readonly string[]> {
    const answer = await fetch(`${archive.url.replace('{aet}', 'ANY').replace(/\/studies$/, '/instances')}?limit=1000`);
    if (answer.status === 204) return [];
    const instances = (await answer.json()) as readonly Record<string, { readonly Value: readonly string[] }>[];
    return instances.flatMap((instance) => instance['00080018']?.Value ?? []);
  }

  async function expectAllOnce(study: CtStudy): Promise<void> {
    const uids = study.sopInstanceUIDs.toSorted();
    const look = async () => settledAudit(data, study.studyInstanceUID, uids.length);
    const entries = await waitUntil('all have an outcome', look, { timeout: 180_000, interval: 500 });
    expect(entries.map(({ sopInstanceUID }) => sopInstanceUID).toSorted()).toEqual(uids);
    expect(entries.map(({ status }) => status)).toEqual(entries.map(() => 'stowed'));
    expect((await archived()).toSorted()).toEqual(uids);
    expect(proxy.sentAgain()).toEqual([]);
    expect([...new Set(proxy.stores.flatMap(({ sopInstanceUIDs }) => sopInstanceUIDs))].toSorted()).toEqual(uids);
    await waitUntil('the spool is empty', async () => (await spooled()) === 0);
  }

  /** Files of the spool, locks and marks aside. */
  async function spooled(): Promise<number> {
    const entries = await readdir(join(data, 'spool'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && !entry.parentPath.includes('.storestow')).length;
  }

  it('of the function: it comes back, and all arrives once', async () => {
    const study = await writeCtStudy(join(folder.path, 'study'), 60);
    proxy.latency = 300;
    const { pid } = await childOfUp(FUNCTION);
    await send(join(folder.path, 'study'));
    await inTheMiddle();
    process.kill(pid, 'SIGKILL');
    expect(await storedCount()).toBeLessThan(60);
    proxy.latency = 0;
    await expectAllOnce(study);
    expect(await isRunning(up.child.pid ?? 0)).toBe(true);
    expect((await childOfUp(FUNCTION)).pid).not.toBe(pid);
  });

  it('of the uploader: it comes back, and all arrives once', async () => {
    const study = await writeCtStudy(join(folder.path, 'study'), 300);
    const uploader = await childOfUp(UPLOADER);
    // All lies in the spool before it begins, so that there is a middle.
    process.kill(uploader.pid, 'SIGSTOP');
    await send(join(folder.path, 'study'));
    await waitUntil('all are in the spool', async () => (await spooled()) === 300);
    process.kill(uploader.pid, 'SIGCONT');
    await waitUntil('some are uploaded', async () => (await spooled()) < 300, { interval: 1 });
    process.kill(uploader.pid, 'SIGKILL');
    await waitUntil('the uploader has ended', async () => !(await isRunning(uploader.pid)), { interval: 5 });
    expect(await spooled()).toBeGreaterThan(0);
    await expectAllOnce(study);
    expect((await childOfUp(UPLOADER)).pid).not.toBe(uploader.pid);
  });

  it('of up: its processes end, and started again it goes on', async () => {
    const study = await writeCtStudy(join(folder.path, 'study'), 60);
    proxy.latency = 300;
    await send(join(folder.path, 'study'));
    await inTheMiddle();
    const children = await descendantsOf(up.child.pid ?? 0);
    await up.stop('SIGKILL');
    const left = await storedCount();
    await waitUntil('none of its processes is left', async () => {
      const running = await Promise.all(children.map(({ pid }) => isRunning(pid)));
      return !running.includes(true);
    });
    expect(left).toBeLessThan(60);
    proxy.latency = 0;
    up = await startUp();
    await expectAllOnce(study);
  });
});
