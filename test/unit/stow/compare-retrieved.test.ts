import { describe, expect, it } from 'vitest';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { sameGap } from '../../../core/dicom/same-gap.ts';
import { formatTag } from '../../../core/dicom/tag-text.ts';
import { compareRetrieved } from '../../../core/stow/compare-retrieved.ts';
import {
  buildDicom,
  buildImage,
  encapsulated,
  EXPLICIT_BE,
  EXPLICIT_LE,
  HTJ2K_LOSSLESS,
  IMPLICIT_LE,
  imageElements,
  imagePixels,
  J2K_LOSSLESS,
  seededBytes,
  type BuiltElement,
  type BuiltImage,
} from '../../support/build-dicom.ts';

const item = (...elements: readonly BuiltElement[]): readonly BuiltElement[] => elements;
const sequence = (tag: number, ...items: readonly (readonly BuiltElement[])[]): BuiltElement => ({ tag, vr: 'SQ', value: items });
const text = (tag: number, vr: string, value: string): BuiltElement => ({ tag, vr, value });
/** Original Attributes Sequence of items that record these elements. */
const original = (...records: readonly (readonly BuiltElement[])[]): BuiltElement =>
  sequence(0x04000561, ...records.map((record) => item(sequence(0x04000550, record), text(0x04000565, 'CS', 'COERCE'))));
const without = (...tags: readonly number[]): Uint8Array =>
  buildDicom({ elements: imageElements().filter(({ tag }) => !tags.includes(tag)) });

const told = (sent: Uint8Array | Part10, held: Uint8Array | Part10): unknown => {
  const [before, after] = [sent, held].map((file) => (file instanceof Uint8Array ? readPart10(file) : file));
  const comparison = compareRetrieved(before as Part10, after as Part10, false);
  return comparison.kind === 'differs' ? comparison.tags.map(formatTag).join(' ') : comparison.kind;
};
const image = (changes: BuiltImage = {}): Uint8Array => buildImage(changes);
const extra = (...elements: readonly BuiltElement[]): Uint8Array => image({ extra: elements });

const NAME = 0x00100010;
const ID = 0x00100020;
const ISSUER = 0x00100021;
const STUDY_DESCRIPTION = 0x00081030;
const CODES = 0x00081032;
const code = (meaning: string): readonly BuiltElement[] => item(text(0x00080100, 'SH', 'X'), text(0x00080104, 'LO', meaning));

describe('the same content', () => {
  it.each<[string, Uint8Array, Uint8Array]>([
    ['the same bytes', image(), image()],
    ['other file meta information', image(), image({ callingAET: 'CT1' })],
    ['group lengths dropped', extra({ tag: 0x00080000, vr: 'UL', value: [1] }), image()],
    [
      'sequences of another form',
      extra(sequence(CODES, code('a'), code('b'))),
      extra({ ...sequence(CODES, code('a'), code('b')), undefinedLength: true }),
    ],
    ['another byte order', image(), image({ transferSyntaxUID: EXPLICIT_BE, pixels: swapped(imagePixels({})) })],
    ['implicit VR', image(), image({ transferSyntaxUID: IMPLICIT_LE })],
    ['an issuer that the archive adds', image(), extra(text(ISSUER, 'LO', 'HOSPITAL'))],
    ['an issuer within a patient of a trial', image(), extra(text(0x00120010, 'LO', 'S'), text(ISSUER, 'LO', 'H'))],
    ['a null of the study that it fills', without(0x00200010), image()],
    ['an empty value of the series that it fills', extra(text(0x0008103e, 'LO', '')), extra(text(0x0008103e, 'LO', 'Head'))],
    [
      'what it coerced, and recorded',
      image(),
      extra(text(NAME, 'PN', 'Test^Paul'), text(STUDY_DESCRIPTION, 'LO', 'x'), original(item(text(NAME, 'PN', 'Test^Patient')))),
    ],
    [
      'what it removed, and recorded, behind what was recorded before',
      extra(text(STUDY_DESCRIPTION, 'LO', 'as sent'), original(item(text(0x00080080, 'LO', 'Before')))),
      extra(original(item(text(0x00080080, 'LO', 'Before')), item(text(STUDY_DESCRIPTION, 'LO', 'as sent')))),
    ],
    [
      'what it coerced twice',
      image(),
      extra(text(NAME, 'PN', 'C'), original(item(text(NAME, 'PN', 'Test^Patient')), item(text(NAME, 'PN', 'B')))),
    ],
    [
      'a sequence that it coerced',
      extra(sequence(CODES, code('a'))),
      extra(sequence(CODES, code('b')), original(item(sequence(CODES, code('a'))))),
    ],
    [
      'text in another character set',
      extra(text(0x00104000, 'LT', 'Grün')),
      extra(text(0x00080005, 'CS', 'ISO_IR 192'), { tag: 0x00104000, vr: 'LT', value: new Uint8Array(Buffer.from('Grün ')) }),
    ],
    ['padding of a text', extra(text(0x00204000, 'LT', 'a')), extra(text(0x00204000, 'LT', 'a   '))],
    [
      'compressed frames',
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20))] }),
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20))] }),
    ],
  ])('%s', (_, sent, held) => {
    expect(told(sent, held)).toBe('same');
  });
});

