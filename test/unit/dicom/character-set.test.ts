import { describe, expect, it } from 'vitest';

import { characterSetOf, decodeText, encodeText } from '../../../core/dicom/character-set.ts';
import type { VR } from '../../../core/dicom/data-set.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { textValues } from '../../../core/dicom/text-values.ts';
import { buildDicom } from '../../support/build-dicom.ts';
import { thrownBy } from './flat-elements.ts';

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
function terms(text: string): { terms: string[] } {
  return { terms: text === '' ? [] : text.split('\\') };
}
/** Escape sequences as `<$B>`, so that a failure can be read. */
function shown(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1').replaceAll('\x1b', '<ESC>');
}

/** The examples of PS3.5 H, I, J, K and PS3.3 C.12.1.1.2: [Specific Character Set, text, bytes]. */
const EXAMPLES: readonly (readonly [string, string, string])[] = [
  ['', 'Yamada^Tarou', 'Yamada^Tarou'],
  ['ISO_IR 100', 'Buc^Jérôme', 'Buc^J\xe9r\xf4me'],
  ['ISO_IR 101', 'Wałęsa', 'Wa\xb3\xeasa'],
  ['ISO_IR 109', 'Ġorġ', '\xd5or\xf5'],
  ['ISO_IR 110', 'Jānis', 'J\xe0nis'],
  ['ISO_IR 144', 'Люкceмбypг', '\xbb\xee\xdace\xdc\xd1yp\xd3'],
  ['ISO_IR 127', 'قباني^لنزار', '\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1'],
  ['ISO_IR 126', 'Διονυσιος', '\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2'],
  ['ISO_IR 138', 'שרון^דבורה', '\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4'],
  ['ISO_IR 148', 'Çavuşoğlu', '\xc7avu\xfeo\xf0lu'],
  ['ISO_IR 203', 'Œuvre€', '\xbcuvre\xa4'],
  ['ISO_IR 166', 'ก', '\xa1'],
  ['ISO_IR 13', 'ﾔﾏﾀﾞ^ﾀﾛｳ', '\xd4\xcf\xc0\xde^\xc0\xdb\xb3'],
  ['ISO_IR 192', 'Wang^XiaoDong=王^小東=', 'Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1='],
  ['GB18030', 'Wang^XiaoDong=王^小东=', 'Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab='],
  ['GBK', '王^小东', '\xcd\xf5^\xd0\xa1\xb6\xab'],
  [
    '\\ISO 2022 IR 87',
    'Yamada^Tarou=山田^太郎=やまだ^たろう',
    'Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B',
  ],
  [
    'ISO 2022 IR 13\\ISO 2022 IR 87',
    'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう',
    '\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J',
  ],
  ['\\ISO 2022 IR 159', '丂', '\x1b$(D0!\x1b(B'],
  [
    '\\ISO 2022 IR 149',
    'Hong^Gildong=洪^吉洞=홍^길동',
    'Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf',
  ],
  ['\\ISO 2022 IR 58', 'Zhang^XiaoDong=张^小东=', 'Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab='],
  ['ISO 2022 IR 100\\ISO 2022 IR 144', 'é^Лé', '\xe9^\x1b-L\xbb\x1b-A\xe9'],
  ['ISO 2022 IR 100\\ISO 2022 IR 126', 'ω=é', '\x1b-F\xf9\x1b-A=\xe9'],
];

describe('every character set of the standard', () => {
  it.each(EXAMPLES)('%s encodes %s', (set, text, encoded) => {
    expect(shown(encodeText([text], 'PN', terms(set)))).toBe(shown(bytes(encoded)));
  });

  it.each(EXAMPLES)('%s decodes to %s', (set, text, encoded) => {
    expect(decodeText(bytes(encoded), 'PN', terms(set))).toEqual([text]);
  });

  it.each(EXAMPLES)('%s keeps two values apart', (set, text) => {
    const characterSet = terms(set);
    expect(decodeText(encodeText([text, '', text], 'PN', characterSet), 'PN', characterSet)).toEqual([text, '', text]);
  });
});

