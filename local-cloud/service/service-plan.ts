/**
 * What runs at a site, whatever supervises it: a receiver for each AE title and port, the resident uploader, and the sweep that a
 * timer starts. A plan is a function of its options; the texts for systemd and launchd are functions of the plan.
 *
 * All receivers share one spool: storescp makes names of its own, which differ between processes, and the uploader reads the called AE
 * title from (0002,0018). As the uploader watches the spool, the exec line of storescp only moves an instance to its sender's folder.
 */
import { StorestowError } from '../../core/errors.ts';
import { receivedFolder, receivingFolder, stateFolder } from '../../core/spool-layout.ts';
import { STORESCP_ENVIRONMENT, storescpArguments, type StorescpTls } from '../storescp-command.ts';

export interface Receiver {
  readonly aet: string;
  readonly port: number;
  readonly tls?: StorescpTls | undefined;
}

export interface ServiceOptions {
  /** Begins the name of every unit: several installations can stand side by side. */
  readonly name: string;
  /** Whom everything runs as; owns the spool. */
  readonly user: string;
  readonly receivers: readonly Receiver[];
  /** Absolute, as are all paths here. */
  readonly spool: string;
  /** The configuration file. */
  readonly config: string;
  /** Where the embedded bucket lies, if that is the bucket. */
  readonly data: string;
  /** What the uploader writes besides the spool. */
  readonly writable: readonly string[];
  /** Program and first arguments of the `storestow` command. */
  readonly storestow: readonly string[];
  /** The program of DCMTK. */
  readonly storescp: string;
}

export interface Program {
  readonly kind: 'receiver' | 'uploader' | 'sweep';
  /** Unique in the plan; `[a-z0-9-]`. */
  readonly name: string;
  readonly description: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Folders that it writes in. */
  readonly writable: readonly string[];
  readonly limits: { readonly files: number; readonly memory: string; readonly tasks: number };
}

export interface ServicePlan {
  readonly name: string;
  readonly user: string;
  readonly spool: string;
  /** Made, for the user alone, before anything starts. */
  readonly folders: readonly string[];
  readonly programs: readonly Program[];
  /** Seconds between two sweeps. */
  readonly sweepEvery: number;
}

const SWEEP_EVERY = 15 * 60;
/** An association is a process, and so are the `sh` and `mv` that follow an instance. */
const RECEIVER_LIMITS = { files: 4096, memory: '4G', tasks: 1024 };
const UPLOADER_LIMITS = { files: 65_536, memory: '2G', tasks: 256 };
const LOWEST_PORT = 1024;

const NAME = /^[a-z][a-z0-9-]{0,30}$/;
/** What useradd, sysusers.d and macOS take alike. */
const USER = /^[a-z_][a-z0-9_-]{0,30}$/;

/** Throws `CONFIG_INVALID`, naming what cannot go into a unit and why. */
export function planService(options: ServiceOptions): ServicePlan {
  const { name, user, receivers, spool, config, data, storestow, storescp } = options;
  if (!NAME.test(name)) throw invalid('the name of the service must be 1 to 31 of a-z, 0-9 and -, the first a letter');
  if (!USER.test(user)) throw invalid('the user must be 1 to 31 of a-z, 0-9, _ and -, the first a letter or _');
  if (user === 'root') throw invalid('the service must not run as root; name a user of its own');
  if (receivers.length === 0) throw invalid('there is no receiver; give AE title and port of one');
  const writable = unique([spool, ...options.writable]);
  for (const path of [...writable, config, data, storescp, ...storestow.slice(0, 1)]) checkPath(path);
  for (const word of storestow) checkText(word);
  checkPorts(receivers.map(({ port }) => port));
  const upload = (...mode: readonly ('--watch' | '--all' | '--here')[]): string[] => [
    ...[...storestow, 'upload', ...mode, '--spool', spool],
    ...['--config', config, '--data', data],
  ];
  const uploader = { environment: {}, writable, limits: UPLOADER_LIMITS };
  return {
    name,
    user,
    spool,
    folders: [...writable, receivingFolder(spool), receivedFolder(spool), stateFolder(spool)],
    programs: [
      ...receivers.map((receiver): Program => receiverProgram(receiver, spool, storescp)),
      {
        kind: 'uploader',
        name: 'upload',
        description: 'storestow: brings what is received to the bucket',
        command: upload('--watch'),
        ...uploader,
      },
      {
        kind: 'sweep',
        name: 'sweep',
        description: 'storestow: looks through the whole spool for what was missed',
        // What it is for is to miss nothing that the resident uploader misses, which it would otherwise be left to.
        command: upload('--all', '--here'),
        ...uploader,
      },
    ],
    sweepEvery: SWEEP_EVERY,
  };
}

function receiverProgram({ aet, port, tls }: Receiver, spool: string, storescp: string): Program {
  const command = [storescp, ...storescpArguments({ port, aet, spool, ...(tls === undefined ? {} : { tls }) })];
  for (const word of command) checkText(word);
  return {
    kind: 'receiver',
    name: `receiver-${port}`,
    description: `storestow: receives DICOM as ${aet} on port ${port}${tls === undefined ? '' : ' (TLS)'}`,
    command,
    environment: STORESCP_ENVIRONMENT,
    writable: [spool],
    limits: RECEIVER_LIMITS,
  };
}

/** DCMTK's storescp itself refuses the ports below 1024 to any user but root, capabilities or not. */
function checkPorts(ports: readonly number[]): void {
  const low = ports.find((port) => port < LOWEST_PORT);
  if (low !== undefined) {
    throw invalid(
      `storescp listens on port ${low} as root only; choose one from 1024, and redirect ${low} to it ` +
        `(nft add rule ip nat prerouting tcp dport ${low} redirect to :11112; pf.conf: rdr pass inet proto tcp to port ${low} -> 127.0.0.1 port 11112)`,
    );
  }
  const twice = ports.find((port, index) => ports.indexOf(port) !== index);
  if (twice !== undefined) throw invalid(`two receivers have the port ${twice}; give each its own`);
}

/** Absolute, and without what a line of a unit, a property list or a log could not show as it is. */
function checkPath(path: string): void {
  checkText(path);
  if (!path.startsWith('/'))
    throw invalid(`${JSON.stringify(path)} is not an absolute path; a service has no folder to start from`);
  if (path.split('/').includes('..')) throw invalid(`${JSON.stringify(path)} goes through ..; write the path that it means`);
}

function checkText(text: string): void {
  if (!text.isWellFormed() || /\p{Cc}/u.test(text))
    throw invalid(`${JSON.stringify(text)} has a control character, a line break among them; take it out`);
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

function invalid(message: string): StorestowError {
  return new StorestowError('CONFIG_INVALID', message);
}
