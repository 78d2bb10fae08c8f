/**
 * What the tests run against besides storestow: as root on Debian it is installed, elsewhere named. A test whose peer is
 * missing is skipped by name (peers.ts).
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LAMBDA_FOLDER = fileURLToPath(new URL('../lambda', import.meta.url));
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'storestow');

interface DebianPackage {
  readonly name: string;
  /** A command on the PATH, or one of several files: there it need not be installed. */
  readonly provides: string | readonly string[];
}

const orthancPlugin = (file: string): string[] => [`/usr/share/orthanc/plugins/${file}`, `/usr/lib/orthanc/${file}`];

const DEBIAN_PACKAGES: readonly DebianPackage[] = [
  { name: 'dcmtk', provides: 'storescp' },
  { name: 'orthanc', provides: ['/usr/sbin/Orthanc'] },
  { name: 'orthanc-dicomweb', provides: orthancPlugin('libOrthancDicomWeb.so') },
  { name: 'orthanc-gdcm', provides: orthancPlugin('libOrthancGdcm.so') },
  { name: 'libgdcm-tools', provides: 'gdcmconv' },
  { name: 'dicom3tools', provides: 'dciodvfy' },
  { name: 'libopenjp2-tools', provides: 'opj_decompress' },
  { name: 'openjph-tools', provides: 'ojph_expand' },
  { name: 'systemd', provides: ['/lib/systemd/systemd'] },
  { name: 'python3-pydicom', provides: ['/usr/lib/python3/dist-packages/pydicom/__init__.py'] },
  { name: 'openssl', provides: 'openssl' },
  { name: 'strace', provides: 'strace' },
  { name: 'default-jre-headless', provides: 'java' },
];

/** For Keycloak, which Maven Central has. */
const KEYCLOAK_TOOLS: readonly DebianPackage[] = [
  { name: 'maven', provides: 'mvn' },
  { name: 'unzip', provides: 'unzip' },
];
const KEYCLOAK_VERSION = '26.0.7';
const KEYCLOAK_FOLDER = join(CACHE, `keycloak-${KEYCLOAK_VERSION}`);

/** For aws-lambda-ric, which is built from source. */
const BUILD_TOOLS: readonly DebianPackage[] = [
  { name: 'autoconf', provides: 'autoreconf' },
  { name: 'automake', provides: 'automake' },
  { name: 'libtool', provides: 'libtoolize' },
  { name: 'make', provides: 'make' },
  { name: 'cmake', provides: 'cmake' },
  { name: 'g++', provides: 'g++' },
  { name: 'xz-utils', provides: 'xz' },
];
/** Its addon is written to Node-API, so the headers of any Node serve. */
const NODE_HEADERS: DebianPackage = { name: 'libnode-dev', provides: ['/usr/include/node/node_api.h'] };

interface GoProgram {
  readonly command: string;
  readonly module: string;
  readonly version: string;
  readonly duration: string;
}

const GO_PROGRAMS: readonly GoProgram[] = [
  {
    command: 'minio',
    module: 'github.com/minio/minio',
    version: 'v0.0.0-20260212201848-7aac2a2c5b7c',
    duration: 'two to three minutes',
  },
  {
    command: 'aws-lambda-rie',
    module: 'github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie',
    version: 'v0.0.0-20261030222936-bef5c4ba774d',
    duration: 'some seconds',
  },
];

export interface Peers {
  /** Folders to put on the PATH. */
  readonly path: readonly string[];
  /** By name: their tests will be skipped. */
  readonly missing: readonly string[];
}

/** `say` gets a line for each thing that a person waits for. */
export function installPeers(say: (line: string) => void, { install }: { readonly install: boolean }): Peers {
  const privileged = install && process.getuid?.() === 0 && onPath('apt-get');
  const wanted = [...DEBIAN_PACKAGES, ...(lambdaClientThere() ? [] : buildTools()), ...(keycloakThere() ? [] : KEYCLOAK_TOOLS)];
  const absent = wanted.filter((debianPackage) => !isThere(debianPackage)).map(({ name }) => name);
  if (absent.length > 0 && privileged) installDebianPackages(absent, say);
  const folders = GO_PROGRAMS.map(programFolder);
  for (const program of GO_PROGRAMS) if (install) installGoProgram(program, say);
  if (install && !lambdaClientThere()) installLambdaClient(say);
  if (install && !keycloakThere()) installKeycloak(say);
  const missing = [
    ...DEBIAN_PACKAGES.filter((debianPackage) => !isThere(debianPackage)).map(({ name }) => name),
    ...GO_PROGRAMS.filter((program) => !programThere(program)).map(({ command }) => command),
    ...(lambdaClientThere() ? [] : ['aws-lambda-ric']),
    ...(keycloakThere() ? [] : ['Keycloak']),
  ];
  return { path: [...folders, join(KEYCLOAK_FOLDER, 'bin')].filter((folder) => existsSync(folder)), missing };
}

