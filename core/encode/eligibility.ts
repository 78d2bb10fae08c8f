/** What may be encoded to reversible JPEG 2000, decided from what the object says of its pixels. Pure. */
import type { TransferSyntax } from '../dicom/data-set.ts';
import type { PixelDescription } from '../dicom/describe-pixels.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../dicom/transfer-syntax.ts';
import type { FrameRefusal } from './frame-codec.ts';
import type { FrameLayout } from './frame-layout.ts';

/** Why an object is sent as it was received. Not an error: kept as the object's `codec`. */
export type PassReason = IneligibleReason | FrameRefusal | 'DISABLED';

export type IneligibleReason =
  | 'NO_PIXEL_DATA'
  | 'ALREADY_COMPRESSED'
  | 'SOURCE_SYNTAX'
  | 'FLOAT_PIXELS'
  | 'PIXEL_DESCRIPTION_INCOMPLETE'
  | 'ONE_BIT'
  | 'BITS_ALLOCATED_32'
  | 'TOO_MANY_BITS'
  | 'BITS_ALLOCATED_UNSUPPORTED'
  | 'BITS_STORED_ABOVE_ALLOCATED'
  | 'HIGH_BIT_NOT_TOP'
  | 'YBR_FULL'
  | 'YBR_FULL_422'
  | 'PHOTOMETRIC_UNSUPPORTED'
  | 'RGB_16_BIT'
  | 'SIGNED_COLOUR'
  | 'SIGNED_8_BIT'
  | 'NARROW_SAMPLES'
  | 'FRAME_COUNT_MISMATCH';

export interface EncodingPlan {
  readonly layout: FrameLayout;
  readonly frames: number;
  /** Of the encoded image (PS3.5 8.2.4). */
  readonly photometricInterpretation: string;
}

export type Eligibility =
  { readonly eligible: true; readonly plan: EncodingPlan } | { readonly eligible: false; readonly reason: IneligibleReason };

/**
 * The first row that applies decides.
 *
 * | condition                                                              | reason                       |
 * |------------------------------------------------------------------------|------------------------------|
 * | no pixel data                                                          | NO_PIXEL_DATA                |
 * | encapsulated syntax, or pixel data in fragments                        | ALREADY_COMPRESSED           |
 * | a syntax other than Explicit VR Little Endian                          | SOURCE_SYNTAX                |
 * | Float or Double Float Pixel Data                                       | FLOAT_PIXELS                 |
 * | a describing attribute is missing or impossible                        | PIXEL_DESCRIPTION_INCOMPLETE |
 * | BitsAllocated 1                                                        | ONE_BIT                      |
 * | BitsAllocated 32                                                       | BITS_ALLOCATED_32            |
 * | BitsAllocated any other above 16                                       | TOO_MANY_BITS                |
 * | BitsAllocated neither 8 nor 16                                         | BITS_ALLOCATED_UNSUPPORTED   |
 * | BitsStored > BitsAllocated                                             | BITS_STORED_ABOVE_ALLOCATED  |
 * | HighBit ≠ BitsStored - 1: other bits below the samples                 | HIGH_BIT_NOT_TOP             |
 * | three samples, YBR_FULL: the codec would apply the RCT, which PS3.5    | YBR_FULL                     |
 * |   8.2.4 has a name for over RGB (YBR_RCT) but none over YBR_FULL       |                              |
 * | three samples, YBR_FULL_422: chrominance at half the rate              | YBR_FULL_422                 |
 * | samples and photometric interpretation not below (*)                   | PHOTOMETRIC_UNSUPPORTED      |
 * | RGB, BitsAllocated 16: the codec traps                                 | RGB_16_BIT                   |
 * | RGB, signed (PS3.5 8.2.4 has it not)                                   | SIGNED_COLOUR                |
 * | signed, BitsStored ≤ 8: the codec gets it wrong                        | SIGNED_8_BIT                 |
 * | BitsAllocated 16, BitsStored ≤ 8: a codestream of eight bits, which    | NARROW_SAMPLES               |
 * |   decoders (GDCM) give back with one byte a sample instead of two      |                              |
 * | length is not that of the frames, padded to even                       | FRAME_COUNT_MISMATCH         |
 * | otherwise                                                              | eligible                     |
 *
 * (*) one sample: MONOCHROME1, MONOCHROME2, and unsigned PALETTE COLOR, which stay; three: RGB, which becomes YBR_RCT.
 */
