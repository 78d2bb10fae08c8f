/**
 * Objects to mutate: small images with what real ones have and readers trip over. Every VR, sequences in every form, private
 * blocks, group lengths, several character sets, encapsulated fragments, what the default rules name.
 */
import {
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  imageElements,
  imagePixels,
  IMPLICIT_LE,
  J2K_LOSSLESS,
  JPEG_LOSSLESS,
  type BuiltElement,
  type BuiltFile,
  type BuiltImage,
  type BuiltItem,
} from '../support/build-dicom.ts';
import type { Random } from './random.ts';

type Maker = (random: Random) => string | readonly number[] | Uint8Array;

const text =
  (...values: readonly string[]): Maker =>
  (random) =>
    random.pick(['', ...values]);
const numbers =
  (limit: number): Maker =>
  (random) =>
    random.times(random.below(4), () => random.below(limit));
const blocks =
  (size: number): Maker =>
  (random) =>
    random.bytes(size * random.below(4));

/** Of PS3.5 6.2, all but SQ: a tag whose VR this is in PS3.6, and values. */
const LEAVES: Readonly<Record<string, { readonly tag: number; readonly value: Maker }>> = {
  AE: { tag: 0x00080055, value: text('STATION') },
  AS: { tag: 0x00101010, value: text('042Y') },
  AT: { tag: 0x00280009, value: numbers(2 ** 32) },
  CS: { tag: 0x00185100, value: text('HFS', 'A\\B\\C', ' padded') },
  DA: { tag: 0x00080022, value: text('20261124', '2026.11.24') },
  DS: { tag: 0x00180050, value: text('1.25', '1\\-2.5e-3\\') },
  DT: { tag: 0x0008002a, value: text('20261124093000.123456+0100') },
  FD: { tag: 0x00189073, value: numbers(1000) },
  FL: { tag: 0x00189461, value: numbers(1000) },
  IS: { tag: 0x00200012, value: text('12', '-1\\+2') },
  LO: { tag: 0x00081030, value: text('Thorax', 'a\\b', '\u00fcber', '\u001b$B0l\u001b(B') },
  LT: { tag: 0x00104000, value: text('lines\r\nof \\ text') },
  OB: { tag: 0x00282000, value: blocks(2) },
  OD: { tag: 0x00701a09, value: blocks(8) },
  OF: { tag: 0x00640009, value: blocks(4) },
  OL: { tag: 0x00660129, value: blocks(4) },
  OV: { tag: 0x7fe00001, value: blocks(8) },
  OW: { tag: 0x00281201, value: blocks(2) },
  PN: { tag: 0x00081048, value: text('A^B^C^^', '\u00c4=\u001b$B;3ED\u001b(B=x', '==') },
  SH: { tag: 0x00080050, value: text('ACC-1', '') },
  SL: { tag: 0x00186020, value: numbers(2 ** 31) },
  SS: { tag: 0x00189219, value: numbers(2 ** 15) },
  ST: { tag: 0x00080081, value: text('Street 1\r\nTown') },
  SV: { tag: 0x00720082, value: numbers(2 ** 31) },
  TM: { tag: 0x00080031, value: text('093000', '09:30') },
  UC: { tag: 0x00189367, value: text('x'.repeat(70), 'short') },
  UI: { tag: 0x00020100, value: text('1.2.3') },
  UL: { tag: 0x00081161, value: numbers(2 ** 32) },
  UN: { tag: 0x00110001, value: blocks(2) },
  UR: { tag: 0x00081190, value: text('https://example.org/a?b') },
  US: { tag: 0x00280119, value: numbers(2 ** 16) },
  UT: { tag: 0x0040a160, value: text('a text that has no end '.repeat(20), 'x') },
  UV: { tag: 0x00080302, value: numbers(2 ** 31) },
};

const CHARACTER_SETS = [
  '', 'ISO_IR 6', 'ISO_IR 100', 'ISO_IR 192', 'GB18030', 'GBK', 'ISO_IR 13', 'ISO_IR 166', '\\ISO 2022 IR 87', 'ISO 2022 IR 6\\ISO 2022 IR 149',
  'ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159', 'ISO_IR 100\\ISO_IR 100', 'ISO_IR 999', 'LATIN-1', '\\\\',
]; // prettier-ignore

