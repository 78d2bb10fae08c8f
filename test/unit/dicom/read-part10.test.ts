import { deflateRawSync, gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { readPart10 } from '../../../core/dicom/read-part10.ts';
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
} from '../../support/build-dicom.ts';
import type { BuiltElement } from '../../support/build-dicom.ts';
import { flatElements, thrownBy } from './flat-elements.ts';

const SOP_INSTANCE: BuiltElement = { tag: 0x00080018, vr: 'UI', value: '1.2.3.4' };
const IMPLICIT = { explicit: false, little: true };
const EXPLICIT = { explicit: true, little: true };

/** A file whose data set is these bytes. */
function fileOf(dataSet: Uint8Array, transferSyntaxUID = EXPLICIT_LE): Uint8Array {
  return concat([buildDicom({ transferSyntaxUID, elements: [] }), dataSet]);
}

function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

describe('the four layouts of a data set', () => {
  const elements: BuiltElement[] = [
    SOP_INSTANCE,
    { tag: 0x00080060, vr: 'CS', value: 'CT' },
    { tag: 0x00090010, vr: 'LO', value: 'GEIIS' },
    { tag: 0x00280010, vr: 'US', value: [512] },
    {
      tag: 0x00400275,
      vr: 'SQ',
      value: [[{ tag: 0x00400007, vr: 'LO', value: 'step' }], [{ tag: 0x00400008, vr: 'SQ', value: [[]] }]],
    },
    { tag: 0x00880200, vr: 'SQ', undefinedLength: true, value: [[{ tag: 0x00280010, vr: 'US', value: [1] }]] },
    { tag: 0x7fe00010, vr: 'OW', value: [1, 2, 3] },
  ];

  it.each([
    ['Explicit VR Little Endian', EXPLICIT_LE],
    ['Implicit VR Little Endian', IMPLICIT_LE],
    ['Explicit VR Big Endian', EXPLICIT_BE],
    ['Deflated', DEFLATED_LE],
  ])('%s gives the same elements', (_, transferSyntaxUID) => {
    const part10 = readPart10(buildDicom({ transferSyntaxUID, elements }));
    expect(part10.transferSyntax.uid).toBe(transferSyntaxUID);
    expect(flatElements(part10.dataSet).map(({ path, vr }) => `${path} ${vr}`)).toEqual([
      '(0008,0018) UI',
      '(0008,0060) CS',
      '(0009,0010) LO',
      '(0028,0010) US',
      '(0040,0275) SQ',
      '(0040,0275)[0].(0040,0007) LO',
      '(0040,0275)[1].(0040,0008) SQ',
      '(0088,0200) SQ',
      '(0088,0200)[0].(0028,0010) US',
      '(7FE0,0010) OW',
    ]);
    expect(part10.dataSetEnd).toBe(part10.body.length);
  });

  it('gives places that tile the data set', () => {
    const { dataSet, dataSetOffset, dataSetEnd, body } = readPart10(buildDicom({ elements }));
    let at = dataSetOffset;
    for (const element of dataSet.elements) {
      expect(element.offset).toBe(at);
      at = element.end;
    }
    expect(at).toBe(dataSetEnd);
    const rows = dataSet.get(TAG.Rows);
    expect(rows).toMatchObject({ vr: 'US', length: 2, undefinedLength: false });
    expect([...body.subarray(rows?.valueOffset, rows?.end)]).toEqual([0, 2]);
  });

  it('tells an item its parent, its encoding and its place', () => {
    const { dataSet } = readPart10(buildDicom({ elements }));
    const sequence = dataSet.get(TAG.IconImageSequence);
    const item = sequence?.items?.[0];
    expect(sequence).toMatchObject({ undefinedLength: true, end: (sequence?.valueOffset ?? 0) + (sequence?.length ?? 0) + 8 });
    expect(item).toMatchObject({ offset: sequence?.valueOffset, undefinedLength: true, length: 10 });
    expect(item?.dataSet.parent).toBe(dataSet);
    expect(item?.dataSet.encoding).toEqual({ explicitVR: true, bigEndian: false });
  });
});

