/** What stands in units and property lists, and what installing them does. */
import { execFile } from 'node:child_process';
import { open as openFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parsePropertyList } from '../../../core/property-list.ts';
import { isJobOf, launchdFiles, launchdInstallSteps, launchdUninstallSteps } from '../../../local-cloud/service/launchd.ts';
import { planService, type ServiceOptions } from '../../../local-cloud/service/service-plan.ts';
import {
  isUnitOf,
  privateTmp,
  protectHome,
  systemdFiles,
  systemdInstallSteps,
  systemdUninstallSteps,
} from '../../../local-cloud/service/systemd.ts';
import { commandWord, unitWord } from '../../../local-cloud/service/systemd-text.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { LAUNCHD_KEYS } from './launchd-keys.ts';

const options: ServiceOptions = {
  name: 'storestow',
  user: 'dicom',
  receivers: [
    { aet: 'CT ROOM 1', port: 11112 },
    { aet: 'MR', port: 11113 },
  ],
  spool: `/var/spool/it's "$HOME" <100%> & more`,
  config: '/etc/storestow/config.json',
  data: '/var/lib/storestow',
  writable: ['/var/lib/storestow'],
  storestow: ['/usr/bin/node', '/opt/storestow/cli.js'],
  storescp: '/usr/bin/storescp',
};
const plan = planService(options);
const ENVIRONMENT = { environmentFile: '/etc/storestow/environment' };
const unitsOf = (version?: number): Map<string, string> =>
  new Map(systemdFiles(plan, { ...ENVIRONMENT, version }).map(({ path, text }) => [path, text]));

describe('words of systemd', () => {
  it.each([
    ['/usr/bin/storescp', '/usr/bin/storescp', '"/usr/bin/storescp"'],
    ['a b', '"a b"', '"a b"'],
    ['100%', '"100%%"', '"100%%"'],
    ['$HOME', '"$$HOME"', '"$HOME"'],
    ['"\\', '"\\"\\\\"', '"\\"\\\\"'],
    ['', '""', '""'],
    [';', '";"', '";"'],
  ])('%j', (word, inCommand, inList) => {
    expect(commandWord(word)).toBe(inCommand);
    expect(unitWord(word)).toBe(inList);
  });
});

describe('systemdFiles', () => {
  it('has one unit for each program, the target, the timer, the user and the folders', () => {
    expect([...unitsOf().keys()]).toEqual([
      '/etc/sysusers.d/storestow.conf',
      '/etc/tmpfiles.d/storestow.conf',
      '/etc/systemd/system/storestow.target',
      '/etc/systemd/system/storestow-receiver-11112.service',
      '/etc/systemd/system/storestow-receiver-11113.service',
      '/etc/systemd/system/storestow-upload.service',
      '/etc/systemd/system/storestow-sweep.service',
      '/etc/systemd/system/storestow-sweep.timer',
    ]);
  });

  it('lets the delay between two starts grow where systemd can', () => {
    const unit = '/etc/systemd/system/storestow-upload.service';
    expect(unitsOf(254).get(unit)).toMatch(/^RestartSec=1s\nRestartSteps=6\nRestartMaxDelaySec=60s$/m);
    for (const version of [253, undefined])
      expect(unitsOf(version).get(unit)).toMatch(/^Restart=always\nRestartSec=5s\nTimeout/m);
  });

  it('keeps compiled code, and whatever a home is for, out of the spool', () => {
    const units = unitsOf();
    expect(units.get('/etc/sysusers.d/storestow.conf')).toMatch(/\nu dicom - "storestow"\n$/);
    for (const name of ['upload', 'sweep'])
      expect(units.get(`/etc/systemd/system/storestow-${name}.service`)).toMatch(
        /^CacheDirectory=storestow\nCacheDirectoryMode=0700\nEnvironment=NODE_COMPILE_CACHE=%C\/storestow$/m,
      );
  });

  it.each([
    [['/usr/bin/node', '/var/spool/tmp', '/tmpfs/x'], 'yes'],
    [['/usr/bin/node', '/tmp/storestow/cli.js'], 'no'],
    [['/var/tmp/spool'], 'no'],
  ])('folders for temporary files of its own for %j: %s', (words, expected) => {
    expect(privateTmp(words)).toBe(expected);
  });

  it.each([
    [['/usr/bin/node', '/var/spool/x'], 'yes'],
    [['/homes/x', '/rooted'], 'yes'],
    [['/home/dicom/node'], 'read-only'],
    [['/root/.nvm/node'], 'read-only'],
    [['/run/user/1000/x'], 'read-only'],
  ])('homes for %j: %s', (words, expected) => {
    expect(protectHome(words)).toBe(expected);
  });
});

