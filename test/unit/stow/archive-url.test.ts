import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archiveOrigin, archiveUrl } from '../../../core/stow/archive-url.ts';

const TEMPLATE = 'https://archive.example/dcm4chee-arc/aets/%@/rs/studies';

describe('archiveUrl', () => {
  it.each([
    ['%@ is the calling AE title', TEMPLATE, 'https://archive.example/dcm4chee-arc/aets/CT1/rs/studies'],
    ['so is {aet}', 'http://h:8080/a/{aet}/studies', 'http://h:8080/a/CT1/studies'],
    ['{institution} and {site}', 'http://h/{site}/{institution}/studies', 'http://h/north%20wing/St.%20Mary%2FRad/studies'],
    ['several times', 'http://h/%@/%@-{aet}/studies', 'http://h/CT1/CT1-CT1/studies'],
    ['none at all', 'http://h/studies', 'http://h/studies'],
    ['an IPv6 host', 'http://[::1]:80/studies', 'http://[::1]/studies'],
  ])('%s', (_, template, url) => {
    expect(archiveUrl(template, { aet: 'CT1', institution: 'St. Mary/Rad', site: 'north wing' })).toBe(url);
  });

  it.each([
    ['$(touch pwned)', '%24(touch%20pwned)'],
    ["';id;'", "'%3Bid%3B'"],
    ['a/../b', 'a%2F..%2Fb'],
    ['%2e%2e', '%252e%252e'],
    ['?x#y', '%3Fx%23y'],
    ['  PADDED ', 'PADDED'],
    ['back\\slash', 'back%5Cslash'],
    ['\ud800', '%EF%BF%BD'],
  ])('encodes the title %j', (aet, segment) => {
    expect(archiveUrl(TEMPLATE, { aet, site: 's' })).toBe(`https://archive.example/dcm4chee-arc/aets/${segment}/rs/studies`);
  });

  it.each(['', '  ', '.', '..', ' .. '])('refuses the title %j', (aet) => {
    expect(() => archiveUrl(TEMPLATE, { aet, site: 's' })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SOURCE', retryable: false }),
    );
  });

  it('refuses an institution that the template needs and no mapping gave', () => {
    expect(() => archiveUrl('http://h/{institution}/studies', { aet: 'CT1', site: 's' })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_SOURCE' }),
    );
  });

  it('keeps any title within its own path segment', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 32 }), (aet) => {
        let url: string;
        try {
          url = archiveUrl(TEMPLATE, { aet, site: 's' });
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNKNOWN_SOURCE' });
          return;
        }
        expect(new URL(url).pathname).toMatch(/^\/dcm4chee-arc\/aets\/[^/]+\/rs\/studies$/);
        expect(new URL(url).href).toBe(url);
      }),
    );
  });
});

describe('archiveOrigin', () => {
  it('is what all addresses of a template share', () => {
    expect(archiveOrigin('HTTPS://Archive.example:443/%@/studies')).toBe('https://archive.example');
  });

  it.each([
    ['no address', 'archive/studies'],
    ['another protocol', 'ftp://h/studies'],
    ['a query', 'http://h/studies?a=b'],
    ['a fragment', 'http://h/studies#a'],
    ['another end', 'http://h/rs'],
    ['a slash behind', 'http://h/studies/'],
    ['credentials', 'http://user:secret@h/studies'],
    ['a placeholder as the host', 'http://%@/studies'],
    ['a placeholder in the host', 'http://{site}.example/studies'],
    ['a climbing segment', 'http://h/a/../studies'],
    ['no host', 'http:///studies'],
  ])('refuses %s', (_, template) => {
    expect(() => archiveOrigin(template)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('names no password', () => {
    expect(() => archiveOrigin('http://user:secret@h/studies')).toThrow(
      expect.objectContaining({ object: 'http://h/studies', message: expect.not.stringContaining('secret') as string }),
    );
  });

  it('refuses an unknown placeholder', () => {
    expect(() => archiveUrl('http://h/{aett}/studies', { aet: 'A', site: 's' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});
