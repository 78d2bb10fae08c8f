/**
 * `storestow service` with those it writes for: systemd's own tools install and read its units, and what they read is run: a real storescp
 * and the uploader bring an image to the bucket.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePropertyList } from '../../core/property-list.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey, type ObjectKeyParts } from '../../core/store/object-key.ts';
import { writeCtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { commandLineOf, systemdAvailable, verifyUnits } from '../support/systemd.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const dcmtk = ['storescp', 'storescu'].every((name) => spawnSync(name, ['--version']).status === 0);
const openssl = spawnSync('openssl', ['version']).status === 0;

let folder: TemporaryFolder;
let started: ChildProcess[];

beforeEach(async () => {
  folder = await temporaryFolder('service');
  started = [];
});

afterEach(async () => {
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
  await folder.remove();
});

const at = (...names: string[]): string => join(folder.path, ...names);
/** Everything that units, shells and property lists take for something else. */
const spool = (): string => at(`sp'ool "a" \${HOME} 50%h & <b>`);
const bucket = (): string => at('buc ket');
const tree = (): string => at('tree');
const units = (): string => join(tree(), 'etc/systemd/system');

async function configured(): Promise<string> {
  const path = at('con fig.json');
  await writeFile(path, JSON.stringify({ site: 'east', bucket: { kind: 'folder', path: bucket() }, upload: { settle: 0 } }));
  return path;
}

async function service(...args: readonly string[]): Promise<Finished> {
  const finished = await runStorestow(
    ['service', '--config', await configured(), '--spool', spool(), '--data', at('data'), ...args],
    { cwd: folder.path },
  );
  expect(finished.stderr).toBe('');
  expect(finished.code).toBe(0);
  return finished;
}

/** As the supervisor would, but as this user. */
function start([program = '', ...args]: readonly string[]): void {
  started.push(spawn(program, args, { cwd: '/', stdio: 'ignore', env: { ...process.env, TCP_NODELAY: '1' } }));
}

async function makeSpool(): Promise<void> {
  for (const name of ['receiving', 'received', '.storestow']) await mkdir(join(spool(), name), { recursive: true });
}

async function listening(port: number): Promise<void> {
  await waitUntil(`something listens on ${port}`, async () => {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return true;
    } finally {
      socket.destroy();
    }
  });
}

async function inBucket(): Promise<(ObjectKeyParts | undefined)[]> {
  const store = await openFolderStore(bucket());
  try {
    const parts: (ObjectKeyParts | undefined)[] = [];
    for await (const { key } of store.list({ prefix: 'incoming/' })) parts.push(parseObjectKey(key));
    return parts;
  } finally {
    await store.close();
  }
}

async function carriesAnImage(
  commands: readonly (readonly string[])[],
  port: number,
  tls: readonly string[] = [],
): Promise<void> {
  await makeSpool();
  for (const command of commands) start(command);
  await listening(port);
  const { paths } = await writeCtStudy(at('study'), 2);
  await run('storescu', [...tls, '-aet', 'MODALITY', '-aec', 'CT', '127.0.0.1', String(port), ...paths]);
  await waitUntil('the images are in the bucket, the spool is empty', async () => {
    const parts = await inBucket();
    return parts.length === 2 && (await readdir(join(spool(), 'received', '127.0.0.1'))).length === 0;
  });
  for (const part of await inBucket())
    expect(part).toMatchObject({ site: 'east', callingAET: 'MODALITY', callingIP: '127.0.0.1' });
}

