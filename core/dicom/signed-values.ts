/** US or SS: which of the two an element has whose VR the dictionary leaves open, as Implicit VR does too (PS3.6 6). */
import type { DataSet, Tag } from './data-set.ts';
import { isSignOpen } from './dictionary.ts';
import { asciiText, unsignedNumber } from './element-value.ts';
import { TAG } from './tags.ts';

/** Where the element stands. */
export interface Standing {
  /** From the innermost outwards: where other elements say what this one means. */
  readonly dataSets: readonly DataSet[];
  /** The sequence whose item holds the element; absent at the top level. */
  readonly sequence?: Tag;
}

/**
 * The first row that applies decides. Bytes are the same either way; a LUT Descriptor has one VR for three values, of which
 * the second decides.
 *
 * | element                                                                       | signed where            |
 * |-------------------------------------------------------------------------------|-------------------------|
 * | VR is not left open                                                           | never                   |
 * | LUTDescriptor in PresentationLUTSequence (PS3.3 C.11.4.1, C.11.6.1.1)         | never                   |
 * | LUTDescriptor in VOILUTSequence, ModalityLUTSequence beside it (C.11.2.1.1)   | never                   |
 * | LUTDescriptor in VOILUTSequence, RescaleSlope and -Intercept beside it        | they may give negatives |
 * | any other                                                                     | PixelRepresentation 1   |
 */
export function isSigned(tag: Tag, { dataSets, sequence }: Standing): boolean {
  if (!isSignOpen(tag)) return false;
  if (tag === TAG.LUTDescriptor && sequence === TAG.PresentationLUTSequence) return false;
  if (tag === TAG.LUTDescriptor && sequence === TAG.VOILUTSequence) {
    if (nearest(dataSets, (dataSet) => dataSet.get(TAG.ModalityLUTSequence)) !== undefined) return false;
    const lowest = lowestRescaled(dataSets);
    if (lowest !== undefined) return lowest < 0;
  }
  return isPixelSigned(dataSets);
}

function nearest<Value>(dataSets: readonly DataSet[], find: (dataSet: DataSet) => Value | undefined): Value | undefined {
  for (const dataSet of dataSets) {
    const found = find(dataSet);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** An icon has its own pixels, and its own Pixel Representation (PS3.3 C.7.6.1.1.6). */
function isPixelSigned(dataSets: readonly DataSet[]): boolean {
  return nearest(dataSets, (dataSet) => unsignedNumber(dataSet, TAG.PixelRepresentation)) === 1;
}

/** Of all that the stored bits can be; undefined without a rescale. */
function lowestRescaled(dataSets: readonly DataSet[]): number | undefined {
  const slope = nearest(dataSets, (dataSet) => decimal(dataSet, TAG.RescaleSlope));
  const intercept = nearest(dataSets, (dataSet) => decimal(dataSet, TAG.RescaleIntercept));
  if (slope === undefined || intercept === undefined) return undefined;
  const bitsStored = nearest(dataSets, (dataSet) => unsignedNumber(dataSet, TAG.BitsStored)) ?? 16;
  const lowest = isPixelSigned(dataSets) ? -(2 ** (bitsStored - 1)) : 0;
  const highest = lowest + 2 ** bitsStored - 1;
  return Math.min(slope * lowest, slope * highest) + intercept;
}

function decimal(dataSet: DataSet, tag: Tag): number | undefined {
  const text = asciiText(dataSet, tag);
  return text === undefined || text === '' || Number.isNaN(Number(text)) ? undefined : Number(text);
}