describe('launchdFiles', () => {
  const jobs = launchdFiles(plan).map(({ path, text }) => ({ path, job: parsePropertyList(text) as Record<string, unknown> }));

  it('parse as property lists, have the name of their label, and only keys of launchd.plist(5), with its types', () => {
    expect(jobs).toHaveLength(5);
    for (const { path, job } of jobs) {
      expect(path).toBe(`/Library/LaunchDaemons/${String(job['Label'])}.plist`);
      for (const [key, value] of Object.entries(job)) {
        const type = Array.isArray(value) ? 'array' : typeof value === 'number' ? 'integer' : typeof value;
        expect([key, LAUNCHD_KEYS[key]]).toEqual([key, expect.arrayContaining([type === 'object' ? 'dictionary' : type])]);
      }
    }
  });

  it('give back every argument and path as it was planned', () => {
    for (const [index, program] of plan.programs.entries()) {
      const given = jobs[index]?.job['ProgramArguments'];
      expect(given).toEqual(program.kind === 'receiver' ? program.command : [...program.command, '--syslog']);
    }
  });

  it('run as the user, for its eyes only, again and again, except what comes by the clock', () => {
    for (const { job } of jobs) expect(job).toMatchObject({ UserName: 'dicom', Umask: 0o077, ThrottleInterval: 10 });
    expect(jobs.map(({ job }) => job['KeepAlive'])).toEqual([true, true, true, undefined, undefined]);
    expect(jobs[3]?.job['StartInterval']).toBe(900);
    expect(jobs[0]?.job['EnvironmentVariables']).toMatchObject({ TCP_NODELAY: '1' });
  });

  it('keep their logs small: what appends to a full one goes on in the emptied one, and what stood there is kept', async () => {
    const folder = await temporaryFolder('logs');
    onTestFinished(() => folder.remove());
    const [full, small] = ['upload.log', 'sweep.log'].map((name) => join(folder.path, name)) as [string, string];
    const before = Buffer.alloc(11 * 1024 * 1024, 'a line\n');
    await writeFile(full, before);
    await writeFile(small, 'a line\n');
    const open = await openFile(full, 'a');
    onTestFinished(() => open.close());
    const logs = '/Library/Logs/storestow';
    expect(jobs.map(({ job: { StandardErrorPath: path } }) => dirname(String(path)))).toEqual(jobs.map(() => logs));
    const [program = '', ...args] = (jobs.at(-1)?.job['ProgramArguments'] as string[]).map((word) =>
      word === logs ? folder.path : word,
    );
    await promisify(execFile)(program, args);
    await open.write('the next\n');
    expect(await readFile(full, 'utf8')).toBe('the next\n');
    expect(Buffer.compare(await readFile(`${full}.0`), before)).toBe(0);
    expect((await readdir(folder.path)).sort()).toEqual(['sweep.log', 'upload.log', 'upload.log.0']);
  });
});

