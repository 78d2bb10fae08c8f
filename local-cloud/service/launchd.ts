/**
 * A plan as jobs of macOS's launchd, launchd.plist(5): a daemon for each program. launchd has no read-only system; what it has is used:
 * a user, a umask, limits, a pause between two starts. It keeps no log of its own, so another job keeps the files that it writes small.
 */
import { buildPropertyList, type PropertyListValue } from '../../core/property-list.ts';
import { mark, type InstallStep, type ServiceFile } from './service-file.ts';
import type { Program, ServicePlan } from './service-plan.ts';

export const LAUNCHD_FOLDER = '/Library/LaunchDaemons';
const LOG_FOLDER = '/Library/Logs';

/** Property lists have no octal numbers. */
const UMASK = 0o077;
/** Seconds between two starts at least. */
const THROTTLE = 10;
/** Seconds that a job may take to end. */
const EXIT_TIMEOUT = 60;
const OTHERS_READ = '0755';
const PRIVATE = '0700';

/** Bytes of a log from which on it becomes the one before, of which there is one. */
const FULL_LOG = 10 * 1024 * 1024;
const LOOK_AT_LOGS_EVERY = 60 * 60;

type Job = Readonly<Record<string, PropertyListValue>>;

export function launchdFiles(plan: ServicePlan): ServiceFile[] {
  const jobs = [
    ...plan.programs.map((program): [string, Job] => [program.name, jobOf(plan, program)]),
    ['logs', logsJob(plan)] as const,
  ];
  return jobs.map(([name, job]) => ({
    path: `${LAUNCHD_FOLDER}/${plan.name}.${name}.plist`,
    text: withComment(buildPropertyList({ Label: `${plan.name}.${name}`, ...job }), mark(plan.name)),
  }));
}

function withComment(propertyList: string, comment: string): string {
  return propertyList.replace(/^<plist /m, `<!-- ${comment} -->\n<plist `);
}

function jobOf(plan: ServicePlan, program: Program): Job {
  const { command, environment, kind, limits } = program;
  const files = { NumberOfFiles: limits.files };
  return {
    // Console.app shows what goes to syslog; a receiver says little, in its file.
    ProgramArguments: kind === 'receiver' ? command : [...command, '--syslog'],
    ...surroundings(plan, program.name),
    EnvironmentVariables: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ...environment },
    ...(kind === 'sweep' ? { StartInterval: plan.sweepEvery } : { RunAtLoad: true, KeepAlive: true }),
    ThrottleInterval: THROTTLE,
    ExitTimeOut: EXIT_TIMEOUT,
    ProcessType: 'Standard',
    SoftResourceLimits: files,
    HardResourceLimits: { ...files, Core: 0 },
  };
}

/**
 * newsyslog would put another file in a log's place, and launchd's jobs would go on writing to the one that it took away. launchd opens
 * logs to append to, so one is copied and emptied where it lies; a line of the moment between may be lost.
 */
function logsJob(plan: ServicePlan): Job {
  const full = ['-name', '*.log', '-size', `+${FULL_LOG / 1024}k`];
  return {
    ProgramArguments: [
      ...['/usr/bin/find', logFolder(plan), ...full],
      ...['-exec', '/bin/sh', '-c', 'cp "$1" "$1.0" && : > "$1"', 'sh', '{}', ';'],
    ],
    ...surroundings(plan, 'logs'),
    StartInterval: LOOK_AT_LOGS_EVERY,
    ThrottleInterval: THROTTLE,
  };
}

function surroundings(plan: ServicePlan, name: string): Job {
  const log = `${logFolder(plan)}/${name}.log`;
  return { UserName: plan.user, Umask: UMASK, WorkingDirectory: '/', StandardOutPath: log, StandardErrorPath: log };
}

function logFolder({ name }: ServicePlan): string {
  return `${LOG_FOLDER}/${name}`;
}

/** The names of property lists that an installation of this name can have, in the folder of daemons. */
export function isJobOf(file: string, name: string): boolean {
  if (!file.startsWith(name)) return false;
  return /^\.(?:upload|sweep|logs|receiver-\d+)\.plist$/.test(file.slice(name.length));
}

/**
 * All files are written before the first job is started, so that one that does not start keeps no other from the next start of the
 * machine. `launchctl bootout` may return while the job still ends, and until then `bootstrap` refuses its label.
 */
export function launchdInstallSteps(
  plan: ServicePlan,
  files: readonly ServiceFile[],
  installed: readonly string[],
): InstallStep[] {
  const { user } = plan;
  const kept = new Set(files.map(({ path }) => path));
  return [
    { kind: 'run', command: ['id', '-u', user] },
    folderOf(user, OTHERS_READ, logFolder(plan)),
    ...plan.folders.map((path) => folderOf(user, PRIVATE, path)),
    ...files.map(({ path, text }): InstallStep => ({ kind: 'write', path, text })),
    ...launchdUninstallSteps(installed).filter((step) => step.kind !== 'remove' || !kept.has(step.path)),
    ...files.map(({ path }): InstallStep => ({
      ...{ kind: 'run', command: ['launchctl', 'bootstrap', 'system', path] },
      triedFor: EXIT_TIMEOUT + THROTTLE,
    })),
  ];
}

function folderOf(user: string, mode: string, path: string): InstallStep {
  return { kind: 'run', command: ['install', '-d', '-o', user, '-m', mode, path] };
}

export function launchdUninstallSteps(installed: readonly string[]): InstallStep[] {
  return installed.flatMap((path): InstallStep[] => [
    {
      kind: 'run',
      command: ['launchctl', 'bootout', `system/${path.slice(LAUNCHD_FOLDER.length + 1, -'.plist'.length)}`],
      mayFail: true,
    },
    { kind: 'remove', path },
  ]);
}