const SEQUENCES = [0x00081111, 0x00081115, 0x00081140, 0x00400260, 0x00400555, 0x0040a730, 0x00880200];

function leaf(random: Random): BuiltElement {
  if (random.chance(0.25)) {
    const vr = random.pick(Object.keys(LEAVES));
    return { tag: 0x00111000 + random.below(64), vr, value: LEAVES[vr]?.value(random) ?? '' };
  }
  const vr = random.pick(Object.keys(LEAVES).filter((name) => name !== 'UI'));
  const { tag, value } = LEAVES[vr] as (typeof LEAVES)[string];
  return { tag, vr, value: value(random) };
}

/** As a data set must be: each tag once, in order. */
function ordered(elements: readonly BuiltElement[]): BuiltElement[] {
  return [...new Map(elements.map((element) => [element.tag, element])).values()].sort((a, b) => a.tag - b.tag);
}

function item(random: Random, depth: number): BuiltItem {
  const nested = depth > 0 && random.chance(0.4) ? [sequence(random, depth)] : [];
  const characterSet = random.chance(0.15) ? [{ tag: 0x00080005, vr: 'CS', value: random.pick(CHARACTER_SETS) }] : [];
  return ordered([...characterSet, ...random.times(random.below(4), () => leaf(random)), ...nested]);
}

function sequence(random: Random, depth: number, tag: number = random.pick(SEQUENCES)): BuiltElement {
  const value = random.times(random.below(4), () => item(random, depth - 1));
  // PS3.5 6.2.2: a sequence that somebody did not know
  if (random.chance(0.15)) return { tag, vr: 'UN', value, undefinedLength: true };
  return { tag, vr: 'SQ', value, undefinedLength: random.chance(0.5), undefinedItemLength: random.chance(0.5) };
}

/** What the rules of the run name, some of it in odd forms. */
function namedElements(random: Random): BuiltElement[] {
  const all: readonly (() => BuiltElement)[] = [
    () => ({ tag: 0x00081010, vr: 'SH', value: random.pick(['', 'CT-1']) }),
    () => ({ tag: 0x00081060, vr: 'PN', value: 'Reading^Doctor' }),
    () => sequence(random, 2, 0x00321034),
    () => sequence(random, 2, 0x00400275),
    () => sequence(random, 2, 0x04000561),
    () => ({ tag: 0x00090000 + random.pick([0x10, 0x11, 0x20]), vr: 'LO', value: random.pick(['GEIIS', 'GEIIS ', 'OTHER']) }),
    () => sequence(random, 2, 0x00091110),
    () => ({ tag: 0x00290010, vr: 'LO', value: random.pick(['SITE', 'SIEMENS CSA HEADER']) }),
    () => ({ tag: 0x00291001, vr: 'LO', value: 'theirs' }),
  ];
  return random.times(random.below(5), () => random.pick(all)());
}

function arbitraryImage(random: Random): BuiltImage {
  const bitsAllocated = random.pick([8, 8, 16, 16, 16, 32]);
  const samplesPerPixel = random.chance(0.3) ? 3 : 1;
  const bitsStored = random.chance(0.5) ? bitsAllocated : random.between(1, bitsAllocated);
  const frames = random.chance(0.3) ? random.between(1, 4) : undefined;
  return {
    rows: random.between(1, 9),
    columns: random.between(1, 9),
    bitsAllocated,
    bitsStored,
    samplesPerPixel,
    signed: random.chance(0.3),
    planarConfiguration: random.below(2),
    photometric:
      samplesPerPixel === 3
        ? random.pick(['RGB', 'RGB', 'YBR_FULL'])
        : random.pick(['MONOCHROME2', 'MONOCHROME1', 'PALETTE COLOR']),
    ...(random.chance(0.1) ? { highBit: bitsAllocated - 1 } : {}),
    ...(frames === undefined ? {} : { frames }),
  };
}

