/**
 * A plan as jobs of macOS's launchd, launchd.plist(5): a daemon for each program. launchd has no read-only system; what it has is used:
 * a user, a umask, limits, a pause between two starts.
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
const OTHERS_READ = '0755';
const PRIVATE = '0700';

export function launchdFiles(plan: ServicePlan): ServiceFile[] {
  return plan.programs.map((program) => ({
    path: `${LAUNCHD_FOLDER}/${labelOf(plan, program)}.plist`,
    text: withComment(buildPropertyList(jobOf(plan, program)), mark(plan.name)),
  }));
}

function labelOf({ name }: ServicePlan, program: Program): string {
  return `${name}.${program.name}`;
}

function withComment(propertyList: string, comment: string): string {
  return propertyList.replace(/^<plist /m, `<!-- ${comment} -->\n<plist `);
}

function jobOf(plan: ServicePlan, program: Program): Readonly<Record<string, PropertyListValue>> {
  const { command, environment, kind, limits } = program;
  const label = labelOf(plan, program);
  const files = { NumberOfFiles: limits.files };
  const log = `${LOG_FOLDER}/${plan.name}/${program.name}.log`;
  return {
    Label: label,
    // Console.app shows what goes to syslog; a receiver says little, in its file.
    ProgramArguments: kind === 'receiver' ? command : [...command, '--syslog'],
    UserName: plan.user,
    Umask: UMASK,
    WorkingDirectory: '/',
    EnvironmentVariables: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ...environment },
    ...(kind === 'sweep' ? { StartInterval: plan.sweepEvery } : { RunAtLoad: true, KeepAlive: true }),
    ThrottleInterval: THROTTLE,
    ExitTimeOut: 60,
    ProcessType: 'Standard',
    SoftResourceLimits: files,
    HardResourceLimits: { ...files, Core: 0 },
    StandardOutPath: log,
    StandardErrorPath: log,
  };
}

/** The names of property lists that an installation of this name can have, in the folder of daemons. */
export function isJobOf(file: string, name: string): boolean {
  if (!file.startsWith(name)) return false;
  return /^\.(?:upload|sweep|receiver-\d+)\.plist$/.test(file.slice(name.length));
}

export function launchdInstallSteps(
  plan: ServicePlan,
  files: readonly ServiceFile[],
  installed: readonly string[],
): InstallStep[] {
  const { user } = plan;
  return [
    { kind: 'run', command: ['id', '-u', user] },
    ...launchdUninstallSteps(installed),
    folderOf(user, OTHERS_READ, `${LOG_FOLDER}/${plan.name}`),
    ...plan.folders.map((path) => folderOf(user, PRIVATE, path)),
    ...files.flatMap(({ path, text }): InstallStep[] => [
      { kind: 'write', path, text },
      { kind: 'run', command: ['launchctl', 'bootstrap', 'system', path] },
    ]),
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
