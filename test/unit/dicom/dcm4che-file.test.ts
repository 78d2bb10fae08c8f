import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

import type { ByteSource } from '../../../core/dicom/byte-source.ts';
import { dcm4cheFile, predictDcm4cheFile, type Predicted } from '../../../core/dicom/dcm4che-file.ts';
import { readExactly } from '../../../core/dicom/file-source.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { isGroupLength } from '../../../core/dicom/tag-text.ts';
import { StorestowError } from '../../../core/errors.ts';
import {
  buildDicom,
  buildImage,
  concat,
  DEFLATED_LE,
  elementBytes,
  encapsulated,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  J2K_LOSSLESS,
  seededBytes,
  type BuiltElement,
} from '../../support/build-dicom.ts';
import { writeLargeObject } from '../../support/large-object.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { arbitraryFile } from './arbitrary-file.ts';
import { flatElements, joined } from './flat-elements.ts';
import { pydicom } from './public-files.ts';

const VERSION = 'dcm4che-5.34.3';
const SOP_CLASS = '1.2.840.10008.5.1.4.1.1.7';
const SOP_INSTANCE = '1.2.3.4.5';

/** What every object here has, so that it has a file meta. */
const IDENTITY: readonly BuiltElement[] = [
  { tag: 0x00080016, vr: 'UI', value: SOP_CLASS },
  { tag: 0x00080018, vr: 'UI', value: SOP_INSTANCE },
];

function withIdentity(elements: readonly BuiltElement[]): BuiltElement[] {
  const given = new Set(elements.map(({ tag }) => tag));
  return [...IDENTITY.filter(({ tag }) => !given.has(tag)), ...elements].sort((a, b) => a.tag - b.tag);
}

/** The stored file, by section 9 of the contract alone. */
function storedFile(elements: readonly BuiltElement[], transferSyntaxUID = EXPLICIT_LE): Uint8Array {
  const meta = concat(
    [
      { tag: 0x00020001, vr: 'OB', value: Uint8Array.of(0, 1) },
      { tag: 0x00020002, vr: 'UI', value: SOP_CLASS },
      { tag: 0x00020003, vr: 'UI', value: SOP_INSTANCE },
      { tag: 0x00020010, vr: 'UI', value: transferSyntaxUID },
      { tag: 0x00020012, vr: 'UI', value: '1.2.40.0.13.1.3' },
      { tag: 0x00020013, vr: 'SH', value: VERSION },
    ].map((element) => elementBytes(element)),
  );
  const syntax = { explicit: transferSyntaxUID !== IMPLICIT_LE, little: transferSyntaxUID !== EXPLICIT_BE };
  return concat([
    new Uint8Array(128),
    new Uint8Array(Buffer.from('DICM')),
    elementBytes({ tag: 0x00020000, vr: 'UL', value: [meta.length] }),
    meta,
    ...withIdentity(elements).map((element) => elementBytes(element, syntax)),
  ]);
}

function sentFile(elements: readonly BuiltElement[], transferSyntaxUID = EXPLICIT_LE): Uint8Array {
  return buildDicom({ elements: withIdentity(elements), transferSyntaxUID });
}

function digestOf(file: Uint8Array): { readonly md5: string } {
  return { md5: createHash('md5').update(file).digest('hex') };
}

async function predict(file: Uint8Array, version = VERSION): Promise<Predicted<{ readonly md5: string }>> {
  return predictDcm4cheFile({ segments: [file], length: file.length }, version);
}

const CODE: readonly BuiltElement[] = [
  { tag: 0x00080100, vr: 'SH', value: '113040' },
  { tag: 0x00080102, vr: 'SH', value: 'DCM' },
];
const UNDEFINED = { undefinedLength: true, undefinedItemLength: true };

interface Rule {
  readonly name: string;
  readonly sent: readonly BuiltElement[];
  readonly stored: readonly BuiltElement[];
  readonly syntax?: string;
}

