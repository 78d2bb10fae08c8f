import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { institutionOf, sourceKey } from '../../../core/coerce/institution-mapping.ts';
import { parseInstitutionMapping } from '../../../core/coerce/parse-institution-mapping.ts';

const containing = (text: string): unknown => expect.stringContaining(text);

const wrap = (body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${body}
</plist>
`;
const dictionary = (entries: Record<string, string>): string =>
  wrap(
    `<dict>${Object.entries(entries)
      .map(([key, name]) => `<key>${key}</key><string>${name}</string>`)
      .join('\n')}</dict>`,
  );
const parse = (text: string | Uint8Array, name = 'institutions.plist') =>
  parseInstitutionMapping(typeof text === 'string' ? Buffer.from(text, 'utf8') : text, name);

describe('parseInstitutionMapping', () => {
  // The XML parser reports to the console besides throwing.
  beforeEach(() => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('reads AE titles and addresses', () => {
    const mapping = parse(
      `\ufeff${dictionary({ ' CT1 ': 'Klinik Köln', '10.0.0.5': 'A &amp; B', '2001:DB8::0:1': ' Six ', __x__: 'X' })}`,
    );
    expect([...mapping]).toEqual([
      ['CT1', 'Klinik Köln'],
      ['10.0.0.5', 'A & B'],
      ['2001:db8::1', 'Six'],
      ['__x__', 'X'],
    ]);
  });

  it('reads an empty dictionary, comments and CDATA', () => {
    expect(parse(wrap('<dict/>')).size).toBe(0);
    expect([...parse(wrap('<dict><!-- <key>A</key> & --><key>B</key><string><![CDATA[C & D]]></string></dict>'))]).toEqual([
      ['B', 'C & D'],
    ]);
  });

  it('takes names of 64 characters, not of 65', () => {
    expect(parse(dictionary({ A: '病'.repeat(64) })).get('A')).toHaveLength(64);
    expect(() => parse(dictionary({ A: '病'.repeat(65) }))).toThrow(/more than 64 characters for "A"/);
  });

  it.each([
    ['institutions.plist', 'plutil -convert xml1 institutions.plist'],
    ['/etc/my site/it’s.plist', "plutil -convert xml1 '/etc/my site/it’s.plist'"],
    ["a'b.plist", String.raw`plutil -convert xml1 'a'\''b.plist'`],
  ])('refuses a binary property list %s with the line that converts it', (name, line) => {
    expect(() => parse(Buffer.from('bplist00\u00d1\u0001', 'latin1'), name)).toThrow(
      expect.objectContaining({ code: 'MAPPING_INVALID', object: name, message: containing(line) }),
    );
  });

  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'not an XML property list'],
    ['JSON', '{"A":"B"}', 'not an XML property list'],
    ['an old property list', '{ A = "B"; }', 'plutil -convert xml1 institutions.plist'],
    ['another document', '<html></html>', 'does not end with </plist>'],
    ['a document that is cut', dictionary({ A: 'B' }).slice(0, -12), 'does not end with </plist>'],
    ['tags that do not match', wrap('<dict><key>A</key><string>B</dict>'), 'not a well-formed'],
    ['something behind the end', `${dictionary({ A: 'B' })}x`, 'does not end with </plist>'],
    ['an array', wrap('<array/>'), 'not one dictionary'],
    ['a text', wrap('<string>x</string>'), 'not one dictionary'],
    ['two dictionaries', wrap('<dict/><dict/>'), 'not one dictionary'],
    ['a date', wrap('<date>2026-01-01T00:00:00Z</date>'), 'not one dictionary'],
    ['a number', wrap('<dict><key>A</key><integer>1</integer></dict>'), 'has no text for "A"'],
    [
      'a dictionary within',
      wrap('<dict><key>A</key><dict><key>B</key><string>C</string></dict></dict>'),
      'dictionaries in dictionaries',
    ],
    ['an empty name', dictionary({ A: ' ' }), 'has an empty name for "A"'],
    ['a key without a name', wrap('<dict><key>A</key></dict>'), 'has an empty name for "A"'],
    ['an empty key', dictionary({ '': 'B' }), 'has an empty key'],
    ['a key twice', wrap('<dict><key>A</key><string>B</string><key>A</key><string>C</string></dict>'), 'has a key twice'],
    ['an address twice', dictionary({ '10.0.0.5': 'B', '::ffff:10.0.0.5': 'C' }), 'has "10.0.0.5" twice'],
    ['a backslash', dictionary({ A: 'B\\C' }), 'control character or backslash'],
    ['a line break', dictionary({ A: 'B\nC' }), 'control character or backslash'],
    ['__proto__', dictionary({ __proto___: 'x' }).replace('__proto___', '__proto__'), 'not a well-formed'],
    [
      'entities',
      `<!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/passwd">]><plist><dict><key>A</key><string>&a;</string></dict></plist>`,
      'declares entities',
    ],
    ['an unknown entity', dictionary({ A: '&nope;' }), 'has "&nope;"'],
    ['a bare ampersand', dictionary({ A: 'B & C' }), 'write & as &amp;'],
    ['Latin-1', Buffer.from(dictionary({ A: 'Köln' }), 'latin1'), 'is not in UTF-8'],
    ['deep nesting', wrap('<array>'.repeat(20_000) + '</array>'.repeat(20_000)), 'not a well-formed'],
    ['a huge file', Buffer.alloc(17 * 1024 * 1024, 0x20), 'is larger than 16 MiB'],
  ])('refuses %s', (_name, text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'MAPPING_INVALID',
        object: 'institutions.plist',
        message: containing(message),
      }),
    );
  });
});

describe('institutionOf', () => {
  const mapping = parse(dictionary({ CT1: 'By title', '10.0.0.5': 'By address', '2001:db8::1': 'By six' }));
  it.each([
    ['CT1', '10.0.0.5', 'By title'],
    [' CT1  ', '9.9.9.9', 'By title'],
    ['ct1', '9.9.9.9', undefined],
    ['MR1', '10.0.0.5', 'By address'],
    ['MR1', '::ffff:10.0.0.5', 'By address'],
    ['MR1', '::FFFF:0a00:0005', 'By address'],
    ['MR1', '2001:0DB8:0:0::1', 'By six'],
    ['MR1', '9.9.9.9', undefined],
    ['', '', undefined],
  ])('%j at %j → %j', (callingAET, callingIP, institution) => {
    expect(institutionOf(mapping, { callingAET, callingIP })).toBe(institution);
  });
});

describe('sourceKey', () => {
  it.each([
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['A:B', 'A:B'],
  ])('%s → %s', (text, key) => {
    expect(sourceKey(text)).toBe(key);
  });
});