describe('file meta information', () => {
  const elements = [SOP_INSTANCE];

  it.each([
    ['without preamble and prefix', buildDicom({ elements, preamble: false }), 0],
    ['without (0002,0000)', buildDicom({ elements, groupLength: false }), 132],
    ['usual', buildDicom({ elements }), 132],
  ])('%s', (_, file, metaOffset) => {
    const part10 = readPart10(file);
    expect(part10.metaOffset).toBe(metaOffset);
    expect(part10.metaEnd).toBe(file.length - 16);
    expect(part10.meta.get(TAG.TransferSyntaxUID)).toBeDefined();
    expect(part10.dataSet.elements).toHaveLength(1);
  });

  it.each([0, 14, 26, 4_000_000_000])('ends where group 0002 ends, whatever (0002,0000) states (%i)', (stated) => {
    const file = buildDicom({ elements });
    const right = readPart10(file).metaEnd;
    new DataView(file.buffer).setUint32(140, stated, true);
    expect(readPart10(file).metaEnd).toBe(right);
  });

  it('ends at the stated length before a deflate stream that begins as group 0002 does', () => {
    const file = buildDicom({ transferSyntaxUID: DEFLATED_LE, elements });
    const { metaEnd } = readPart10(file);
    const forged = concat([file.subarray(0, metaEnd), Uint8Array.of(0x02, 0x00, 0xff, 0xff, 0x41, 0x41, 0x41, 0x41)]);
    expect(thrownBy(() => readPart10(forged))).toMatchObject({ code: 'MALFORMED', offset: metaEnd });
  });

  it.each([
    ['no bytes', new Uint8Array(0)],
    ['a prefix alone', concat([new Uint8Array(128), ascii('DICM')])],
    ['a data set alone', elementBytes(SOP_INSTANCE)],
    ['text', ascii('hello, this is a text of some length')],
    ['preamble, prefix, data set', concat([new Uint8Array(128), ascii('DICM'), elementBytes(SOP_INSTANCE)])],
  ])('refuses %s as NOT_PART10', (_, file) => {
    expect(thrownBy(() => readPart10(file))).toMatchObject({ code: 'NOT_PART10', retryable: false });
  });

  it.each([['1.2.840.113619.5.2'], ['1.2.840.10008.5.1.4.1.1.2'], [''], ['<script>']])('refuses transfer syntax %j', (uid) => {
    const error = thrownBy(() => readPart10(buildDicom({ transferSyntaxUID: uid, elements })));
    expect(error).toMatchObject({ code: 'UNSUPPORTED_TRANSFER_SYNTAX' });
    expect(String(error)).not.toContain('<');
  });
});

describe('values of undefined length', () => {
  it('encapsulated pixel data has fragments, the Basic Offset Table first', () => {
    const fragments = [new Uint8Array(0), Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6)];
    const elements = [SOP_INSTANCE, { tag: 0x7fe00010, vr: 'OB', value: '', fragments }];
    const { dataSet, body } = readPart10(buildDicom({ transferSyntaxUID: J2K_LOSSLESS, elements }));
    const element = dataSet.get(TAG.PixelData);
    const values = element?.fragments?.map(({ valueOffset, length }) => [...body.subarray(valueOffset, valueOffset + length)]);
    expect(values).toEqual([[], [1, 2, 3, 4], [5, 6]]);
    expect(element).toMatchObject({ undefinedLength: true, length: 8 * 3 + 6, end: body.length });
  });

  it.each([EXPLICIT_LE, EXPLICIT_BE])('UN holds items in Implicit VR Little Endian (%s)', (transferSyntaxUID) => {
    const value = [[{ tag: 0x00080100, vr: 'SH', value: 'CODE' }]];
    const elements: BuiltElement[] = [
      { tag: 0x00091001, vr: 'UN', undefinedLength: true, value },
      { tag: 0x00100010, vr: 'PN', value: 'A^B' },
    ];
    const { dataSet } = readPart10(buildDicom({ transferSyntaxUID, elements }));
    expect(flatElements(dataSet).map(({ path, vr }) => `${path} ${vr}`)).toEqual([
      '(0009,1001) UN',
      '(0009,1001)[0].(0008,0100) SH',
      '(0010,0010) PN',
    ]);
    expect(dataSet.elements[0]?.items?.[0]?.dataSet.encoding).toEqual({ explicitVR: false, bigEndian: false });
  });

  it('UN of defined length has items where its tag is that of a sequence, and stays opaque otherwise', () => {
    const items = [[{ tag: 0x00080100, vr: 'SH', value: 'CODE' }]];
    const elements: BuiltElement[] = [
      { tag: 0x00081140, vr: 'UN', value: items },
      { tag: 0x00081199, vr: 'UN', value: Uint8Array.of(1, 2, 3, 4) },
      { tag: 0x00091001, vr: 'UN', value: items },
    ];
    const { dataSet } = readPart10(buildDicom({ elements }));
    expect(dataSet.elements.map((element) => element.items?.length)).toEqual([1, undefined, undefined]);
  });
});

