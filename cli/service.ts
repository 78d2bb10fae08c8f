/** `storestow service`: what supervises receivers, uploader and sweep on this machine, as files of systemd or launchd. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { COMMAND_LINE, loadConfig, parseConfig } from '../core/config/load.ts';
import { receiverSchema, type Config, type ReceiverConfig } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { foldersOfOthers } from '../local-cloud/service/folder-owners.ts';
import { carryOut, installedFiles, stepText, type InstallPlace } from '../local-cloud/service/install.ts';
import type { InstallStep, ServiceFile } from '../local-cloud/service/service-file.ts';
import { planService, type ServicePlan } from '../local-cloud/service/service-plan.ts';
import {
  isUnitOf,
  SYSTEMD_FOLDERS,
  systemdFiles,
  systemdInstallSteps,
  systemdUninstallSteps,
} from '../local-cloud/service/systemd.ts';
import { Command, examples, InvalidArgumentError, Option, type Subcommand } from './command.ts';
import { EXIT, type Finish } from './exit-code.ts';

interface Options {
  readonly for: 'systemd' | 'launchd';
  readonly install?: boolean | undefined;
  readonly uninstall?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly root?: string | undefined;
  readonly receiver: readonly ReceiverConfig[];
  readonly tlsKey?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsCa: readonly string[];
  readonly tlsPeer?: 'require' | 'verify' | 'ignore' | undefined;
  readonly name: string;
  readonly user: string;
  readonly spool: string;
  readonly data: string;
  readonly config?: string | undefined;
}

const DEFAULT_CONFIG = '/etc/storestow/config.json';
const ENVIRONMENT_FILE = '/etc/storestow/environment';
const DEFAULT_RECEIVER: ReceiverConfig = { aet: 'STORESTOW', port: 11112 };
const STORESCP = '/usr/bin/storescp';

const run = promisify(execFile);

/** What differs between those that can supervise. `root` is the tree of another system. */
interface Supervision {
  files(plan: ServicePlan, root: string | undefined): Promise<ServiceFile[]>;
  places(name: string): readonly InstallPlace[];
  install(
    plan: ServicePlan,
    files: readonly ServiceFile[],
    installed: readonly string[],
    root: string | undefined,
  ): InstallStep[];
  uninstall(installed: readonly string[], root: string | undefined): InstallStep[];
}

const SYSTEMD: Supervision = {
  files: async (plan, root) =>
    systemdFiles(plan, {
      version: root === undefined ? await systemdVersion() : undefined,
      environmentFile: ENVIRONMENT_FILE,
    }),
  places: (name) => [
    { folder: SYSTEMD_FOLDERS.units, mayHold: (file) => isUnitOf(file, name) },
    ...[SYSTEMD_FOLDERS.users, SYSTEMD_FOLDERS.folders].map((folder) => ({
      folder,
      mayHold: (file: string) => file === `${name}.conf`,
    })),
  ],
  install: (plan, files, installed, root) => systemdInstallSteps(plan, files, { installed, root }),
  uninstall: (installed, root) => systemdUninstallSteps({ installed, root }),
};

/** With a writer of property lists, which no other start of this program loads. */
async function launchd(): Promise<Supervision> {
  const { isJobOf, LAUNCHD_FOLDER, launchdFiles, launchdInstallSteps, launchdUninstallSteps } =
    await import('../local-cloud/service/launchd.ts');
  return {
    files: async (plan) => launchdFiles(plan),
    places: (name) => [{ folder: LAUNCHD_FOLDER, mayHold: (file) => isJobOf(file, name) }],
    install: launchdInstallSteps,
    uninstall: launchdUninstallSteps,
  };
}

