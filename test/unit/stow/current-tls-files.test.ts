import { copyFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTlsFiles, type CurrentTls } from '../../../core/stow/current-tls-files.ts';
import { readTlsFiles } from '../../../core/stow/tls-files.ts';
import { createAuthority, opensslAvailable, type Authority, type IssuedCertificate } from '../../support/certificates.ts';
import { requirePeer } from '../../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe.skipIf(requirePeer('openssl', opensslAvailable()))('the files of archive.tls', () => {
  let folder: TemporaryFolder;
  let authority: Authority;
  let first: IssuedCertificate;
  let second: IssuedCertificate;
  let files: { readonly ca: string; readonly cert: string; readonly key: string };
  let clock: number;
  let current: CurrentTls;

  beforeAll(async () => {
    folder = await temporaryFolder('current-tls');
    authority = await createAuthority(folder.path, 'hospital');
    first = await authority.issue('first', { usage: 'clientAuth' });
    second = await authority.issue('second', { usage: 'clientAuth' });
    files = { ca: join(folder.path, 'ca.pem'), cert: join(folder.path, 'cert.pem'), key: join(folder.path, 'key.pem') };
  });
  beforeEach(async () => {
    await rm(files.cert, { force: true });
    await copyFile(authority.ca, files.ca);
    await put(first);
    clock = 0;
    current = openTlsFiles(files, () => clock);
  });
  afterAll(() => folder.remove());

  async function put({ cert, key }: Partial<IssuedCertificate>): Promise<void> {
    if (cert !== undefined) await copyFile(cert, files.cert);
    if (key !== undefined) await copyFile(key, files.key);
  }
  /** What `stat` says ELOOP of. */
  async function loop(file: string): Promise<void> {
    await rm(file);
    await symlink(file, file);
  }
  /** A second later. */
  const later = (): ReturnType<CurrentTls> => {
    clock += 1000;
    return current();
  };

  it('are the same object until they change', () => {
    expect(current()).toEqual(readTlsFiles(files));
    expect(later()).toBe(current());
  });

  it('are read again when they changed, a second later at the latest', async () => {
    const before = current();
    await put(second);
    clock += 999;
    expect(current()).toBe(before);
    clock += 1;
    expect(current()).toEqual(readTlsFiles(files));
    expect(current().cert).not.toBe(before.cert);
    expect(later()).toBe(current());
  });

  it.each<[string, () => Promise<void>]>([
    ['a certificate whose key is still to come', async () => put({ cert: second.cert })],
    ['a file that is gone', async () => rm(files.key)],
    ['a file that cannot be looked at', async () => loop(files.cert)],
    ['half of a file', async () => writeFile(files.ca, '-----BEGIN CERTIFICATE-----\nMIIB')],
  ])('stay as they were with %s, until all fit together', async (_name, change) => {
    const before = current();
    await change();
    expect(later()).toBe(before);
    expect(later()).toBe(before);
    await rm(files.cert);
    await copyFile(authority.ca, files.ca);
    await put(second);
    expect(later()).toEqual(readTlsFiles(files));
    expect(current().cert).not.toBe(before.cert);
  });

  it.each<[string, () => Promise<void>]>([
    ['fit together', async () => put({ cert: second.cert })],
    ['be there to be looked at', async () => loop(files.cert)],
  ])('must %s at the start', async (_name, change) => {
    await change();
    expect(() => openTlsFiles(files)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error);
  });
});