export function decideEncoding(description: PixelDescription | undefined, transferSyntax: TransferSyntax): Eligibility {
  if (description === undefined) return ineligible('NO_PIXEL_DATA');
  if (transferSyntax.encapsulated || description.element.fragments !== undefined) return ineligible('ALREADY_COMPRESSED');
  if (transferSyntax.uid !== EXPLICIT_VR_LITTLE_ENDIAN) return ineligible('SOURCE_SYNTAX');
  if (description.kind !== 'integer') return ineligible('FLOAT_PIXELS');
  const complete = completed(description);
  if (complete === undefined) return ineligible('PIXEL_DESCRIPTION_INCOMPLETE');

  const { BitsAllocated: bitsAllocated, BitsStored: bitsStored, SamplesPerPixel: samplesPerPixel } = complete;
  if (bitsAllocated !== 8 && bitsAllocated !== 16) return ineligible(unsupportedBits(bitsAllocated));
  if (bitsStored > bitsAllocated) return ineligible('BITS_STORED_ABOVE_ALLOCATED');
  if (complete.HighBit !== bitsStored - 1) return ineligible('HIGH_BIT_NOT_TOP');
  const signed = complete.PixelRepresentation === 1;
  const colour = colourReason(complete, signed);
  if (colour !== undefined) return ineligible(colour);
  if (samplesPerPixel !== 1 && samplesPerPixel !== 3) return ineligible('PHOTOMETRIC_UNSUPPORTED');
  if (signed && bitsStored <= 8) return ineligible('SIGNED_8_BIT');
  if (bitsAllocated === 16 && bitsStored <= 8) return ineligible('NARROW_SAMPLES');
  if (!holdsTheFrames(description)) return ineligible('FRAME_COUNT_MISMATCH');

  return {
    eligible: true,
    plan: {
      layout: {
        rows: complete.Rows,
        columns: complete.Columns,
        samplesPerPixel,
        bitsAllocated,
        bitsStored,
        signed,
        colourByPlane: samplesPerPixel === 3 && complete.PlanarConfiguration === 1,
        bigEndianWords: false,
        colourTransformation: samplesPerPixel === 3,
      },
      frames: complete.NumberOfFrames,
      photometricInterpretation: samplesPerPixel === 3 ? 'YBR_RCT' : complete.PhotometricInterpretation,
    },
  };
}

function ineligible(reason: IneligibleReason): Eligibility {
  return { eligible: false, reason };
}

type Describing =
  | 'Rows'
  | 'Columns'
  | 'NumberOfFrames'
  | 'SamplesPerPixel'
  | 'BitsAllocated'
  | 'BitsStored'
  | 'HighBit'
  | 'PixelRepresentation'
  | 'PlanarConfiguration'
  | 'PhotometricInterpretation';
type Complete = { readonly [Keyword in Describing]: NonNullable<PixelDescription[Keyword]> };

/** Planar Configuration is required with more than one sample (PS3.3 C.7.6.3.1.3), and means nothing with one. */
function completed(description: PixelDescription): Complete | undefined {
  const { Rows, Columns, NumberOfFrames, SamplesPerPixel, PhotometricInterpretation } = description;
  const { BitsAllocated, BitsStored, HighBit, PixelRepresentation } = description;
  const PlanarConfiguration = SamplesPerPixel === 1 ? 0 : description.PlanarConfiguration;
  if (Rows === undefined || Columns === undefined || NumberOfFrames === undefined) return undefined;
  if (SamplesPerPixel === undefined || PhotometricInterpretation === undefined) return undefined;
  if (BitsAllocated === undefined || BitsStored === undefined || HighBit === undefined) return undefined;
  if (PixelRepresentation === undefined || PlanarConfiguration === undefined) return undefined;
  return {
    Rows,
    Columns,
    NumberOfFrames,
    SamplesPerPixel,
    BitsAllocated,
    BitsStored,
    HighBit,
    PixelRepresentation,
    PlanarConfiguration,
    PhotometricInterpretation,
  };
}

function unsupportedBits(bitsAllocated: number): IneligibleReason {
  if (bitsAllocated === 1) return 'ONE_BIT';
  if (bitsAllocated === 32) return 'BITS_ALLOCATED_32';
  return bitsAllocated > 16 ? 'TOO_MANY_BITS' : 'BITS_ALLOCATED_UNSUPPORTED';
}

function colourReason(complete: Complete, signed: boolean): IneligibleReason | undefined {
  const { SamplesPerPixel, PhotometricInterpretation, BitsAllocated } = complete;
  switch (`${SamplesPerPixel} ${PhotometricInterpretation}`) {
    case '1 MONOCHROME1':
    case '1 MONOCHROME2':
      return undefined;
    case '1 PALETTE COLOR':
      return signed ? 'PHOTOMETRIC_UNSUPPORTED' : undefined;
    case '3 RGB':
      if (BitsAllocated === 16) return 'RGB_16_BIT';
      return signed ? 'SIGNED_COLOUR' : undefined;
    case '3 YBR_FULL':
      return 'YBR_FULL';
    case '3 YBR_FULL_422':
      return 'YBR_FULL_422';
    default:
      return 'PHOTOMETRIC_UNSUPPORTED';
  }
}

/** Native pixel data is padded to even length with one byte (PS3.5 8.1.1). */
function holdsTheFrames({ element, pixelLength }: PixelDescription): boolean {
  return pixelLength !== undefined && element.length === pixelLength + (pixelLength % 2);
}
