import { describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';

import type { Change, ItemPath, NewElement } from '../../../core/dicom/change.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import type { SpliceOptions } from '../../../core/dicom/splice.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import {
  buildDicom,
  concat,
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
} from '../../support/build-dicom.ts';
import type { BuiltElement, BuiltFile } from '../../support/build-dicom.ts';
import { flatElements, joined, thrownBy } from './flat-elements.ts';

const SYNTAXES = [
  ['Explicit VR Little Endian', EXPLICIT_LE],
  ['Implicit VR Little Endian', IMPLICIT_LE],
  ['Explicit VR Big Endian', EXPLICIT_BE],
  ['Deflated', DEFLATED_LE],
] as const;

function text(tag: number, vr: 'LO' | 'PN' | 'SH' | 'UI', value: string): NewElement {
  return { tag, vr, value: Buffer.from(value, 'latin1') };
}
function set(element: NewElement, path: ItemPath = []): Change {
  return { kind: 'set', path, element, reason: 'test' };
}
function remove(tag: number, path: ItemPath = []): Change {
  return { kind: 'remove', path, tag, reason: 'test' };
}
function append(tag: number, item: readonly NewElement[], path: ItemPath = []): Change {
  return { kind: 'append', path, tag, item, reason: 'test' };
}

function spliced(file: Uint8Array, changes: readonly Change[], options: SpliceOptions = {}): Uint8Array {
  const { segments, length } = splice(readPart10(file), changes, options);
  const bytes = joined(segments);
  expect(bytes).toHaveLength(length);
  return bytes;
}

/** What is spliced must be, byte for byte, what the builder makes of the changed elements. */
function expectSame(actual: Uint8Array, expected: BuiltFile): void {
  const want = buildDicom(expected);
  if (expected.transferSyntaxUID === DEFLATED_LE) {
    expect(flatElements(readPart10(actual).dataSet)).toEqual(flatElements(readPart10(want).dataSet));
    return;
  }
  expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(want).toString('hex'));
}

const NAME: BuiltElement = { tag: 0x00100010, vr: 'PN', value: 'A^B ' };
const INSTITUTION: BuiltElement = { tag: 0x00080080, vr: 'LO', value: 'Old' };
const ROWS: BuiltElement = { tag: 0x00280010, vr: 'US', value: [512] };

