import { describe, expect, it } from 'vitest';

import { inMemory, segmentBytes } from '../../../core/dicom/byte-source.ts';
import type { Change, NewElement } from '../../../core/dicom/change.ts';
import { VALUE_REPRESENTATIONS } from '../../../core/dicom/data-set.ts';
import type { Part10 } from '../../../core/dicom/data-set.ts';
import { vrOf } from '../../../core/dicom/dictionary.ts';
import { readLargePart10 } from '../../../core/dicom/read-large.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { rewriteObstacle } from '../../../core/dicom/rewrite-obstacle.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import {
  buildDicom,
  buildImage,
  concat,
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  imageElements,
  J2K_LOSSLESS,
} from '../../support/build-dicom.ts';
import type { BuiltElement, BuiltFile } from '../../support/build-dicom.ts';
import { flatElements, joined, thrownBy } from './flat-elements.ts';

const HTJ2K_LOSSLESS = '1.2.840.10008.1.2.4.201';
const SOURCES = [
  ['Implicit VR Little Endian', IMPLICIT_LE],
  ['Explicit VR Big Endian', EXPLICIT_BE],
] as const;

function rewritten(file: Uint8Array, changes: readonly Change[] = [], transferSyntaxUID = EXPLICIT_LE): Uint8Array {
  const { segments, length } = splice(readPart10(file), changes, { transferSyntaxUID });
  const bytes = joined(segments);
  expect(bytes).toHaveLength(length);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What is rewritten must be, byte for byte, what the builder makes of the elements in Explicit VR Little Endian. */
function expectRewritten(
  from: string,
  before: readonly BuiltElement[],
  after = before,
  changes: readonly Change[] = [],
  more: Partial<BuiltFile> = {},
): void {
  const actual = rewritten(buildDicom({ ...more, transferSyntaxUID: from, elements: before }), changes);
  expect(hex(actual)).toBe(hex(buildDicom({ ...more, transferSyntaxUID: EXPLICIT_LE, elements: after })));
}

function set(element: NewElement, path: Change['path'] = []): Change {
  return { kind: 'set', path, element, reason: 'test' };
}

const NAME: BuiltElement = { tag: 0x00100010, vr: 'PN', value: 'A^B ' };

/** Selector … Value (0072,005E–0083): the dictionary has one for each VR. */
const ONE_OF_EACH: readonly BuiltElement[] = [
  { tag: 0x0072005e, vr: 'AE', value: 'STORE' },
  { tag: 0x0072005f, vr: 'AS', value: '018M' },
  { tag: 0x00720060, vr: 'AT', value: [0x00181234, 0x7fe00010] },
  { tag: 0x00720061, vr: 'DA', value: '20261124' },
  { tag: 0x00720062, vr: 'CS', value: 'ORIGINAL' },
  { tag: 0x00720063, vr: 'DT', value: '20261124120000.5+0100' },
  { tag: 0x00720064, vr: 'IS', value: '-12\\7' },
  { tag: 0x00720065, vr: 'OB', value: [1, 2, 3, 4, 5, 6, 7, 8] },
  { tag: 0x00720066, vr: 'LO', value: 'one\\two' },
  { tag: 0x00720067, vr: 'OF', value: [1.5, -2.25] },
  { tag: 0x00720068, vr: 'LT', value: 'long text' },
  { tag: 0x00720069, vr: 'OW', value: [1, 0x203, 0x405, 0xfffe] },
  { tag: 0x0072006a, vr: 'PN', value: 'Family^Given=\x1b$B' },
  { tag: 0x0072006b, vr: 'TM', value: '120000.123' },
  { tag: 0x0072006c, vr: 'SH', value: 'short' },
  { tag: 0x0072006d, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  { tag: 0x0072006e, vr: 'ST', value: 'short text' },
  { tag: 0x0072006f, vr: 'UC', value: 'unlimited' },
  { tag: 0x00720070, vr: 'UT', value: 'unlimited text' },
  { tag: 0x00720071, vr: 'UR', value: 'http://example.org/' },
  { tag: 0x00720072, vr: 'DS', value: '1.5e-3\\2' },
  { tag: 0x00720073, vr: 'OD', value: [1.5, -2.25] },
  { tag: 0x00720074, vr: 'FD', value: [Math.PI, -1] },
  { tag: 0x00720075, vr: 'OL', value: [1, 0x01020304] },
  { tag: 0x00720076, vr: 'FL', value: [1.5, -2.25] },
  { tag: 0x00720078, vr: 'UL', value: [0x01020304, 5] },
  { tag: 0x0072007a, vr: 'US', value: [0x0102, 3] },
  { tag: 0x0072007c, vr: 'SL', value: [-2, 0x01020304] },
  { tag: 0x0072007e, vr: 'SS', value: [-2, 0x0102] },
  { tag: 0x0072007f, vr: 'UI', value: '1.2.3' },
  { tag: 0x00720080, vr: 'SQ', value: [[NAME], []] },
  { tag: 0x00720081, vr: 'OV', value: [1, 0x0102030405] },
  { tag: 0x00720082, vr: 'SV', value: [-2, 0x0102030405] },
  { tag: 0x00720083, vr: 'UV', value: [1, 0x0102030405] },
];

describe('the elements of these tests', () => {
  it('have every VR, and in Implicit VR the dictionary has the same', () => {
    expect(new Set(ONE_OF_EACH.map(({ vr }) => vr))).toEqual(new Set(VALUE_REPRESENTATIONS));
    expect(ONE_OF_EACH.map(({ tag }) => vrOf(tag))).toEqual(ONE_OF_EACH.map(({ vr }) => vr));
  });
});

describe.each(SOURCES)('from %s', (_, from) => {
  it.each(ONE_OF_EACH.map((element): [string, BuiltElement] => [element.vr, element]))('%s', (__, element) => {
    expectRewritten(from, [element]);
    expectRewritten(from, [{ ...element, value: '' }]);
  });

  it.each([
    [false, false],
    [true, true],
    [true, false],
    [false, true],
  ])('all VRs, nested (undefined sequences %s, items %s)', (undefinedLength, undefinedItemLength) => {
    const sequence = (...items: BuiltElement[][]): BuiltElement => ({
      tag: 0x0040a730,
      vr: 'SQ',
      value: items,
      undefinedLength,
      undefinedItemLength,
    });
    const inner = [sequence([...ONE_OF_EACH]), ...ONE_OF_EACH];
    expectRewritten(from, [NAME, sequence([], inner, inner), sequence(), { tag: 0x0040db00, vr: 'CS', value: 'X ' }]);
  });

  it('group lengths are those of the groups as they are written, whatever they were, at every level', () => {
    const groups = (lengthOf: (...elements: BuiltElement[]) => number): BuiltElement[] => {
      const group = (...elements: BuiltElement[]): BuiltElement[] => {
        const tag = ((elements[0]?.tag ?? 0) & 0xffff0000) >>> 0;
        return [{ tag, vr: 'UL', value: [lengthOf(...elements)] }, ...elements];
      };
      const privates = [
        { tag: 0x00090010, vr: 'LO', value: 'ACME' },
        { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2) },
      ];
      const nested = group(...ONE_OF_EACH);
      return [...group({ tag: 0x00080060, vr: 'CS', value: 'CT' }), ...group(...privates), ...group({ ...ONE, value: [nested] })];
    };
    const ONE: BuiltElement = { tag: 0x0040a730, vr: 'SQ', value: [] };
    const right = (...elements: BuiltElement[]): number => concat(elements.map((element) => elementBytes(element))).length;
    expectRewritten(
      from,
      groups(() => 4711),
      groups(right),
    );
  });

  it('of two group lengths of a group the first is set, and the second is an element of the group', () => {
    const length = (value: number): BuiltElement => ({ tag: 0x00080000, vr: 'UL', value: [value] });
    const modality: BuiltElement = { tag: 0x00080060, vr: 'CS', value: 'CT' };
    expectRewritten(from, [length(1), length(2), modality], [length(22), length(2), modality]);
  });

  it('private creators are LO, and UN stays as it is, even of a length that no number has', () => {
    expectRewritten(from, [
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4, 5) },
      { tag: 0x00091002, vr: 'UN', value: Uint8Array.of(0, 1, 0, 2) },
    ]);
  });

  it.each([true, false])(
    'items within UN keep their bytes, which are Implicit VR Little Endian (undefined items %s)',
    (items) => {
      const un = (value: BuiltElement[][], tag = 0x00091002): BuiltElement => ({
        tag,
        vr: 'UN',
        value,
        undefinedLength: true,
        undefinedItemLength: items,
      });
      const nested: BuiltElement = { tag: 0x00400275, vr: 'SQ', value: [[NAME]], undefinedLength: items };
      const elements = [un([[NAME, { tag: 0x00280010, vr: 'US', value: [512] }, nested], []])];
      expectRewritten(from, elements);
      const change = set({ tag: 0x00100010, vr: 'PN', value: Buffer.from('Changed') }, [{ tag: 0x00091002, item: 0 }]);
      const changed: BuiltElement = { ...NAME, value: 'Changed' };
      expectRewritten(from, elements, [un([[changed, { tag: 0x00280010, vr: 'US', value: [512] }, nested], []])], [change]);
    },
  );

  it('text keeps its bytes, whatever its character set', () => {
    const value = Uint8Array.from([0x1b, 0x24, 0x42, 0x3b, 0x33, 0x5c, 0x1b, 0x28, 0x42, 0xe4, 0xff, 0x20]);
    expectRewritten(from, [
      { tag: 0x00080005, vr: 'CS', value: '\\ISO 2022 IR 87' },
      { tag: 0x00100010, vr: 'PN', value },
      { tag: 0x0040a160, vr: 'UT', value },
    ]);
  });

  it('keeps the preamble, a missing file meta length, padding behind the data set, and (FFFC,FFFC)', () => {
    const elements = [NAME, { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(6) }];
    expectRewritten(from, elements, elements, [], { trailing: new Uint8Array(21), groupLength: false });
    const file = buildDicom({ transferSyntaxUID: from, elements });
    file.fill(0x77, 0, 128);
    expect([...rewritten(file).subarray(0, 128)]).toEqual([...file.subarray(0, 128)]);
  });

  it('keeps the order of the file, and each of several elements of one tag', () => {
    const sequence: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [[NAME]] };
    expectRewritten(from, [NAME, sequence, { ...NAME, value: 'C ' }, sequence, { tag: 0x00080060, vr: 'CS', value: 'CT' }]);
  });

  it('changes are applied on the way', () => {
    const rows: BuiltElement = { tag: 0x00280010, vr: 'US', value: [512] };
    const sequence = (...elements: BuiltElement[]): BuiltElement => ({ tag: 0x00081140, vr: 'SQ', value: [elements] });
    const path = [{ tag: 0x00081140, item: 0 }];
    const added: BuiltElement = { tag: 0x0040a730, vr: 'SQ', value: [[{ tag: 0x00280011, vr: 'US', value: [0x0201] }]] };
    const columns: NewElement = { tag: 0x00280011, vr: 'US', value: Uint8Array.of(1, 2) };
    expectRewritten(
      from,
      [{ tag: 0x00080060, vr: 'CS', value: 'CT' }, sequence(NAME, rows), NAME],
      [sequence({ ...NAME, value: 'Longer^Name' }, rows, { tag: 0x00280011, vr: 'US', value: [0x0201] }), added],
      [
        set({ tag: 0x00100010, vr: 'PN', value: Buffer.from('Longer^Name') }, path),
        set(columns, path),
        { kind: 'remove', path: [], tag: 0x00100010, reason: 'test' },
        { kind: 'remove', path: [], tag: 0x00080060, reason: 'test' },
        { kind: 'append', path: [], tag: 0x0040a730, item: [columns], reason: 'test' },
      ],
    );
  });

  it('raw copies of the file are rewritten, and mean what they meant there', () => {
    const signed: BuiltElement = { tag: 0x00280103, vr: 'US', value: [1] };
    const smallest: BuiltElement = { tag: 0x00280106, vr: 'SS', value: [-2] };
    const sequence: BuiltElement = { tag: 0x00720080, vr: 'SQ', value: [[smallest, ...ONE_OF_EACH]], undefinedLength: true };
    const file = buildDicom({ transferSyntaxUID: from, elements: [signed, smallest, sequence] });
    const part10 = readPart10(file);
    const raw = [smallest.tag, sequence.tag].map((tag) => {
      const element = part10.dataSet.get(tag);
      return { tag, raw: part10.body.subarray(element?.offset, element?.end) };
    });
    const change: Change = { kind: 'append', path: [], tag: 0x04000561, item: raw, reason: 'test' };
    const copied: BuiltElement = { tag: 0x04000561, vr: 'SQ', value: [[smallest, sequence]] };
    const after = buildDicom({ elements: [signed, smallest, sequence, copied].sort((a, b) => a.tag - b.tag) });
    expect(hex(joined(splice(part10, [change], { transferSyntaxUID: EXPLICIT_LE }).segments))).toBe(hex(after));
  });

  it.each([J2K_LOSSLESS, HTJ2K_LOSSLESS])('to %s with frames', (transferSyntaxUID) => {
    const image = { transferSyntaxUID: from, rows: 4, columns: 4 };
    const frames = [Uint8Array.of(1, 2, 3)];
    const fragments = [new Uint8Array(4), Uint8Array.of(1, 2, 3, 0)];
    const after = buildDicom({
      transferSyntaxUID,
      elements: imageElements({ ...image, extra: [{ tag: 0x7fe00010, vr: 'OB', value: '', fragments }] }),
    });
    const actual = rewritten(buildImage(image), [set({ tag: TAG.PixelData, vr: 'OB', frames })], transferSyntaxUID);
    expect(hex(actual)).toBe(hex(after));
    const kept = (): unknown => rewritten(buildImage(image), [], transferSyntaxUID);
    expect(thrownBy(kept)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
  });

  it('writes nothing into the file that was read, even as a Buffer', () => {
    const file = Buffer.from(buildDicom({ transferSyntaxUID: from, elements: ONE_OF_EACH }));
    const before = file.toString('hex');
    rewritten(file);
    expect(file.toString('hex')).toBe(before);
  });

  it('a data set without elements', () => {
    expectRewritten(from, []);
  });
});

