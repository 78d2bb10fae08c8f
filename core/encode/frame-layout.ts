/**
 * How the samples of one native frame lie in its bytes (PS3.3 C.7.6.3.1, PS3.5 8.1.1), and how its codestream has them, in
 * the terms that the codec needs. BitsStored ends at the lowest bit (HighBit = BitsStored - 1): nothing else gets as far
 * as this.
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
  /**
   * The bytes of each 16-bit word most significant first: OW in a big-endian file. Samples of eight bits then lie in pairs,
   * the second before the first (PS3.5 8.1.1, D).
   */
  readonly bigEndianWords: boolean;
  /** The codestream has the reversible colour transformation (15444-1 G.2); false: its components are the samples. */
  readonly colourTransformation: boolean;
}

/** Bytes of one native frame. */
export function frameLength(layout: FrameLayout): number {
  return (layout.rows * layout.columns * layout.samplesPerPixel * layout.bitsAllocated) / 8;
}