describe.each(SYNTAXES)('in %s', (_, transferSyntaxUID) => {
  const file = (...elements: BuiltElement[]): BuiltFile => ({ transferSyntaxUID, elements });

  it('sets, inserts in tag order, and removes', () => {
    const before = buildDicom(file(INSTITUTION, NAME, ROWS));
    const changes = [
      set(text(0x00080080, 'LO', 'New name')),
      set(text(0x00200010, 'SH', 'ID')),
      set(text(0x00080018, 'UI', '1.2.3.4')),
      set({ tag: 0x00280011, vr: 'US', value: Uint8Array.of(0x34, 0x12) }),
      remove(0x00100010),
    ];
    const id: BuiltElement = { tag: 0x00200010, vr: 'SH', value: 'ID' };
    const uid: BuiltElement = { tag: 0x00080018, vr: 'UI', value: '1.2.3.4' };
    const after = file(uid, { ...INSTITUTION, value: 'New name' }, id, ROWS, { tag: 0x00280011, vr: 'US', value: [0x1234] });
    expectSame(spliced(before, changes), after);
  });

  it.each([
    [false, false],
    [true, true],
    [true, false],
    [false, true],
  ])('corrects what encloses a nested change (undefined sequences %s, items %s)', (undefinedLength, undefinedItemLength) => {
    const nested = (value: string, ...more: BuiltElement[]): BuiltElement[] => {
      const inner: BuiltElement = {
        tag: 0x0040a168,
        vr: 'SQ',
        undefinedLength,
        undefinedItemLength,
        value: [[{ tag: 0x00080104, vr: 'LO', value }, ...more]],
      };
      return [
        INSTITUTION,
        { tag: 0x0040a730, vr: 'SQ', undefinedLength, undefinedItemLength, value: [[NAME], [NAME, inner]] },
        { tag: 0x0040db00, vr: 'CS', value: 'X ' },
      ];
    };
    const path = [
      { tag: 0x0040a730, item: 1 },
      { tag: 0x0040a168, item: 0 },
    ];
    const changes = [set(text(0x00080104, 'LO', 'much longer'), path), set(text(0x00100020, 'LO', 'id'), path)];
    const after = file(...nested('much longer', { tag: 0x00100020, vr: 'LO', value: 'id' }));
    expectSame(spliced(buildDicom(file(...nested('short'))), changes), after);
  });

  it('appends to a sequence, and makes one where there is none', () => {
    const item = [text(0x00080104, 'LO', 'two'), text(0x00080100, 'SH', 'code')];
    const built: BuiltElement[] = [
      { tag: 0x00080100, vr: 'SH', value: 'code' },
      { tag: 0x00080104, vr: 'LO', value: 'two' },
    ];
    const before = file({ tag: 0x00081140, vr: 'SQ', value: [[NAME]] }, NAME);
    const after = file({ tag: 0x00081140, vr: 'SQ', value: [[NAME], built] }, NAME, {
      tag: 0x04000561,
      vr: 'SQ',
      value: [built],
    });
    expectSame(spliced(buildDicom(before), [append(0x00081140, item), append(0x04000561, item)]), after);
  });

  it('writes a new sequence of sequences with defined lengths', () => {
    const items = [[{ tag: 0x0040a168, vr: 'SQ', items: [[text(0x00080104, 'LO', 'odd')]] } as const], []];
    const after = file({
      tag: 0x0040a730,
      vr: 'SQ',
      value: [[{ tag: 0x0040a168, vr: 'SQ', value: [[{ tag: 0x00080104, vr: 'LO', value: 'odd' }]] }], []],
    });
    expectSame(spliced(buildDicom(file()), [set({ tag: 0x0040a730, vr: 'SQ', items })]), after);
  });

  it('corrects the group lengths of the groups that change, at every level, and no others', () => {
    const lengthOf = (group: number, ...elements: BuiltElement[]): BuiltElement[] => {
      const syntax = { explicit: transferSyntaxUID !== IMPLICIT_LE, little: transferSyntaxUID !== EXPLICIT_BE };
      const length = concat(elements.map((element) => elementBytes(element, syntax))).length;
      return [{ tag: group * 0x10000, vr: 'UL', value: [length] }, ...elements];
    };
    const build = (institution: string, rows: BuiltElement[]): BuiltElement[] => [
      ...lengthOf(0x0008, { ...INSTITUTION, value: institution }, { tag: 0x00080060, vr: 'CS', value: 'CT' }),
      { tag: 0x00100000, vr: 'UL', value: [4711] },
      NAME,
      ...lengthOf(0x0088, { tag: 0x00880200, vr: 'SQ', value: [lengthOf(0x0028, ...rows)] }),
    ];
    const columns: BuiltElement = { tag: 0x00280011, vr: 'US', value: [7] };
    const changes = [
      set(text(0x00080080, 'LO', 'Newer')),
      set({ tag: 0x00280011, vr: 'US', value: Uint8Array.of(7, 0) }, [{ tag: 0x00880200, item: 0 }]),
    ];
    const before = buildDicom(file(...build('Old', [ROWS])));
    expectSame(spliced(before, changes), file(...build('Newer', [ROWS, columns])));
  });

  it('without an effective change gives the bytes of the original', () => {
    const before = buildDicom(file(INSTITUTION, { tag: 0x00081140, vr: 'SQ', value: [[NAME]] }));
    const part10 = readPart10(before);
    const idle = [
      remove(0x00100010),
      remove(0x00080060, [{ tag: 0x00081140, item: 0 }]),
      remove(1, [{ tag: 0x00081150, item: 3 }]),
    ];
    for (const changes of [[], idle]) {
      expect(splice(part10, changes).segments).toEqual([before]);
    }
  });

  it('copies raw elements of the same file', () => {
    const part10 = readPart10(buildDicom(file(ROWS)));
    const rows = part10.dataSet.elements[0];
    const raw = part10.body.slice(rows?.offset, rows?.end);
    const after = file(ROWS, { tag: 0x04000561, vr: 'SQ', value: [[{ tag: 0x04000550, vr: 'SQ', value: [[ROWS]] }]] });
    const item = [{ tag: 0x04000550, vr: 'SQ', items: [[{ tag: TAG.Rows, raw }]] } as const];
    expectSame(joined(splice(part10, [append(0x04000561, item)]).segments), after);
  });
});

