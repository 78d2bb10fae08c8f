/** The archive's STOW-RS address for one source, from the configured template. */
import { StorestowError } from '../errors.ts';

export interface UrlSource {
  /** Calling AE title: whatever the modality sent. */
  readonly aet: string;
  /** Absent where no institution is mapped. */
  readonly institution?: string | undefined;
  readonly site: string;
}

const PLACEHOLDER = /%@|\{([a-z]+)\}/g;

function invalid(template: string, why: string): StorestowError {
  return new StorestowError('CONFIG_INVALID', `archive.url ${why}`, { object: withoutCredentials(template) });
}

function withoutCredentials(template: string): string {
  return template.replace(/\/\/[^/]*@/, '//');
}

/**
 * Throws `CONFIG_INVALID` where the template is not an http or https address that ends in `/studies`, carries credentials,
 * a query or a fragment, or has placeholders elsewhere than in its path. Returns the origin that all its addresses share.
 */
export function archiveOrigin(template: string): string {
  const parts = /^(https?:\/\/)([^/?#]+)(\/[^?#]*)$/i.exec(template);
  if (parts === null) throw invalid(template, 'is not an http or https address without query; give https://HOST/…/studies');
  const [, scheme = '', host = '', path = ''] = parts;
  if (host.includes('%@') || /[{}]/.test(host)) throw invalid(template, 'may have %@ and {…} in its path only, not in the host');
  if (host.includes('@')) throw invalid(template, 'carries credentials; remove them and set archive.auth');
  if (!path.endsWith('/studies')) throw invalid(template, 'must end in /studies, the STOW-RS address (PS3.18 10.5)');
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) throw invalid(template, 'has . or .. as a segment');
  if (!URL.canParse(`${scheme}${host}`)) throw invalid(template, 'has no valid host');
  return new URL(`${scheme}${host}`).origin;
}

/** One path segment, or a piece of one. Encoded, `.` and `..` would still climb (WHATWG URL 4.1), so they are refused. */
function encoded(value: string, what: string): string {
  const text = value.trim().toWellFormed();
  if (text === '' || text === '.' || text === '..') {
    throw new StorestowError(
      'UNKNOWN_SOURCE',
      `the ${what} ${JSON.stringify(text)} cannot stand in the archive's address; correct it at the sender`,
    );
  }
  return encodeURIComponent(text);
}

/**
 * `%@` and `{aet}` → calling AE title, `{institution}`, `{site}`, each percent-encoded. Throws `CONFIG_INVALID` for the template
 * and `UNKNOWN_SOURCE` where a value that it needs is missing or cannot stand in an address.
 */
export function archiveUrl(template: string, { aet, institution, site }: UrlSource): string {
  const origin = archiveOrigin(template);
  const path = template.slice(template.indexOf('/', template.indexOf('//') + 2));
  return (
    origin +
    path.replaceAll(PLACEHOLDER, (placeholder, name: string | undefined) => {
      if (placeholder === '%@' || name === 'aet') return encoded(aet, 'calling AE title');
      if (name === 'institution') return encoded(institution ?? '', 'institution');
      if (name === 'site') return encoded(site, 'site');
      throw invalid(template, `has the unknown placeholder ${placeholder}; known are %@, {aet}, {institution} and {site}`);
    })
  );
}
