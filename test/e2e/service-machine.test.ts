/** What `storestow service --install` writes, run by systemd itself, with all that hardens it: an image that storescu sends is in the bucket. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { writeCtStudy } from '../support/ct-study.ts';
import { requireLeave, requirePeer } from '../support/peers.ts';
import { startSystemdMachine, systemdInstalled, systemdMachineAvailable } from '../support/systemd-machine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const dcmtk = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);
const ENTRY = fileURLToPath(new URL('../../cli/storestow.ts', import.meta.url));

const CONFIG = '/etc/storestow/config.json';
const SPOOL = '/var/spool/storestow';
const BUCKET = '/var/lib/storestow/bucket';

const skip =
  requirePeer('DCMTK', dcmtk) ||
  requirePeer('systemd', systemdInstalled) ||
  requireLeave('start a systemd of its own in namespaces', systemdMachineAvailable);

it.skipIf(skip)(
  'the units receive, upload and sweep as a user of their own, and leave nothing in the spool',
  { timeout: 180_000 },
  async () => {
    const folder = await temporaryFolder('machine');
    onTestFinished(() => folder.remove());
    const { paths } = await writeCtStudy(join(folder.path, 'study'), 3);
    const config = join(folder.path, 'config.json');
    await writeFile(config, JSON.stringify({ site: 'east', bucket: { kind: 'folder', path: BUCKET }, upload: { settle: 0 } }));
    const storestow = [process.execPath, ENTRY];
    const machine = await startSystemdMachine('storestow.target', [
      ...['sh', '-c', `install -D -m 644 "$0" ${CONFIG} && exec "$@" > /dev/null`, config],
      ...[...storestow, 'service', '--config', CONFIG, '--receiver', 'CT:11112', '--install', '--root', '/'],
    ]);
    onTestFinished(() => machine.close());
    const show = async (unit: string, property: string): Promise<string> =>
      (await machine.run('systemctl', 'show', `--property=${property}`, '--value', unit)).trim();
    const asUser = ['setpriv', '--reuid=storestow', '--regid=storestow', '--clear-groups'];
    const received = async (): Promise<unknown[]> =>
      JSON.parse(await machine.run(...asUser, ...storestow, 'audit', '--config', CONFIG, '--json')) as unknown[];

    await waitUntil('storescp listens', async () => (await machine.run('ss', '-Hltn', 'sport = :11112')) !== '');
    const [first = '', second = '', third = ''] = paths;
    await machine.run('storescu', '-aet', 'MODALITY', '-aec', 'CT', '127.0.0.1', '11112', first, second);
    await waitUntil('the images are in the bucket', async () => (await received()).length === 2);
    expect(await received()).toMatchObject(
      [first, second].map(() => ({ site: 'east', callingAET: 'MODALITY', callingIP: '127.0.0.1' })),
    );

    const missed = join(SPOOL, 'received', '10.1.2.3');
    await machine.run('install', '-d', '-o', 'storestow', '-m', '700', missed);
    await machine.run('install', '-o', 'storestow', '-m', '600', third, missed);
    await machine.run('systemctl', 'start', 'storestow-sweep.service');
    expect(await show('storestow-sweep.service', 'Result')).toBe('success');
    expect(await received()).toHaveLength(3);

    expect(await machine.run('find', SPOOL, '-type', 'f', '-not', '-path', `${SPOOL}/.storestow/*`)).toBe('');
    for (const unit of ['storestow-upload.service', 'storestow-receiver-11112.service']) {
      expect(await show(unit, 'NRestarts')).toBe('0');
      expect(await machine.run('ps', '-o', 'user=', '-p', await show(unit, 'MainPID'))).toMatch(/^storesto/);
    }
    await machine.run('systemctl', 'stop', 'storestow.target');
    await waitUntil('the uploader has ended', async () => (await show('storestow-upload.service', 'ActiveState')) === 'inactive');
    expect(await show('storestow-upload.service', 'Result')).toBe('success');
  },
);