const RULES: readonly Rule[] = [
  {
    name: 'plain elements keep their bytes',
    sent: [
      { tag: 0x00100010, vr: 'PN', value: 'Test^Patient' },
      { tag: 0x00200032, vr: 'DS', value: ' 1.0 \\-2 ' },
    ],
    stored: [
      { tag: 0x00100010, vr: 'PN', value: 'Test^Patient' },
      { tag: 0x00200032, vr: 'DS', value: ' 1.0 \\-2 ' },
    ],
  },
  {
    name: 'group lengths go, at every level; an empty one stays',
    sent: [
      { tag: 0x00080000, vr: 'UL', value: [4] },
      { tag: 0x00082112, vr: 'SQ', value: [[{ tag: 0x00080000, vr: 'UL', value: [30] }, ...CODE]] },
      { tag: 0x00100000, vr: 'UL', value: [] },
    ],
    stored: [
      { tag: 0x00082112, vr: 'SQ', value: [CODE], ...UNDEFINED },
      { tag: 0x00100000, vr: 'UL', value: [] },
    ],
  },
  {
    name: 'sequences and items become of undefined length',
    sent: [{ tag: 0x00082112, vr: 'SQ', value: [[{ tag: 0x0040a170, vr: 'SQ', value: [CODE, CODE] }]] }],
    stored: [
      { tag: 0x00082112, vr: 'SQ', value: [[{ tag: 0x0040a170, vr: 'SQ', value: [CODE, CODE], ...UNDEFINED }]], ...UNDEFINED },
    ],
  },
  {
    name: 'items of defined length within a sequence of undefined length become of undefined length too',
    sent: [{ tag: 0x00082112, vr: 'SQ', value: [CODE], undefinedLength: true, undefinedItemLength: false }],
    stored: [{ tag: 0x00082112, vr: 'SQ', value: [CODE], ...UNDEFINED }],
  },
  {
    name: 'a sequence without items gets the length 0',
    sent: [{ tag: 0x00082112, vr: 'SQ', value: [], undefinedLength: true }],
    stored: [{ tag: 0x00082112, vr: 'SQ', value: [] }],
  },
  {
    name: 'an item without elements gets the length 0',
    sent: [{ tag: 0x00082112, vr: 'SQ', value: [[]], ...UNDEFINED }],
    stored: [{ tag: 0x00082112, vr: 'SQ', value: [[]], undefinedLength: true, undefinedItemLength: false }],
  },
  {
    name: 'an item with nothing but a group length gets the length 0',
    sent: [{ tag: 0x00082112, vr: 'SQ', value: [[{ tag: 0x00080000, vr: 'UL', value: [0] }]] }],
    stored: [{ tag: 0x00082112, vr: 'SQ', value: [[]], undefinedLength: true, undefinedItemLength: false }],
  },
  {
    name: 'UN of a standard element gets the VR of the dictionary',
    sent: [
      { tag: 0x00080080, vr: 'UN', value: new Uint8Array(Buffer.from('Hospital')) },
      { tag: 0x00280010, vr: 'UN', value: Uint8Array.of(16, 0) },
    ],
    stored: [
      { tag: 0x00080080, vr: 'LO', value: 'Hospital' },
      { tag: 0x00280010, vr: 'US', value: [16] },
    ],
  },
  {
    name: 'UN stays where the value is too long for a short header',
    sent: [{ tag: 0x00204000, vr: 'UN', value: new Uint8Array(65536).fill(0x61) }],
    stored: [{ tag: 0x00204000, vr: 'UN', value: new Uint8Array(65536).fill(0x61) }],
  },
  {
    name: 'UN of a sequence becomes SQ, and its Implicit VR explicit',
    sent: [{ tag: 0x00082112, vr: 'UN', value: [[{ tag: 0x0040a170, vr: 'SQ', value: [CODE] }]] }],
    stored: [{ tag: 0x00082112, vr: 'SQ', value: [[{ tag: 0x0040a170, vr: 'SQ', value: [CODE], ...UNDEFINED }]], ...UNDEFINED }],
  },
  {
    name: 'UN of undefined length becomes SQ, also of a private element',
    sent: [{ tag: 0x00091002, vr: 'UN', value: [CODE], undefinedLength: true }],
    stored: [{ tag: 0x00091002, vr: 'SQ', value: [CODE], ...UNDEFINED }],
  },
  {
    name: 'a private creator with UN becomes LO',
    sent: [{ tag: 0x00090010, vr: 'UN', value: new Uint8Array(Buffer.from('ACME 1.0')) }],
    stored: [{ tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' }],
  },
  {
    name: 'private elements of a known VR keep their bytes, those without a creator stay UN',
    sent: [
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'DS', value: '1.5' },
      { tag: 0x00091002, vr: 'SQ', value: [CODE] },
      { tag: 0x000b1001, vr: 'UN', value: Uint8Array.of(1, 2) },
    ],
    stored: [
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'DS', value: '1.5' },
      { tag: 0x00091002, vr: 'SQ', value: [CODE], ...UNDEFINED },
      { tag: 0x000b1001, vr: 'UN', value: Uint8Array.of(1, 2) },
    ],
  },
  {
    name: 'what is odd is padded: text with a space, a UID and bytes with NUL, pixel data with NUL',
    sent: [
      { tag: 0x00080080, vr: 'LO', value: new Uint8Array(Buffer.from('abc')) },
      { tag: 0x00081155, vr: 'UI', value: new Uint8Array(Buffer.from('1.2')) },
      { tag: 0x00420011, vr: 'OB', value: Uint8Array.of(1, 2, 3) },
      { tag: 0x7fe00010, vr: 'OB', value: Uint8Array.of(9, 8, 7) },
    ],
    stored: [
      { tag: 0x00080080, vr: 'LO', value: 'abc ' },
      { tag: 0x00081155, vr: 'UI', value: '1.2\0' },
      { tag: 0x00420011, vr: 'OB', value: Uint8Array.of(1, 2, 3, 0) },
      { tag: 0x7fe00010, vr: 'OB', value: Uint8Array.of(9, 8, 7, 0) },
    ],
  },
  {
    name: 'fragments stay as they are, the odd ones padded',
    syntax: J2K_LOSSLESS,
    sent: [encapsulated(new Uint8Array(0), Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5))],
    stored: [encapsulated(new Uint8Array(0), Uint8Array.of(1, 2, 3, 0), Uint8Array.of(4, 5))],
  },
  {
    name: 'elements behind the pixel data are written as those before it',
    sent: [
      { tag: 0x7fe00010, vr: 'OW', value: [1, 2, 3] },
      { tag: 0xfffafffa, vr: 'SQ', value: [CODE] },
      { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(8) },
    ],
    stored: [
      { tag: 0x7fe00010, vr: 'OW', value: [1, 2, 3] },
      { tag: 0xfffafffa, vr: 'SQ', value: [CODE], ...UNDEFINED },
      { tag: 0xfffcfffc, vr: 'OB', value: new Uint8Array(8) },
    ],
  },
  {
    name: 'Implicit VR stays implicit, private elements included',
    syntax: IMPLICIT_LE,
    sent: [
      { tag: 0x00082112, vr: 'SQ', value: [CODE] },
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2) },
      { tag: 0x00280010, vr: 'US', value: [16] },
    ],
    stored: [
      { tag: 0x00082112, vr: 'SQ', value: [CODE], ...UNDEFINED },
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2) },
      { tag: 0x00280010, vr: 'US', value: [16] },
    ],
  },
  {
    name: 'big endian stays big endian',
    syntax: EXPLICIT_BE,
    sent: [
      { tag: 0x00082112, vr: 'SQ', value: [CODE] },
      { tag: 0x00280010, vr: 'US', value: [16] },
    ],
    stored: [
      { tag: 0x00082112, vr: 'SQ', value: [CODE], ...UNDEFINED },
      { tag: 0x00280010, vr: 'US', value: [16] },
    ],
  },
];

