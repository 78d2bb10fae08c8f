/** What an element holds, as far as a rule must know it: whether it has a value, and whether it has this one. */
import { littleEndianValue } from '../dicom/byte-order.ts';
import type { DataSet, Element, VR } from '../dicom/data-set.ts';
import { valueBytes } from '../dicom/element-value.ts';
import { isTextVR } from './value-form.ts';

/** Text of nothing but padding is no value (PS3.5 6.2, 7.4). */
export function hasValue(dataSet: DataSet, element: Element): boolean {
  if (element.items !== undefined) return element.items.length > 0;
  if (element.length === 0) return false;
  return !isTextVR(element.vr) || unpadded(valueBytes(dataSet, element)).length > 0;
}

/** Whether the element has this value of this VR, given in little endian, already; padding of text apart. */
export function hasThisValue(dataSet: DataSet, element: Element, vr: VR, value: Uint8Array): boolean {
  if (element.items !== undefined || element.fragments !== undefined) return false;
  const present = littleEndianValue(dataSet, element);
  const equal = isTextVR(vr) ? Buffer.compare(unpadded(present), unpadded(value)) : Buffer.compare(present, value);
  return equal === 0;
}

/** Without the spaces or NULs at the end (PS3.5 6.2). */
export function unpadded(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0x00)) end--;
  return bytes.subarray(0, end);
}