describe('pixel data', () => {
  const pixels = Uint8Array.from({ length: 32 }, (_, index) => index);
  const words = Array.from({ length: 16 }, (_, index) => index * 0x1010);

  it.each<[string, string, BuiltElement, BuiltElement]>([
    ['Implicit VR has OW, of 8 bits too (PS3.5 A.1)', IMPLICIT_LE, data('OB', pixels), data('OW', pixels)],
    ['big endian OB stays', EXPLICIT_BE, data('OB', pixels), data('OB', pixels)],
    ['big endian OW is swapped by words (PS3.5 A.3)', EXPLICIT_BE, data('OW', words), data('OW', words)],
    [
      'Implicit VR: overlay, waveform, lookup table, and audio are OW',
      IMPLICIT_LE,
      { tag: 0x00089215, vr: 'SQ', value: [open('OB')] },
      { tag: 0x00089215, vr: 'SQ', value: [open('OW')] },
    ],
  ])('%s', (_, from, before, after) => {
    expectRewritten(from, [before], [after]);
  });

  function data(vr: string, value: BuiltElement['value']): BuiltElement {
    return { tag: 0x7fe00010, vr, value };
  }

  function open(vr: string): BuiltElement[] {
    const tags = [0x00281201, 0x00283006, 0x5002200c, 0x50043000, 0x54001010, 0x60023000];
    return tags.map((tag) => ({ tag, vr, value: pixels }));
  }
});

