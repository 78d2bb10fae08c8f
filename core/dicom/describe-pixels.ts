/** What an instance says of its pixels (PS3.3 C.7.6.3), as numbers that can be relied on or are absent. */
import type { DataSet, Element, Part10, Tag } from './data-set.ts';
import { asciiText, hasSeveralValues, unsignedNumber } from './element-value.ts';
import { TAG } from './tags.ts';

/** Attributes by their keyword: undefined where they are missing, there twice with two values, or cannot be (zero rows). Never NaN. */
export interface PixelDescription {
  /** Pixel Data, Float Pixel Data or Double Float Pixel Data; `fragments` where it is encapsulated. */
  readonly element: Element;
  readonly kind: 'integer' | 'float' | 'double';
  readonly Rows: number | undefined;
  readonly Columns: number | undefined;
  /** 1 where it is absent or empty. */
  readonly NumberOfFrames: number | undefined;
  readonly SamplesPerPixel: number | undefined;
  readonly BitsAllocated: number | undefined;
  readonly BitsStored: number | undefined;
  readonly HighBit: number | undefined;
  /** 0: unsigned, 1: two's complement. */
  readonly PixelRepresentation: number | undefined;
  /** 0: by pixel, 1: by plane. */
  readonly PlanarConfiguration: number | undefined;
  readonly PhotometricInterpretation: string | undefined;
  /** Bytes of one native frame; undefined where it does not fill whole bytes, or is not known. */
  readonly frameLength: number | undefined;
  /**
   * Bytes of all native frames without the padding to even length; `element.length` may be more, or less where cut. Undefined too where
   * the data set has the element several times, which it may not: nobody knows which one the attributes describe.
   */
  readonly pixelLength: number | undefined;
}

const MAX_FRAMES = 2 ** 31 - 1;

/** Where an instance has several kinds (it may not), the integer one. Undefined without any. */
const PIXEL_DATA = [
  [TAG.PixelData, 'integer'],
  [TAG.FloatPixelData, 'float'],
  [TAG.DoubleFloatPixelData, 'double'],
] as const;

/** Undefined where the data set has no pixel data at its top level. Never throws. */
export function describePixels({ dataSet }: Part10): PixelDescription | undefined {
  for (const [tag, kind] of PIXEL_DATA) {
    const element = dataSet.get(tag);
    if (element !== undefined) return describe(dataSet, element, kind);
  }
  return undefined;
}

function describe(dataSet: DataSet, element: Element, kind: PixelDescription['kind']): PixelDescription {
  const told = <Value>(tag: Tag, read: (dataSet: DataSet, tag: Tag) => Value | undefined): Value | undefined =>
    hasSeveralValues(dataSet, tag) ? undefined : read(dataSet, tag);
  const attributes = {
    Rows: told(TAG.Rows, positive),
    Columns: told(TAG.Columns, positive),
    NumberOfFrames: told(TAG.NumberOfFrames, numberOfFrames),
    SamplesPerPixel: told(TAG.SamplesPerPixel, positive),
    BitsAllocated: told(TAG.BitsAllocated, positive),
    PhotometricInterpretation: told(TAG.PhotometricInterpretation, asciiText) || undefined,
  };
  return {
    element,
    kind,
    ...attributes,
    BitsStored: told(TAG.BitsStored, positive),
    HighBit: told(TAG.HighBit, unsignedNumber),
    PixelRepresentation: told(TAG.PixelRepresentation, zeroOrOne),
    PlanarConfiguration: told(TAG.PlanarConfiguration, zeroOrOne),
    frameLength: wholeBytes(bitsOf({ ...attributes, NumberOfFrames: 1 })),
    pixelLength: isOnlyOne(dataSet, element) ? roundedUp(bitsOf(attributes)) : undefined,
  };
}

function isOnlyOne({ elements }: DataSet, { tag }: Element): boolean {
  return elements.filter((element) => element.tag === tag).length === 1;
}

/**
 * Bits of the native frames, which follow one another without a gap, even those of single bits (PS3.5 8.1.1). Undefined
 * where an attribute is, and beyond what a number tells exactly.
 */
function bitsOf(
  attributes: Pick<
    PixelDescription,
    'Rows' | 'Columns' | 'NumberOfFrames' | 'SamplesPerPixel' | 'BitsAllocated' | 'PhotometricInterpretation'
  >,
): number | undefined {
  const { Rows, Columns, NumberOfFrames, SamplesPerPixel, BitsAllocated, PhotometricInterpretation } = attributes;
  if (Rows === undefined || Columns === undefined || NumberOfFrames === undefined) return undefined;
  if (SamplesPerPixel === undefined || BitsAllocated === undefined) return undefined;
  const samples = (SamplesPerPixel === 3 ? SUBSAMPLED.get(PhotometricInterpretation) : undefined) ?? SamplesPerPixel;
  const bits = Rows * Columns * NumberOfFrames * samples * BitsAllocated;
  return Number.isSafeInteger(bits) ? bits : undefined;
}

/** Of three samples: chrominance may be sampled at half the rate, or a quarter (PS3.3 C.7.6.3.1.2). */
const SUBSAMPLED: ReadonlyMap<string | undefined, number> = new Map([
  ['YBR_FULL_422', 2],
  ['YBR_PARTIAL_422', 2],
  ['YBR_PARTIAL_420', 1.5],
]);

function wholeBytes(bits: number | undefined): number | undefined {
  return bits === undefined || bits % 8 !== 0 ? undefined : bits / 8;
}

function roundedUp(bits: number | undefined): number | undefined {
  return bits === undefined ? undefined : Math.ceil(bits / 8);
}

function positive(dataSet: DataSet, tag: Tag): number | undefined {
  const number = unsignedNumber(dataSet, tag);
  return number === 0 ? undefined : number;
}

function zeroOrOne(dataSet: DataSet, tag: Tag): number | undefined {
  const number = unsignedNumber(dataSet, tag);
  return number === 0 || number === 1 ? number : undefined;
}

function numberOfFrames(dataSet: DataSet): number | undefined {
  const element = dataSet.get(TAG.NumberOfFrames);
  if (element === undefined) return 1;
  const text = asciiText(dataSet, TAG.NumberOfFrames);
  if (text === '') return 1;
  const frames = text !== undefined && /^\+?[0-9]{1,11}$/.test(text) ? Number(text) : 0;
  return frames >= 1 && frames <= MAX_FRAMES ? frames : undefined;
}