describe('how changes meet', () => {
  const sequence: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [[INSTITUTION]] };
  const code = (value: string): NewElement => text(0x00080080, 'LO', value);
  const inItem = (item: number): ItemPath => [{ tag: 0x00081140, item }];
  const items = (...values: string[]): BuiltElement => ({
    tag: 0x00081140,
    vr: 'SQ',
    value: values.map((value) => [{ ...INSTITUTION, value }]),
  });

  it.each<[string, BuiltElement[], Change[], BuiltElement[]]>([
    ['the later of two sets wins', [INSTITUTION], [set(code('one')), set(code('two'))], [{ ...INSTITUTION, value: 'two' }]],
    ['set, then remove', [], [set(code('one')), remove(0x00080080)], []],
    ['remove, then set', [INSTITUTION], [remove(0x00080080), set(code('new'))], [{ ...INSTITUTION, value: 'new' }]],
    [
      'set within, then append',
      [sequence],
      [set(code('in'), inItem(0)), append(0x00081140, [code('app')])],
      [items('in', 'app')],
    ],
    [
      'append, then set within',
      [sequence],
      [append(0x00081140, [code('app')]), set(code('in'), inItem(0))],
      [items('in', 'app')],
    ],
    ['set within an appended item', [sequence], [append(0x00081140, []), set(code('x'), inItem(1))], [items('Old', 'x')]],
    ['append to nothing, twice', [], [append(0x00081140, [code('a')]), append(0x00081140, [code('b')])], [items('a', 'b')]],
    [
      'set a sequence, then append, then set within',
      [sequence],
      [set({ tag: 0x00081140, vr: 'SQ', items: [[code('n')]] }), append(0x00081140, [code('b')]), set(code('m'), inItem(0))],
      [items('m', 'b')],
    ],
    ['remove a sequence, then append', [sequence], [remove(0x00081140), append(0x00081140, [code('b')])], [items('b')]],
    ['set within, then remove the sequence', [sequence], [set(code('in'), inItem(0)), remove(0x00081140)], []],
    ['remove takes all of a tag', [INSTITUTION, NAME, INSTITUTION], [remove(0x00080080)], [NAME]],
    [
      'set replaces the first of a tag and takes the others',
      [INSTITUTION, NAME, INSTITUTION],
      [set(code('new'))],
      [{ ...INSTITUTION, value: 'new' }, NAME],
    ],
    ['a path leads into the first of two sequences', [sequence, sequence], [set(code('in'), inItem(0))], [items('in'), sequence]],
  ])('%s', (_, before, changes, after) => {
    expectSame(spliced(buildDicom({ elements: before }), changes), { elements: after });
  });

  it('removing from an item leaves the item', () => {
    const after: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [[]] };
    expectSame(spliced(buildDicom({ elements: [sequence] }), [remove(0x00080080, inItem(0))]), { elements: [after] });
  });
});

