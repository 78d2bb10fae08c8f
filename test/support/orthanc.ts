/** Starts a real Orthanc with its DICOMweb plug-in, with a configuration of its own, on free ports, in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

const BINARY = process.env['ORTHANC_BIN'] ?? '/usr/sbin/Orthanc';
const PLUGIN_FOLDERS = ['/usr/share/orthanc/plugins', '/usr/lib/orthanc'];

export interface OrthancPeer {
  readonly aet: string;
  readonly host: string;
  readonly port: number;
}

export interface OrthancOptions {
  /** DICOM AE title; default `ORTHANC`. */
  readonly aet?: string;
  /** Load the GDCM plug-in. */
  readonly gdcm?: boolean;
  /** Transfer syntax UID that everything received is transcoded to (needs `gdcm` for JPEG 2000). */
  readonly ingestTranscoding?: string;
  /** DICOM peers, by symbolic name. */
  readonly modalities?: Readonly<Record<string, OrthancPeer>>;
  /** DICOMweb servers for Orthanc's own STOW client, by name: the root address. */
  readonly dicomWebServers?: Readonly<Record<string, string>>;
  /** Basic authentication; none where absent. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Keeps what an earlier start stored: a folder that the caller owns. Default: a temporary one, removed by `stop`. */
  readonly folder?: string;
  /** Ports of an earlier start. Default: free ones. */
  readonly ports?: { readonly http: number; readonly dicom: number };
  /** Further settings, over all others. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Orthanc {
  /** Of the REST API, without a trailing slash. */
  readonly restUrl: string;
  /** Of STOW-RS: ends in /studies. */
  readonly stowUrl: string;
  readonly ports: { readonly http: number; readonly dicom: number };
  readonly aet: string;
  /** GET of the REST API, as JSON. */
  get(resource: string): Promise<unknown>;
  /** What Orthanc printed. */
  output(): string;
  stop(): Promise<void>;
}

function pluginPath(name: string): string | undefined {
  return PLUGIN_FOLDERS.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/** Whether Orthanc and the plug-ins that a test needs are installed. */
export function orthancAvailable({ gdcm = false }: { readonly gdcm?: boolean } = {}): boolean {
  return (
    existsSync(BINARY) &&
    pluginPath('libOrthancDicomWeb.so') !== undefined &&
    (!gdcm || pluginPath('libOrthancGdcm.so') !== undefined)
  );
}

function configuration(options: OrthancOptions, folder: string, ports: Orthanc['ports']): Record<string, unknown> {
  const plugins = ['libOrthancDicomWeb.so', ...(options.gdcm === true ? ['libOrthancGdcm.so'] : [])];
  return {
    Name: options.aet ?? 'ORTHANC',
    StorageDirectory: path.join(folder, 'storage'),
    IndexDirectory: path.join(folder, 'index'),
    Plugins: plugins.map((name) => pluginPath(name)).filter((file) => file !== undefined),
    HttpPort: ports.http,
    DicomPort: ports.dicom,
    DicomAet: options.aet ?? 'ORTHANC',
    DicomAlwaysAllowStore: true,
    DicomAlwaysAllowEcho: true,
    DicomCheckCalledAet: false,
    UnknownSopClassAccepted: true,
    RemoteAccessAllowed: true,
    HttpsVerifyPeers: false,
    SaveJobs: false,
    AuthenticationEnabled: options.user !== undefined,
    ...(options.user === undefined ? {} : { RegisteredUsers: { [options.user.name]: options.user.password } }),
    ...(options.ingestTranscoding === undefined ? {} : { IngestTranscoding: options.ingestTranscoding }),
    DicomModalities: Object.fromEntries(
      Object.entries(options.modalities ?? {}).map(([name, { aet, host, port }]) => [name, [aet, host, port]]),
    ),
    DicomWeb: {
      Enable: true,
      Root: '/dicom-web/',
      Servers: Object.fromEntries(Object.entries(options.dicomWebServers ?? {}).map(([name, url]) => [name, [url]])),
    },
    ...options.settings,
  };
}

/** Resolves when its REST API answers; rejects with what Orthanc printed when it ends or says nothing for a minute. */
export async function startOrthanc(options: OrthancOptions = {}): Promise<Orthanc> {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'storestow-orthanc-')));
  const ports = options.ports ?? { http: await freePort(), dicom: await freePort() };
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'orthanc.json');
  await writeFile(file, JSON.stringify(configuration(options, folder, ports), null, 2));
  const child = spawn(BINARY, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const printed: string[] = [];
  const keep = (chunk: Buffer): void => void printed.push(chunk.toString('utf8'));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const output = (): string => printed.join('');
  const restUrl = `http://127.0.0.1:${String(ports.http)}`;
  const headers = options.user === undefined ? {} : { authorization: basic(options.user) };
  const stop = async (): Promise<void> => {
    await end(child);
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(`${restUrl}/system`, headers, child, output);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    restUrl,
    stowUrl: `${restUrl}/dicom-web/studies`,
    ports,
    aet: options.aet ?? 'ORTHANC',
    get: async (resource) => {
      const answer = await fetch(`${restUrl}${resource}`, { headers });
      if (!answer.ok) throw new Error(`Orthanc answered ${String(answer.status)} to ${resource}`);
      return answer.json();
    },
    output,
    stop,
  };
}

function basic({ name, password }: { readonly name: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

async function untilReady(
  url: string,
  headers: Record<string, string>,
  child: ChildProcess,
  output: () => string,
): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`Orthanc ended at its start:\n${output()}`);
    const ready = await fetch(url, { headers }).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return;
    await sleep(100);
  }
  throw new Error(`Orthanc was not ready after a minute:\n${output()}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const forced = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(forced);
}
