/**
 * Builds Part 10 files for tests, element by element, without the code under test: what a test expects of the reader
 * and the splicer must not come from them.
 */
import { deflateRawSync } from 'node:zlib';

export const EXPLICIT_LE = '1.2.840.10008.1.2.1';
export const IMPLICIT_LE = '1.2.840.10008.1.2';
export const EXPLICIT_BE = '1.2.840.10008.1.2.2';
export const DEFLATED_LE = '1.2.840.10008.1.2.1.99';
export const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70';
export const J2K_LOSSLESS = '1.2.840.10008.1.2.4.90';
export const HTJ2K_LOSSLESS = '1.2.840.10008.1.2.4.201';

export type BuiltItem = readonly BuiltElement[];

export interface BuiltElement {
  /** 0xGGGGEEEE */
  readonly tag: number;
  readonly vr: string;
  /** Text in Latin-1, numbers by VR, bytes as they are, or items of a sequence. */
  readonly value: string | readonly number[] | Uint8Array | readonly BuiltItem[];
  /** Of a sequence or (with `fragments`) of pixel data: undefined length with delimiters. UN has its items in Implicit VR. */
  readonly undefinedLength?: boolean;
  /** Items of defined length in a sequence of undefined length, or the reverse; as the sequence where absent. */
  readonly undefinedItemLength?: boolean;
  /** Encapsulated pixel data: the Basic Offset Table first. */
  readonly fragments?: readonly Uint8Array[];
  /** Written as it is, instead of the length of the value: for malformed files. */
  readonly wrongLength?: number;
}

export interface BuiltFile {
  readonly transferSyntaxUID?: string;
  readonly elements: readonly BuiltElement[];
  /** Further elements of group 0002, besides those that every file has. */
  readonly meta?: readonly BuiltElement[];
  readonly preamble?: boolean;
  readonly groupLength?: boolean;
  readonly trailing?: Uint8Array;
}

const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const NUMERIC: Readonly<
  Record<string, readonly [size: number, write: (view: DataView, at: number, n: number, le: boolean) => void]>
> = {
  US: [2, (view, at, n, le) => view.setUint16(at, n, le)],
  SS: [2, (view, at, n, le) => view.setInt16(at, n, le)],
  UL: [4, (view, at, n, le) => view.setUint32(at, n, le)],
  SL: [4, (view, at, n, le) => view.setInt32(at, n, le)],
  FL: [4, (view, at, n, le) => view.setFloat32(at, n, le)],
  FD: [8, (view, at, n, le) => view.setFloat64(at, n, le)],
  OW: [2, (view, at, n, le) => view.setUint16(at, n, le)],
  OF: [4, (view, at, n, le) => view.setFloat32(at, n, le)],
  OL: [4, (view, at, n, le) => view.setUint32(at, n, le)],
  OD: [8, (view, at, n, le) => view.setFloat64(at, n, le)],
  OV: [8, (view, at, n, le) => view.setBigUint64(at, BigInt(n), le)],
  UV: [8, (view, at, n, le) => view.setBigUint64(at, BigInt(n), le)],
  SV: [8, (view, at, n, le) => view.setBigInt64(at, BigInt(n), le)],
  AT: [
    4,
    (view, at, n, le) => {
      view.setUint16(at, n >>> 16, le);
      view.setUint16(at + 2, n & 0xffff, le);
    },
  ],
};

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

interface Syntax {
  readonly explicit: boolean;
  readonly little: boolean;
}

function u16(n: number, { little }: Syntax): Uint8Array {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, n, little);
  return bytes;
}

function u32(n: number, { little }: Syntax): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, n, little);
  return bytes;
}

function tagBytes(tag: number, syntax: Syntax): Uint8Array {
  return concat([u16(tag >>> 16, syntax), u16(tag & 0xffff, syntax)]);
}

function even(bytes: Uint8Array, pad: number): Uint8Array {
  return bytes.length % 2 === 0 ? bytes : concat([bytes, Uint8Array.of(pad)]);
}

function isItems(value: readonly unknown[]): value is readonly BuiltItem[] {
  return value.length > 0 && Array.isArray(value[0]);
}

function valueBytes({ vr, value, undefinedItemLength }: BuiltElement, syntax: Syntax, undefinedLength: boolean): Uint8Array {
  if (typeof value === 'string') return even(new Uint8Array(Buffer.from(value, 'latin1')), vr === 'UI' ? 0 : 0x20);
  if (value instanceof Uint8Array) return value;
  if (vr === 'SQ' || isItems(value)) {
    return concat(
      (value as readonly BuiltItem[]).map((item) => {
        const content = concat(item.map((element) => elementBytes(element, syntax)));
        return (undefinedItemLength ?? undefinedLength)
          ? concat([tagBytes(0xfffee000, syntax), u32(0xffffffff, syntax), content, tagBytes(0xfffee00d, syntax), u32(0, syntax)])
          : concat([tagBytes(0xfffee000, syntax), u32(content.length, syntax), content]);
      }),
    );
  }
  const [size, write] = NUMERIC[vr] ?? [1, (view: DataView, at: number, n: number) => view.setUint8(at, n)];
  const bytes = new Uint8Array(size * value.length);
  const view = new DataView(bytes.buffer);
  value.forEach((n, index) => write(view, index * size, n, syntax.little));
  return even(bytes, 0);
}