describe('what stays as it was', () => {
  it('trailing padding, preamble and a missing file meta length', () => {
    const build = (value: string): Uint8Array => {
      const file = buildDicom({ elements: [{ ...INSTITUTION, value }], groupLength: false, trailing: new Uint8Array(21) });
      file.fill(0x77, 0, 128);
      return file;
    };
    expect(Buffer.compare(spliced(build('Old'), [set(text(0x00080080, 'LO', 'New value'))]), build('New value'))).toBe(0);
  });

  it('the file that was read, even as a Buffer: nothing is written into it', () => {
    const length: BuiltElement = { tag: 0x00080000, vr: 'UL', value: [12] };
    const file = Buffer.from(buildDicom({ elements: [length, INSTITUTION, { tag: 0x00081140, vr: 'SQ', value: [[NAME]] }] }));
    const before = Buffer.from(file).toString('hex');
    spliced(file, [set(text(0x00080080, 'LO', 'Newer')), append(0x00081140, []), set(text(0x00020013, 'SH', 'V2'))]);
    expect(file.toString('hex')).toBe(before);
  });

  it('what no change names is a view of the file', () => {
    const file = buildDicom({ elements: [INSTITUTION, NAME, { tag: 0x7fe00010, vr: 'OB', value: new Uint8Array(1000) }] });
    const { segments } = splice(readPart10(file), [set(text(0x00100010, 'PN', 'C'))]);
    expect(inMemory(segments).map(({ buffer }) => buffer === file.buffer)).toEqual([true, false, true]);
  });

  it('UN with items in Implicit VR: appended items are in Implicit VR too', () => {
    const un = (...values: string[]): BuiltElement => ({
      tag: 0x04000561,
      vr: 'UN',
      value: values.map((value) => [{ ...INSTITUTION, value }]),
    });
    for (const undefinedLength of [true, false]) {
      const [before, after] = [un('a'), un('a', 'b')].map((element) => ({
        elements: [{ ...element, undefinedLength, undefinedItemLength: false }],
      }));
      const change = append(0x04000561, [text(0x00080080, 'LO', 'b')]);
      expectSame(spliced(buildDicom(before ?? { elements: [] }), [change]), after ?? { elements: [] });
    }
  });
});

describe('file meta information', () => {
  const transferSyntax = { elements: [{ tag: 0x7fe00010, vr: 'OB', value: '', fragments: [new Uint8Array(0)] }] };

  it('gets its length corrected', () => {
    const meta: BuiltElement[] = [{ tag: 0x00020016, vr: 'AE', value: 'MODALITY' }];
    const after = buildDicom({ elements: [NAME], meta });
    const change = set({ tag: 0x00020016, vr: 'AE', value: Buffer.from('MODALITY') });
    expect(Buffer.compare(spliced(buildDicom({ elements: [NAME] }), [change]), after)).toBe(0);
  });

  it('gets another transfer syntax', () => {
    const before = buildDicom({ ...transferSyntax, transferSyntaxUID: JPEG_LOSSLESS });
    const after = buildDicom({ ...transferSyntax, transferSyntaxUID: J2K_LOSSLESS });
    expect(Buffer.compare(spliced(before, [], { transferSyntaxUID: J2K_LOSSLESS }), after)).toBe(0);
    expect(splice(readPart10(before), [], { transferSyntaxUID: JPEG_LOSSLESS }).segments).toEqual([before]);
  });

  it('a wrong length is set right once something changes', () => {
    const file = buildDicom({ elements: [] });
    const after = buildDicom({ elements: [], meta: [{ tag: 0x00020013, vr: 'SH', value: 'V1' }] });
    new DataView(file.buffer).setUint32(140, 4, true);
    expect(Buffer.compare(spliced(file, [set(text(0x00020013, 'SH', 'V1'))]), after)).toBe(0);
  });
});

describe('a deflated data set', () => {
  const file = buildDicom({ transferSyntaxUID: DEFLATED_LE, elements: [NAME] });

  it('keeps its bytes where only the file meta information changes', () => {
    const { metaEnd } = readPart10(file);
    const after = spliced(file, [set(text(0x00020013, 'SH', 'V1'))]);
    expect(Buffer.compare(after.subarray(readPart10(after).metaEnd), file.subarray(metaEnd))).toBe(0);
  });

  it('has an even length when deflated again', () => {
    const lengths = Array.from({ length: 24 }, (_, index) => {
      const value = Array.from({ length: index }, (__, position) => (position * 7919 * index) % 97).join('.');
      return spliced(file, [set({ tag: 0x00100010, vr: 'PN', value: Buffer.from(value) })]).length % 2;
    });
    expect(new Set(lengths)).toEqual(new Set([0]));
  });

  it('becomes one that is not, where another syntax is asked for', () => {
    const after = { transferSyntaxUID: EXPLICIT_LE, elements: [{ ...NAME, value: 'X^Y ' }] };
    expectSame(spliced(file, [set(text(0x00100010, 'PN', 'X^Y'))], { transferSyntaxUID: EXPLICIT_LE }), after);
  });
});