describe('Implicit VR: US or SS', () => {
  const representation = (value: number): BuiltElement => ({ tag: 0x00280103, vr: 'US', value: [value] });
  const open = (vr: 'SS' | 'US'): BuiltElement[] =>
    [0x00280106, 0x00280107, 0x00280120, 0x00281101].map((tag) => ({ tag, vr, value: Uint8Array.of(0xfe, 0xff) }));
  const icon = (...elements: BuiltElement[]): BuiltElement => ({ tag: 0x00880200, vr: 'SQ', value: [elements] });

  it.each<[string, BuiltElement[]]>([
    ['without PixelRepresentation', open('US')],
    ['unsigned', [representation(0), ...open('US')]],
    ['signed', [representation(1), ...open('SS')]],
    ['an item follows the data set around it', [representation(1), icon(...open('SS'))]],
    ['an item with its own', [representation(1), ...open('SS'), icon(representation(0), ...open('US'))]],
    ['an item with its own, signed', [representation(0), ...open('US'), icon(representation(1), ...open('SS'))]],
  ])('%s', (_, elements) => {
    expectRewritten(
      IMPLICIT_LE,
      [...elements].sort((a, b) => a.tag - b.tag),
    );
  });

  it('and what Big Endian says stays', () => {
    expectRewritten(EXPLICIT_BE, [representation(0), { tag: 0x00280106, vr: 'SS', value: [-2] }]);
  });
});