describe('what real senders write', () => {
  const next = elementBytes({ tag: 0x00100010, vr: 'PN', value: 'A^B' });

  it.each([
    ['"??" and a length of 16 bits', concat([ascii('\x09\x00\x01\x10??\x02\x00ab'), next]), 2],
    ['a VR to come, with a length of 32 bits', concat([ascii('\x09\x00\x01\x10ZZ\0\0\x02\0\0\0ab'), next]), 2],
    ['an odd length', concat([ascii('\x09\x00\x01\x10LO\x03\x00abc'), next]), 3],
  ])('%s', (_, dataSet, length) => {
    const part10 = readPart10(fileOf(dataSet));
    expect(part10.dataSet.elements).toHaveLength(2);
    expect(part10.dataSet.elements[0]).toMatchObject({ tag: 0x00091001, length });
  });

  it('"??" at the end of an item of undefined length', () => {
    const value = concat([
      ascii('\xfe\xff\x00\xe0\xff\xff\xff\xff'),
      next,
      ascii('\x11\x00\x01\x10??\x02\x00ab\xfe\xff\x0d\xe0\0\0\0\0'),
    ]);
    const { dataSet } = readPart10(buildDicom({ elements: [{ tag: 0x00400275, vr: 'SQ', undefinedLength: true, value }] }));
    expect(dataSet.elements[0]?.items?.[0]?.dataSet.elements).toHaveLength(2);
  });

  it('items in Implicit VR within an Explicit VR sequence', () => {
    const item = elementBytes({ tag: 0x00080100, vr: 'SH', value: 'CODE' }, IMPLICIT);
    const sequence = concat([
      ascii('\x40\x00\x75\x02SQ\0\0'),
      Uint8Array.of(8 + item.length, 0, 0, 0, 0xfe, 0xff, 0, 0xe0, item.length, 0, 0, 0),
      item,
    ]);
    const { dataSet } = readPart10(fileOf(sequence));
    expect(dataSet.elements[0]?.items?.[0]?.dataSet.get(TAG.CodeValue)).toMatchObject({ vr: 'SH', length: 4 });
    expect(dataSet.elements[0]?.items?.[0]?.dataSet.encoding.explicitVR).toBe(false);
  });

  it('items in Explicit VR within UN of undefined length', () => {
    const item = elementBytes({ tag: 0x00080100, vr: 'SH', value: 'CODE' }, EXPLICIT);
    const value = concat([Uint8Array.of(0xfe, 0xff, 0, 0xe0, item.length, 0, 0, 0), item]);
    const { dataSet } = readPart10(buildDicom({ elements: [{ tag: 0x00091001, vr: 'UN', undefinedLength: true, value }] }));
    expect(dataSet.elements[0]?.items?.[0]?.dataSet.get(TAG.CodeValue)).toMatchObject({ vr: 'SH', length: 4 });
  });

  it('zeros after the last element are padding, and (FFFC,FFFC) is an element', () => {
    const elements: BuiltElement[] = [SOP_INSTANCE, { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(6) }];
    const file = buildDicom({ elements, trailing: new Uint8Array(37) });
    const part10 = readPart10(file);
    expect(part10.dataSet.elements).toHaveLength(2);
    expect(part10.dataSetEnd).toBe(file.length - 37);
  });

  it('elements out of order and twice are all there; get finds the first', () => {
    const elements: BuiltElement[] = [
      { tag: 0x00100010, vr: 'PN', value: 'first' },
      { tag: 0x00080060, vr: 'CS', value: 'CT' },
      { tag: 0x00100010, vr: 'PN', value: 'second' },
    ];
    const { dataSet } = readPart10(buildDicom({ elements }));
    expect(dataSet.elements).toHaveLength(3);
    expect(dataSet.get(TAG.PatientName)).toBe(dataSet.elements[0]);
    expect(dataSet.get(TAG.Modality)).toBe(dataSet.elements[1]);
    expect(dataSet.get(TAG.PatientID)).toBeUndefined();
  });
});

