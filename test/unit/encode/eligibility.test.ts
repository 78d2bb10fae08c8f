import { describe, expect, it } from 'vitest';
import type { PixelDescription } from '../../../core/dicom/describe-pixels.ts';
import { transferSyntaxOf } from '../../../core/dicom/transfer-syntax.ts';
import type { TransferSyntax } from '../../../core/dicom/data-set.ts';
import { decideEncoding } from '../../../core/encode/eligibility.ts';
import type { IneligibleReason } from '../../../core/encode/eligibility.ts';
import { DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, J2K_LOSSLESS, JPEG_LOSSLESS } from '../../support/build-dicom.ts';

function syntax(uid: string): TransferSyntax {
  const known = transferSyntaxOf(uid);
  if (known === undefined) throw new Error(`no transfer syntax ${uid}`);
  return known;
}

const element = { tag: 0x7fe00010, vr: 'OW', offset: 0, valueOffset: 12, length: 30, undefinedLength: false, end: 42 } as const;
const ct: PixelDescription = {
  element,
  kind: 'integer',
  Rows: 3,
  Columns: 5,
  NumberOfFrames: 1,
  SamplesPerPixel: 1,
  BitsAllocated: 16,
  BitsStored: 12,
  HighBit: 11,
  PixelRepresentation: 0,
  PlanarConfiguration: undefined,
  PhotometricInterpretation: 'MONOCHROME2',
  frameLength: 30,
  pixelLength: 30,
};
const us: PixelDescription = {
  ...ct,
  element: { ...element, length: 46 },
  SamplesPerPixel: 3,
  BitsAllocated: 8,
  BitsStored: 8,
  HighBit: 7,
  PlanarConfiguration: 0,
  PhotometricInterpretation: 'RGB',
  frameLength: 45,
  pixelLength: 45,
};
const grey8 = {
  ...ct,
  element: { ...element, length: 16 },
  BitsAllocated: 8,
  BitsStored: 8,
  HighBit: 7,
  frameLength: 15,
  pixelLength: 15,
};

const us16 = {
  ...us,
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  element: { ...element, length: 90 },
  frameLength: 90,
  pixelLength: 90,
};

