/**
 * Reads the headers of a JPEG 2000 codestream (ISO/IEC 15444-1 Annex A; High-Throughput: 15444-15 Annex A), as far as they
 * say what was encoded and how: the proof that a codestream is what the transfer syntax and the image's attributes will
 * say it is. Pure.
 */
import type { FrameSyntax } from './frame-codec.ts';
import type { FrameLayout } from './frame-layout.ts';

/** Two-byte markers, 15444-1 Table A.2; CAP: 15444-15 A.3. */
const SOC = 0xff4f;
const CAP = 0xff50;
const SIZ = 0xff51;
const COD = 0xff52;
const QCD = 0xff5c;
const COM = 0xff64;
const SOT = 0xff90;
const SOD = 0xff93;
const EOC = 0xffd9;

/** Where the content of SIZ, always the first segment, begins, and where in it the components are (15444-1 A.5.1). */
const SIZ_CONTENT = 6;
const COMPONENTS_IN_SIZ = 36;
const SIGNED = 0x80;

/** Bytes of a tile-part before its packets: SOT with its segment, and SOD (15444-1 A.4.2, A.4.3). */
const TILE_PART_HEADER = 14;

/** A codestream of one tile, taken apart: views of its bytes. */
export interface Codestream {
  /** The content of SIZ before its number of components: `Rsiz` to `YTOsiz`. */
  readonly image: Uint8Array;
  /** Three bytes a component: precision and sign, and the two subsampling factors (15444-1 Table A.9). */
  readonly components: Uint8Array;
  /** The other segments of the main header: how all components are coded. */
  readonly coding: Uint8Array;
  /** By their markers, comments excepted. */
  readonly segments: ReadonlyMap<number, DataView>;
  /** The packets of each tile-part. */
  readonly tileParts: readonly Uint8Array[];
}

/**
 * Undefined where the bytes are no codestream, are cut, or use what the encoders of this project never write: marker
 * segments that override the default coding style of a component or a tile, more than one tile.
 */
export function parseCodestream(codestream: Uint8Array): Codestream | undefined {
  const view = new DataView(codestream.buffer, codestream.byteOffset, codestream.byteLength);
  const end = codestream.length - 2;
  if (end < 4 || view.getUint16(0) !== SOC || view.getUint16(2) !== SIZ || view.getUint16(end) !== EOC) return undefined;

  const segments = new Map<number, DataView>();
  let at = 2;
  while (at + 4 <= end && view.getUint16(at) !== SOT) {
    const marker = view.getUint16(at);
    const length = view.getUint16(at + 2);
    if (length < 2 || at + 2 + length > end) return undefined;
    if (marker !== COM) {
      if (!KNOWN_SEGMENTS.has(marker) || segments.has(marker)) return undefined;
      segments.set(marker, new DataView(view.buffer, view.byteOffset + at + 4, length - 2));
    }
    at += 2 + length;
  }
  const siz = segments.get(SIZ);
  const tileParts = readTileParts(codestream.subarray(at, end));
  if (siz === undefined || tileParts === undefined || siz.byteLength < COMPONENTS_IN_SIZ) return undefined;
  const count = siz.getUint16(COMPONENTS_IN_SIZ - 2);
  if (siz.byteLength !== COMPONENTS_IN_SIZ + 3 * count) return undefined;
  const afterSiz = SIZ_CONTENT + siz.byteLength;
  return {
    image: codestream.subarray(SIZ_CONTENT, SIZ_CONTENT + COMPONENTS_IN_SIZ - 2),
    components: codestream.subarray(SIZ_CONTENT + COMPONENTS_IN_SIZ, afterSiz),
    coding: codestream.subarray(afterSiz, at),
    segments,
    tileParts,
  };
}

const KNOWN_SEGMENTS: ReadonlySet<number> = new Set([SIZ, CAP, COD, QCD]);