describe('decoding', () => {
  it.each<[string, VR, string, string, string[]]>([
    ['a backslash within a character of GBK divides nothing', 'LO', 'GBK', '\x81\x5c\\b', ['乗', 'b']],
    [
      'a backslash within a character of JIS X 0208 divides nothing',
      'LO',
      '\\ISO 2022 IR 87',
      '\x1b$B\x25\x5c\x1b(B\\b',
      ['ボ', 'b'],
    ],
    ['= and ^ within a character of JIS X 0208 reset nothing', 'PN', '\\ISO 2022 IR 87', '\x1b$B\x3d\x5e\x1b(B', ['殉']],
    ['a backslash in a text divides nothing', 'LT', 'ISO_IR 100', 'a\\\xe9', ['a\\é']],
    ['padding goes, blanks at the start too', 'LO', 'ISO_IR 100', ' a \\ b\0', ['a', 'b']],
    ['but not in a text', 'ST', 'ISO_IR 100', '  a ', ['  a']],
    ['nothing', 'LO', 'ISO_IR 100', '', []],
    ['padding alone', 'LO', 'ISO_IR 100', '  ', []],
    ['an empty first value', 'LO', 'ISO_IR 100', '\\b', ['', 'b']],
    ['bytes beyond ASCII where no set was declared', 'LO', '', 'J\xe9r', ['J\ufffdr']],
    ['bytes beyond ASCII where the VR has ASCII only', 'CS', 'ISO_IR 100', '\xe9', ['\ufffd']],
    ['an escape sequence of a set that was not declared', 'LO', 'ISO_IR 100', '\x1b$Ba', ['\ufffd$Ba']],
    ['the set is reset at the end of a line', 'LT', '\\ISO 2022 IR 149', '\x1b$)C\xc8\xab\r\n\xc8', ['홍\r\n\ufffd']],
    ['two bytes that are cut', 'LO', '\\ISO 2022 IR 87', '\x1b$B;3E', ['山\ufffd']],
    ['a term in another spelling', 'LO', 'ISO-IR 100', '\xe9', ['é']],
    ['a set of two bytes as the first value', 'LO', 'ISO 2022 IR 149', '\xc8\xab', ['홍']],
  ])('%s', (_, vr, set, encoded, expected) => {
    expect(decodeText(bytes(encoded), vr, terms(set))).toEqual(expected);
  });

  it('of ASCII needs no known term, of more it does', () => {
    expect(decodeText(bytes('a^b'), 'PN', terms('KLINGON'))).toEqual(['a^b']);
    for (const set of ['KLINGON', 'ISO_IR 999', '\\KLINGON', '<script>']) {
      const error = thrownBy(() => decodeText(bytes('\xe9'), 'PN', terms(set)));
      expect(error).toMatchObject({ code: 'UNKNOWN_CHARACTER_SET' });
      expect(String(error)).not.toContain('<');
    }
  });
});

describe('encoding refuses', () => {
  it.each<[string, VR, string, string[]]>([
    ['more than ASCII in the default repertoire', 'LO', '', ['é']],
    ['what a set of one byte lacks', 'LO', 'ISO_IR 100', ['ł']],
    ['what the tables answer with a question mark', 'LO', 'ISO_IR 144', ['中']],
    ['what no declared set has', 'PN', '\\ISO 2022 IR 87', ['홍']],
    ['what Korean code pages add to the standard', 'LO', '\\ISO 2022 IR 149', ['갂']],
    ['what GBK lacks', 'LO', 'GBK', ['😀']],
    ['half a character', 'LO', 'ISO_IR 192', ['\ud83d']],
    ['more than ASCII where the VR has ASCII only', 'CS', 'ISO_IR 192', ['é']],
    ['a backslash within a value', 'LO', 'ISO_IR 100', ['a\\b']],
    ['two values of a text', 'LT', 'ISO_IR 100', ['a', 'b']],
    ['an escape sequence', 'LT', 'ISO_IR 100', ['\x1b$B']],
    ['a line feed in a name', 'PN', 'ISO_IR 100', ['a\nb']],
    ['a NUL', 'UT', 'ISO_IR 100', ['a\0']],
  ])('%s, without telling the value', (_, vr, set, values) => {
    const error = thrownBy(() => encodeText(values, vr, terms(set)));
    expect(error).toMatchObject({ code: 'VALUE_NOT_ENCODABLE', retryable: false });
    for (const value of values) if (value.length > 1) expect(String(error)).not.toContain(value);
  });

  it('more than ASCII where the term is not known', () => {
    expect(thrownBy(() => encodeText(['é'], 'LO', terms('KLINGON')))).toMatchObject({ code: 'UNKNOWN_CHARACTER_SET' });
    expect(shown(encodeText(['-^-'], 'PN', terms('KLINGON')))).toBe('-^-');
  });
});

it('text may have lines and backslashes', () => {
  expect(shown(encodeText(['a\\b\r\n\té'], 'LT', terms('ISO_IR 100')))).toBe('a\\b\r\n\t\xe9');
});

describe('the character set in force', () => {
  const name = { tag: 0x00100010, vr: 'PN', value: 'J\xe9r' };
  const declared = (value: string): { tag: number; vr: string; value: string } => ({ tag: 0x00080005, vr: 'CS', value });

  it.each([
    ['that of the data set around the item', [declared('ISO_IR 100')], [], 'Jér', ['ISO_IR 100']],
    ['its own', [declared('ISO_IR 100')], [declared('ISO_IR 144')], 'Jщr', ['ISO_IR 144']],
    ['none', [], [], 'J\ufffdr', []],
    ['its own empty one', [declared('ISO_IR 100')], [declared('')], 'J\ufffdr', []],
    ['several terms', [declared('\\ISO 2022 IR 87 ')], [], 'J\ufffdr', ['', 'ISO 2022 IR 87']],
  ])('of an item is %s', (_, outer, inner, text, expected) => {
    const elements = [...outer, { tag: 0x00081140, vr: 'SQ', value: [[...inner, name]] }];
    const { dataSet } = readPart10(buildDicom({ elements }));
    const item = dataSet.get(0x00081140)?.items?.[0]?.dataSet;
    const element = item?.get(0x00100010);
    if (item === undefined || element === undefined) throw new Error('the file was not read');
    expect(textValues(item, element)).toEqual([text]);
    expect(characterSetOf(item)).toEqual({ terms: expected });
  });

  it('of a data set that declares none is the one handed in', () => {
    const { dataSet } = readPart10(buildDicom({ elements: [name] }));
    expect(characterSetOf(dataSet, terms('ISO_IR 192'))).toEqual(terms('ISO_IR 192'));
  });
});
