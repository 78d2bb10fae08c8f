/**
 * How the samples of one native frame lie in its bytes (PS3.3 C.7.6.3.1, PS3.5 8.1.1), in the terms that the codec needs.
 * Little endian, BitsStored ending at the lowest bit (HighBit = BitsStored - 1): nothing else gets as far as this.
 */
export interface FrameLayout {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: 1 | 3;
  readonly bitsAllocated: 8 | 16;
  readonly bitsStored: number;
  readonly signed: boolean;
  /** All samples of one colour behind another (PlanarConfiguration 1) instead of pixel by pixel. */
  readonly colourByPlane: boolean;
}

/** Bytes of one native frame. */
export function frameLength(layout: FrameLayout): number {
  return (layout.rows * layout.columns * layout.samplesPerPixel * layout.bitsAllocated) / 8;
}
