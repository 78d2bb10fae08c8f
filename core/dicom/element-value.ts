/** Values of elements as they lie in the file: bytes, plain ASCII text, small numbers. Text of people: `text-values.ts`. */
import type { DataSet, Element, Tag } from './data-set.ts';

/** A view of the value; padding included, in the byte order of the file. */
export function valueBytes(dataSet: DataSet, element: Element): Uint8Array {
  return dataSet.bytes.subarray(element.valueOffset, element.valueOffset + element.length);
}

/** Whether the data set has the tag several times (it may not) with different values: readers go by the first, or by the last. */
export function hasSeveralValues(dataSet: DataSet, tag: Tag): boolean {
  const [first, ...others] = dataSet.elements.filter((element) => element.tag === tag);
  return (
    first !== undefined && others.some((other) => Buffer.compare(valueBytes(dataSet, other), valueBytes(dataSet, first)) !== 0)
  );
}

/** The longest value of a VR that a data element of this use may have; what is longer is not looked at. */
const MAX_ASCII_LENGTH = 1024;

/**
 * The value as text, byte for character (UI, CS, DS, IS and their like, PS3.5 6.1.2.2), without the spaces and NULs around
 * it. Undefined where the element is absent or absurdly long.
 */
export function asciiText(dataSet: DataSet, tag: Tag): string | undefined {
  const element = dataSet.get(tag);
  if (element === undefined || element.length > MAX_ASCII_LENGTH) return undefined;
  const bytes = valueBytes(dataSet, element);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .replace(/^[\0 ]+|[\0 ]+$/g, '');
}

/** The first number of a US or UL value (also where it came as UN, PS3.5 6.2.2); undefined where there is none. */
export function unsignedNumber(dataSet: DataSet, tag: Tag): number | undefined {
  const element = dataSet.get(tag);
  if (element === undefined) return undefined;
  const { buffer, byteOffset } = dataSet.bytes;
  const view = new DataView(buffer, byteOffset + element.valueOffset, element.length);
  const little = !dataSet.encoding.bigEndian || element.vr === 'UN';
  if (element.vr === 'UL') return element.length >= 4 ? view.getUint32(0, little) : undefined;
  const isShort = element.vr === 'US' || element.vr === 'SS' || element.vr === 'UN';
  return isShort && element.length >= 2 ? view.getUint16(0, little) : undefined;
}