describe.skipIf(requirePeer('systemd (as root)', systemdAvailable))('for systemd', () => {
  const install = async (...receivers: string[]): Promise<Finished> => {
    await mkdir(tree(), { recursive: true });
    // Whom systemd is asked as must be able to read the units.
    await chmod(folder.path, 0o755);
    return service('--install', '--root', tree(), ...receivers.flatMap((receiver) => ['--receiver', receiver]));
  };

  it('the units pass systemd-analyze verify, and expose little', async () => {
    await install('CT:11112', 'MR ROOM 2:11113');
    const names = (await readdir(units())).filter((name) => name.startsWith('storestow') && !name.endsWith('.wants'));
    expect(names).toHaveLength(6);
    expect(verifyUnits(units(), names)).toEqual({ status: 0, said: '' });
    await writeFile(join(units(), 'storestow-upload.service'), '[Service]\nExecStart=relative\nNoSuchKey=1\n');
    expect(verifyUnits(units(), names).said).toContain('NoSuchKey');
    await install('CT:11112', 'MR ROOM 2:11113');
    for (const name of names.filter((file) => file.endsWith('.service'))) {
      const { stdout } = await run('systemd-analyze', ['security', '--offline=true', join(units(), name)]);
      const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      expect(exposure, name).toBeLessThan(2);
    }
  });

  it("systemd's own tools make the user, the folders for its eyes only, and have all started with the machine", async () => {
    await install('CT:11112');
    expect(await readFile(join(tree(), 'etc/passwd'), 'utf8')).toMatch(
      /^storestow:x:\d+:\d+:storestow:.*:\/usr\/sbin\/nologin$/m,
    );
    for (const name of ['', 'receiving', 'received', '.storestow'])
      expect((await stat(join(tree(), spool(), name))).mode & 0o777, name).toBe(0o700);
    expect(await readdir(join(units(), 'multi-user.target.wants'))).toEqual(['storestow.target']);
    expect((await readdir(join(units(), 'storestow.target.wants'))).sort()).toEqual([
      ...['storestow-receiver-11112.service', 'storestow-sweep.timer', 'storestow-upload.service'],
    ]);
  });

  it('a receiver that is no more goes with the next installation; uninstalling leaves spool, user, and what is not ours', async () => {
    await install('CT:11112', 'MR:11113');
    await install('CT:11112');
    expect(await readdir(units())).not.toContain('storestow-receiver-11113.service');
    await writeFile(join(units(), 'storestow-receiver-9.service'), '[Service]\nExecStart=/bin/true\n');
    const { stdout } = await service('--uninstall', '--root', tree(), '--dry-run');
    expect(stdout).toContain('would remove /etc/systemd/system/storestow.target\n');
    expect(await readdir(units())).toContain('storestow.target');
    await service('--uninstall', '--root', tree());
    expect((await readdir(units(), { recursive: true })).filter((name) => name.includes('storestow'))).toEqual([
      'storestow-receiver-9.service',
    ]);
    expect(await readdir(join(tree(), spool()))).toContain('received');
    expect((await service('--uninstall', '--root', tree())).stdout).toBe('nothing of storestow is installed\n');
  });

  it.skipIf(requirePeer("DCMTK's storescp and storescu", dcmtk))(
    'what systemd reads in ExecStart is run, and an image that storescu sends arrives in the bucket',
    async () => {
      const port = await freePort();
      await install(`CT:${port}`);
      const commands: string[][] = [];
      for (const name of [`storestow-receiver-${port}.service`, 'storestow-upload.service'])
        commands.push(await commandLineOf(name, units(), at('scratch')));
      await carriesAnImage(commands, port);
    },
  );

  it.skipIf(requirePeer("DCMTK's storescp and storescu", dcmtk))(
    'what systemd reads in ExecStart of the sweep brings to the bucket what was missed',
    async () => {
      await install('CT:11112');
      await makeSpool();
      await writeCtStudy(join(spool(), 'received', '10.1.2.3'), 3);
      const [program = '', ...args] = await commandLineOf('storestow-sweep.service', units(), at('scratch'));
      await run(program, args, { cwd: '/' });
      expect(await inBucket()).toHaveLength(3);
    },
  );
});

describe('for launchd', () => {
  const jobsOf = (printed: string): Record<string, unknown>[] =>
    printed
      .split(/^### .*\n/m)
      .slice(1)
      .map((text) => parsePropertyList(text) as Record<string, unknown>);

  it('prints property lists that plist reads', async () => {
    const { stdout } = await service('--for', 'launchd', '--user', 'dicom', '--receiver', 'CT:11112');
    expect(jobsOf(stdout).map((job) => [job['Label'], job['UserName']])).toEqual([
      ['storestow.receiver-11112', 'dicom'],
      ['storestow.upload', 'dicom'],
      ['storestow.sweep', 'dicom'],
      ['storestow.logs', 'dicom'],
    ]);
  });

  it.skipIf(requirePeer("DCMTK's storescp and storescu, openssl", dcmtk && openssl))(
    'what stands in ProgramArguments is run, with TLS: an image arrives, and a peer without a certificate is not let in',
    async () => {
      const port = await freePort();
      for (const name of ['receiver', 'modality']) await certificate(name);
      const { stdout } = await service(
        ...['--for', 'launchd', '--receiver', `CT:${port}`, '--tls-key', at('receiver.key'), '--tls-cert', at('receiver.pem')],
        ...['--tls-ca', at('modality.pem')],
      );
      const commands = jobsOf(stdout)
        .slice(0, 2)
        .map((job) => job['ProgramArguments'] as string[]);
      await carriesAnImage(commands, port, ['+tls', at('modality.key'), at('modality.pem'), '+cf', at('receiver.pem')]);
      const [file = ''] = (await writeCtStudy(at('study'), 1)).paths;
      for (const options of [[], ['+tla', '+cf', at('receiver.pem')]])
        await expect(run('storescu', [...options, '127.0.0.1', String(port), file])).rejects.toThrow();
    },
  );

  async function certificate(name: string): Promise<void> {
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
      ...['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
    ]);
  }
});