describe('long values', () => {
  it.each([
    [65_534, 'DS'],
    [65_536, 'UN'],
  ])('Implicit VR: %i bytes of DS become %s (PS3.5 6.2.2)', (length, vr) => {
    const value = Uint8Array.from({ length }, (_, index) => 0x30 + (index % 10));
    expectRewritten(IMPLICIT_LE, [{ tag: 0x30060050, vr: 'DS', value }], [{ tag: 0x30060050, vr, value }]);
  });

  it('a long value of a long VR keeps it', () => {
    expectRewritten(IMPLICIT_LE, [{ tag: 0x0040a160, vr: 'UT', value: 'x'.repeat(70_000) }]);
  });

  it('are views of the file where nothing swaps; short ones are joined', () => {
    const elements: BuiltElement[] = [...ONE_OF_EACH, { tag: 0x7fe00010, vr: 'OB', value: new Uint8Array(5000) }, ...ONE_OF_EACH];
    for (const transferSyntaxUID of [IMPLICIT_LE, EXPLICIT_BE]) {
      const file = buildDicom({ transferSyntaxUID, elements });
      const { segments } = splice(readPart10(file), [], { transferSyntaxUID: EXPLICIT_LE });
      const long = segments.filter((segment) => segment.length === 5000) as Uint8Array[];
      expect(long.map(({ buffer }) => buffer === file.buffer)).toEqual([true]);
      expect(segments.length).toBeLessThan(10);
    }
  });
});