function header(element: BuiltElement, length: number, syntax: Syntax): Uint8Array {
  const stated = element.wrongLength ?? length;
  if (!syntax.explicit) return concat([tagBytes(element.tag, syntax), u32(stated, syntax)]);
  const vr = new Uint8Array(Buffer.from(element.vr, 'latin1'));
  return LONG.has(element.vr)
    ? concat([tagBytes(element.tag, syntax), vr, new Uint8Array(2), u32(stated, syntax)])
    : concat([tagBytes(element.tag, syntax), vr, u16(stated, syntax)]);
}

export function elementBytes(element: BuiltElement, syntax: Syntax = { explicit: true, little: true }): Uint8Array {
  if (element.fragments !== undefined) {
    const items = element.fragments.map((fragment) =>
      concat([tagBytes(0xfffee000, syntax), u32(fragment.length, syntax), fragment]),
    );
    return concat([header(element, 0xffffffff, syntax), ...items, tagBytes(0xfffee0dd, syntax), u32(0, syntax)]);
  }
  const undefinedLength = element.undefinedLength ?? false;
  // PS3.5 6.2.2
  const inner = element.vr === 'UN' ? { explicit: false, little: true } : syntax;
  const value = valueBytes(element, inner, undefinedLength);
  if (!undefinedLength) return concat([header(element, value.length, syntax), value]);
  return concat([header(element, 0xffffffff, syntax), value, tagBytes(0xfffee0dd, inner), u32(0, inner)]);
}

export function buildDicom(file: BuiltFile): Uint8Array {
  const uid = file.transferSyntaxUID ?? EXPLICIT_LE;
  const syntax = { explicit: uid !== IMPLICIT_LE, little: uid !== EXPLICIT_BE };
  const find = (tag: number, otherwise: string): string => {
    const value = file.elements.find((element) => element.tag === tag)?.value;
    return typeof value === 'string' ? value : otherwise;
  };
  const meta = [
    { tag: 0x00020001, vr: 'OB', value: Uint8Array.of(0, 1) },
    { tag: 0x00020002, vr: 'UI', value: find(0x00080016, '1.2.840.10008.5.1.4.1.1.2') },
    { tag: 0x00020003, vr: 'UI', value: find(0x00080018, '1.2.3.4') },
    { tag: 0x00020010, vr: 'UI', value: uid },
    { tag: 0x00020012, vr: 'UI', value: '1.2.3.999' },
    ...(file.meta ?? []),
  ].sort((a, b) => a.tag - b.tag);
  const metaBytes = concat(meta.map((element) => elementBytes(element)));
  const groupLength = elementBytes({ tag: 0x00020000, vr: 'UL', value: [metaBytes.length] });
  const body = concat([...file.elements.map((element) => elementBytes(element, syntax)), file.trailing ?? new Uint8Array(0)]);
  return concat([
    ...(file.preamble === false ? [] : [new Uint8Array(128), new Uint8Array(Buffer.from('DICM', 'latin1'))]),
    ...(file.groupLength === false ? [] : [groupLength]),
    metaBytes,
    uid === DEFLATED_LE ? even(new Uint8Array(deflateRawSync(body)), 0) : body,
  ]);
}

export interface BuiltImage {
  readonly studyUID?: string;
  readonly seriesUID?: string;
  readonly sopUID?: string;
  readonly sopClassUID?: string;
  readonly modality?: string;
  readonly rows?: number;
  readonly columns?: number;
  readonly samplesPerPixel?: number;
  readonly photometric?: string;
  readonly planarConfiguration?: number;
  readonly bitsAllocated?: number;
  readonly bitsStored?: number;
  readonly highBit?: number;
  readonly signed?: boolean;
  readonly frames?: number;
  /** Pixel Data value; random but seeded bytes within BitsStored where absent. */
  readonly pixels?: Uint8Array;
  readonly transferSyntaxUID?: string;
  readonly callingAET?: string;
  /** Further elements, or others in place of those of the same tag. */
  readonly extra?: readonly BuiltElement[];
}

/** Encapsulated pixel data; the first fragment is the Basic Offset Table. */
export function encapsulated(...fragments: readonly Uint8Array[]): BuiltElement {
  return { tag: 0x7fe00010, vr: 'OB', value: '', undefinedLength: true, fragments };
}

