/** For `storestow doctor`: whether the archive, or a proxy before it, takes requests as long as those that storestow sends. */
import type { Config } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';
import { createDicomWeb, openConnection, type DicomWeb } from '../core/stow/dicomweb.ts';

/** Bytes of an instance as large as they come: a long ultrasound run, a tomosynthesis. It goes alone, whatever `archive.maxBytes` says. */
const LARGE = 2 ** 30;

/** Asked by the heads of requests that are never sent. Throws `ARCHIVE_SIZE_LIMIT`, and what the configuration throws. */
export async function checkRequestLength({ archive: config, site }: Config): Promise<string> {
  if (config === undefined) return 'none configured: the embedded archive takes any length';
  const connection = openConnection(config);
  try {
    const web = createDicomWeb(config, { aet: 'STORESTOW', institution: 'storestow', site }, connection);
    return await describeLength(web, config.maxBytes);
  } finally {
    await connection.close();
  }
}

/**
 * | 1 GiB   | archive.maxBytes | then                                          |
 * |---------|------------------|-----------------------------------------------|
 * | taken   | not asked        | good                                          |
 * | refused | taken            | good, but for larger instances: says so       |
 * | refused | refused          | throws, naming the setting                    |
 * | else    | refused          | throws, naming the setting                    |
 * | else    | else             | the archive does not tell: says so            |
 */
async function describeLength(web: DicomWeb, maxBytes: number): Promise<string> {
  const large = Math.max(LARGE, maxBytes);
  const takesLarge = await web.takes(large);
  if (takesLarge === 'taken') return `the archive takes requests of ${String(large)} bytes`;
  const takesUsual = await web.takes(maxBytes);
  if (takesUsual === 'refused') {
    throw new StorestowError(
      'ARCHIVE_SIZE_LIMIT',
      `the archive, or a proxy before it, refuses requests of archive.maxBytes (${String(maxBytes)} bytes); ${correction(web.url)}`,
      { object: web.url },
    );
  }
  return takesLarge === 'refused' && takesUsual === 'taken'
    ? `the archive takes archive.maxBytes (${String(maxBytes)} bytes), but no ${String(large)}: a larger instance would be set aside as ARCHIVE_SIZE_LIMIT; ${correction(web.url)}`
    : 'the archive does not tell before a request is sent (no answer to Expect: 100-continue)';
}

function correction(url: string): string {
  const listener = url.startsWith('https:') ? 'https-listener=https' : 'http-listener=default';
  return `where it is WildFly (10485760 bytes by default), run in jboss-cli: /subsystem=undertow/server=default-server/${listener}:write-attribute(name=max-post-size,value=10000000000), then :reload; in the dcm4chee image set HTTP_MAX_POST_SIZE; in nginx client_max_body_size`;
}
