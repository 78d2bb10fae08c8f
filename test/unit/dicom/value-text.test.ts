import { describe, expect, it } from 'vitest';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { valueText } from '../../../core/dicom/value-text.ts';
import { buildDicom, EXPLICIT_BE, EXPLICIT_LE, type BuiltElement } from '../../support/build-dicom.ts';

const NAME = 0x00100010;
const CHARACTER_SET = 0x00080005;

function textOf(element: BuiltElement, characterSet?: string, transferSyntaxUID = EXPLICIT_LE): string {
  const elements = [...(characterSet === undefined ? [] : [{ tag: CHARACTER_SET, vr: 'CS', value: characterSet }]), element];
  const { dataSet } = readPart10(buildDicom({ transferSyntaxUID, elements }));
  const { form, text } = valueText(dataSet, dataSet.get(element.tag) ?? expect.fail('the element was not read'));
  return `${form} ${text}`;
}

function named(hex: string): BuiltElement {
  return { tag: NAME, vr: 'PN', value: Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')) };
}

describe('a value for people', () => {
  it.each<[string, BuiltElement, string]>([
    ['text', { tag: NAME, vr: 'PN', value: 'A^B' }, 'text A^B'],
    ['several texts', { tag: 0x00080008, vr: 'CS', value: 'A\\B' }, 'text A\\B'],
    ['a UID', { tag: 0x00080018, vr: 'UI', value: '1.2.3' }, 'text 1.2.3'],
    ['nothing', { tag: NAME, vr: 'PN', value: '' }, 'text '],
    ['numbers', { tag: 0x00280010, vr: 'US', value: [512, 7] }, 'number 512\\7'],
    ['a negative one', { tag: 0x00189219, vr: 'SS', value: [-2] }, 'number -2'],
    ['one of 64 bits', { tag: 0x00080428, vr: 'UV', value: [2 ** 53] }, 'number 9007199254740992'],
    ['a real one', { tag: 0x00189305, vr: 'FD', value: [0.5] }, 'number 0.5'],
    ['a tag', { tag: 0x00209165, vr: 'AT', value: [0x00100010] }, 'number (0010,0010)'],
    ['a few bytes', { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 254) }, 'note <2 bytes: 01 fe>'],
    ['many bytes', { tag: 0x00420011, vr: 'OB', value: new Uint8Array(20) }, 'note <20 bytes>'],
    ['a length that the VR cannot have', { tag: 0x00280010, vr: 'UL', value: Uint8Array.of(1, 2) }, 'note <2 bytes: 01 02>'],
    ['items', { tag: 0x00400275, vr: 'SQ', value: [[], []] }, 'note <2 items>'],
    [
      'fragments',
      { tag: 0x7fe00010, vr: 'OB', value: '', fragments: [new Uint8Array(0), new Uint8Array(4)] },
      'note <2 fragments, 20 bytes>',
    ],
  ])('%s', (_name, element, expected) => {
    expect(textOf(element)).toBe(expected);
  });

  it.each<[string, string, BuiltElement, string]>([
    ['Latin-1', 'ISO_IR 100', named('4b f6 6c 6e'), 'text Köln'],
    ['UTF-8', 'ISO_IR 192', named('e7 8e 8b 5e e5 b0 8f'), 'text 王^小'],
    ['GB18030', 'GB18030', named('cd f5 5e d0 a1'), 'text 王^小'],
    ['Japanese by escapes', '\\ISO 2022 IR 87', named('59 3d 1b 24 42 3b 33 1b 28 42'), 'text Y=山'],
    ['one that nobody knows', 'KLINGON', named('c3 a4'), 'note <2 bytes: c3 a4>'],
  ])('in the character set of its data set: %s', (_name, characterSet, element, expected) => {
    expect(textOf(element, characterSet)).toBe(expected);
  });

  it('is read in the byte order of the file', () => {
    expect(textOf({ tag: 0x00280010, vr: 'US', value: [512] }, undefined, EXPLICIT_BE)).toBe('number 512');
  });

  it('is cut where it is long beyond use', () => {
    expect(textOf({ tag: 0x0040a160, vr: 'UT', value: 'x'.repeat(5000) })).toBe(`text ${'x'.repeat(4096)}…`);
    const lut = textOf({ tag: 0x00281201, vr: 'US', value: Array.from({ length: 300 }, () => 7) });
    expect(lut).toMatch(/^number (7\\){255}7… \(300 numbers\)$/);
  });
});