/** A small generator, so that a test sees the same pixels in each run. */
export function seededBytes(length: number, seed = 1): Uint8Array {
  let state = seed >>> 0 || 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Smooth with a little noise, as an image is, so that a codec has something to compress; each sample within BitsStored. */
export function imagePixels(image: BuiltImage, seed = 1): Uint8Array {
  const { rows = 16, columns = 16, samplesPerPixel = 1, bitsAllocated = 16, frames = 1, signed = false } = image;
  const bitsStored = image.bitsStored ?? bitsAllocated;
  const count = rows * columns * samplesPerPixel * frames;
  const noise = seededBytes(count, seed);
  const bytes = new Uint8Array((count * bitsAllocated) / 8);
  const view = new DataView(bytes.buffer);
  const range = 2 ** bitsStored;
  const little = image.transferSyntaxUID !== EXPLICIT_BE;
  for (let index = 0; index < count; index++) {
    const ramp = ((index % columns) / columns + Math.floor(index / columns / samplesPerPixel) / (rows * frames)) / 2;
    const unsigned = Math.floor(ramp * range * 0.98 + ((noise[index] ?? 0) % 7)) % range;
    const sample = signed ? unsigned - range / 2 : unsigned;
    if (bitsAllocated === 8) view.setUint8(index, sample & 0xff);
    else if (bitsAllocated === 16) view.setUint16(index * 2, sample & 0xffff, little);
    else view.setUint32(index * 4, sample >>> 0, little);
  }
  return bytes;
}

/** Elements of an image with the modules that matter here, in tag order. */
export function imageElements(image: BuiltImage = {}): BuiltElement[] {
  const { rows = 16, columns = 16, samplesPerPixel = 1, bitsAllocated = 16, frames = 1 } = image;
  const bitsStored = image.bitsStored ?? bitsAllocated;
  const elements: BuiltElement[] = [
    { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 100' },
    { tag: 0x00080008, vr: 'CS', value: 'ORIGINAL\\PRIMARY\\AXIAL' },
    { tag: 0x00080016, vr: 'UI', value: image.sopClassUID ?? '1.2.840.10008.5.1.4.1.1.2' },
    { tag: 0x00080018, vr: 'UI', value: image.sopUID ?? '1.2.826.0.1.3680043.10.1.3.1' },
    { tag: 0x00080020, vr: 'DA', value: '20261124' },
    { tag: 0x00080060, vr: 'CS', value: image.modality ?? 'CT' },
    { tag: 0x00080080, vr: 'LO', value: 'Hospital as received' },
    { tag: 0x00080090, vr: 'PN', value: 'Referring^Doctor' },
    { tag: 0x00100010, vr: 'PN', value: 'Test^Patient' },
    { tag: 0x00100020, vr: 'LO', value: 'TEST-1' },
    { tag: 0x0020000d, vr: 'UI', value: image.studyUID ?? '1.2.826.0.1.3680043.10.1.1' },
    { tag: 0x0020000e, vr: 'UI', value: image.seriesUID ?? '1.2.826.0.1.3680043.10.1.2' },
    { tag: 0x00200010, vr: 'SH', value: 'STUDY7' },
    { tag: 0x00200013, vr: 'IS', value: '1' },
    { tag: 0x00280002, vr: 'US', value: [samplesPerPixel] },
    { tag: 0x00280004, vr: 'CS', value: image.photometric ?? (samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2') },
    ...(samplesPerPixel === 3 ? [{ tag: 0x00280006, vr: 'US', value: [image.planarConfiguration ?? 0] }] : []),
    ...(image.frames === undefined ? [] : [{ tag: 0x00280008, vr: 'IS', value: String(frames) }]),
    { tag: 0x00280010, vr: 'US', value: [rows] },
    { tag: 0x00280011, vr: 'US', value: [columns] },
    { tag: 0x00280100, vr: 'US', value: [bitsAllocated] },
    { tag: 0x00280101, vr: 'US', value: [bitsStored] },
    { tag: 0x00280102, vr: 'US', value: [image.highBit ?? bitsStored - 1] },
    { tag: 0x00280103, vr: 'US', value: [image.signed === true ? 1 : 0] },
    { tag: 0x7fe00010, vr: bitsAllocated > 8 ? 'OW' : 'OB', value: even(image.pixels ?? imagePixels(image), 0) },
  ];
  const extra = image.extra ?? [];
  const replaced = new Set(extra.map((element) => element.tag));
  return [...elements.filter((element) => !replaced.has(element.tag)), ...extra].sort((a, b) => a.tag - b.tag);
}

export function buildImage(image: BuiltImage = {}): Uint8Array {
  return buildDicom({
    ...(image.transferSyntaxUID === undefined ? {} : { transferSyntaxUID: image.transferSyntaxUID }),
    elements: imageElements(image),
    meta: image.callingAET === undefined ? [] : [{ tag: 0x00020016, vr: 'AE', value: image.callingAET }],
  });
}
