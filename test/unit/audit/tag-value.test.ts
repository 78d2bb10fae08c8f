import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeTagValue, MAX_TAG_VALUE_LENGTH, unescapeTagValue } from '../../../core/audit/tag-value.ts';

describe('escapeTagValue', () => {
  it.each([
    ['', ''],
    ['Example Hospital', 'Example Hospital'],
    ['a+b-c.d_e:f/g@h', 'a+b-c.d_e:f/g@h'],
    ['a=b', 'a=3Db'],
    ['Köln', 'K=C3=B6ln'],
    ['病院', '=E7=97=85=E9=99=A2'],
    ['😀', '=F0=9F=98=80'],
    ["O'Brien & Sons, 5%", 'O=27Brien =26 Sons=2C 5=25'],
    ['line\nbreak\u0000', 'line=0Abreak=00'],
    ['Hospital...', 'Hospital...'],
    ['\ud800', '=EF=BF=BD'],
  ])('%j → %j', (text, value) => {
    expect(escapeTagValue(text)).toBe(value);
  });

  it('keeps 256 characters, and cuts 257', () => {
    expect(escapeTagValue('x'.repeat(256))).toBe('x'.repeat(256));
    expect(escapeTagValue('x'.repeat(257))).toBe(`${'x'.repeat(247)}=2E=2E=2E`);
  });

  it('cuts at a whole character', () => {
    const value = escapeTagValue('病'.repeat(64));
    expect(value).toBe(`${'=E7=97=85'.repeat(27)}=2E=2E=2E`);
    expect(unescapeTagValue(value)).toBe(`${'病'.repeat(27)}...`);
  });

  it('gives a valid tag value for any text, and any text back that fits', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.string({ unit: 'grapheme', maxLength: 120 }),
      fc.string({ unit: fc.constantFrom('=', '.', '2', 'E', 'a', ' ', 'ö', '😀'), maxLength: 300 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const value = escapeTagValue(text);
        expect(value.length).toBeLessThanOrEqual(MAX_TAG_VALUE_LENGTH);
        expect(value).toMatch(/^[A-Za-z0-9 +\-=._:/@]*$/);
        if (!value.endsWith('=2E=2E=2E')) expect(unescapeTagValue(value)).toBe(text);
        else expect(text.startsWith(unescapeTagValue(value).slice(0, -3))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('unescapeTagValue', () => {
  it.each([
    ['100=', '100='],
    ['a=zzb', 'a=zzb'],
    ['=c3=b6', 'ö'],
    ['=C3', '\ufffd'],
  ])('takes what others wrote: %j → %j', (value, text) => {
    expect(unescapeTagValue(value)).toBe(text);
  });
});