describe('another encoding within', () => {
  /** An item whose bytes are those of another syntax than the file's. */
  const item = (content: Uint8Array, little: boolean): Uint8Array => {
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint16(0, 0xfffe, little);
    view.setUint16(2, 0xe000, little);
    view.setUint32(4, content.length, little);
    return concat([header, content]);
  };
  const bytesOf = (explicit: boolean, little: boolean, ...elements: BuiltElement[]): Uint8Array =>
    concat(elements.map((element) => elementBytes(element, { explicit, little })));
  const inner = [NAME, { tag: 0x00280010, vr: 'US', value: [0x0102] }];
  const after: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [inner] };

  it.each([
    ['Explicit VR within Implicit VR', IMPLICIT_LE, true, true],
    ['Implicit VR within big endian', EXPLICIT_BE, false, false],
  ])('%s', (_, from, explicit, little) => {
    const value = item(bytesOf(explicit, little, ...inner), little);
    expectRewritten(from, [{ tag: 0x00081140, vr: 'SQ', value }], [after]);
  });

  it('what is set in an item has the encoding of that item, whatever the first one has', () => {
    const encodings = [true, false, true];
    const fileWith = (elements: readonly BuiltElement[]): Uint8Array => {
      const value = concat(encodings.map((explicit) => item(bytesOf(explicit, true, ...elements), true)));
      return buildDicom({ transferSyntaxUID: IMPLICIT_LE, elements: [{ tag: 0x00081140, vr: 'SQ', value }] });
    };
    const id = { tag: 0x00100020, vr: 'LO', value: Buffer.from('ID') } as const;
    const changes = encodings.map((_, index) => set(id, [{ tag: 0x00081140, item: index }]));
    const { segments } = splice(readPart10(fileWith([NAME])), changes);
    expect(hex(joined(segments))).toBe(hex(fileWith([NAME, id])));
  });

  it('Explicit VR Little Endian keeps its headers, strange ones too', () => {
    const strange: BuiltElement = { tag: 0x00180010, vr: '??', value: Uint8Array.of(1, 2) };
    const elements = [NAME, { tag: 0x00100020, vr: 'LO', value: 'ID' }, strange];
    const value = item(bytesOf(true, true, ...elements), true);
    const kept: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [elements] };
    expectRewritten(IMPLICIT_LE, [{ tag: 0x00081140, vr: 'SQ', value }], [kept]);
  });
});