describe('malformed input is refused with its offset', () => {
  const start = buildDicom({ elements: [] }).length;
  const item = (length: number): Uint8Array => Uint8Array.of(0xfe, 0xff, 0, 0xe0, length, 0, 0, 0);
  const sequence = (value: Uint8Array, length = value.length): Uint8Array =>
    concat([ascii('\x40\x00\x75\x02SQ\0\0'), Uint8Array.of(length, 0, 0, 0), value]);
  const openSequence = (value: Uint8Array): Uint8Array => concat([ascii('\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff'), value]);
  const delimiter = Uint8Array.of(0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0);

  it.each([
    ['a header that is cut', ascii('\x08\x00\x18\x00U'), 'TRUNCATED', 0],
    ['a long header that is cut', ascii('\x08\x00\x18\x00OB\0\0\x01'), 'TRUNCATED', 0],
    ['a value that is cut', ascii('\x08\x00\x18\x00UI\x08\x001.2'), 'TRUNCATED', 0],
    ['garbage after the last element', concat([elementBytes(SOP_INSTANCE), Uint8Array.of(0, 0, 0, 1)]), 'TRUNCATED', 16],
    ['a VR that is none, before nothing that fits', ascii('\x08\x00\x18\x00\x01\x02\x01\x00abcdefghij'), 'MALFORMED', 0],
    ['undefined length where the VR has none', ascii('\x08\x00\x18\x00UT\0\0\xff\xff\xff\xff'), 'MALFORMED', 0],
    ['a delimitation item outside of a sequence', delimiter, 'MALFORMED', 0],
    ['no item in a sequence', sequence(ascii('\x08\x00\x18\x00UI\x02\x00')), 'MALFORMED', 12],
    ['an item longer than its sequence', concat([sequence(item(16)), elementBytes(SOP_INSTANCE)]), 'MALFORMED', 12],
    ['a sequence that is cut', sequence(item(0), 20), 'TRUNCATED', 0],
    ['a sequence of undefined length without end', openSequence(item(0)), 'TRUNCATED', 20],
    ['an item of undefined length without end', openSequence(ascii('\xfe\xff\x00\xe0\xff\xff\xff\xff')), 'TRUNCATED', 20],
    ['an element that leaves its item', sequence(concat([item(8), ascii('\x08\x00\x18\x00UI\x40\x00')])), 'TRUNCATED', 20],
    ['fragments without end', concat([ascii('\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff'), item(0)]), 'TRUNCATED', 20],
    ['no fragment in pixel data', ascii('\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\x08\0\0\0\0\0\0\0'), 'MALFORMED', 12],
  ])('%s', (_, dataSet, code, offset) => {
    expect(thrownBy(() => readPart10(fileOf(dataSet)))).toMatchObject({ code, offset: start + offset, retryable: false });
  });

  it.each([
    ['of defined length', false],
    ['of undefined length', true],
  ])('nesting without bound, %s', (_, undefinedLength) => {
    let value: BuiltElement = { tag: 0x0040a730, vr: 'SQ', value: [[]], undefinedLength };
    for (let depth = 0; depth < 150; depth++) value = { tag: 0x0040a730, vr: 'SQ', value: [[value]], undefinedLength };
    expect(thrownBy(() => readPart10(buildDicom({ elements: [value] })))).toMatchObject({ code: 'MALFORMED' });
  });

  it('nesting of a hundred thousand open sequences does not end the stack', () => {
    const open = ascii('\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff');
    expect(thrownBy(() => readPart10(fileOf(concat(Array.from({ length: 100_000 }, () => open)))))).toMatchObject({
      code: 'MALFORMED',
    });
  });
});

describe('a deflated data set', () => {
  const plain = concat([elementBytes(SOP_INSTANCE), elementBytes({ tag: 0x7fe00010, vr: 'OB', value: new Uint8Array(200_000) })]);
  const deflated = deflateRawSync(plain);
  const empty = buildDicom({ transferSyntaxUID: DEFLATED_LE, elements: [] });
  const meta = empty.subarray(0, empty.length - deflateRawSync(new Uint8Array(0)).length);
  const whole = concat([meta, deflated]);

  it('is inflated, and its offsets count in the inflated bytes', () => {
    const part10 = readPart10(whole);
    expect(part10).toMatchObject({ dataSetOffset: 0, dataSetEnd: plain.length, metaEnd: meta.length });
    expect(Buffer.compare(part10.body, plain)).toBe(0);
  });

  it.each([
    ['cut', concat([meta, deflated.subarray(0, deflated.length - 20)]), 'TRUNCATED', meta.length],
    ['empty', meta, 'TRUNCATED', meta.length],
    ['no deflate stream', concat([meta, ascii('\xff\xff\xff\xff')]), 'MALFORMED', meta.length],
    ['followed by something', concat([whole, ascii('x')]), 'MALFORMED', whole.length],
  ])('%s is refused', (_, file, code, offset) => {
    expect(thrownBy(() => readPart10(file))).toMatchObject({ code, offset });
  });

  it('followed by padding, or by its own checksum, is read', () => {
    const checksum = gzipSync(plain).subarray(-8);
    expect(readPart10(concat([whole, new Uint8Array(3)])).dataSet.elements).toHaveLength(2);
    expect(readPart10(concat([whole, checksum, new Uint8Array(1)])).dataSet.elements).toHaveLength(2);
    const wrong = concat([whole, checksum.map((byte) => byte ^ 1)]);
    expect(thrownBy(() => readPart10(wrong))).toMatchObject({ code: 'MALFORMED', offset: whole.length });
  });

  it('larger than the bound is refused', () => {
    const read = (): unknown => readPart10(whole, { maxInflatedLength: 100_000 });
    expect(thrownBy(read)).toMatchObject({ code: 'MALFORMED', offset: meta.length });
    expect(readPart10(whole, { maxInflatedLength: plain.length }).body).toHaveLength(plain.length);
  });
});
