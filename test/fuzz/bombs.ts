/** Small files that ask for much: of stack, of memory, of time. */
import { deflateRawSync } from 'node:zlib';
import { buildDicom, concat, DEFLATED_LE, EXPLICIT_LE, IMPLICIT_LE } from '../support/build-dicom.ts';
import type { Random } from './random.ts';

/** Bytes that a deflate bomb grows to: some are below what the fuzzer lets a file inflate to, some above. */
const SMALL_BOMB = 1 << 18;
const LARGE_BOMB = 40 << 20;

export function bomb(random: Random): Uint8Array {
  const explicit = random.chance(0.5);
  const head = buildDicom({ transferSyntaxUID: explicit ? EXPLICIT_LE : IMPLICIT_LE, elements: [] });
  switch (random.below(6)) {
    case 0:
      return concat([head, nestedOpen(random.pick([100, 127, 128, 129, 5000, 50_000]), explicit, random.chance(0.5))]);
    case 1:
      return concat([head, nestedClosed(random.pick([100, 128, 129, 3000]), explicit)]);
    case 2:
      return concat([head, nestedUnknown(random.pick([50, 128, 129, 2000]))]);
    case 3:
      return concat([head, new Uint8Array(random.pick([8, 4096, 1 << 20])), random.bytes(random.below(3))]);
    case 4:
      return deflateBomb(random);
    default:
      return concat([head, manyItems(random.between(1, 20_000), explicit)]);
  }
}

function header(explicit: boolean, vr: string, length: number): Buffer {
  const bytes = Buffer.alloc(explicit ? 12 : 8);
  bytes.writeUInt16LE(0x0040, 0);
  bytes.writeUInt16LE(0xa730, 2);
  if (explicit) bytes.write(vr, 4, 'latin1');
  bytes.writeUInt32LE(length, explicit ? 8 : 4);
  return bytes;
}

function item(length: number): Buffer {
  const bytes = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}

function nestedOpen(depth: number, explicit: boolean, closed: boolean): Uint8Array {
  const open = Buffer.concat([header(explicit, 'SQ', 0xffffffff), item(0xffffffff)]);
  const close = Buffer.from([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
  const repeated = (bytes: Buffer): Buffer => Buffer.alloc(bytes.length * depth, bytes);
  return concat(closed ? [repeated(open), repeated(close)] : [repeated(open)]);
}

function nestedClosed(depth: number, explicit: boolean): Uint8Array {
  const level = (explicit ? 12 : 8) + 8;
  const levels = Array.from({ length: depth }, (_, index) => {
    const below = (depth - 1 - index) * level;
    return Buffer.concat([header(explicit, 'SQ', below + 8), item(below)]);
  });
  return concat(levels);
}

/** UN of defined length that could each be a sequence, down to one that is none. */
function nestedUnknown(depth: number): Uint8Array {
  const level = 12 + 8;
  const levels = Array.from({ length: depth }, (_, index) => {
    const below = (depth - 1 - index) * level + 3;
    return Buffer.concat([header(true, 'UN', below + 8), item(below)]);
  });
  return concat([...levels, Buffer.from([1, 2, 3])]);
}

function manyItems(count: number, explicit: boolean): Uint8Array {
  const items = Buffer.alloc(8 * count, item(0));
  return concat([header(explicit, 'SQ', items.length), items]);
}

const deflated = new Map<string, Uint8Array>();

/** Zeros, or empty elements without end. */
function deflateBomb(random: Random): Uint8Array {
  const length = random.chance(0.8) ? SMALL_BOMB : LARGE_BOMB;
  const pattern = random.pick(['zeros', 'elements', 'items']);
  const name = `${pattern} ${length}`;
  const body = deflated.get(name) ?? deflateRawSync(bombBody(pattern, length));
  deflated.set(name, body);
  const head = buildDicom({ transferSyntaxUID: DEFLATED_LE, elements: [] });
  const empty = deflateRawSync(new Uint8Array(0)).length;
  return concat([head.subarray(0, head.length - empty - (empty % 2)), body]);
}

function bombBody(pattern: string, length: number): Uint8Array {
  if (pattern === 'zeros') return new Uint8Array(length);
  if (pattern === 'items') return concat([header(true, 'SQ', length), Buffer.alloc(length, item(0))]);
  return Buffer.alloc(length, Buffer.from([0x11, 0x00, 0x01, 0x10, 0x4c, 0x4f, 0, 0]));
}