describe('encapsulated pixel data', () => {
  const native: BuiltElement = { tag: 0x7fe00010, vr: 'OW', value: [1, 2, 3] };
  const frames = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5), new Uint8Array(70_001)];
  const change = set({ tag: TAG.PixelData, vr: 'OB', frames });

  it('has one fragment a frame, even, and offsets from the first fragment', () => {
    const offsets = Uint8Array.from([0, 0, 0, 0, 12, 0, 0, 0, 22, 0, 0, 0]);
    const fragments = [offsets, Uint8Array.of(1, 2, 3, 0), Uint8Array.of(4, 5), new Uint8Array(70_002)];
    const after = { transferSyntaxUID: J2K_LOSSLESS, elements: [ROWS, { tag: 0x7fe00010, vr: 'OB', value: '', fragments }] };
    expectSame(spliced(buildDicom({ elements: [ROWS, native] }), [change], { transferSyntaxUID: J2K_LOSSLESS }), after);
  });

  it('is refused where the offsets overflow the Basic Offset Table', () => {
    // Views of one megabyte: the length counts, not the memory
    const megabyte = new Uint8Array(1024 * 1024);
    const many = Array.from({ length: 4097 }, () => megabyte);
    const part10 = readPart10(buildDicom({ elements: [native] }));
    const big = set({ tag: TAG.PixelData, vr: 'OB', frames: many });
    const run = (): unknown => splice(part10, [big], { transferSyntaxUID: J2K_LOSSLESS });
    expect(thrownBy(run)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
  });

  it.each<[string, string, Change[], string | undefined]>([
    ['frames in a native syntax', EXPLICIT_LE, [change], undefined],
    ['native pixel data in an encapsulated syntax', EXPLICIT_LE, [], J2K_LOSSLESS],
    [
      'a value in an encapsulated syntax',
      EXPLICIT_LE,
      [set({ tag: TAG.PixelData, vr: 'OB', value: new Uint8Array(2) })],
      J2K_LOSSLESS,
    ],
    ['frames in Implicit VR', IMPLICIT_LE, [change], undefined],
    ['frames in big endian', EXPLICIT_BE, [change], undefined],
    ['to deflate', EXPLICIT_LE, [], DEFLATED_LE],
    ['to deflate from another encoding', IMPLICIT_LE, [], DEFLATED_LE],
    ['to Implicit VR', EXPLICIT_LE, [], IMPLICIT_LE],
    ['to Implicit VR from big endian', EXPLICIT_BE, [], IMPLICIT_LE],
    ['to big endian', EXPLICIT_LE, [], EXPLICIT_BE],
    ['to big endian from Implicit VR', IMPLICIT_LE, [], EXPLICIT_BE],
    ['to an unknown syntax', EXPLICIT_LE, [], '1.2.3'],
  ])('%s is refused', (_, from, changes, transferSyntaxUID) => {
    const part10 = readPart10(buildDicom({ transferSyntaxUID: from, elements: [native] }));
    const run = (): unknown => splice(part10, changes, transferSyntaxUID === undefined ? {} : { transferSyntaxUID });
    expect(thrownBy(run)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
  });
});

