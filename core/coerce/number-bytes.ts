/** Numbers as the bytes of a value, in little endian (PS3.5 6.2, 7.3). */
import type { VR } from '../dicom/data-set.ts';

export type NumberVR = 'AT' | 'FD' | 'FL' | 'SL' | 'SS' | 'SV' | 'UL' | 'US' | 'UV';

const SIZE: Readonly<Record<NumberVR, number>> = { AT: 4, FD: 8, FL: 4, SL: 4, SS: 2, SV: 8, UL: 4, US: 2, UV: 8 };

export function isNumberVR(vr: VR): vr is NumberVR {
  return Object.hasOwn(SIZE, vr);
}

/** Numbers within the range of the VR. */
export function numberBytes(vr: NumberVR, numbers: readonly (number | bigint)[]): Uint8Array {
  const size = SIZE[vr];
  const bytes = new Uint8Array(numbers.length * size);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => write(view, index * size, vr, number));
  return bytes;
}

function write(view: DataView, at: number, vr: NumberVR, number: number | bigint): void {
  switch (vr) {
    case 'US':
      return view.setUint16(at, Number(number), true);
    case 'SS':
      return view.setInt16(at, Number(number), true);
    case 'UL':
      return view.setUint32(at, Number(number), true);
    case 'SL':
      return view.setInt32(at, Number(number), true);
    case 'UV':
      return view.setBigUint64(at, BigInt(number), true);
    case 'SV':
      return view.setBigInt64(at, BigInt(number), true);
    case 'FL':
      return view.setFloat32(at, Number(number), true);
    case 'FD':
      return view.setFloat64(at, Number(number), true);
    case 'AT':
      // Two numbers of 16 bits: group, element.
      view.setUint16(at, Number(number) >>> 16, true);
      return view.setUint16(at + 2, Number(number) & 0xffff, true);
  }
}
