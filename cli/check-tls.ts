/** Checks of `storestow doctor`: is the archive's certificate trusted, and does it take the client's. */
import type { ArchiveConfig } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { archiveOrigin } from '../core/stow/archive-url.ts';
import { certificatesOf, readTlsFiles, type TlsMaterial } from '../core/stow/tls-files.ts';
import { probeTls } from '../core/stow/tls-probe.ts';

const DAY = 24 * 60 * 60 * 1000;
/** Days that are left when it is said that they are few. */
const SOON = 14;

export async function checkServerCertificate({ url, tls = {} }: ArchiveConfig): Promise<string> {
  const { protocol, validTo } = await probeTls(archiveOrigin(url), readTlsFiles(tls));
  return `${protocol}, its certificate is trusted and ${validity(validTo, new Date())}`;
}

/** Whether it is demanded shows in a second connection, without it. */
export async function checkClientCertificate({ url, tls = {} }: ArchiveConfig): Promise<string> {
  const origin = archiveOrigin(url);
  const material = readTlsFiles(tls);
  const own = describeOwn(material, tls.cert ?? '', new Date());
  await probeTls(origin, material);
  const demanded = await probeTls(origin, material.ca === undefined ? {} : { ca: material.ca }).then(
    () => false,
    () => true,
  );
  return `${own}, ${demanded ? 'accepted: without it the archive refuses the connection' : 'but the archive takes a connection without it, too'}`;
}

function describeOwn({ cert = '' }: TlsMaterial, file: string, now: Date): string {
  const [own] = certificatesOf(cert, file, 'cert');
  const name = /^CN=(.*)$/m.exec(own?.subject ?? '')?.[1] ?? 'without a common name';
  const validTo = new Date(own?.validTo ?? 0);
  if (validTo >= now) return `${name}, ${validity(validTo, now)}`;
  throw new StorestowError('CONFIG_INVALID', `the certificate of archive.tls.cert ended on ${dayOf(validTo)}; have it renewed`, {
    object: file,
  });
}

export function validity(validTo: Date, now: Date): string {
  const days = Math.floor((validTo.getTime() - now.getTime()) / DAY);
  return `valid until ${dayOf(validTo)}${days < SOON ? ` (${String(days)} days left: have it renewed)` : ''}`;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