describe('other content', () => {
  it.each<[string, Uint8Array, Uint8Array, string]>([
    ['one pixel', image(), image({ pixels: imagePixels({}).with(7, 1) }), '(7FE0,0010)'],
    ['another patient', image(), extra(text(ID, 'LO', 'OTHER')), '(0010,0020)'],
    ['another study', image(), extra(text(0x0020000d, 'UI', '1.2.9')), '(0020,000D)'],
    ['no study', image(), without(0x0020000d), '(0020,000D)'],
    ['a study where none was sent', without(0x0020000d), image(), '(0020,000D)'],
    ['an element of the instance that was not sent', image(), extra(text(0x00204000, 'LT', 'x')), '(0020,4000)'],
    ['one that is missing', extra(text(0x00204000, 'LT', 'x')), image(), '(0020,4000)'],
    ['a private one', extra(text(0x00091001, 'LO', 'x')), extra(text(0x00091001, 'LO', 'y')), '(0009,1001)'],
    ['an element twice', image(), buildDicom({ elements: [...imageElements(), ...imageElements().slice(-1)] }), '(7FE0,0010)'],
    [
      'a coerced element that nothing records',
      image(),
      extra(text(NAME, 'PN', 'Test^Paul'), original(item(text(ID, 'LO', 'TEST-1')))),
      '(0010,0010)',
    ],
    [
      'a record of a value that was not sent',
      image(),
      extra(text(NAME, 'PN', 'Test^Paul'), original(item(text(NAME, 'PN', 'Someone^Else')))),
      '(0010,0010)',
    ],
    [
      'a record that was sent with it, and is not of the archive',
      extra(original(item(text(NAME, 'PN', 'Test^Patient')))),
      extra(text(NAME, 'PN', 'Test^Paul'), original(item(text(NAME, 'PN', 'Test^Patient')))),
      '(0010,0010)',
    ],
    [
      'an element of the instance, recorded or not',
      extra(text(0x00204000, 'LT', 'x')),
      extra(text(0x00204000, 'LT', 'y'), original(item(text(0x00204000, 'LT', 'x')))),
      '(0020,4000)',
    ],
    [
      'an original attribute that is missing',
      extra(original(item(text(0x00080080, 'LO', 'Before')))),
      extra(original(item(text(0x00080080, 'LO', 'Else')))),
      '(0400,0561)',
    ],
    ['an item more', extra(sequence(0x00081115, code('a'))), extra(sequence(0x00081115, code('a'), code('a'))), '(0008,1115)'],
    ['a value within an item', extra(sequence(0x00081115, code('a'))), extra(sequence(0x00081115, code('b'))), '(0008,1115)'],
    [
      'a compressed frame',
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20))] }),
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20, 2))] }),
      '(7FE0,0010)',
    ],
    [
      'one compressed frame less',
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20), seededBytes(20))] }),
      image({ transferSyntaxUID: J2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(20))] }),
      '(7FE0,0010)',
    ],
  ])('%s', (_, sent, held, tags) => {
    expect(told(sent, held)).toBe(tags);
  });

  it('in the character set of which nobody knows how it reads: by its bytes', () => {
    const bytes = (value: string): Uint8Array =>
      extra(text(0x00080005, 'CS', 'NONE SUCH'), { tag: 0x00104000, vr: 'LT', value: Buffer.from(value, 'latin1') });
    expect(told(bytes('Grün'), bytes('Grün'))).toBe('same');
    expect(told(bytes('Grün'), bytes('Grän'))).toBe('(0010,4000)');
  });
});

describe('pixel data in another transfer syntax', () => {
  const j2k = encapsulated(new Uint8Array(0), seededBytes(20));

  it.each<[string, BuiltImage, BuiltImage]>([
    ['compressed by the archive', { transferSyntaxUID: EXPLICIT_LE }, { transferSyntaxUID: J2K_LOSSLESS, extra: [j2k] }],
    ['decompressed by it', { transferSyntaxUID: J2K_LOSSLESS, extra: [j2k] }, { transferSyntaxUID: EXPLICIT_LE }],
    [
      'compressed otherwise',
      { transferSyntaxUID: J2K_LOSSLESS, extra: [j2k] },
      { transferSyntaxUID: HTJ2K_LOSSLESS, extra: [encapsulated(new Uint8Array(0), seededBytes(30))] },
    ],
    [
      'with the colours that go with it',
      { samplesPerPixel: 3, bitsAllocated: 8 },
      { samplesPerPixel: 3, bitsAllocated: 8, photometric: 'YBR_RCT', transferSyntaxUID: J2K_LOSSLESS, extra: [j2k] },
    ],
  ])('%s cannot be compared', (_, sent, held) => {
    expect(told(image(sent), image(held))).toBe('incomparable');
  });

  it('is other content where anything else is', () => {
    const other = image({ transferSyntaxUID: J2K_LOSSLESS, extra: [j2k, text(ID, 'LO', 'OTHER')] });
    expect(told(image(), other)).toBe('(0010,0020)');
  });
});

describe('of files that are not in memory', () => {
  const large = async (changes: BuiltImage): Promise<Part10> => {
    const bytes = image(changes);
    return readLargePart10({ length: bytes.length, read: async (start, end) => bytes.slice(start, end) });
  };

  it.each<[string, BuiltImage, BuiltImage, string]>([
    ['the same', {}, { callingAET: 'CT1' }, 'same'],
    ['one pixel', {}, { pixels: imagePixels({}).with(7, 1) }, 'differs'],
    ['another length', {}, { rows: 8 }, 'differs'],
    ['another element behind them', {}, { extra: [text(0xfffcfffc, 'OB', '')] }, 'same'],
  ])('%s', async (_, sent, held, kind) => {
    const [before, after] = [await large(sent), await large(held)];
    expect(compareRetrieved(before, after, await sameGap(before, after)).kind).toBe(kind);
  });
});

function swapped(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.from(bytes).swap16());
}
