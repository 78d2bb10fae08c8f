/**
 * A plan as units of systemd: a service for each program, a timer for the sweep, a target over all of them; the user (sysusers.d) and
 * the folders (tmpfiles.d). What hardens them is what `systemd-analyze security` asks for and both programs can live with.
 */
import { mark, type InstallStep, type ServiceFile } from './service-file.ts';
import type { Program, ServicePlan } from './service-plan.ts';
import { commandWord, unitFile, unitText, unitWord, type Section } from './systemd-text.ts';

export const SYSTEMD_FOLDERS = { units: '/etc/systemd/system', users: '/etc/sysusers.d', folders: '/etc/tmpfiles.d' } as const;

export interface SystemdOptions {
  /** Of the machine, where it is known: what its systemd does not have would be a warning at each start. */
  readonly version?: number | undefined;
  /** Secrets as lines `NAME=value`; read where it is there. */
  readonly environmentFile: string;
}

/** Has `RestartSteps` and `RestartMaxDelaySec`. */
const GROWING_DELAYS = 254;

export function systemdFiles(plan: ServicePlan, options: SystemdOptions): ServiceFile[] {
  const { name, user, folders } = plan;
  const unit = (file: string, sections: Readonly<Record<string, Section>>): ServiceFile => ({
    path: `${SYSTEMD_FOLDERS.units}/${file}`,
    text: unitFile(mark(name), sections),
  });
  return [
    {
      path: `${SYSTEMD_FOLDERS.users}/${name}.conf`,
      // No home: what programs keep there would be in the way of what is received, were it the spool.
      text: `# ${mark(name)}\nu ${user} - "storestow"\n`,
    },
    {
      path: `${SYSTEMD_FOLDERS.folders}/${name}.conf`,
      text: `# ${mark(name)}\n${folders.map((path) => `d ${unitWord(path)} 0700 ${user} - -\n`).join('')}`,
    },
    unit(`${name}.target`, {
      Unit: [['Description', 'storestow: receivers and uploader of this site']],
      Install: [['WantedBy', 'multi-user.target']],
    }),
    ...plan.programs.map((program) => unit(serviceName(plan, program), serviceSections(plan, program, options))),
    unit(`${name}-sweep.timer`, {
      Unit: [
        ['Description', 'storestow: starts the sweep of the spool'],
        ['PartOf', `${name}.target`],
      ],
      Timer: [
        ['OnActiveSec', '2min'],
        ['OnUnitInactiveSec', `${plan.sweepEvery}s`],
        ['RandomizedDelaySec', '60s'],
      ],
      Install: [['WantedBy', `${name}.target`]],
    }),
  ];
}

function serviceName({ name }: ServicePlan, program: Program): string {
  return `${name}-${program.name}.service`;
}

function serviceSections(plan: ServicePlan, program: Program, options: SystemdOptions): Readonly<Record<string, Section>> {
  const once = program.kind === 'sweep';
  return {
    Unit: [
      ['Description', unitText(program.description)],
      ['Documentation', 'https://support.dcmtk.org/docs/storescp.html'],
      ['RequiresMountsFor', program.writable.map(unitWord).join(' ')],
      ...(program.kind === 'receiver' ? [] : [['Wants', 'network-online.target'] as const]),
      ['After', 'network-online.target'],
      ['PartOf', `${plan.name}.target`],
      // It is started again for ever: a site is not given up.
      ...(once ? [] : [['StartLimitIntervalSec', '0'] as const]),
    ],
    Service: [
      ['Type', once ? 'oneshot' : 'exec'],
      ['ExecStart', program.command.map(commandWord).join(' ')],
      ...Object.entries(program.environment).map(([key, value]) => ['Environment', unitWord(`${key}=${value}`)] as const),
      ...(program.kind === 'receiver'
        ? []
        : [...compiledCode(plan), ['EnvironmentFile', `-${unitText(options.environmentFile)}`] as const]),
      ...(once ? [['SuccessExitStatus', '75'] as const] : restartLines(options.version)),
      ['TimeoutStopSec', '60s'],
      ['SyslogIdentifier', `${plan.name}-${program.name}`],
      ...hardening(plan, program),
      ...limitLines(program),
    ],
    ...(once ? {} : { Install: [['WantedBy', `${plan.name}.target`] as const] }),
  };
}

/** Node keeps compiled code between two starts, as the command does by itself for a user with a home. */
function compiledCode({ name }: ServicePlan): Section {
  return [
    ['CacheDirectory', name],
    ['CacheDirectoryMode', '0700'],
    ['Environment', `NODE_COMPILE_CACHE=%C/${name}`],
  ];
}

/** From 1 s to a minute where systemd can let the delay grow. */
function restartLines(version: number | undefined): Section {
  if (version === undefined || version < GROWING_DELAYS) {
    return [
      ['Restart', 'always'],
      ['RestartSec', '5s'],
    ];
  }
  return [
    ['Restart', 'always'],
    ['RestartSec', '1s'],
    ['RestartSteps', '6'],
    ['RestartMaxDelaySec', '60s'],
  ];
}

