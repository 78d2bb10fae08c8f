/** The files of `archive.tls` for a Lambda function: which go into its package, and under which names it finds them there. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { ArchiveTls } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';

export interface PackagedTls {
  /** As the function has it; the pass phrase is in its environment. */
  readonly setting: ArchiveTls;
  /** `from` is relative to the working directory, `to` to the package. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
}

/** Where Lambda unpacks a package. */
const TASK_ROOT = '/var/task';
/** In `archive.tls.ca` no files. */
const STORES = new Set(['system', 'default']);

/**
 * Who may read a function may read its package, so the key must be encrypted. Throws `CONFIG_INVALID` for one that is not, and for files
 * that have no certificates. It runs where SST does, which is not Node alone: what it imports is little.
 */
export function packagedTls({ ca, cert, key }: ArchiveTls): PackagedTls {
  const files: { from: string; to: string }[] = [];
  const place = (path: string, name: string): string => {
    const to = `tls/${name}.pem`;
    files.push({ from: relative('.', path), to });
    return `${TASK_ROOT}/${to}`;
  };
  const placeCertificates = (path: string, name: string, setting: string): string => {
    if (!readText(path, setting).includes('-----BEGIN CERTIFICATE-----'))
      throw invalid(path, `${path} of archive.tls.${setting} has no certificate in PEM; convert it with openssl x509`);
    return place(path, name);
  };
  const authorities = ca === undefined ? undefined : [ca].flat();
  const trusted = authorities?.map((path, index) => (STORES.has(path) ? path : placeCertificates(path, `ca-${index}`, 'ca')));
  if (cert === undefined || key === undefined) return { setting: { ...(trusted === undefined ? {} : { ca: trusted }) }, files };
  if (!/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(readText(key, 'key'))) {
    throw invalid(
      key,
      `${key} of archive.tls.key is not encrypted, and would lie so in the function's package; encrypt it (openssl pkey -aes256) and set the secret ArchiveTlsPassphrase`,
    );
  }
  return {
    setting: {
      ...(trusted === undefined ? {} : { ca: trusted }),
      cert: placeCertificates(cert, 'cert', 'cert'),
      key: place(key, 'key'),
    },
    files,
  };
}

function readText(file: string, setting: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(file, `cannot read ${file} of archive.tls.${setting}; check the path and its permissions`, cause);
  }
}

function invalid(object: string, message: string, cause?: unknown): StorestowError {
  return new StorestowError('CONFIG_INVALID', message, { object, ...(cause === undefined ? {} : { cause }) });
}