export function serviceCommand(finish: Finish): Subcommand {
  return new Command('service')
    .description('Print what has systemd or launchd run receivers, uploader and sweep on this machine; or install it')
    .optionsGroup('What:')
    .addOption(
      new Option('--for <supervisor>', 'systemd units or launchd property lists')
        .choices(['systemd', 'launchd'] as const)
        .default(process.platform === 'darwin' ? ('launchd' as const) : ('systemd' as const)),
    )
    .option('--install', 'write the files and start what they describe')
    .addOption(new Option('--uninstall', 'end it and remove the files; spool, configuration and user stay').conflicts('install'))
    .option('--dry-run', 'with --install or --uninstall: only print the steps')
    .option('--root <folder>', "install into the tree of another system, which is not started; systemd's only")
    .optionsGroup('Receivers (default: receivers of the configuration, else STORESTOW:11112):')
    .option('--receiver <aet:port>', 'AE title and TCP port of a storescp, from 1024; can be repeated', addReceiver, [])
    .option('--tls-key <file>', 'for these receivers, TLS: private key, PEM without a pass phrase')
    .option('--tls-cert <file>', 'its certificate, PEM')
    .option('--tls-ca <file>', 'certificate of an authority whose peers are let in; can be repeated', addText, [])
    .addOption(
      new Option('--tls-peer <what>', "a peer's certificate (default: require)").choices([
        'require',
        'verify',
        'ignore',
      ] as const),
    )
    .optionsGroup('Where:')
    .option('--name <name>', 'begins the name of each unit', 'storestow')
    .option('--user <name>', 'whom everything runs as; systemd: made where absent', 'storestow')
    .option('--spool <folder>', 'what is received and not yet in the bucket', '/var/spool/storestow')
    .option('--data <folder>', 'the embedded bucket, where the configuration names no other', '/var/lib/storestow')
    .addOption(
      new Option('--config <file>', `configuration, JSON (default: $STORESTOW_CONFIG, else ${DEFAULT_CONFIG})`).helpGroup(
        'Configuration:',
      ),
    )
    .addHelpText(
      'after',
      examples(
        ['storestow service', 'print the units for this machine'],
        [
          'storestow service --receiver CT:11112 --receiver MR:11113 --install --dry-run',
          'what installing two receivers would do',
        ],
        ['storestow service --config /etc/storestow/config.json --install', 'install and start, as root'],
        ['storestow service --for launchd --user dicom', 'print the property lists for macOS'],
      ),
    )
    .action(async (options) => {
      if (options.root !== undefined && options.for !== 'systemd')
        throw new StorestowError('USAGE', 'launchd installs into the running system only; leave --root out');
      const supervision = options.for === 'systemd' ? SYSTEMD : await launchd();
      if (options.uninstall === true) await uninstall(options, supervision);
      else await printOrInstall(options, supervision);
      finish(EXIT.done);
    });
}

async function printOrInstall(options: Options, supervision: Supervision): Promise<void> {
  const path = configPath(options.config);
  const real = options.install === true && options.dryRun !== true;
  const config = await readConfig(path, real);
  const plan = planService({
    name: options.name,
    user: options.user,
    receivers: receiversOf(options, config),
    spool: resolve(options.spool),
    config: path,
    data: resolve(options.data),
    writable: writableOf(config, resolve(options.data)),
    storestow: await storestowProgram(),
    storescp: storescpProgram(real),
  });
  const root = rootOf(options);
  const files = await supervision.files(plan, root);
  const ofOthers = await foldersOfOthers(plan, root);
  if (options.install !== true) {
    process.stdout.write(files.map(({ path: file, text }) => `### ${file}\n${text}`).join('\n'));
    for (const sentence of ofOthers) process.stderr.write(`storestow: --install would refuse this: ${sentence}\n`);
    return;
  }
  if (ofOthers.length > 0) throw new StorestowError('USAGE', ofOthers.join('\n'));
  const installed = await installedFiles(supervision.places(options.name), options.name, root);
  await take(supervision.install(plan, files, installed, root), options);
}

async function uninstall(options: Options, supervision: Supervision): Promise<void> {
  const root = rootOf(options);
  const installed = await installedFiles(supervision.places(options.name), options.name, root);
  if (installed.length === 0) process.stdout.write(`nothing of ${options.name} is installed\n`);
  else await take(supervision.uninstall(installed, root), options);
}