describe('decideEncoding', () => {
  const eligible: readonly (readonly [string, PixelDescription, object])[] = [
    ['CT, 12 bits', ct, { photometricInterpretation: 'MONOCHROME2', frames: 1 }],
    [
      'CT, signed 16 bits',
      { ...ct, BitsStored: 16, HighBit: 15, PixelRepresentation: 1 },
      { layout: { signed: true, bitsStored: 16 } },
    ],
    ['signed 9 bits', { ...ct, BitsStored: 9, HighBit: 8, PixelRepresentation: 1 }, { layout: { signed: true } }],
    ['MONOCHROME1', { ...ct, PhotometricInterpretation: 'MONOCHROME1' }, { photometricInterpretation: 'MONOCHROME1' }],
    ['PALETTE COLOR', { ...ct, PhotometricInterpretation: 'PALETTE COLOR' }, { photometricInterpretation: 'PALETTE COLOR' }],
    ['8 bits, padded', grey8, { layout: { bitsAllocated: 8 } }],
    ['6 bits in 8', { ...grey8, BitsStored: 6, HighBit: 5 }, { layout: { bitsAllocated: 8, bitsStored: 6 } }],
    ['one sample with a planar configuration', { ...ct, PlanarConfiguration: 1 }, { layout: { colourByPlane: false } }],
    ['US, by pixel', us, { photometricInterpretation: 'YBR_RCT', layout: { colourByPlane: false, samplesPerPixel: 3 } }],
    [
      'US, by plane',
      { ...us, PlanarConfiguration: 1 },
      { photometricInterpretation: 'YBR_RCT', layout: { colourByPlane: true } },
    ],
    ['signed 8 bits', { ...grey8, PixelRepresentation: 1 }, { layout: { signed: true, bitsStored: 8 } }],
    ['RGB of 16 bits', us16, { photometricInterpretation: 'RGB', layout: { bitsStored: 16, colourTransformation: false } }],
    ['RGB of 12 bits', { ...us16, BitsStored: 12, HighBit: 11 }, { layout: { colourTransformation: false } }],
    ['RGB of one bit', { ...us, BitsStored: 1, HighBit: 0 }, { layout: { colourTransformation: false } }],
    [
      'YBR_FULL',
      { ...us, PhotometricInterpretation: 'YBR_FULL' },
      { photometricInterpretation: 'YBR_FULL', layout: { colourTransformation: false } },
    ],
    ['three frames', { ...ct, NumberOfFrames: 3, pixelLength: 90, element: { ...element, length: 90 } }, { frames: 3 }],
  ];
  it.each(eligible)('takes %s', (_name, description, plan) => {
    expect(decideEncoding(description, syntax(EXPLICIT_LE))).toMatchObject({ eligible: true, plan });
  });

  const even = { ...grey8, Rows: 4, frameLength: 20, pixelLength: 20, element: { ...element, length: 20 } };
  const sources: readonly (readonly [string, PixelDescription, uid: string, bigEndianWords: boolean])[] = [
    ['Explicit VR Little Endian', ct, EXPLICIT_LE, false],
    ['Implicit VR', ct, IMPLICIT_LE, false],
    ['Deflated', ct, DEFLATED_LE, false],
    ['Big Endian', ct, EXPLICIT_BE, true],
    ['Big Endian, 8 bits in words', even, EXPLICIT_BE, true],
    ['Big Endian, 8 bits in bytes', { ...even, element: { ...even.element, vr: 'OB' } }, EXPLICIT_BE, false],
    ['Big Endian, 8 bits in bytes, odd', { ...grey8, element: { ...grey8.element, vr: 'OB' } }, EXPLICIT_BE, false],
  ];
  it.each(sources)('takes %s as a source', (_name, description, uid, bigEndianWords) => {
    expect(decideEncoding(description, syntax(uid))).toMatchObject({ eligible: true, plan: { layout: { bigEndianWords } } });
  });

  it('passes what cannot be written in Explicit VR Little Endian', () => {
    const decided = decideEncoding(ct, syntax(EXPLICIT_BE), '(0009,1001) has no known VR to swap it by');
    expect(decided).toEqual({ eligible: false, reason: 'SOURCE_SYNTAX' });
  });

  const missing =
    ([
      'Rows', 'Columns', 'NumberOfFrames', 'SamplesPerPixel', 'BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation',
      'PlanarConfiguration', 'PhotometricInterpretation',
    ] as const) // prettier-ignore
      .map((keyword) => [`no ${keyword}`, { ...us, [keyword]: undefined }, 'PIXEL_DESCRIPTION_INCOMPLETE'] as const);

  const refused: readonly (readonly [string, PixelDescription | undefined, IneligibleReason, uid?: string])[] = [
    ['no pixel data', undefined, 'NO_PIXEL_DATA'],
    ['no pixel data in a compressed syntax', undefined, 'NO_PIXEL_DATA', JPEG_LOSSLESS],
    ['JPEG lossless', ct, 'ALREADY_COMPRESSED', JPEG_LOSSLESS],
    ['JPEG 2000', ct, 'ALREADY_COMPRESSED', J2K_LOSSLESS],
    ['fragments in a native syntax', { ...ct, element: { ...element, fragments: [] } }, 'ALREADY_COMPRESSED'],
    ['JPIP Referenced', ct, 'SOURCE_SYNTAX', '1.2.840.10008.1.2.4.94'],
    ['float', { ...ct, kind: 'float' }, 'FLOAT_PIXELS'],
    ['double float', { ...ct, kind: 'double' }, 'FLOAT_PIXELS'],
    ...missing,
    ['a segmentation', { ...ct, BitsAllocated: 1, BitsStored: 1, HighBit: 0 }, 'ONE_BIT'],
    ['a dose grid', { ...ct, BitsAllocated: 32, BitsStored: 32, HighBit: 31 }, 'BITS_ALLOCATED_32'],
    ['64 bits', { ...ct, BitsAllocated: 64, BitsStored: 64, HighBit: 63 }, 'TOO_MANY_BITS'],
    ['12 bits packed', { ...ct, BitsAllocated: 12 }, 'BITS_ALLOCATED_UNSUPPORTED'],
    ['12 bits in 8', { ...ct, BitsAllocated: 8 }, 'BITS_STORED_ABOVE_ALLOCATED'],
    ['samples at the top of their words', { ...ct, HighBit: 15 }, 'HIGH_BIT_NOT_TOP'],
    ['YBR_FULL_422', { ...us, PhotometricInterpretation: 'YBR_FULL_422' }, 'YBR_FULL_422'],
    ['YBR_PARTIAL_420', { ...us, PhotometricInterpretation: 'YBR_PARTIAL_420' }, 'PHOTOMETRIC_UNSUPPORTED'],
    ['four samples', { ...us, SamplesPerPixel: 4, PhotometricInterpretation: 'ARGB' }, 'PHOTOMETRIC_UNSUPPORTED'],
    ['RGB of one sample', { ...us, SamplesPerPixel: 1 }, 'PHOTOMETRIC_UNSUPPORTED'],
    ['MONOCHROME2 of three samples', { ...us, PhotometricInterpretation: 'MONOCHROME2' }, 'PHOTOMETRIC_UNSUPPORTED'],
    [
      'a signed palette',
      { ...ct, PhotometricInterpretation: 'PALETTE COLOR', PixelRepresentation: 1 },
      'PHOTOMETRIC_UNSUPPORTED',
    ],
    ['RGB of 8 in 16 bits', { ...us, BitsAllocated: 16 }, 'NARROW_SAMPLES'],
    ['signed RGB', { ...us, PixelRepresentation: 1 }, 'SIGNED_COLOUR'],
    ['signed YBR_FULL', { ...us, PhotometricInterpretation: 'YBR_FULL', PixelRepresentation: 1 }, 'SIGNED_COLOUR'],
    ['signed 8 bits in 16', { ...ct, BitsStored: 8, HighBit: 7, PixelRepresentation: 1 }, 'NARROW_SAMPLES'],
    ['big-endian 16 bits in OB', { ...ct, element: { ...element, vr: 'OB' } }, 'BIG_ENDIAN_LAYOUT', EXPLICIT_BE],
    ['big-endian 16 bits in UN', { ...ct, element: { ...element, vr: 'UN' } }, 'BIG_ENDIAN_LAYOUT', EXPLICIT_BE],
    ['big-endian frames that share a word', grey8, 'BIG_ENDIAN_LAYOUT', EXPLICIT_BE],
    ['8 bits in 16', { ...ct, BitsStored: 8, HighBit: 7 }, 'NARROW_SAMPLES'],
    ['a frame too few', { ...ct, NumberOfFrames: 2, pixelLength: 60 }, 'FRAME_COUNT_MISMATCH'],
    ['a byte too many', { ...ct, pixelLength: 29 - 1 }, 'FRAME_COUNT_MISMATCH'],
    ['odd and not padded', { ...grey8, element: { ...element, length: 15 } }, 'FRAME_COUNT_MISMATCH'],
    ['more than a number tells', { ...ct, pixelLength: undefined }, 'FRAME_COUNT_MISMATCH'],
  ];
  it.each(refused.map(([name, description, reason, uid = EXPLICIT_LE]) => ({ name, description, reason, uid })))(
    'passes $name: $reason',
    ({ description, reason, uid }) => {
      expect(decideEncoding(description, syntax(uid))).toEqual({ eligible: false, reason });
    },
  );
});