describe('installing', () => {
  const files = systemdFiles(plan, ENVIRONMENT);
  const unit = (file: string): string => `/etc/systemd/system/${file}`;

  it('systemd: takes away a receiver that is no more, writes, makes user and folders, enables, starts', () => {
    const steps = systemdInstallSteps(plan, files, {
      installed: [unit('storestow-receiver-11119.service'), unit('storestow.target')],
    });
    const units = [
      ...['storestow.target', 'storestow-receiver-11112.service', 'storestow-receiver-11113.service'],
      ...['storestow-upload.service', 'storestow-sweep.timer'],
    ];
    expect(steps.filter(({ kind }) => kind !== 'write')).toEqual([
      { kind: 'run', command: ['systemctl', 'disable', '--now', 'storestow-receiver-11119.service'], mayFail: true },
      { kind: 'remove', path: unit('storestow-receiver-11119.service') },
      { kind: 'run', command: ['systemd-sysusers', 'storestow.conf'] },
      { kind: 'run', command: ['systemd-tmpfiles', '--create', 'storestow.conf'] },
      { kind: 'run', command: ['systemctl', 'daemon-reload'] },
      { kind: 'run', command: ['systemctl', 'enable', ...units] },
      { kind: 'run', command: ['systemctl', 'restart', ...units] },
    ]);
    expect(steps.filter(({ kind }) => kind === 'write')).toHaveLength(files.length);
  });

  it('systemd: into the tree of another system nothing is started or ended', () => {
    const steps = systemdInstallSteps(plan, files, { installed: [unit('storestow-receiver-1.service')], root: '/mnt' });
    const commands = steps.flatMap((step) => (step.kind === 'run' ? [step.command] : []));
    for (const command of commands) expect(command).toContain('--root=/mnt');
    expect(commands.flat().filter((word) => /^(--now|restart|daemon-reload)$/.test(word))).toEqual([]);
  });

  it('systemd: uninstalling ends and removes what is installed and nothing else', () => {
    expect(systemdUninstallSteps({ installed: [] })).toEqual([]);
    expect(systemdUninstallSteps({ installed: ['/etc/sysusers.d/storestow.conf', unit('storestow.target')] })).toEqual([
      { kind: 'run', command: ['systemctl', 'disable', '--now', 'storestow.target'], mayFail: true },
      { kind: 'remove', path: '/etc/sysusers.d/storestow.conf' },
      { kind: 'remove', path: unit('storestow.target') },
      { kind: 'run', command: ['systemctl', 'daemon-reload'] },
    ]);
  });

  it('launchd: looks for the user first, makes folders, writes all, ends what is there, starts what may still be ending', () => {
    const jobs = launchdFiles(plan);
    const old = '/Library/LaunchDaemons/storestow.receiver-11119.plist';
    const again = '/Library/LaunchDaemons/storestow.upload.plist';
    const steps = launchdInstallSteps(plan, jobs, [old, again]);
    const bootout = (label: string): object => ({
      ...{ kind: 'run', command: ['launchctl', 'bootout', `system/${label}`], mayFail: true },
    });
    expect(steps[0]).toEqual({ kind: 'run', command: ['id', '-u', 'dicom'] });
    expect(steps).toContainEqual({
      kind: 'run',
      command: ['install', '-d', '-o', 'dicom', '-m', '0700', `${options.spool}/receiving`],
    });
    expect(steps.slice(steps.findIndex(({ kind }) => kind === 'write'))).toEqual([
      ...jobs.map((job) => ({ kind: 'write', ...job })),
      ...[bootout('storestow.receiver-11119'), { kind: 'remove', path: old }, bootout('storestow.upload')],
      ...jobs.map(({ path }) => ({ kind: 'run', command: ['launchctl', 'bootstrap', 'system', path], triedFor: 70 })),
    ]);
    expect(launchdUninstallSteps([old])).toEqual([bootout('storestow.receiver-11119'), { kind: 'remove', path: old }]);
  });

  it.each([
    ['storestow.target', true, false],
    ['storestow-upload.service', true, false],
    ['storestow-receiver-11112.service', true, false],
    ['storestow-receiver-x.service', false, false],
    ['storestow-b-upload.service', false, false],
    ['storestow.service', false, false],
    ['other.target', false, false],
    ['storestow.upload.plist', false, true],
    ['storestow.logs.plist', false, true],
    ['storestow.receiver-11112.plist', false, true],
    ['storestow.plist', false, false],
  ])('%s: a unit %s, a job %s', (file, isUnit, isJob) => {
    expect(isUnitOf(file, 'storestow')).toBe(isUnit);
    expect(isJobOf(file, 'storestow')).toBe(isJob);
  });
});
