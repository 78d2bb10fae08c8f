/**
 * Code extension by ISO/IEC 2022 as DICOM uses it (PS3.5 6.1.2.5): escape sequences put code elements into G0 (bytes
 * 0x21–0x7E) and G1 (0xA0–0xFF), and delimiters put the initial ones back.
 */

/** A set of characters that an escape sequence invokes. Bytes as they stand in the value, of G1 with the high bit. */
export interface CodeElement {
  readonly half: 'G0' | 'G1';
  readonly bytesPerCharacter: 1 | 2;
  /** What invokes it, the ESC included. */
  readonly escape: Uint8Array;
  decode(bytes: Uint8Array): string;
  /** Undefined for a character that it does not have. */
  encode(character: string): Uint8Array | undefined;
}

/** What (0008,0005) declares. G1 is empty where its first value names a set that has none. */
export interface CodeExtension {
  readonly initialG0: CodeElement;
  readonly initialG1: CodeElement | undefined;
  /** In the order of (0008,0005), the initial ones first: the first one that has a character writes it. */
  readonly elements: readonly CodeElement[];
}

export const ESC = 0x1b;
const BACKSLASH = 0x5c;
const REPLACEMENT = '\ufffd';

/** PS3.5 6.1.2.5.3: tab, line feed, form feed, carriage return; and what separates values. */
const DELIMITERS: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0c, 0x0d, BACKSLASH]);
/** In person names also the separators of components and groups. */
const NAME_DELIMITERS: ReadonlySet<number> = new Set([...DELIMITERS, 0x5e, 0x3d]);

/** Bytes that no element has become U+FFFD; an escape sequence of a set that was not declared too. */
export function decodeIso2022(bytes: Uint8Array, extension: CodeExtension, isName: boolean): string {
  const delimiters = isName ? NAME_DELIMITERS : DELIMITERS;
  let g0: CodeElement = extension.initialG0;
  let g1: CodeElement | undefined = extension.initialG1;
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === ESC) {
      const invoked = extension.elements.find(({ escape }) => startsWith(bytes, at, escape));
      if (invoked === undefined) text += REPLACEMENT;
      else if (invoked.half === 'G0') g0 = invoked;
      else g1 = invoked;
      at += invoked?.escape.length ?? 1;
      continue;
    }
    const end = runEnd(bytes, at, g0, delimiters);
    const run = bytes.subarray(at, end);
    if (byte >= 0x80) text += g1 === undefined ? REPLACEMENT.repeat(run.length) : g1.decode(run);
    else if (byte <= 0x20 || g0.bytesPerCharacter === 1) text += Buffer.from(run).toString('latin1');
    else text += g0.decode(run);
    if (delimiters.has(byte) && (g0.bytesPerCharacter === 1 || byte <= 0x20)) {
      g0 = extension.initialG0;
      g1 = extension.initialG1;
    }
    at = end;
  }
  return text;
}

/** The end of the bytes that are decoded together: of one half, up to an escape sequence or a delimiter, which stands alone. */
function runEnd(bytes: Uint8Array, start: number, g0: CodeElement, delimiters: ReadonlySet<number>): number {
  const first = bytes[start] ?? 0;
  const wide = g0.bytesPerCharacter === 2;
  const ends = (byte: number): boolean => byte <= 0x20 || (!wide && delimiters.has(byte));
  if (first < 0x80 && ends(first)) return start + 1;
  let end = start + 1;
  while (end < bytes.length) {
    const byte = bytes[end] ?? 0;
    if (byte === ESC || byte >= 0x80 !== first >= 0x80 || ends(byte)) break;
    end++;
  }
  return end;
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  return prefix.every((byte, index) => bytes[at + index] === byte);
}

/** Undefined where no element has one of the characters. `text` is one value, without the padding. */
export function encodeIso2022(text: string, extension: CodeExtension, isName: boolean): Uint8Array | undefined {
  const { initialG0, initialG1, elements } = extension;
  const delimiters = isName ? NAME_DELIMITERS : DELIMITERS;
  const out: number[] = [];
  let g0 = initialG0;
  let g1 = initialG1;
  const reset = (): void => {
    if (g0 !== initialG0) out.push(...initialG0.escape);
    // PS3.5 6.1.2.5.3 has the sets of the first value active here; where it has no G1 set, there is none to invoke
    if (g1 !== initialG1 && initialG1 !== undefined) out.push(...initialG1.escape);
    g0 = initialG0;
    g1 = initialG1;
  };
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || delimiters.has(code)) {
      reset();
      out.push(code);
      continue;
    }
    const active = [g0, ...(g1 === undefined ? [] : [g1])].find((element) => element.encode(character) !== undefined);
    const element = active ?? elements.find((candidate) => candidate.encode(character) !== undefined);
    const bytes = element?.encode(character);
    if (element === undefined || bytes === undefined) return undefined;
    if (element !== active) out.push(...element.escape);
    if (element.half === 'G0') g0 = element;
    else g1 = element;
    out.push(...bytes);
  }
  reset();
  return Uint8Array.from(out);
}
