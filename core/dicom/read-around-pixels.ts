/**
 * What a file says of itself, for who needs neither its pixels nor to change it: of any size, in any transfer syntax. A deflated data set
 * is not held either: a megabyte of it may be a gigabyte, and several may come at once.
 */
import type { ByteSource } from './byte-source.ts';
import type { Part10 } from './data-set.ts';
import { inflatedSource } from './inflated-source.ts';
import { MAX_INFLATED_LENGTH } from './inflate.ts';
import { readLargePart10 } from './read-large.ts';
import { readFileHead, type FileHead } from './read-part10.ts';
import { SegmentsSource } from './segments-source.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from './transfer-syntax.ts';

/** Bytes in which the file meta information ends. */
const HEAD = 256 * 1024;

/** Throws what `readLargePart10` throws, and as the source does. */
export async function readAroundPixels(source: ByteSource): Promise<Pick<Part10, 'meta' | 'dataSet'>> {
  const head = deflatedHead(await source.read(0, Math.min(HEAD, source.length)));
  if (head === undefined) return readLargePart10(source);
  const inflated = await inflatedSource(source, head.metaEnd, MAX_INFLATED_LENGTH);
  const { dataSet } = await readLargePart10(asExplicit(inflated));
  return { meta: head.meta, dataSet };
}

/** Undefined where it is not deflated, or cannot be told from so few bytes. */
function deflatedHead(prefix: Uint8Array): FileHead | undefined {
  try {
    const head = readFileHead(prefix);
    return head.transferSyntax.deflated ? head : undefined;
  } catch {
    return undefined;
  }
}

/** The file that has this data set, had it not been deflated (PS3.5 A.5: it is in Explicit VR Little Endian). */
function asExplicit(dataSet: ByteSource): ByteSource {
  const uid = Buffer.from(`${EXPLICIT_VR_LITTLE_ENDIAN}\0`, 'latin1');
  const element = Buffer.concat([Buffer.from([0x02, 0x00, 0x10, 0x00, 0x55, 0x49, uid.length, 0x00]), uid]);
  const head = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM', 'latin1'), element]);
  const range = { source: dataSet, start: 0, length: dataSet.length };
  return new SegmentsSource({ segments: [head, range], length: head.length + range.length });
}
