/** What may be encoded to reversible JPEG 2000 or HTJ2K, decided from what the object says of its pixels. Pure. */
import type { TransferSyntax } from '../dicom/data-set.ts';
import type { PixelDescription } from '../dicom/describe-pixels.ts';
import {
  DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
  EXPLICIT_VR_BIG_ENDIAN,
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
} from '../dicom/transfer-syntax.ts';
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
  | 'YBR_FULL_422'
  | 'PHOTOMETRIC_UNSUPPORTED'
  | 'SIGNED_COLOUR'
  | 'NARROW_SAMPLES'
  | 'BIG_ENDIAN_LAYOUT'
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
 * | a syntax other than Implicit VR, Explicit VR Little and Big Endian,    | SOURCE_SYNTAX                |
 * |   and Deflated; or an obstacle to writing the data set in Explicit VR  |                              |
 * |   Little Endian, the only layout of an encoded object (PS3.5 A.4)      |                              |
 * | Float or Double Float Pixel Data                                       | FLOAT_PIXELS                 |
 * | a describing attribute is missing, impossible, or has two values       | PIXEL_DESCRIPTION_INCOMPLETE |
 * | BitsAllocated 1                                                        | ONE_BIT                      |
 * | BitsAllocated 32: the codecs carry 16                                  | BITS_ALLOCATED_32            |
 * | BitsAllocated any other above 16                                       | TOO_MANY_BITS                |
 * | BitsAllocated neither 8 nor 16                                         | BITS_ALLOCATED_UNSUPPORTED   |
 * | BitsStored > BitsAllocated                                             | BITS_STORED_ABOVE_ALLOCATED  |
 * | HighBit ≠ BitsStored - 1: other bits below the samples. Shifted down,  | HIGH_BIT_NOT_TOP             |
 * |   they would not decode to the same bytes                              |                              |
 * | three samples, YBR_FULL_422: chrominance at half the rate              | YBR_FULL_422                 |
 * | samples and photometric interpretation not below (*)                   | PHOTOMETRIC_UNSUPPORTED      |
 * | three samples, signed                                                  | SIGNED_COLOUR                |
 * | BitsAllocated 16, BitsStored ≤ 8: a codestream of eight bits, which    | NARROW_SAMPLES               |
 * |   decoders (GDCM) give back with one byte a sample instead of two      |                              |
 * | big endian, and BitsAllocated 16 not in OW, or BitsAllocated 8 in OW   | BIG_ENDIAN_LAYOUT            |
 * |   with frames of an odd length, of which two share a word              |                              |
 * | length is not that of the frames, padded to even; or several of them   | FRAME_COUNT_MISMATCH         |
 * | otherwise                                                              | eligible                     |
 *
 * (*) What PS3.5 8.2.4 has a name for, without and with the reversible colour transformation (RCT):
 *
 * | samples | photometric interpretation     | bits stored | encoded                     | becomes |
 * |---------|--------------------------------|-------------|-----------------------------|---------|
 * | one     | MONOCHROME1, MONOCHROME2       | any         | as it is                    | stays   |
 * | one     | PALETTE COLOR, unsigned        | any         | as it is                    | stays   |
 * | three   | RGB                            | 2–8         | with the RCT                | YBR_RCT |
 * | three   | RGB                            | 1, 9–16     | three components, no RCT    | stays   |
 * | three   | YBR_FULL                       | any         | three components, no RCT    | stays   |
 *
 * `obstacle`: what keeps the data set from being written in Explicit VR Little Endian, if anything does.
 */
export function decideEncoding(
  description: PixelDescription | undefined,
  transferSyntax: TransferSyntax,
  obstacle?: string,
): Eligibility {
  if (description === undefined) return ineligible('NO_PIXEL_DATA');
  if (transferSyntax.encapsulated || description.element.fragments !== undefined) return ineligible('ALREADY_COMPRESSED');
  if (!SOURCES.has(transferSyntax.uid) || obstacle !== undefined) return ineligible('SOURCE_SYNTAX');
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
  if (bitsAllocated === 16 && bitsStored <= 8) return ineligible('NARROW_SAMPLES');
  const inWords = transferSyntax.bigEndian && description.element.vr === 'OW';
  if (transferSyntax.bigEndian && !inWords && bitsAllocated === 16) return ineligible('BIG_ENDIAN_LAYOUT');
  if (inWords && (description.frameLength ?? 1) % 2 !== 0) return ineligible('BIG_ENDIAN_LAYOUT');
  if (!holdsTheFrames(description)) return ineligible('FRAME_COUNT_MISMATCH');

  const colourTransformation = complete.PhotometricInterpretation === 'RGB' && bitsStored >= 2 && bitsStored <= 8;
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
        bigEndianWords: inWords,
        colourTransformation,
      },
      frames: complete.NumberOfFrames,
      photometricInterpretation: colourTransformation ? 'YBR_RCT' : complete.PhotometricInterpretation,
    },
  };
}

const SOURCES: ReadonlySet<string> = new Set([
  IMPLICIT_VR_LITTLE_ENDIAN,
  EXPLICIT_VR_LITTLE_ENDIAN,
  EXPLICIT_VR_BIG_ENDIAN,
  DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]);

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
  const { SamplesPerPixel, PhotometricInterpretation } = complete;
  switch (`${SamplesPerPixel} ${PhotometricInterpretation}`) {
    case '1 MONOCHROME1':
    case '1 MONOCHROME2':
      return undefined;
    case '1 PALETTE COLOR':
      return signed ? 'PHOTOMETRIC_UNSUPPORTED' : undefined;
    case '3 RGB':
    case '3 YBR_FULL':
      return signed ? 'SIGNED_COLOUR' : undefined;
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
