/**
 * Three codestreams of one component each ↔ one codestream of three, without a multiple component transformation. The
 * components' packets are not touched: each component has its tile-part of the one tile, and the order of progression is
 * by component first (15444-1 B.12.1.5), so that one component's packets lie behind another's as they do here. Pure.
 */
import { parseCodestream, writeCodestream, type Codestream } from './codestream.ts';

const BYTES_OF_COMPONENT = 3;

/** Undefined where the codestreams are not of one component and one tile-part each, or differ in more than their packets. */
export function joinComponents(codestreams: readonly Uint8Array[]): Uint8Array | undefined {
  const tileParts: Uint8Array[] = [];
  let first: Codestream | undefined;
  for (const codestream of codestreams) {
    const parsed = parseCodestream(codestream);
    const packets = parsed?.tileParts[0];
    if (parsed === undefined || packets === undefined || parsed.tileParts.length !== 1) return undefined;
    first ??= parsed;
    if (parsed.components.length !== BYTES_OF_COMPONENT || !haveOneHeader(parsed, first)) return undefined;
    tileParts.push(packets);
  }
  if (first === undefined) return undefined;
  return writeCodestream({ ...first, components: Buffer.concat(codestreams.map(() => first.components)), tileParts });
}

/** Undefined where the codestream does not have one tile-part a component. */
export function splitComponents(codestream: Uint8Array): Uint8Array[] | undefined {
  const parsed = parseCodestream(codestream);
  if (parsed === undefined || parsed.components.length !== parsed.tileParts.length * BYTES_OF_COMPONENT) return undefined;
  return parsed.tileParts.map((packets, index) => {
    const at = index * BYTES_OF_COMPONENT;
    const components = parsed.components.subarray(at, at + BYTES_OF_COMPONENT);
    return writeCodestream({ ...parsed, components, tileParts: [packets] });
  });
}

function haveOneHeader(a: Codestream, b: Codestream): boolean {
  return (['image', 'components', 'coding'] as const).every((part) => Buffer.compare(a[part], b[part]) === 0);
}