describe('a file whose pixel data is not in memory', () => {
  const read = async (built: BuiltFile): Promise<Part10> => {
    const file = buildDicom(built);
    const part10 = await readLargePart10({ length: file.length, read: async (start, end) => file.slice(start, end) });
    expect(part10.gap).toBeDefined();
    return part10;
  };
  const built = (vr: string): BuiltFile => ({
    elements: [NAME, { tag: 0x7fe00010, vr, value: Uint8Array.from({ length: 5000 }, (_, index) => index) }, NAME],
  });

  it.each([
    ['Implicit VR', IMPLICIT_LE, 'OW'],
    ['big endian OB', EXPLICIT_BE, 'OB'],
  ])('keeps it where it is, from %s', async (_, transferSyntaxUID, vr) => {
    const part10 = await read({ ...built(vr), transferSyntaxUID });
    const pieces: Uint8Array[] = [];
    const { segments, length } = splice(part10, [], { transferSyntaxUID: EXPLICIT_LE });
    expect(segments.filter((segment) => !(segment instanceof Uint8Array))).toEqual([part10.gap?.range]);
    for (const segment of segments) for await (const piece of segmentBytes(segment)) pieces.push(piece);
    expect(joined(pieces)).toHaveLength(length);
    expect(hex(joined(pieces))).toBe(hex(buildDicom({ ...built(vr), transferSyntaxUID: EXPLICIT_LE })));
  });

  it('cannot have it swapped, but replaced', async () => {
    const part10 = await read({ ...built('OW'), transferSyntaxUID: EXPLICIT_BE });
    const run = (): unknown => splice(part10, [], { transferSyntaxUID: EXPLICIT_LE });
    expect(thrownBy(run)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
    const frames = set({ tag: TAG.PixelData, vr: 'OB', frames: [Uint8Array.of(1, 2)] });
    const after = readPart10(joined(inMemory(splice(part10, [frames], { transferSyntaxUID: J2K_LOSSLESS }).segments)));
    expect(after.dataSet.elements.map(({ tag }) => tag)).toEqual([NAME.tag, TAG.PixelData, NAME.tag]);
  });
});

describe('what cannot be told is refused', () => {
  const sequence = (...elements: BuiltElement[]): BuiltElement => ({ tag: 0x00081140, vr: 'SQ', value: [elements] });
  const fragments: BuiltElement = { tag: 0x60003000, vr: 'OW', value: '', fragments: [new Uint8Array(0)] };
  const half: BuiltElement = { tag: 0x00181010, vr: 'US', value: Uint8Array.of(1, 2, 3, 4, 5, 6) };

  it.each<[string, string, BuiltElement]>([
    ['a VR to come, in big endian', EXPLICIT_BE, { tag: 0x00091001, vr: 'ZZ', value: '' }],
    ['half a number in big endian', EXPLICIT_BE, { ...half, vr: 'FL' }],
    ['half a number of 64 bits in big endian', EXPLICIT_BE, { ...half, vr: 'FD' }],
    ['fragments in Implicit VR', IMPLICIT_LE, fragments],
    ['fragments in big endian', EXPLICIT_BE, fragments],
  ])('%s', (_, transferSyntaxUID, element) => {
    // The builder has the short form for a VR that it does not know: length and first bytes are of another
    const odd = element.vr === 'ZZ' ? { ...element, value: Uint8Array.of(0, 0, 0, 2, 1, 2) } : element;
    for (const elements of [[odd], [sequence(odd)]]) {
      const file = buildDicom({ transferSyntaxUID, elements });
      if (element.vr === 'ZZ') zeroReserved(file);
      const part10 = readPart10(file);
      const run = (): unknown => splice(part10, [], { transferSyntaxUID: EXPLICIT_LE });
      expect(thrownBy(run)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE', retryable: false });
      expect(rewriteObstacle(part10)).toMatch(/^\([0-9A-F]{4},[0-9A-F]{4}\) is /);
      // As it came it can go
      expect(splice(part10, []).segments).toEqual([file]);
    }
  });

  function zeroReserved(file: Uint8Array): void {
    const at = Buffer.from(file).indexOf('ZZ', 0, 'latin1');
    file.fill(0, at + 2, at + 4);
  }

  it.each(SOURCES)('nothing in an ordinary file from %s', (_, transferSyntaxUID) => {
    const elements = [sequence(...ONE_OF_EACH), ...ONE_OF_EACH];
    expect(rewriteObstacle(readPart10(buildDicom({ transferSyntaxUID, elements })))).toBeUndefined();
  });

  it('pixel data of more than 16 bits in big endian: some swap words, some samples', () => {
    const image = (bits: number): BuiltElement[] => [
      { tag: 0x00280100, vr: 'US', value: [bits] },
      { tag: 0x7fe00010, vr: 'OW', value: [1, 2, 3, 4] },
    ];
    for (const elements of [image(32), [sequence(...image(32))]]) {
      const part10 = readPart10(buildDicom({ transferSyntaxUID: EXPLICIT_BE, elements }));
      const run = (): unknown => splice(part10, [], { transferSyntaxUID: EXPLICIT_LE });
      expect(thrownBy(run)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
    }
    expectRewritten(EXPLICIT_BE, image(16));
    expectRewritten(IMPLICIT_LE, image(32));
    const icon = readPart10(buildDicom({ transferSyntaxUID: EXPLICIT_BE, elements: [sequence(...image(32))] }));
    expect(rewriteObstacle(icon)).toMatch(/more than 16 bits/);
  });

  it('pixel data does not count: it is written anew', () => {
    const odd: BuiltElement = { tag: 0x7fe00010, vr: 'OW', value: Uint8Array.of(1, 2, 3) };
    const part10 = readPart10(buildDicom({ transferSyntaxUID: EXPLICIT_BE, elements: [odd] }));
    expect(rewriteObstacle(part10)).toBeUndefined();
    const frames = set({ tag: TAG.PixelData, vr: 'OB', frames: [Uint8Array.of(1)] });
    expect(splice(part10, [frames], { transferSyntaxUID: J2K_LOSSLESS }).length).toBeGreaterThan(0);
  });

  it.each([EXPLICIT_LE, DEFLATED_LE])('%s is not rewritten, so nothing stands in the way', (transferSyntaxUID) => {
    const part10 = readPart10(buildDicom({ transferSyntaxUID, elements: [fragments] }));
    expect(rewriteObstacle(part10)).toBeUndefined();
    const after = joined(splice(part10, [], { transferSyntaxUID: EXPLICIT_LE }).segments);
    expect(flatElements(readPart10(after).dataSet)).toEqual(flatElements(part10.dataSet));
  });
});
