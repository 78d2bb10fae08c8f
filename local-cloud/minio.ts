/**
 * MinIO as this machine's bucket: found, started on loopback, waited for, stopped. It runs beside storestow as a program of its
 * own; `core/store/s3-bucket-setup.ts` creates the bucket and subscribes to its events.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StorestowError } from '../core/errors.ts';

export interface MinioWebhook {
  /** The bucket's notifications name it: `webhookArn(id)`. Letters, digits and `_`. */
  readonly id: string;
  /** URL to which MinIO posts each event. */
  readonly endpoint: string;
  /** Where MinIO keeps events while nobody listens. */
  readonly queueFolder: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly authToken?: string;
}

export interface MinioCredentials {
  /** At least 3 characters. */
  readonly accessKeyId: string;
  /** At least 8 characters. */
  readonly secretAccessKey: string;
}

export interface MinioOptions {
  /** Created where absent; belongs to MinIO. */
  readonly dataFolder: string;
  readonly credentials: MinioCredentials;
  /** Default: any free one. */
  readonly port?: number;
  readonly webhook?: MinioWebhook;
  /** Default: what `findMinio` finds. */
  readonly binary?: string;
}

export interface Minio extends MinioCredentials {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** Milliseconds. */
const READY_TIMEOUT = 60_000;
const STOP_TIMEOUT = 15_000;
const POLL = 50;
/** A free port may be taken by someone else before MinIO listens on it. */
const STARTS = 3;
const OUTPUT_KEPT = 4096;

export function webhookArn(id: string): string {
  return `arn:minio:sqs::${id}:webhook`;
}

/** `MINIO_BIN`, or `minio` on the PATH; `undefined` where there is none. */
export async function findMinio(env: Readonly<Record<string, string | undefined>> = process.env): Promise<string | undefined> {
  const named = env['MINIO_BIN'] ?? '';
  const candidates =
    named === ''
      ? (env['PATH'] ?? '').split(delimiter).flatMap((folder) => (folder === '' ? [] : [join(folder, 'minio')]))
      : [named];
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Throws `CONFIG_INVALID` (no MinIO), `PORT_IN_USE`, `PROCESS_FAILED`. */
export async function startMinio(options: MinioOptions): Promise<Minio> {
  const binary = options.binary ?? (await findMinio());
  if (binary === undefined)
    throw new StorestowError(
      'CONFIG_INVALID',
      'MinIO was not found; put `minio` on the PATH, name it in MINIO_BIN, or use the embedded bucket',
    );
  await mkdir(join(options.dataFolder, 'drive'), { recursive: true, mode: 0o700 });
  await mkdir(join(options.dataFolder, 'certs'), { recursive: true });
  await stopPredecessor(options.dataFolder);
  for (let start = 1; ; start += 1) {
    const port = await claimablePort(options.port ?? 0);
    try {
      return await startOn(port, binary, options);
    } catch (error) {
      if (options.port !== undefined || start === STARTS) throw error;
    }
  }
}

async function startOn(port: number, binary: string, { dataFolder, credentials, webhook }: MinioOptions): Promise<Minio> {
  const endpoint = `http://127.0.0.1:${port}`;
  const args = [
    'server',
    '--quiet',
    '--address',
    `127.0.0.1:${port}`,
    '--certs-dir',
    join(dataFolder, 'certs'),
    join(dataFolder, 'drive'),
  ];
  // Nothing of this process's environment: `MINIO_*` variables there are meant for another MinIO.
  const env = { ...environment(credentials, webhook), PATH: process.env['PATH'], HOME: dataFolder };
  const child = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = tailOf(child);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  try {
    await waitUntilReady(endpoint, child, output);
    await writeFile(recordPath(dataFolder), JSON.stringify({ pid: child.pid, endpoint }));
  } catch (error) {
    await stop(child, ended);
    throw error;
  }
  const close = async (): Promise<void> => {
    await stop(child, ended);
    await rm(recordPath(dataFolder), { force: true });
  };
  return { endpoint, ...credentials, close };
}

/** MinIO's own variables: the console and the update check are off. */
function environment(
  { accessKeyId, secretAccessKey }: MinioCredentials,
  webhook: MinioWebhook | undefined,
): Record<string, string> {
  return {
    MINIO_ROOT_USER: accessKeyId,
    MINIO_ROOT_PASSWORD: secretAccessKey,
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
    ...(webhook === undefined
      ? {}
      : {
          [`MINIO_NOTIFY_WEBHOOK_ENABLE_${webhook.id}`]: 'on',
          [`MINIO_NOTIFY_WEBHOOK_ENDPOINT_${webhook.id}`]: webhook.endpoint,
          [`MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_${webhook.id}`]: webhook.queueFolder,
          ...(webhook.authToken === undefined ? {} : { [`MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_${webhook.id}`]: webhook.authToken }),
        }),
  };
}

/** The last of what it printed, for the error that says why it ended. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-OUTPUT_KEPT);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => tail;
}

async function waitUntilReady(endpoint: string, child: ChildProcess, output: () => string): Promise<void> {
  let failure: unknown;
  child.once('error', (error) => (failure = error));
  const deadline = Date.now() + READY_TIMEOUT;
  while (!(await answers(endpoint, 'ready'))) {
    if (failure !== undefined || child.exitCode !== null || child.signalCode !== null || Date.now() > deadline)
      throw new StorestowError('PROCESS_FAILED', `MinIO did not become ready at ${endpoint}; its output says why`, {
        object: endpoint,
        cause: failure ?? new Error(output()),
      });
    await delay(POLL);
  }
}

async function answers(endpoint: string, probe: 'live' | 'ready' = 'live'): Promise<boolean> {
  try {
    const response = await fetch(`${endpoint}/minio/health/${probe}`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
  await ended;
  clearTimeout(timer);
}

function recordPath(dataFolder: string): string {
  return join(dataFolder, 'running.json');
}

/**
 * A MinIO that an earlier `startMinio` began in this folder and that outlived it (kill -9): two servers on one drive would
 * corrupt it. Only a process that still answers at its recorded address is ended.
 */
async function stopPredecessor(dataFolder: string): Promise<void> {
  const record = await readRecord(dataFolder);
  if (record === undefined || !(await answers(record.endpoint))) return;
  const deadline = Date.now() + STOP_TIMEOUT;
  signal(record.pid, 'SIGTERM');
  while (await answers(record.endpoint)) {
    if (Date.now() > deadline)
      throw new StorestowError(
        'PROCESS_FAILED',
        `an earlier MinIO (process ${record.pid}) still runs at ${record.endpoint}; end it`,
        {
          object: record.endpoint,
        },
      );
    await delay(POLL);
  }
}

async function readRecord(dataFolder: string): Promise<{ pid: number; endpoint: string } | undefined> {
  try {
    const { pid, endpoint } = JSON.parse(await readFile(recordPath(dataFolder), 'utf8')) as { pid: unknown; endpoint: unknown };
    return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1 && typeof endpoint === 'string'
      ? { pid, endpoint }
      : undefined;
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself, or belongs to another user; the caller's deadline tells which.
  }
}

/** The port, or for 0 any one, if nothing listens on it at this moment; else `PORT_IN_USE`. */
async function claimablePort(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new StorestowError('PORT_IN_USE', `MinIO cannot listen on port ${wanted}; choose another one`, {
      object: `127.0.0.1:${wanted}`,
      cause,
    });
  }
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