describe('values', () => {
  it.each<[NewElement, number[]]>([
    [{ tag: 1, vr: 'UI', value: Buffer.from('1') }, [0x31, 0]],
    [{ tag: 1, vr: 'OB', value: Uint8Array.of(1) }, [1, 0]],
    [{ tag: 1, vr: 'UN', value: Uint8Array.of(1) }, [1, 0]],
    [{ tag: 1, vr: 'LO', value: Buffer.from('a') }, [0x61, 0x20]],
    [{ tag: 1, vr: 'UT', value: Buffer.from('a') }, [0x61, 0x20]],
    [{ tag: 1, vr: 'LO', value: Buffer.from('ab') }, [0x61, 0x62]],
  ])('are padded to even length by VR: %o', (element, expected) => {
    expect([...spliced(buildDicom({ elements: [] }), [set(element)])].slice(-2)).toEqual(expected);
  });

  it.each<[NewElement, number[]]>([
    [{ tag: 1, vr: 'US', value: Uint8Array.of(1, 2, 3, 4) }, [2, 1, 4, 3]],
    [{ tag: 1, vr: 'AT', value: Uint8Array.of(1, 2, 3, 4) }, [2, 1, 4, 3]],
    [{ tag: 1, vr: 'FL', value: Uint8Array.of(1, 2, 3, 4) }, [4, 3, 2, 1]],
    [{ tag: 1, vr: 'FD', value: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }, [8, 7, 6, 5, 4, 3, 2, 1]],
    [{ tag: 1, vr: 'LO', value: Buffer.from('ab') }, [0x61, 0x62]],
    [{ tag: 1, vr: 'UN', value: Uint8Array.of(1, 2) }, [1, 2]],
  ])('are swapped by VR in big endian: %o', (element, expected) => {
    const bytes = spliced(buildDicom({ transferSyntaxUID: EXPLICIT_BE, elements: [] }), [set(element)]);
    expect([...bytes.subarray(-expected.length)]).toEqual(expected);
  });

  it('too long for a length of 16 bits become UN in Explicit VR (PS3.5 6.2.2), in little endian', () => {
    const element: NewElement = { tag: 0x00281201, vr: 'US', value: new Uint8Array(65_536).fill(1, 0, 1) };
    for (const transferSyntaxUID of [EXPLICIT_LE, EXPLICIT_BE]) {
      const { dataSet, body } = readPart10(spliced(buildDicom({ transferSyntaxUID, elements: [] }), [set(element)]));
      expect(dataSet.elements[0]).toMatchObject({ vr: 'UN', length: 65_536 });
      expect(body[dataSet.elements[0]?.valueOffset ?? 0]).toBe(1);
    }
    const implicit = readPart10(spliced(buildDicom({ transferSyntaxUID: IMPLICIT_LE, elements: [] }), [set(element)]));
    expect(implicit.dataSet.elements[0]).toMatchObject({ vr: 'OW', length: 65_536 });
  });
});

describe('a change that does not apply is refused', () => {
  const un: BuiltElement = { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2) };
  const sequence: BuiltElement = { tag: 0x00081140, vr: 'SQ', value: [[NAME]] };
  const value = text(0x00080080, 'LO', 'x');

  it.each<[string, Change]>([
    ['no such sequence', set(value, [{ tag: 0x00081111, item: 0 }])],
    ['no such item', set(value, [{ tag: 0x00081140, item: 1 }])],
    ['not a sequence', set(value, [{ tag: 0x00091001, item: 0 }])],
    ['append below no such item', append(0x00081140, [], [{ tag: 0x00081140, item: 7 }])],
    ['append to what has no items', append(0x00091001, [])],
    ['an item as an element', set({ tag: 0xfffee000, vr: 'UN', value: new Uint8Array(0) })],
    ['a long value in the file meta', set({ tag: 0x00020013, vr: 'SH', value: new Uint8Array(65_535) })],
  ])('%s', (_, change) => {
    const part10 = readPart10(buildDicom({ elements: [sequence, un] }));
    expect(thrownBy(() => splice(part10, [change]))).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE', retryable: false });
  });

  it('an odd number of bytes for a number, in big endian', () => {
    const part10 = readPart10(buildDicom({ transferSyntaxUID: EXPLICIT_BE, elements: [] }));
    const change = set({ tag: TAG.Rows, vr: 'US', value: Uint8Array.of(1) });
    expect(thrownBy(() => splice(part10, [change]))).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
  });
});
