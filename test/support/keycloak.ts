/** Starts a real Keycloak with one realm, on a free port, in a temporary folder: one client, whose tokens live as long as is said. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { waitUntil } from './wait-until.ts';

const REALM = 'storestow';

export interface KeycloakOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Seconds. */
  readonly tokenLife: number;
}

export interface Keycloak {
  /** The issuer of its tokens. */
  readonly issuer: string;
  readonly tokenUrl: string;
  readonly keysUrl: string;
  /** Ends the process; what it has stays. */
  stop(): Promise<void>;
  /** Again, on the same port; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

function distribution(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const bin = folders.find((folder) => existsSync(join(folder, 'kc.sh')));
  return bin === undefined ? undefined : dirname(bin);
}

export function keycloakAvailable(): boolean {
  return distribution() !== undefined;
}

/** The distribution is shared and stays as it is: realm, database and logs lie in a home of its own. */
export async function startKeycloak({ clientId, clientSecret, tokenLife }: KeycloakOptions): Promise<Keycloak> {
  const installed = distribution();
  if (installed === undefined) throw new Error('no kc.sh on the PATH');
  const folder = await temporaryFolder('keycloak');
  for (const part of ['conf', 'lib', 'providers', 'themes']) await symlink(join(installed, part), join(folder.path, part));
  await mkdir(join(folder.path, 'data', 'import'), { recursive: true });
  const client = {
    clientId,
    secret: clientSecret,
    serviceAccountsEnabled: true,
    standardFlowEnabled: false,
    publicClient: false,
  };
  const realm = { realm: REALM, enabled: true, sslRequired: 'none', accessTokenLifespan: tokenLife, clients: [client] };
  await writeFile(join(folder.path, 'data', 'import', `${REALM}.json`), JSON.stringify(realm));
  const port = await freePort();
  const issuer = `http://127.0.0.1:${String(port)}/realms/${REALM}`;
  const printed: string[] = [];
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const settings = ['--http-enabled=true', '--http-host=127.0.0.1', `--http-port=${String(port)}`, '--hostname-strict=false'];
    const started = spawn(
      join(installed ?? '', 'bin', 'kc.sh'),
      ['start', `-Dkc.home.dir=${folder.path}`, '--optimized', '--cache=local', '--import-realm', ...settings],
      // Little of the processor for what is short and small.
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC' },
      },
    );
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk: Buffer) => printed.push(chunk.toString()));
    const ready = async (): Promise<boolean> => {
      if (started.exitCode !== null || started.signalCode !== null) return true;
      return (await fetch(issuer)).ok;
    };
    await waitUntil('Keycloak answers', ready, { timeout: 240_000, interval: 250 });
    if (started.exitCode !== null) throw new Error(`Keycloak ended at its start:\n${printed.join('')}`);
  }

  async function stop(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const forced = setTimeout(() => child?.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(forced);
  }

  async function close(): Promise<void> {
    await stop();
    await folder.remove();
  }

  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  const protocol = `${issuer}/protocol/openid-connect`;
  return { issuer, tokenUrl: `${protocol}/token`, keysUrl: `${protocol}/certs`, start, stop, close };
}
