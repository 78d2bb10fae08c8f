import { describe, expect, it } from 'vitest';

import { describePixels } from '../../../core/dicom/describe-pixels.ts';
import type { PixelDescription } from '../../../core/dicom/describe-pixels.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { buildDicom, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, imageElements } from '../../support/build-dicom.ts';
import type { BuiltElement, BuiltImage } from '../../support/build-dicom.ts';

function pixelsOf(image: BuiltImage, transferSyntaxUID = EXPLICIT_LE): PixelDescription | undefined {
  const elements = imageElements({ ...image, transferSyntaxUID });
  return describePixels(readPart10(buildDicom({ transferSyntaxUID, elements })));
}

describe('the pixels of an instance', () => {
  it.each([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])('are described in %s', (transferSyntaxUID) => {
    const image = { rows: 3, columns: 5, samplesPerPixel: 3, bitsAllocated: 8, frames: 3, planarConfiguration: 1 };
    const { element, ...description } = pixelsOf(image, transferSyntaxUID) ?? {};
    expect(element).toMatchObject({ tag: 0x7fe00010, length: 136 });
    expect(description).toEqual({
      kind: 'integer',
      Rows: 3,
      Columns: 5,
      NumberOfFrames: 3,
      SamplesPerPixel: 3,
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelRepresentation: 0,
      PlanarConfiguration: 1,
      PhotometricInterpretation: 'RGB',
      frameLength: 45,
      pixelLength: 135,
    });
  });

  it('are none without pixel data, and none of an icon', () => {
    const icon: BuiltElement = { tag: 0x00880200, vr: 'SQ', value: [imageElements()] };
    expect(describePixels(readPart10(buildDicom({ elements: [icon] })))).toBeUndefined();
  });

  it.each([
    [0x7fe00008, 'OF', 'float'],
    [0x7fe00009, 'OD', 'double'],
  ])('may be of floating point', (tag, vr, kind) => {
    const elements: BuiltElement[] = [{ tag, vr, value: new Uint8Array(8) }];
    expect(describePixels(readPart10(buildDicom({ elements })))).toMatchObject({ kind, element: { tag } });
  });

  it.each<[string, BuiltElement, Partial<Record<keyof PixelDescription, unknown>>]>([
    ['no rows', { tag: 0x00280010, vr: 'US', value: [0] }, { Rows: undefined, frameLength: undefined, pixelLength: undefined }],
    ['empty rows', { tag: 0x00280010, vr: 'US', value: '' }, { Rows: undefined, frameLength: undefined }],
    ['rows as text', { tag: 0x00280010, vr: 'IS', value: '16' }, { Rows: undefined }],
    ['rows as UN', { tag: 0x00280010, vr: 'UN', value: Uint8Array.of(16, 0) }, { Rows: 16 }],
    ['two rows', { tag: 0x00280010, vr: 'US', value: [16, 17] }, { Rows: 16 }],
    ['no frames stated', { tag: 0x00280008, vr: 'IS', value: '' }, { NumberOfFrames: 1, pixelLength: 512 }],
    [
      'zero frames',
      { tag: 0x00280008, vr: 'IS', value: '0' },
      { NumberOfFrames: undefined, frameLength: 512, pixelLength: undefined },
    ],
    ['negative frames', { tag: 0x00280008, vr: 'IS', value: '-1' }, { NumberOfFrames: undefined }],
    ['frames that are no number', { tag: 0x00280008, vr: 'IS', value: 'NaN' }, { NumberOfFrames: undefined }],
    ['frames beyond measure', { tag: 0x00280008, vr: 'IS', value: '99999999999' }, { NumberOfFrames: undefined }],
    ['frames with blanks', { tag: 0x00280008, vr: 'IS', value: ' +2 ' }, { NumberOfFrames: 2, pixelLength: 1024 }],
    ['two signs', { tag: 0x00280103, vr: 'US', value: [2] }, { PixelRepresentation: undefined }],
    ['no photometric interpretation', { tag: 0x00280004, vr: 'CS', value: '' }, { PhotometricInterpretation: undefined }],
  ])('%s', (_, element, expected) => {
    expect(pixelsOf({ extra: [element] })).toMatchObject(expected);
  });

  it('without a single attribute', () => {
    const elements: BuiltElement[] = [{ tag: 0x7fe00010, vr: 'OW', value: '' }];
    const description = describePixels(readPart10(buildDicom({ elements })));
    expect(description).toMatchObject({ Rows: undefined, HighBit: undefined, NumberOfFrames: 1, frameLength: undefined });
  });

  it('frames of single bits follow one another without a gap', () => {
    const extra: BuiltElement[] = [
      { tag: 0x00280010, vr: 'US', value: [3] },
      { tag: 0x00280011, vr: 'US', value: [3] },
      { tag: 0x00280100, vr: 'US', value: [1] },
      { tag: 0x00280008, vr: 'IS', value: '3' },
    ];
    expect(pixelsOf({ extra })).toMatchObject({ frameLength: undefined, pixelLength: 4 });
  });

  it.each([
    ['YBR_FULL', 768],
    ['YBR_FULL_422', 512],
    ['YBR_PARTIAL_420', 384],
  ])('chrominance of %s', (photometric, frameLength) => {
    expect(pixelsOf({ samplesPerPixel: 3, bitsAllocated: 8, photometric })).toMatchObject({ frameLength });
  });

  it('lengths beyond what a number tells are unknown', () => {
    const extra: BuiltElement[] = [0x00280002, 0x00280010, 0x00280011, 0x00280100].map((tag) => ({
      tag,
      vr: 'US',
      value: [65535],
    }));
    expect(pixelsOf({ extra })).toMatchObject({ Rows: 65535, frameLength: undefined, pixelLength: undefined });
  });
});
