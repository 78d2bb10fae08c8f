/** What `archive.tls` names, read and checked: authorities to trust, the client's certificate and its key. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { ArchiveTls } from '../config/schema.ts';
import { StorestowError } from '../errors.ts';

/** PEM, as node:tls takes it. */
export interface TlsMaterial {
  /** Absent: the authorities that Node trusts by default. */
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Throws `CONFIG_INVALID` where a file is unreadable, is not what its setting says, or OpenSSL does not take it, and where key and certificate do not belong together. */
export function readTlsFiles({ ca, cert, key, passphrase, passphraseFile }: ArchiveTls): TlsMaterial {
  const authorities = ca === undefined ? undefined : [ca].flat().flatMap(readAuthorities);
  const trusted = authorities === undefined ? {} : { ca: authorities };
  if (cert === undefined || key === undefined) return trusted;
  const phrase = passphrase ?? (passphraseFile === undefined ? undefined : readPassphrase(passphraseFile));
  const client = {
    cert: readText(cert, 'cert'),
    key: readText(key, 'key'),
    ...(phrase === undefined ? {} : { passphrase: phrase }),
  };
  const [own] = certificatesOf(client.cert, cert, 'cert');
  if (own?.checkPrivateKey(readKey(client, key)) !== true) {
    throw invalid(key, 'archive.tls.key is not the key of archive.tls.cert; give the two that were made together');
  }
  const material = { ...trusted, ...client };
  try {
    secureContextOf(material);
  } catch (cause) {
    const advice = 'its key may be too short (RSA from 2048 bits), or its signature too weak; have it issued anew';
    throw invalid(cert, `OpenSSL does not take ${cert} of archive.tls.cert: ${advice}`, cause);
  }
  return material;
}

const CONTEXTS = new WeakMap<TlsMaterial, SecureContext>();

/** Parsed once for all connections of the same material: the operating system's authorities take 10 ms. */
export function secureContextOf(tls: TlsMaterial): SecureContext {
  const context = CONTEXTS.get(tls) ?? createSecureContext(tls);
  CONTEXTS.set(tls, context);
  return context;
}

/** `system` and `default` are no files: the authorities of the operating system, and those that Node trusts by default (NODE_EXTRA_CA_CERTS included). */
function readAuthorities(source: string): string[] {
  if (source === 'system' || source === 'default') return getCACertificates(source);
  return certificatesOf(readText(source, 'ca'), source, 'ca').map((certificate) => certificate.toString());
}

/** One at least, in their order. */
export function certificatesOf(pem: string, file: string, setting: string): readonly X509Certificate[] {
  try {
    const certificates = (pem.match(CERTIFICATES) ?? []).map((text) => new X509Certificate(text));
    if (certificates.length > 0) return certificates;
  } catch (cause) {
    throw invalid(file, `${file} of archive.tls.${setting} has a certificate that cannot be read; export it again as PEM`, cause);
  }
  throw invalid(
    file,
    `${file} of archive.tls.${setting} has no certificate in PEM (BEGIN CERTIFICATE); convert it with openssl x509`,
  );
}

function readKey({ key, passphrase }: { readonly key: string; readonly passphrase?: string }, file: string): KeyObject {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    const advice = /ENCRYPTED/.test(key)
      ? 'is encrypted, and archive.tls.passphrase does not open it; correct the pass phrase'
      : 'is no private key in PEM; convert it with openssl pkey';
    throw invalid(file, `${file} of archive.tls.key ${advice}`, cause);
  }
}

/** A line break at the file's end does not count. */
function readPassphrase(file: string): string {
  const phrase = readText(file, 'passphraseFile').replace(/\r?\n$/, '');
  if (phrase !== '') return phrase;
  throw invalid(file, `${file} of archive.tls.passphraseFile is empty; write the pass phrase into it`);
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
