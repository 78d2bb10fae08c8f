/**
 * Reads the headers of a JPEG 2000 codestream (ISO/IEC 15444-1 Annex A), as far as they say what was encoded and how:
 * the proof that a codestream is what the transfer syntax and the image's attributes will say it is. Pure.
 */
import type { FrameLayout } from './frame-layout.ts';

/** Two-byte markers, 15444-1 Table A.2. */
const SOC = 0xff4f;
const SIZ = 0xff51;
const COD = 0xff52;
const QCD = 0xff5c;
const COM = 0xff64;
const SOT = 0xff90;
const SOD = 0xff93;
const EOC = 0xffd9;

export interface CodestreamHeader {
  readonly width: number;
  readonly height: number;
  /** Image and tile offsets are zero and one tile holds the whole image. */
  readonly oneTile: boolean;
  readonly components: readonly { readonly precision: number; readonly signed: boolean; readonly subsampled: boolean }[];
  /** RCT or ICT, whichever goes with the wavelet (15444-1 Table A.17). */
  readonly multipleComponentTransformation: boolean;
  readonly decompositionLevels: number;
  /** The 5-3 wavelet (15444-1 Table A.20). */
  readonly reversibleWavelet: boolean;
  /** No quantization (15444-1 Table A.28). */
  readonly quantized: boolean;
}

/**
 * The header, or undefined where the bytes are no codestream, are cut, or use what the encoder of this project never
 * writes: marker segments that override the default coding style of a component or a tile, more than one tile-part.
 */
export function readCodestreamHeader(codestream: Uint8Array): CodestreamHeader | undefined {
  const view = new DataView(codestream.buffer, codestream.byteOffset, codestream.byteLength);
  const end = codestream.length - 2;
  if (end < 4 || view.getUint16(0) !== SOC || view.getUint16(2) !== SIZ || view.getUint16(end) !== EOC) return undefined;

  const segments = new Map<number, DataView>();
  let at = 2;
  for (;;) {
    if (at + 4 > end) return undefined;
    const marker = view.getUint16(at);
    const length = view.getUint16(at + 2);
    if (length < 2 || at + 2 + length > end) return undefined;
    const segment = new DataView(view.buffer, view.byteOffset + at + 4, length - 2);
    at += 2 + length;
    if (marker === SOT) {
      if (!isOnlyTilePart(segment, end - (at - 2 - length))) return undefined;
      if (at + 2 > end || view.getUint16(at) !== SOD) return undefined;
      break;
    }
    if (marker === COM) continue;
    if ((marker !== SIZ && marker !== COD && marker !== QCD) || segments.has(marker)) return undefined;
    segments.set(marker, segment);
  }
  return describe(segments.get(SIZ), segments.get(COD), segments.get(QCD));
}

/** `Psot` counts from the SOT marker to the end of the tile-part's data; 0: up to EOC (15444-1 A.4.2). */
function isOnlyTilePart(sot: DataView, toEnd: number): boolean {
  if (sot.byteLength !== 8) return false;
  const tile = sot.getUint16(0);
  const length = sot.getUint32(2);
  const part = sot.getUint8(6);
  const parts = sot.getUint8(7);
  return tile === 0 && part === 0 && parts <= 1 && (length === 0 || length === toEnd);
}

function describe(siz?: DataView, cod?: DataView, qcd?: DataView): CodestreamHeader | undefined {
  if (siz === undefined || cod === undefined || qcd === undefined) return undefined;
  if (siz.byteLength < 36 || cod.byteLength < 10 || qcd.byteLength < 1) return undefined;
  const [width, height, x0, y0] = [siz.getUint32(2), siz.getUint32(6), siz.getUint32(10), siz.getUint32(14)];
  const [tileWidth, tileHeight, tileX0, tileY0] = [siz.getUint32(18), siz.getUint32(22), siz.getUint32(26), siz.getUint32(30)];
  const count = siz.getUint16(34);
  if (siz.byteLength !== 36 + 3 * count) return undefined;
  const components = Array.from({ length: count }, (_, index) => {
    const depth = siz.getUint8(36 + 3 * index);
    const subsampled = siz.getUint8(37 + 3 * index) !== 1 || siz.getUint8(38 + 3 * index) !== 1;
    return { precision: (depth & 0x7f) + 1, signed: depth >= 0x80, subsampled };
  });
  return {
    width,
    height,
    oneTile: x0 === 0 && y0 === 0 && tileX0 === 0 && tileY0 === 0 && tileWidth >= width && tileHeight >= height,
    components,
    multipleComponentTransformation: cod.getUint8(4) === 1,
    decompositionLevels: cod.getUint8(5),
    reversibleWavelet: cod.getUint8(9) === 1,
    quantized: (qcd.getUint8(0) & 0x1f) !== 0,
  };
}

/**
 * Whether what the codestream says of itself is what the data set will say of it: PS3.5 8.2.4 demands that Rows, Columns,
 * SamplesPerPixel, BitsStored, PixelRepresentation and PhotometricInterpretation (YBR_RCT: with the reversible colour
 * transformation) are consistent with it, and PS3.5 A.4.4 that it is reversible and has no JP2 boxes.
 */
export function agreesWithLayout(codestream: Uint8Array, layout: FrameLayout): boolean {
  const header = readCodestreamHeader(codestream);
  return (
    header !== undefined &&
    header.width === layout.columns &&
    header.height === layout.rows &&
    header.oneTile &&
    header.components.length === layout.samplesPerPixel &&
    header.components.every(
      ({ precision, signed, subsampled }) => precision === layout.bitsStored && signed === layout.signed && !subsampled,
    ) &&
    header.multipleComponentTransformation === layout.samplesPerPixel > 1 &&
    header.reversibleWavelet &&
    !header.quantized
  );
}
