/** Numbers of headers (PS3.5 7.3). Byte by byte: a `DataView` of a small array makes V8 move it out of its heap, one allocation a header. */

/** `number` as an unsigned integer of `size` bytes, at most 4, at `at`. */
export function writeNumber(bytes: Uint8Array, at: number, size: number, number: number, bigEndian: boolean): void {
  for (let index = 0; index < size; index++) {
    bytes[at + (bigEndian ? size - 1 - index : index)] = (number >>> (8 * index)) & 0xff;
  }
}
