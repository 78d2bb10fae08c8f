import { describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../core/dicom/byte-source.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { differences } from '../../../core/dicom/difference.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import {
  buildDicom,
  buildImage,
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  J2K_LOSSLESS,
  type BuiltElement,
  type BuiltFile,
} from '../../support/build-dicom.ts';
import { id, name, read, requests, step, STUDY_ID, told } from './told-difference.ts';

const PIXELS = 0x7fe00010;

function compare(before: BuiltFile | readonly BuiltElement[], after: BuiltFile | readonly BuiltElement[]): string[] {
  return differences(read(before), read(after)).map(told);
}

describe('differences of two files', () => {
  it.each<[string, BuiltFile | readonly BuiltElement[], BuiltFile | readonly BuiltElement[], string[]]>([
    ['the same', [name, id('A')], [name, id('A')], []],
    ['another value', [name, id('A')], [name, id('B')], ['changed (0020,0010)']],
    ['another padding', [id('A ')], [{ tag: STUDY_ID, vr: 'SH', value: Uint8Array.of(0x41, 0) }], ['changed (0020,0010)']],
    ['another VR of the same bytes', [id('AB')], [id('AB', 'LO')], ['changed (0020,0010)']],
    ['one more', [name], [name, id('A')], ['added (0020,0010)']],
    ['one less', [name, id('A')], [id('A')], ['removed (0010,0010)']],
    ['two in another order', [id('A'), name], [name, id('A')], ['moved (0010,0010)', 'moved (0020,0010)']],
    ['a tag a second time', [id('A')], [id('A'), id('A')], ['added (0020,0010) #1']],
    ['the second of two', [id('A'), id('B')], [id('A'), id('C')], ['changed (0020,0010) #1']],
    [
      'within an item',
      [requests([step('1'), step('2')]), id('A')],
      [requests([step('1'), step('3')]), id('A')],
      ['changed (0040,0275)[1].(0040,0009)'],
    ],
    [
      'within an item of an item',
      [requests([[requests([step('1')])]])],
      [requests([[requests([step('2')])]])],
      ['changed (0040,0275)[0].(0040,0275)[0].(0040,0009)'],
    ],
    ['an item more', [requests([step('1')])], [requests([step('1'), step('2')])], ['added (0040,0275)[1]']],
    ['an item less', [requests([step('1'), step('2')])], [requests([step('1')])], ['removed (0040,0275)[1]']],
    ['a sequence more', [name], [name, requests([step('1')])], ['added (0040,0275)']],
    [
      'undefined length in place of defined',
      [requests([step('1')])],
      [requests([step('1')], { undefinedLength: true, undefinedItemLength: false })],
      ['changed (0040,0275)'],
    ],
    [
      'the same, of items, beside a value',
      [requests([step('1'), step('2')], { undefinedLength: true })],
      [requests([step('1'), step('3')], { undefinedLength: true, undefinedItemLength: false })],
      ['changed (0040,0275)', 'changed (0040,0275)[1].(0040,0009)'],
    ],
    ['no preamble', [name], { elements: [name], preamble: false }, ['bytes preamble']],
    ['other trailing bytes', { elements: [name], trailing: new Uint8Array(2) }, [name], ['bytes trailing']],
    [
      'file meta information',
      [name],
      { elements: [name], meta: [{ tag: 0x00020016, vr: 'AE', value: 'CT1' }] },
      ['changed (0002,0000)', 'added (0002,0016)'],
    ],
    [
      'fragments of pixel data',
      { transferSyntaxUID: J2K_LOSSLESS, elements: [pixels([new Uint8Array(0), Uint8Array.of(1, 2)])] },
      { transferSyntaxUID: J2K_LOSSLESS, elements: [pixels([new Uint8Array(0), Uint8Array.of(1, 3)])] },
      ['changed (7FE0,0010)'],
    ],
    [
      'private elements',
      [privately('A'), { tag: 0x00091001, vr: 'LO', value: 'x' }],
      [privately('A'), { tag: 0x00091002, vr: 'LO', value: 'x' }],
      ['removed (0009,1001)', 'added (0009,1002)'],
    ],
  ])('%s', (_name, before, after, expected) => {
    expect(compare(before, after)).toEqual(expected);
  });

  it('finds reserved bytes of a header that are others', () => {
    const element: BuiltElement = { tag: 0x00420011, vr: 'OB', value: Uint8Array.of(1, 2) };
    const file = buildDicom({ elements: [element] });
    const other = new Uint8Array(file);
    const at = Buffer.from(file).indexOf(elementBytes(element)) + 6;
    other[at] = 1;
    expect(differences(readPart10(file), readPart10(other)).map(told)).toEqual(['changed (0042,0011)']);
  });
});