/** `Psot` counts from the SOT marker to the end of the tile-part's data; 0, in the last one: up to EOC (15444-1 A.4.2). */
function readTileParts(bytes: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tileParts: Uint8Array[] = [];
  let declared = 0;
  for (let at = 0; at < bytes.length;) {
    if (at + TILE_PART_HEADER > bytes.length || view.getUint16(at) !== SOT || view.getUint16(at + 2) !== 10) return undefined;
    const tile = view.getUint16(at + 4);
    const length = view.getUint32(at + 6) || bytes.length - at;
    if (tile !== 0 || view.getUint8(at + 10) !== tileParts.length || length < TILE_PART_HEADER) return undefined;
    if (at + length > bytes.length || view.getUint16(at + 12) !== SOD) return undefined;
    declared ||= view.getUint8(at + 11);
    tileParts.push(bytes.subarray(at + TILE_PART_HEADER, at + length));
    at += length;
  }
  return tileParts.length === 0 || (declared !== 0 && declared !== tileParts.length) ? undefined : tileParts;
}

/** The inverse, its `segments` being those of `coding`. */
export function writeCodestream({ image, components, coding, tileParts }: Omit<Codestream, 'segments'>): Uint8Array {
  const start = new DataView(new ArrayBuffer(SIZ_CONTENT));
  start.setUint16(0, SOC);
  start.setUint16(2, SIZ);
  start.setUint16(4, 2 + COMPONENTS_IN_SIZ + components.length);
  const count = new DataView(new ArrayBuffer(2));
  count.setUint16(0, components.length / 3);
  const end = new DataView(new ArrayBuffer(2));
  end.setUint16(0, EOC);
  const written = tileParts.flatMap((packets, index) => [tilePartHeader(packets.length, index, tileParts.length), packets]);
  return Buffer.concat([bytesOf(start), image, bytesOf(count), components, coding, ...written, bytesOf(end)]);
}

function tilePartHeader(packets: number, index: number, count: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(TILE_PART_HEADER));
  header.setUint16(0, SOT);
  header.setUint16(2, 10);
  header.setUint16(4, 0);
  header.setUint32(6, TILE_PART_HEADER + packets);
  header.setUint8(10, index);
  header.setUint8(11, count);
  header.setUint16(12, SOD);
  return bytesOf(header);
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** A copy whose header says that the samples are signed, or that they are not: `Ssiz`, of each component. */
export function markSigned(codestream: Uint8Array, signed: boolean): Uint8Array {
  const marked = new Uint8Array(codestream);
  const { components } = parseCodestream(marked) ?? {};
  for (let at = 0; components !== undefined && at < components.length; at += 3)
    components[at] = signed ? (components[at] ?? 0) | SIGNED : (components[at] ?? 0) & ~SIGNED;
  return marked;
}

export interface CodestreamHeader {
  readonly width: number;
  readonly height: number;
  /** Image and tile offsets are zero and one tile holds the whole image. */
  readonly oneTile: boolean;
  readonly tileParts: number;
  readonly components: readonly { readonly precision: number; readonly signed: boolean; readonly subsampled: boolean }[];
  /** RCT or ICT, whichever goes with the wavelet (15444-1 Table A.17). */
  readonly multipleComponentTransformation: boolean;
  /** The packets of one component before those of the next (15444-1 Table A.16). */
  readonly componentByComponent: boolean;
  readonly decompositionLevels: number;
  /** The 5-3 wavelet (15444-1 Table A.20). */
  readonly reversibleWavelet: boolean;
  /** Other than "no quantization" (15444-1 Table A.28). */
  readonly quantized: boolean;
  /** `j2k`: no extended capabilities; `htj2k`: High-Throughput blocks only, reversible (15444-15 A.3, A.4); otherwise undefined. */
  readonly syntax: FrameSyntax | undefined;
}