function limitLines({ limits, kind }: Program): Section {
  return [
    ['LimitNOFILE', String(limits.files)],
    ['LimitCORE', '0'],
    ['MemoryMax', limits.memory],
    ['TasksMax', String(limits.tasks)],
    // One association that takes too much is ended, not the receiver.
    ...(kind === 'receiver' ? [['OOMPolicy', 'continue'] as const] : []),
  ];
}

function hardening({ user }: ServicePlan, { writable, command, kind }: Program): Section {
  const yes = (...keys: string[]): Section => keys.map((key) => [key, 'yes'] as const);
  return [
    ['User', user],
    ['UMask', '0077'],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', protectHome([...writable, ...command])],
    ['PrivateTmp', privateTmp([...writable, ...command])],
    ['ReadWritePaths', writable.map(unitWord).join(' ')],
    ...yes('NoNewPrivileges', 'PrivateDevices', 'ProtectClock', 'ProtectHostname', 'ProtectKernelLogs'),
    ...yes('ProtectKernelModules', 'ProtectKernelTunables', 'ProtectControlGroups', 'RestrictRealtime', 'RestrictSUIDSGID'),
    ...yes('RestrictNamespaces', 'LockPersonality', 'RemoveIPC'),
    // Node writes machine code while it runs.
    ...(kind === 'receiver' ? yes('MemoryDenyWriteExecute') : []),
    ['ProtectProc', 'invisible'],
    ['CapabilityBoundingSet', ''],
    ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6'],
    ['SystemCallArchitectures', 'native'],
    ['SystemCallFilter', '@system-service'],
    ['SystemCallFilter', '~@privileged'],
    ['SystemCallErrorNumber', 'EPERM'],
  ];
}

/** Nothing of people's homes is seen, unless something lies there that the program needs. */
export function protectHome(words: readonly string[]): 'yes' | 'read-only' {
  return words.some((word) => /^\/(?:home|root|run\/user)(?:\/|$)/.test(word)) ? 'read-only' : 'yes';
}

/** Folders for temporary files of its own, which hide those of the system. */
export function privateTmp(words: readonly string[]): 'yes' | 'no' {
  return words.some((word) => /^\/(?:var\/)?tmp(?:\/|$)/.test(word)) ? 'no' : 'yes';
}

/** The names of units that an installation of this name can have, in the folder of units. */
export function isUnitOf(file: string, name: string): boolean {
  if (!file.startsWith(name)) return false;
  return /^(?:\.target|-(?:upload|sweep|receiver-\d+)\.service|-sweep\.timer)$/.test(file.slice(name.length));
}

/** `root` is given to each tool where another system's tree is meant: nothing is started there. */
export interface SystemdInstallation {
  /** Of earlier installations of this name, paths within `root`. */
  readonly installed: readonly string[];
  readonly root?: string | undefined;
}

export function systemdInstallSteps(
  plan: ServicePlan,
  files: readonly ServiceFile[],
  { installed, root }: SystemdInstallation,
): InstallStep[] {
  const systemctl = systemctlCommand(root);
  const kept = new Set(files.map(({ path }) => path));
  const stale = installed.filter((path) => !kept.has(path));
  const units = files.filter(({ text }) => text.includes('\n[Install]\n')).map(({ path }) => fileName(path));
  return [
    ...removal(stale, systemctl, root),
    ...files.map(({ path, text }): InstallStep => ({ kind: 'write', path, text })),
    // By their names alone: a whole path would not be looked for below `root`.
    { kind: 'run', command: ['systemd-sysusers', ...rooted(root), `${plan.name}.conf`] },
    {
      kind: 'run',
      command: ['systemd-tmpfiles', ...rooted(root), '--create', `${plan.name}.conf`],
    },
    ...(root === undefined ? [{ kind: 'run', command: [...systemctl, 'daemon-reload'] } as const] : []),
    { kind: 'run', command: [...systemctl, 'enable', ...units] },
    ...(root === undefined ? [{ kind: 'run', command: [...systemctl, 'restart', ...units] } as const] : []),
  ];
}

/** Spool, configuration and user stay: what was received may still be there. */
export function systemdUninstallSteps({ installed, root }: SystemdInstallation): InstallStep[] {
  const systemctl = systemctlCommand(root);
  if (installed.length === 0) return [];
  return [
    ...removal(installed, systemctl, root),
    ...(root === undefined ? [{ kind: 'run', command: [...systemctl, 'daemon-reload'] } as const] : []),
  ];
}

function removal(paths: readonly string[], systemctl: readonly string[], root: string | undefined): InstallStep[] {
  const units = paths.filter((path) => path.startsWith(`${SYSTEMD_FOLDERS.units}/`)).map(fileName);
  const now = root === undefined ? ['--now'] : [];
  return [
    ...(units.length === 0
      ? []
      : [{ kind: 'run', command: [...systemctl, 'disable', ...now, ...units], mayFail: true } as const]),
    ...paths.map((path): InstallStep => ({ kind: 'remove', path })),
  ];
}

function systemctlCommand(root: string | undefined): string[] {
  return ['systemctl', ...rooted(root)];
}

function rooted(root: string | undefined): string[] {
  return root === undefined ? [] : [`--root=${root}`];
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