async function take(steps: readonly InstallStep[], options: Options): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (options.dryRun === true) for (const step of steps) say(`would ${stepText(step)}`);
  else await carryOut(steps, say, rootOf(options));
}

function rootOf({ root }: Options): string | undefined {
  return root === undefined ? undefined : resolve(root);
}

/** Of this machine, `systemd 252 (252.38-1~deb12u1)`; nothing where there is no systemd. */
async function systemdVersion(): Promise<number | undefined> {
  const answer = await run('systemctl', ['--version']).catch(() => undefined);
  const version = /^systemd (\d+)/.exec(answer?.stdout ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}

function configPath(given: string | undefined): string {
  const path = given ?? process.env['STORESTOW_CONFIG'] ?? '';
  if (path.trimStart().startsWith('{'))
    throw new StorestowError('USAGE', 'a service reads its configuration from a file; give --config FILE');
  return path === '' ? DEFAULT_CONFIG : resolve(path);
}

/** To look at, what is not there yet counts as the defaults. */
async function readConfig(path: string, mustExist: boolean): Promise<Config> {
  if (!mustExist && !existsSync(path)) return parseConfig({}, 'the default configuration');
  return loadConfig({ path, env: process.env });
}

function receiversOf(
  { receiver, tlsKey: key, tlsCert: cert, tlsCa: ca, tlsPeer: peer }: Options,
  config: Config,
): ReceiverConfig[] {
  const secured = key !== undefined || cert !== undefined || ca.length > 0 || peer !== undefined;
  if (receiver.length === 0) {
    if (secured) throw new StorestowError('USAGE', '--tls-key, --tls-cert and the others of TLS go with --receiver');
    return config.receivers ?? [DEFAULT_RECEIVER];
  }
  if (!secured) return [...receiver];
  if (key === undefined || cert === undefined)
    throw new StorestowError('USAGE', '--tls-key and --tls-cert go together, and the others of TLS with them');
  const receivers = receiver.map((one) => ({ ...one, tls: { key, cert, ca, peer } }));
  return parseConfig({ receivers }, COMMAND_LINE).receivers ?? [];
}

/** Beside the spool: the embedded bucket, and where files are moved to. As configured: a service has no folder that a relative path is from. */
function writableOf({ bucket, upload }: Config, data: string): string[] {
  const { after, moveTo } = upload;
  return [
    ...(bucket === undefined ? [data] : bucket.kind === 'folder' ? [bucket.path] : []),
    ...(after === 'move' && moveTo !== undefined ? [moveTo] : []),
  ];
}

function addReceiver(text: string, previous: readonly ReceiverConfig[]): ReceiverConfig[] {
  const at = text.lastIndexOf(':');
  const parsed = receiverSchema.safeParse({ aet: text.slice(0, Math.max(at, 0)), port: Number(text.slice(at + 1)) });
  if (!parsed.success) throw new InvalidArgumentError('expected AETITLE:PORT, such as CT:11112.');
  return [...previous, parsed.data];
}

function addText(text: string, previous: readonly string[]): string[] {
  return [...previous, text];
}

/**
 * Node by the name that stays when it is updated (Homebrew's own path has the version in it), and this program behind the links that a
 * global installation makes.
 */
async function storestowProgram(): Promise<string[]> {
  const entry = await realpath(process.argv[1] ?? '');
  for (const path of onPath('node')) {
    if ((await realpath(path).catch(() => '')) === process.execPath) return [path, entry];
  }
  return [process.execPath, entry];
}

function storescpProgram(mustExist: boolean): string {
  const found = onPath('storescp').find((path) => existsSync(path));
  if (found !== undefined) return found;
  if (!mustExist) return STORESCP;
  throw new StorestowError('USAGE', 'storescp is not on the PATH; install DCMTK (apt-get install dcmtk, brew install dcmtk)');
}

function onPath(program: string): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, program));
}