/** Undefined as `parseCodestream`, and where a segment is missing or cut. */
export function readCodestreamHeader(codestream: Uint8Array): CodestreamHeader | undefined {
  const parsed = parseCodestream(codestream);
  const siz = parsed?.segments.get(SIZ);
  const cod = parsed?.segments.get(COD);
  const qcd = parsed?.segments.get(QCD);
  if (parsed === undefined || siz === undefined || cod === undefined || qcd === undefined) return undefined;
  if (cod.byteLength < 10 || qcd.byteLength < 1) return undefined;
  const [width, height, x0, y0] = [siz.getUint32(2), siz.getUint32(6), siz.getUint32(10), siz.getUint32(14)];
  const [tileWidth, tileHeight, tileX0, tileY0] = [siz.getUint32(18), siz.getUint32(22), siz.getUint32(26), siz.getUint32(30)];
  return {
    width,
    height,
    oneTile: x0 === 0 && y0 === 0 && tileX0 === 0 && tileY0 === 0 && tileWidth >= width && tileHeight >= height,
    tileParts: parsed.tileParts.length,
    components: Array.from({ length: parsed.components.length / 3 }, (_, index) => {
      const [depth = 0, horizontal, vertical] = parsed.components.subarray(3 * index, 3 * index + 3);
      return { precision: (depth & ~SIGNED) + 1, signed: depth >= SIGNED, subsampled: horizontal !== 1 || vertical !== 1 };
    }),
    componentByComponent: cod.getUint8(1) === 4,
    multipleComponentTransformation: cod.getUint8(4) === 1,
    decompositionLevels: cod.getUint8(5),
    reversibleWavelet: cod.getUint8(9) === 1,
    quantized: (qcd.getUint8(0) & 0x1f) !== 0,
    syntax: syntaxOf(siz.getUint16(0), cod.getUint8(8), parsed.segments.get(CAP)),
  };
}

/** Bit 14 of `Rsiz` announces CAP; of `Pcap`, bit 15 (counted from the highest, from 1) announces `Ccap15`, Part 15's own. */
const EXTENDED = 0x4000;
const PART_15 = 0x00020000;
/** Of `Ccap15`: blocks of both kinds, and the irreversible wavelet. */
const NOT_ONLY_HT = 0xc000;
const IRREVERSIBLE = 0x0020;
/** The block coder in the coding style (15444-15 Table A.4). */
const HT_BLOCKS = 0xc0;
const ALL_BLOCKS_HT = 0x40;

function syntaxOf(rsiz: number, blockStyle: number, cap: DataView | undefined): FrameSyntax | undefined {
  if (cap === undefined) return (rsiz & EXTENDED) === 0 && (blockStyle & HT_BLOCKS) === 0 ? 'j2k' : undefined;
  const highThroughput =
    (rsiz & EXTENDED) !== 0 &&
    (blockStyle & HT_BLOCKS) === ALL_BLOCKS_HT &&
    cap.byteLength === 6 &&
    cap.getUint32(0) === PART_15 &&
    (cap.getUint16(4) & (NOT_ONLY_HT | IRREVERSIBLE)) === 0;
  return highThroughput ? 'htj2k' : undefined;
}

/**
 * Whether what the codestream says of itself is what the data set will say of it: PS3.5 8.2.4 demands that Rows, Columns,
 * SamplesPerPixel, BitsStored, PixelRepresentation and PhotometricInterpretation (YBR_RCT: with the reversible colour
 * transformation, anything else: without) are consistent with it, and PS3.5 A.4.4 that it is reversible and has no JP2 boxes.
 */
export function agreesWithLayout(codestream: Uint8Array, layout: FrameLayout, syntax: FrameSyntax): boolean {
  const header = readCodestreamHeader(codestream);
  const byComponent = layout.samplesPerPixel > 1 && !layout.colourTransformation;
  return (
    header !== undefined &&
    header.syntax === syntax &&
    header.width === layout.columns &&
    header.height === layout.rows &&
    header.oneTile &&
    header.tileParts === (byComponent ? layout.samplesPerPixel : 1) &&
    (header.componentByComponent || !byComponent) &&
    header.components.length === layout.samplesPerPixel &&
    header.components.every(
      ({ precision, signed, subsampled }) => precision === layout.bitsStored && signed === layout.signed && !subsampled,
    ) &&
    header.multipleComponentTransformation === layout.colourTransformation &&
    header.reversibleWavelet &&
    !header.quantized
  );
}