function pixels(fragments: readonly Uint8Array[]): BuiltElement {
  return { tag: PIXELS, vr: 'OB', value: new Uint8Array(0), fragments };
}

function privately(creator: string): BuiltElement {
  return { tag: 0x00090010, vr: 'LO', value: creator };
}

describe('differences of two encodings', () => {
  const elements: readonly BuiltElement[] = [
    { tag: 0x00080060, vr: 'CS', value: 'CT' },
    privately('ACME'),
    { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4) },
    name,
    { tag: 0x00189219, vr: 'SS', value: [-2] },
    { tag: 0x00280010, vr: 'US', value: [512, 7] },
    { tag: 0x00281201, vr: 'OW', value: [1, 2, 3] },
    requests([step('1'), [{ tag: 0x00186020, vr: 'SL', value: [70000] }]], { undefinedLength: true }),
    { tag: 0x0040a13a, vr: 'DT', value: '2026' },
  ];
  const changed = elements.map((element) => (element.tag === 0x00280010 ? { ...element, value: [512, 8] } : element));
  const pairs = [
    [IMPLICIT_LE, EXPLICIT_LE],
    [EXPLICIT_BE, EXPLICIT_LE],
    [DEFLATED_LE, EXPLICIT_LE],
    [EXPLICIT_LE, DEFLATED_LE],
  ] as const;

  it.each(pairs)('of the same values from %s to %s there are none but the syntax', (from, to) => {
    const found = compare({ transferSyntaxUID: from, elements }, { transferSyntaxUID: to, elements });
    expect(found).toEqual([...(from.length === to.length ? [] : ['changed (0002,0000)']), 'changed (0002,0010)']);
  });

  it.each(pairs)('of other values from %s to %s these are found', (from, to) => {
    const found = compare({ transferSyntaxUID: from, elements }, { transferSyntaxUID: to, elements: changed });
    expect(found.filter((difference) => !difference.includes('(0002,'))).toEqual(['changed (0028,0010)']);
  });

  it.each<[string, BuiltElement, BuiltElement, string[]]>([
    ['SS for what the dictionary leaves open', short('US'), short('SS'), []],
    ['no text for a number', short('US'), short('LO'), ['changed (0028,0106)']],
    ['UN for what is too long for its VR', long('LO', 70_000), long('UN', 70_000), []],
    ['UN for what is of odd length, and with its pad too long', long('LO', 65_535), long('UN', 65_535), []],
    ['no UN for what is not', long('LO', 100), long('UN', 100), ['changed (0008,1030)']],
  ])('from implicit to explicit VR takes %s', (_name, before, after, expected) => {
    const found = compare({ transferSyntaxUID: IMPLICIT_LE, elements: [before] }, { elements: [after] });
    expect(found.filter((difference) => !difference.includes('(0002,'))).toEqual(expected);
  });

  function short(vr: string): BuiltElement {
    return { tag: 0x00280106, vr, value: Uint8Array.of(1, 0) };
  }

  function long(vr: string, length: number): BuiltElement {
    return { tag: 0x00081030, vr, value: new Uint8Array(length).fill(0x78) };
  }
});

describe('differences of files too large for memory', () => {
  const sourceOf = (bytes: Uint8Array): ByteSource => ({
    length: bytes.length,
    read: async (start, end) => bytes.slice(start, end),
  });
  const large = async (image: Parameters<typeof buildImage>[0]): Promise<Part10> => readLargePart10(sourceOf(buildImage(image)));

  it('are those of what is in memory, where what is not was compared', async () => {
    const before = await large({});
    const after = await large({ extra: [id('OTHER')] });
    expect(before.gap).toBeDefined();
    expect(differences(before, after, { sameGap: true }).map(told)).toEqual(['changed (0020,0010)']);
  });

  it('have the pixel data among them where nobody compared it', async () => {
    expect(differences(await large({}), await large({})).map(told)).toEqual(['changed (7FE0,0010)']);
  });

  it('have the pixel data among them where its length or its header is another', async () => {
    const found = differences(await large({}), await large({ rows: 8 }), { sameGap: true }).map(told);
    expect(found).toEqual(['changed (0028,0010)', 'changed (7FE0,0010)']);
  });
});