function buildTools(): readonly DebianPackage[] {
  return nodeHeaders() === undefined ? [...BUILD_TOOLS, NODE_HEADERS] : BUILD_TOOLS;
}

function installDebianPackages(names: readonly string[], say: (line: string) => void): void {
  say(`installing Debian packages: ${names.join(' ')} (a minute or two)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  attempt('apt-get', ['update', '-q'], { env, say });
  attempt('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...names], { env, say });
}

function installGoProgram(program: GoProgram, say: (line: string) => void): void {
  if (programThere(program) || !onPath('go')) return;
  say(`building ${program.command} ${program.version} with Go (${program.duration})`);
  const folder = programFolder(program);
  mkdirSync(folder, { recursive: true });
  attempt('go', ['install', `${program.module}@${program.version}`], { env: { ...process.env, GOBIN: folder }, say });
}

function installLambdaClient(say: (line: string) => void): void {
  if (!buildTools().every(isThere)) return;
  say("building aws-lambda-ric, AWS's Lambda runtime client (a minute)");
  const headers = nodeHeaders();
  const configured = Object.keys(process.env).some((name) => name.toLowerCase() === 'npm_config_nodedir');
  const env = { ...process.env, ...(headers === undefined || configured ? {} : { npm_config_nodedir: headers }) };
  attempt('npm', ['ci', '--no-audit', '--no-fund'], { env, cwd: LAMBDA_FOLDER, say });
}

/** Made ready for its database beforehand (`kc.sh build`), so that it starts in seconds. It has its name once that is done. */
function installKeycloak(say: (line: string) => void): void {
  if (![...KEYCLOAK_TOOLS, ...DEBIAN_PACKAGES.filter(({ name }) => name === 'default-jre-headless')].every(isThere)) return;
  say(`fetching Keycloak ${KEYCLOAK_VERSION} with Maven (147 MB) and making it ready (half a minute)`);
  const env = { ...process.env, JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' };
  const made = join(CACHE, 'keycloak.new');
  const archive = `keycloak-quarkus-dist-${KEYCLOAK_VERSION}.zip`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  const artifact = `-Dartifact=org.keycloak:keycloak-quarkus-dist:${KEYCLOAK_VERSION}:zip`;
  attempt('mvn', ['-q', '-B', 'dependency:copy', artifact, `-DoutputDirectory=${made}`], { env, say });
  if (!existsSync(join(made, archive))) return;
  attempt('unzip', ['-q', archive], { env, cwd: made, say });
  const home = join(made, `keycloak-${KEYCLOAK_VERSION}`);
  if (attempt(join(home, 'bin', 'kc.sh'), ['build', '--db=dev-file'], { env, say })) renameSync(home, KEYCLOAK_FOLDER);
  rmSync(made, { recursive: true, force: true });
}

/** A failure is told, and leaves the peer missing. */
function attempt(
  command: string,
  args: readonly string[],
  { say, ...options }: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string; readonly say: (line: string) => void },
): boolean {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...options,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return true;
  say(`${command} ${args.join(' ')} failed:\n${error === undefined ? lastLines(`${stdout}${stderr}`) : error.message}`);
  return false;
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-30).join('\n');
}

function isThere({ provides }: DebianPackage): boolean {
  return typeof provides === 'string' ? onPath(provides) : provides.some((file) => existsSync(file));
}

/** With its version in its name, so that another version is built anew. */
function programFolder({ command, version }: GoProgram): string {
  return join(CACHE, `${command}-${version}`);
}

function programThere(program: GoProgram): boolean {
  const named = program.command === 'minio' && (process.env['MINIO_BIN'] ?? '') !== '';
  return named || onPath(program.command) || existsSync(join(programFolder(program), program.command));
}

function lambdaClientThere(): boolean {
  return existsSync(join(LAMBDA_FOLDER, 'node_modules', 'aws-lambda-ric', 'rapid-client.node'));
}

function keycloakThere(): boolean {
  return onPath('kc.sh') || existsSync(KEYCLOAK_FOLDER);
}

/** The `nodedir` of node-gyp: where a Node on the PATH has its headers. */
function nodeHeaders(): string | undefined {
  const programs = pathFolders().map((folder) => join(folder, 'node'));
  const roots = programs.filter((file) => existsSync(file)).map((file) => dirname(dirname(realpathSync(file))));
  return [...roots, '/usr'].find((root) => existsSync(join(root, 'include', 'node', 'node_api.h')));
}

function onPath(command: string): boolean {
  return pathFolders().some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function pathFolders(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
}