/** Each with a word of the reason. */
const UNPREDICTABLE: readonly { readonly name: string; readonly file: Uint8Array; readonly reason: RegExp }[] = [
  { name: 'a deflated file', file: sentFile([], DEFLATED_LE), reason: /deflated/ },
  {
    name: 'UN of a creator that dcm4che may know',
    file: sentFile([
      { tag: 0x00090010, vr: 'LO', value: 'ACME 1.0' },
      { tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1, 2) },
    ]),
    reason: /\(0009,1001\) is UN/,
  },
  {
    name: 'UN whose VR depends on others',
    file: sentFile([{ tag: 0x00280106, vr: 'UN', value: Uint8Array.of(1, 0) }]),
    reason: /\(0028,0106\) is UN/,
  },
  {
    name: 'UN of a tag that is not in the dictionary',
    file: sentFile([{ tag: 0x00089f9e, vr: 'UN', value: Uint8Array.of(1, 0) }]),
    reason: /\(0008,9F9E\) is UN/,
  },
  {
    name: 'UN in big endian',
    file: sentFile([{ tag: 0x00280010, vr: 'UN', value: Uint8Array.of(1, 0) }], EXPLICIT_BE),
    reason: /big endian/,
  },
  {
    name: 'a private value in Implicit VR that looks like a sequence',
    file: sentFile(
      [{ tag: 0x00091001, vr: 'UN', value: concat([Uint8Array.of(0xfe, 0xff, 0, 0xe0), new Uint8Array(4)]) }],
      IMPLICIT_LE,
    ),
    reason: /may be a sequence/,
  },
  {
    name: 'an odd private value in Implicit VR',
    file: sentFile([{ tag: 0x00091001, vr: 'UN', value: Uint8Array.of(1) }], IMPLICIT_LE),
    reason: /odd length/,
  },
  {
    name: 'bytes behind the last element',
    file: buildDicom({ elements: IDENTITY, trailing: new Uint8Array(2) }),
    reason: /follows the last element/,
  },
  {
    name: 'elements out of order',
    file: buildDicom({ elements: [...IDENTITY, { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 100' }] }),
    reason: /\(0008,0005\) stands behind \(0008,0018\)/,
  },
  {
    name: 'an element that is there twice',
    file: buildDicom({ elements: [...IDENTITY, ...IDENTITY.slice(1)] }),
    reason: /\(0008,0018\) stands behind \(0008,0018\)/,
  },
  {
    name: 'a private creator with spaces before it',
    file: sentFile([{ tag: 0x00090010, vr: 'LO', value: ' ACME' }]),
    reason: /\(0009,0010\), which the archive reads/,
  },
  {
    name: 'a number of frames that is written with a zero before it',
    file: sentFile([
      { tag: 0x00280008, vr: 'IS', value: '01' },
      { tag: 0x7fe00010, vr: 'OB', value: Uint8Array.of(0, 0) },
    ]),
    reason: /\(0028,0008\), which the archive reads/,
  },
  {
    name: 'a Study Instance UID padded with a space',
    file: sentFile([{ tag: 0x0020000d, vr: 'UI', value: '1.2.3.4 ' }]),
    reason: /\(0020,000D\), which the archive reads/,
  },
  {
    name: 'more bits than dcm4che keeps in JPEG 2000',
    file: sentFile(
      [
        { tag: 0x00280100, vr: 'US', value: [32] },
        { tag: 0x00280101, vr: 'US', value: [20] },
        encapsulated(new Uint8Array(0), Uint8Array.of(1, 2)),
      ],
      J2K_LOSSLESS,
    ),
    reason: /bits/,
  },
  { name: 'no SOP Class UID', file: buildDicom({ elements: IDENTITY.slice(1) }), reason: /no \(0008,0016\)/ },
  { name: 'what is no DICOM file', file: new Uint8Array(200), reason: /Part 10/ },
  { name: 'a file that is cut', file: buildImage().subarray(0, 700), reason: /ends within/ },
];

describe('what dcm4chee stores', () => {
  for (const { name, sent, stored, syntax } of RULES) {
    it(name, async () => {
      const file = dcm4cheFile(readPart10(sentFile(sent, syntax)), VERSION);
      if ('unpredictable' in file) throw new Error(file.unpredictable);
      const expected = storedFile(stored, syntax);
      expect(Buffer.from(joined(file.segments)).toString('latin1')).toBe(Buffer.from(expected).toString('latin1'));
      expect(await predict(sentFile(sent, syntax))).toEqual(digestOf(expected));
    });
  }

  it('is another file where the archive has another version', async () => {
    const file = sentFile([]);
    const newer = await predict(file, 'dcm4che-5.35.10');
    expect(newer).not.toEqual(await predict(file));
    expect(newer).toEqual({ md5: expect.stringMatching(/^[0-9a-f]{32}$/) as string });
  });

  for (const { name, file, reason } of UNPREDICTABLE) {
    it(`cannot be told of ${name}`, async () => {
      expect(await predict(file)).toEqual({ unpredictable: expect.stringMatching(reason) as string });
    });
  }

  it('is found by a file meta whose length is too short only where nothing of it is left out', async () => {
    const right = sentFile([]);
    const short = new Uint8Array(right);
    // The value of (0002,0000), behind preamble, prefix and its header
    new DataView(short.buffer).setUint32(140, 20, true);
    expect(await predict(short)).toEqual({ unpredictable: expect.stringMatching(/file meta information/) as string });
    new DataView(short.buffer).setUint32(140, 4000, true);
    expect(await predict(short)).toEqual(await predict(right));
  });
});

describe('a large object', () => {
  it('is predicted in a stream, of few bytes at a time', async () => {
    const folder = await temporaryFolder();
    onTestFinished(async () => folder.remove());
    const path = join(folder.path, 'large.dcm');
    const { length } = await writeLargeObject(path, { frames: 20, rows: 1024, columns: 1024 });
    const handle = await open(path, 'r');
    onTestFinished(async () => handle.close());
    let most = 0;
    const source: ByteSource = {
      length,
      read: async (start, end) => {
        most = Math.max(most, end - start);
        return readExactly(handle, start, end, () => new RangeError('beyond the end'));
      },
    };
    const expected = dcm4cheFile(readPart10(new Uint8Array(readFileSync(path))), VERSION);
    if ('unpredictable' in expected) throw new Error(expected.unpredictable);
    const head = await source.read(0, 100_000);
    const segments = [head.subarray(0, 700), head.subarray(700), { source, start: 100_000, length: length - 100_000 }];
    most = 0;
    expect(await predictDcm4cheFile({ segments, length }, VERSION)).toEqual(digestOf(joined(expected.segments)));
    expect(most).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it('has its odd fragments padded, and what stands behind them written anew', async () => {
    const fragments = [new Uint8Array(0), seededBytes(300_001, 1), seededBytes(300_000, 2)];
    const behind = { tag: 0xfffafffa, vr: 'SQ', value: [CODE] };
    const elements = [{ tag: 0x00280010, vr: 'US', value: [16] }, encapsulated(...fragments), behind];
    const file = sentFile(elements, J2K_LOSSLESS);
    const padded = fragments.map((fragment) => (fragment.length % 2 === 0 ? fragment : concat([fragment, new Uint8Array(1)])));
    const stored = [elements[0]!, encapsulated(...padded), { ...behind, ...UNDEFINED }];
    expect(await predict(file)).toEqual(digestOf(storedFile(stored, J2K_LOSSLESS)));
  });

  it('rejects as its source does', async () => {
    const gone = new StorestowError('STORE_UNAVAILABLE', 'the bucket is away');
    const source: ByteSource = { length: 1000, read: () => Promise.reject(gone) };
    await expect(predictDcm4cheFile({ segments: [{ source, start: 0, length: 1000 }], length: 1000 }, VERSION)).rejects.toBe(
      gone,
    );
  });
});

describe('any file', () => {
  const arbitrary = arbitraryFile.map((built) => ({
    ...built,
    elements: withIdentity(built.elements),
    trailing: new Uint8Array(0),
  }));

  it('that is already as dcm4chee stores it stays so, and has the elements that were sent', () => {
    let predicted = 0;
    fc.assert(
      fc.property(arbitrary, (built) => {
        const sent = readPart10(buildDicom(built));
        const once = dcm4cheFile(sent, VERSION);
        if ('unpredictable' in once) return;
        predicted++;
        const file = joined(once.segments);
        expect(file).toHaveLength(once.length);
        const stored = readPart10(file);
        const twice = dcm4cheFile(stored, VERSION);
        if ('unpredictable' in twice) throw new Error(twice.unpredictable);
        expect(Buffer.from(joined(twice.segments)).toString('hex')).toBe(Buffer.from(file).toString('hex'));
        // In Implicit VR an empty private sequence is no sequence to the reader
        const values = (dataSet: typeof sent.dataSet): object[] =>
          flatElements(dataSet).map(({ path, value }) => ({ path, value: value === '0 items' ? '' : value }));
        expect(values(stored.dataSet)).toEqual(values(sent.dataSet));
        expect(stored.dataSet.elements.some(({ tag, length }) => isGroupLength(tag) && length > 0)).toBe(false);
      }),
      { numRuns: 500 },
    );
    expect(predicted).toBeGreaterThan(100);
  });
});

describe('any bytes', () => {
  const mutation = fc.record({ at: fc.nat(), byte: fc.constantFrom(0, 1, 0x20, 0x41, 0x4e, 0x51, 0x53, 0x55, 0xe0, 0xfe, 0xff) });
  const damaged = fc.tuple(arbitraryFile, fc.array(mutation, { minLength: 1, maxLength: 4 })).map(([built, mutations]) => {
    const file = buildDicom({ ...built, elements: withIdentity(built.elements), trailing: new Uint8Array(0) });
    for (const { at, byte } of mutations) file[at % file.length] = byte;
    return file;
  });

  it('are told, with a file that stays as it is, or not told', async () => {
    let predicted = 0;
    await fc.assert(
      fc.asyncProperty(damaged, async (file) => {
        const once = await predict(file);
        if ('unpredictable' in once) return;
        predicted++;
        const stored = dcm4cheFile(readPart10(file), VERSION);
        if ('unpredictable' in stored) throw new Error(stored.unpredictable);
        expect(await predict(joined(stored.segments))).toEqual(once);
      }),
      { numRuns: 500 },
    );
    expect(predicted).toBeGreaterThan(20);
  });
});

interface Pair {
  readonly file: string;
  readonly sentMd5: string;
  readonly storedMd5: string;
}

const SHARED = join(import.meta.dirname, '../../../../shared');
const PAIRS = join(SHARED, 'reference/digests.ndjson');

function pathOf(file: string): string | undefined {
  const name = file.slice(file.indexOf('/') + 1);
  const folders = file.startsWith('corpus/')
    ? [join(SHARED, 'corpus')]
    : pydicom === undefined
      ? []
      : [pydicom.folder, join(pydicom.folder, '../charset_files')];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Not told, for the reason; every other pair is equal. */
const NOT_TOLD: Readonly<Record<string, RegExp>> = {
  // dcm4che knows the creators of these from its private dictionary
  'corpus/chrJapMulti.dcm': /\(0019,1010\) is UN/,
  'corpus/chrKoreanMulti.dcm': /\(0019,1010\) is UN/,
  'corpus/explicit_VR-UN.dcm': /\(0013,1010\) is UN/,
  'pydicom/J2K_pixelrep_mismatch.dcm': /\(0009,1100\) is UN/,
  // Number of Frames is "1A" in an image
  'pydicom/badVR.dcm': /\(0028,0008\), which the archive reads/,
  'pydicom/image_dfl.dcm': /deflated/,
};

describe.skipIf(!existsSync(PAIRS))('what a running dcm4chee 5.34.3 stored', () => {
  const pairs = existsSync(PAIRS)
    ? readFileSync(PAIRS, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Pair)
    : [];

  for (const { file, sentMd5, storedMd5 } of pairs) {
    const path = pathOf(file);
    const told = NOT_TOLD[file] === undefined ? 'is told' : 'is not told';
    it.skipIf(path === undefined)(`of ${file} ${told}`, async () => {
      const sent = new Uint8Array(readFileSync(path!));
      expect(digestOf(sent).md5).toBe(sentMd5);
      const reason = NOT_TOLD[file];
      expect(await predict(sent)).toEqual(
        reason === undefined ? { md5: storedMd5 } : { unpredictable: expect.stringMatching(reason) as string },
      );
    });
  }
});