describe('storestow service', () => {
  it('prints what it would do, and does nothing', async () => {
    const { stdout } = await service('--receiver', 'CT:11112', '--install', '--dry-run', '--for', 'systemd');
    expect(stdout).toMatch(/^would write \/etc\/systemd\/system\/storestow\.target$/m);
    expect(stdout).toMatch(/^would run systemctl restart storestow\.target/m);
    expect(await readdir(folder.path)).toEqual(['con fig.json']);
  });

  it.each([
    ['systemd', []],
    ['systemd', ['--root', '.']],
    ['launchd', []],
  ])('for %s %j takes no folder that holds what is of another, and says so', async (supervisor, root) => {
    const path = await configured();
    const moved = at('moved');
    const upload = { after: 'move', moveTo: root.length === 0 ? moved : '/moved' };
    await writeFile(path, JSON.stringify({ upload }));
    await mkdir(join(moved, '2019'), { recursive: true });
    const args = ['service', '--for', supervisor, '--config', path, '--user', 'no-such-user-here', ...root];
    const where = ['--spool', at('spool'), '--data', at('data')];
    const printed = await runStorestow([...args, ...where], { cwd: folder.path });
    expect(printed.code).toBe(0);
    expect(printed.stdout).toContain('### /');
    expect(printed.stderr).toContain(`storestow: --install would refuse this: ${moved} holds something and belongs to `);
    const dryRun = await runStorestow([...args, ...where, '--install', '--dry-run'], { cwd: folder.path });
    expect(dryRun).toMatchObject({ code: 2, stdout: '' });
    expect(dryRun.stderr).toMatch(/^storestow: USAGE: [^\n]*\/moved holds something/);
    // Not for its being refused alone: nothing is there to take.
    await rm(join(moved, '2019'), { recursive: true });
    const empty = await runStorestow([...args, ...where, '--install', '--dry-run'], { cwd: folder.path });
    expect(empty).toMatchObject({ code: 0, stderr: '' });
  });

  it("goes by the version of this machine's systemd, and not where the units are another system's", async () => {
    await writeFile(at('systemctl'), "#!/bin/sh\necho 'systemd 257 (257.1)'\n", { mode: 0o755 });
    const print = async (...args: string[]): Promise<string> => {
      const env = { PATH: `${folder.path}:${process.env['PATH'] ?? ''}` };
      return (await runStorestow(['service', '--for', 'systemd', ...args], { cwd: folder.path, env })).stdout;
    };
    expect(await print()).toContain('RestartSteps=');
    const elsewhere = await print('--root', tree());
    expect(elsewhere).toContain('Restart=always');
    expect(elsewhere).not.toContain('RestartSteps=');
  });

  it.each([
    ['a title that would be a command', ['--receiver', '$(id):11112'], /letters, digits/],
    ['a title with a line break', ['--receiver', 'A\nUser=root:11112'], /letters, digits/],
    ['a port that is none', ['--receiver', 'CT:x'], /expected AETITLE:PORT/],
    ['a port for root', ['--receiver', 'CT:104'], /listens on port 104 as root only/],
    ['a key without its certificate', ['--receiver', 'CT:11112', '--tls-key', 'k'], /go together/],
    [
      'a key without a name',
      ['--receiver', 'CT:11112', '--tls-key', '', '--tls-cert', 'c'],
      /CONFIG_INVALID.*command line[^]*receivers\[0\]\.tls\.key/,
    ],
    ['an authority without a key', ['--receiver', 'CT:11112', '--tls-ca', 'ca'], /go together/],
    ['an authority without a receiver', ['--tls-ca', 'ca'], /go with --receiver/],
    ['root as the user', ['--user', 'root'], /must not run as root/],
    ['launchd elsewhere', ['--for', 'launchd', '--root', 'x'], /leave --root out/],
    [
      'to install without a configuration',
      ['--config', 'nowhere.json', '--install', '--root', 'x'],
      /cannot read the configuration/,
    ],
  ])('exit code 2: %s', async (_, args, message) => {
    const { code, stdout, stderr } = await runStorestow(['service', '--for', 'systemd', ...args], { cwd: folder.path });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});
