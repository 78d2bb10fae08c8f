import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { DICTIONARY_TABLE } from '../../../core/dicom/dictionary-table.ts';
import { isSignOpen, keywordOf, tagOf, vrOf } from '../../../core/dicom/dictionary.ts';
import { formatTag, isGroupLength, isPrivate, isPrivateCreator, parseTag } from '../../../core/dicom/tag-text.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { dictionaryModule } from '../../../scripts/dictionary-table.ts';

describe('the dictionary', () => {
  it.each([
    [0x00100010, 'PatientName', 'PN'],
    [0x00081140, 'ReferencedImageSequence', 'SQ'],
    [0x60023000, 'OverlayData', 'OW'],
    [0x501e3000, 'CurveData', 'OW'],
    [0x7f020010, 'VariablePixelData', 'OW'],
    [0x7fe00010, 'PixelData', 'OW'],
    [0x002031ab, 'SourceImageIDs', 'CS'],
    [0x00283006, 'LUTData', 'OW'],
    [0x00280106, 'SmallestImagePixelValue', 'US'],
    [0x00660040, 'LongPrimitivePointIndexList', 'OL'],
    [0x006862f0, 'ViewOrientationModifier', 'SQ'],
    [0x0070150c, 'NumberOfVolumetricCurvePoints', 'UL'],
    [0x00760034, 'ComponentTypeCodeSequence', 'SQ'],
    [0x00080000, undefined, 'UL'],
    [0x00091010, undefined, undefined],
    [0x60013000, undefined, undefined],
    [0x00090000, undefined, undefined],
    [0x00081199, 'ReferencedSOPSequence', 'SQ'],
    [0x0008ffff, undefined, undefined],
  ])('knows %i as %s, %s', (tag, keyword, vr) => {
    expect(keywordOf(tag)).toBe(keyword);
    expect(vrOf(tag)).toBe(vr);
  });

  it('has each line of its table, and nothing between two of them', () => {
    const lines = DICTIONARY_TABLE.trim().split('\n');
    expect(lines.length).toBeGreaterThan(5000);
    const keywords = new Map(lines.map((line) => [Number.parseInt(line.slice(0, 8), 16), line.slice(13)]));
    for (const [tag, keyword] of keywords) {
      expect(keywordOf(tag)).toBe(keyword);
      for (const beside of [tag - 1, tag + 1]) if (tag >>> 16 === 0x0040) expect(keywordOf(beside)).toBe(keywords.get(beside));
    }
  });

  it.each([
    ['PatientName', 0x00100010],
    ['OverlayData', 0x60003000],
    ['CurveData', 0x50003000],
    ['constructor', undefined],
    ['patientname', undefined],
    ['', undefined],
    ['PN   PatientName', undefined],
    ['PatientName\n00100020LO', undefined],
  ])('finds %j', (keyword, tag) => {
    expect(tagOf(keyword)).toBe(tag);
  });

  it.each([
    ['SmallestImagePixelValue', true],
    ['LUTDescriptor', true],
    ['LUTData', false],
    ['PixelData', false],
    ['Rows', false],
  ])('knows whether %s is US or SS: %s', (keyword, expected) => {
    expect(isSignOpen(tagOf(keyword) ?? 0)).toBe(expected);
  });

  it('has every constant of tags.ts under its keyword', () => {
    for (const [keyword, tag] of Object.entries(TAG)) {
      const known = keywordOf(tag);
      if (known === undefined) expect(keyword).toMatch(/Item$/);
      else expect(known).toBe(keyword);
    }
  });

  it('is what dcmjs has; run scripts/dictionary-table.ts where it is not', async () => {
    const table = await readFile(new URL('../../../core/dicom/dictionary-table.ts', import.meta.url), 'utf8');
    expect(table).toBe(dictionaryModule());
  });

  it('loads without a word', () => {
    const url = new URL('../../../core/dicom/dictionary.ts', import.meta.url).href;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', `await import(${JSON.stringify(url)})`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(output).toBe('');
  });
});

describe('tags as text', () => {
  it.each([
    ['(0008,103E)', 0x0008103e],
    ['0008,103e', 0x0008103e],
    ['FFFEE0DD', 0xfffee0dd],
  ])('%s is parsed', (text, tag) => {
    expect(parseTag(text)).toBe(tag);
  });

  it.each(['', '0008', '(0008,103)', '0008 103E', 'gggg,eeee', '0x0008103e', '(0008,103E) '])('%j is none', (text) => {
    expect(parseTag(text)).toBeUndefined();
  });

  it('are formatted in upper case', () => {
    expect(formatTag(0x0008103e)).toBe('(0008,103E)');
    expect(formatTag(0xfffee0dd)).toBe('(FFFE,E0DD)');
  });

  it.each([
    [0x00090010, true, true, false],
    [0x000900ff, true, true, false],
    [0x00091010, true, false, false],
    [0x00090000, true, false, true],
    [0x00080010, false, false, false],
    [0x00080000, false, false, true],
  ])('%i: private %s, creator %s, group length %s', (tag, priv, creator, length) => {
    expect([isPrivate(tag), isPrivateCreator(tag), isGroupLength(tag)]).toEqual([priv, creator, length]);
  });
});
