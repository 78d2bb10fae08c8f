/** Values in another byte order than that of the file (PS3.5 7.3). */
import type { DataSet, Element, VR } from './data-set.ts';
import { valueBytes } from './element-value.ts';
import { unitOf } from './value-representation.ts';

/** The value in little endian, whatever the file's byte order. */
export function littleEndianValue(dataSet: DataSet, element: Element): Uint8Array {
  const value = valueBytes(dataSet, element);
  return dataSet.encoding.bigEndian ? swapByteOrder(value, element.vr) : value;
}

/** Between byte orders: little endian from big, or the other way. A length that the VR cannot have stays as it is. */
export function swapByteOrder(bytes: Uint8Array, vr: VR): Uint8Array {
  const unit = unitOf(vr);
  if (unit === 1 || bytes.length % unit !== 0) return bytes;
  const copy = Buffer.from(bytes);
  return unit === 2 ? copy.swap16() : unit === 4 ? copy.swap32() : copy.swap64();
}