/** Of single bits; the builder's pixels have whole bytes. */
function bitmap(random: Random): { readonly image: BuiltImage; readonly pixels: Uint8Array } {
  const image = { rows: random.between(1, 9), columns: random.between(1, 9), frames: random.between(1, 3) };
  const bytes = Math.ceil((image.rows * image.columns * image.frames) / 8);
  return { image: { ...image, bitsStored: 1 }, pixels: random.bytes(bytes + (bytes % 2)) };
}

function imageOf(random: Random, transferSyntaxUID: string): BuiltElement[] {
  if (random.chance(0.05)) {
    const { image, pixels } = bitmap(random);
    const elements = imageElements({ ...image, pixels, bitsAllocated: 8 });
    return elements.map((element) => (element.tag === 0x00280100 ? { ...element, value: [1] } : element));
  }
  const image = { ...arbitraryImage(random), transferSyntaxUID };
  return imageElements({
    ...image,
    pixels: random.chance(0.8) ? imagePixels(image, random.next()) : random.bytes(2 * random.below(80)),
  });
}

function fragmented(random: Random): BuiltElement {
  const table = random.chance(0.5) ? new Uint8Array(0) : random.bytes(4 * random.below(3));
  const fragments = random.times(random.between(1, 4), () => random.bytes(2 * random.below(20)));
  return { tag: 0x7fe00010, vr: 'OB', value: '', fragments: [table, ...fragments] };
}

/** (gggg,0000) as it should be, in front of some groups (PS3.5 7.2). */
function withGroupLengths(random: Random, elements: readonly BuiltElement[], transferSyntaxUID: string): BuiltElement[] {
  const syntax = { explicit: transferSyntaxUID !== IMPLICIT_LE, little: transferSyntaxUID !== EXPLICIT_BE };
  const groups = [...new Set(elements.map(({ tag }) => tag >>> 16))].filter(() => random.chance(0.5));
  const lengths = groups.map((group): BuiltElement => {
    const members = elements.filter(({ tag }) => tag >>> 16 === group);
    const length = members.reduce((sum, element) => sum + elementBytes(element, syntax).length, 0);
    return { tag: (group << 16) >>> 0, vr: 'UL', value: [length] };
  });
  return [...lengths, ...elements].sort((a, b) => a.tag - b.tag);
}

export function arbitraryObject(random: Random): BuiltFile {
  const transferSyntaxUID = random.pick([
    EXPLICIT_LE, EXPLICIT_LE, EXPLICIT_LE, IMPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE, J2K_LOSSLESS, JPEG_LOSSLESS,
  ]); // prettier-ignore
  const encapsulated = transferSyntaxUID === J2K_LOSSLESS || transferSyntaxUID === JPEG_LOSSLESS;
  const image = random.chance(0.97) ? imageOf(random, transferSyntaxUID) : [];
  const parts = ordered([
    ...image,
    ...(encapsulated ? [fragmented(random)] : []),
    ...(random.chance(0.6) ? [{ tag: 0x00080005, vr: 'CS', value: random.pick(CHARACTER_SETS) }] : []),
    ...random.times(random.below(8), () => leaf(random)),
    ...random.times(random.below(3), () => sequence(random, 3)),
    ...namedElements(random),
    ...(random.chance(0.1) ? [sequence(random, 1, 0xfffafffa)] : []),
    ...(random.chance(0.1) ? [{ tag: 0xfffcfffc, vr: 'OB', value: random.bytes(2 * random.below(20)) }] : []),
  ]);
  const elements = random.chance(0.25) ? withGroupLengths(random, parts, transferSyntaxUID) : parts;
  return {
    transferSyntaxUID,
    elements,
    meta: random.chance(0.3) ? [{ tag: 0x00020016, vr: 'AE', value: 'CT1' }] : [],
    preamble: random.chance(0.9),
    groupLength: random.chance(0.85),
    ...(random.chance(0.1) ? { trailing: new Uint8Array(random.below(20)) } : {}),
  };
}
