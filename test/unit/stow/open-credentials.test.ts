import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCredentials } from '../../../core/stow/open-credentials.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

let folder: TemporaryFolder;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder('secret');
  file = join(folder.path, 'secret');
});
afterEach(async () => folder.remove());

describe('openCredentials', () => {
  it('none', async () => {
    const credentials = openCredentials({ kind: 'none' });
    expect([await credentials.header(), await credentials.renew(undefined)]).toEqual([undefined, false]);
  });

  it('basic, in UTF-8 (RFC 7617)', async () => {
    const header = async (username: string, password: string) => openCredentials({ kind: 'basic', username, password }).header();
    expect(await header('Aladdin', 'open sesame')).toBe('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
    expect(await header('test', '123£')).toBe('Basic dGVzdDoxMjPCow==');
  });

  it('bearer, of which there is no other after a 401', async () => {
    const credentials = openCredentials({ kind: 'bearer', token: 'abc.def' });
    expect([await credentials.header(), await credentials.renew('Bearer abc.def')]).toEqual(['Bearer abc.def', false]);
  });

  it('refuses a user name that basic authentication cannot carry', () => {
    expect(() => openCredentials({ kind: 'basic', username: 'a:b', password: 'c' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  it.each(['', 'abc\r\nX: y', 'ä', 'a b'])('refuses the token %j', async (token) => {
    await expect(openCredentials({ kind: 'bearer', token }).header()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('wants a secret from somewhere, and names the places', async () => {
    await expect(openCredentials({ kind: 'basic', username: 'a' }).header()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/archive\.auth\.passwordFile, or STORESTOW_ARCHIVE_PASSWORD/) as string,
    });
  });
});

describe('a secret in a file', () => {
  it('is read without its last line break, and again for each request', async () => {
    const credentials = openCredentials({ kind: 'bearer', tokenFile: file });
    await writeFile(file, 'first\n');
    expect(await credentials.header()).toBe('Bearer first');
    await writeFile(file, 'second\r\n');
    expect(await credentials.header()).toBe('Bearer second');
  });

  it('is another one after a 401 only where the file has changed', async () => {
    const credentials = openCredentials({ kind: 'bearer', tokenFile: file });
    await writeFile(file, 'first');
    const refused = await credentials.header();
    expect(await credentials.renew(refused)).toBe(false);
    await writeFile(file, 'second');
    expect(await credentials.renew(refused)).toBe(true);
  });

  it('may be a password', async () => {
    await writeFile(file, 'p:ss wörd \n');
    const credentials = openCredentials({ kind: 'basic', username: 'u', passwordFile: file });
    expect(await credentials.header()).toBe(`Basic ${Buffer.from('u:p:ss wörd ').toString('base64')}`);
  });

  it.each([
    ['missing', async () => rm(file, { force: true })],
    ['empty', async () => writeFile(file, '\n')],
  ])('that is %s may be there for the next try', async (_, make) => {
    const credentials = openCredentials({ kind: 'bearer', tokenFile: file });
    await make();
    await expect(credentials.header()).rejects.toMatchObject({ code: 'CONFIG_INVALID', retryable: true, object: file });
    await writeFile(file, 'T');
    expect(await credentials.header()).toBe('Bearer T');
  });
});
