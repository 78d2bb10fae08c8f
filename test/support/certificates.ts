/** Certificates of an authority of a test's own, made by openssl: sound ones, and those that are not. */
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

export interface IssueOptions {
  readonly usage: 'serverAuth' | 'clientAuth';
  /** Of a server; default `IP:127.0.0.1,DNS:localhost`. */
  readonly names?: string;
  /** Until it ends; negative: it has. */
  readonly days?: number;
  /** Encrypts the key. */
  readonly passphrase?: string;
  /** Bits of an RSA key; default: one of the curve P-256. */
  readonly rsa?: number;
}

/** Paths of PEM files. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  /** Path of its own certificate. */
  readonly ca: string;
  issue(commonName: string, options: IssueOptions): Promise<IssuedCertificate>;
}

export function opensslAvailable(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

/** `name` is a file name too. */
export async function createAuthority(folder: string, name: string): Promise<Authority> {
  const [ca, caKey] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  await run('openssl', [
    'req',
    '-x509',
    ...NEW_KEY,
    '-nodes',
    '-keyout',
    caKey,
    '-out',
    ca,
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
  ]);
  return {
    ca,
    async issue(commonName, { usage, names = 'IP:127.0.0.1,DNS:localhost', days = 30, passphrase, rsa }) {
      const base = join(folder, `${name}-${commonName}`);
      const [cert, key, request, extensions] = [`${base}.pem`, `${base}.key`, `${base}.csr`, `${base}.ext`];
      const secret = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
      const newKey = rsa === undefined ? NEW_KEY : ['-newkey', `rsa:${String(rsa)}`];
      await run('openssl', ['req', ...newKey, ...secret, '-keyout', key, '-out', request, '-subj', `/CN=${commonName}`]);
      const subjectNames = usage === 'serverAuth' ? `subjectAltName=${names}\n` : '';
      await writeFile(extensions, `${subjectNames}extendedKeyUsage=${usage}\n`);
      const signing = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', String(days), '-extfile', extensions];
      await run('openssl', ['x509', '-req', '-in', request, ...signing, '-out', cert]);
      return { cert, key };
    },
  };
}
