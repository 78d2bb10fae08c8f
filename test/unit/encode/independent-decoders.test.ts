/** Codestreams that were joined, or whose sign was marked, given to decoders that have nothing to do with the WebAssembly builds. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { FrameSyntax } from '../../../core/encode/frame-codec.ts';
import { createFrameEncoder } from '../../../core/encode/frame-encoder.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { FRAME_SYNTAXES } from '../../../core/encode/frame-syntax.ts';
import { imagePixels } from '../../support/build-dicom.ts';
import { requirePeer } from '../../support/peers.ts';

const run = promisify(execFile);
const installed = (tool: string): boolean =>
  ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'].some((folder) => existsSync(join(folder, tool)));

const colour: FrameLayout = {
  rows: 40,
  columns: 51,
  samplesPerPixel: 3,
  bitsAllocated: 16,
  bitsStored: 16,
  signed: false,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};
const grey: FrameLayout = { ...colour, samplesPerPixel: 1, bitsAllocated: 8, bitsStored: 8, signed: true };
const colours: readonly (readonly [string, FrameLayout])[] = [
  ['16 bits', colour],
  ['12 bits', { ...colour, bitsStored: 12 }],
  ['8 bits', { ...colour, bitsAllocated: 8, bitsStored: 8 }],
  ['8 bits, transformed', { ...colour, bitsAllocated: 8, bitsStored: 8, colourTransformation: true }],
  ['one row', { ...colour, rows: 1 }],
];

/** What the tool makes of the codestream of a frame. */
async function decoded(tool: string, syntax: FrameSyntax, layout: FrameLayout, [from, to]: [string, string]): Promise<Buffer> {
  const result = await createFrameEncoder(FRAME_SYNTAXES[syntax].open, syntax)(imagePixels(layout), layout);
  if (!result.proved) throw new Error(result.reason);
  const folder = await mkdtemp(join(tmpdir(), 'storestow-decoders-'));
  try {
    await writeFile(join(folder, from), result.codestream);
    await run(tool, ['-i', join(folder, from), '-o', join(folder, to)]);
    return await readFile(join(folder, to));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The samples as numbers, without their sign: modulo 2 to the BitsStored. */
function samplesOf(bytes: Uint8Array, { bitsAllocated, bitsStored }: FrameLayout): number[] {
  const view = Buffer.from(bytes);
  const size = bitsAllocated / 8;
  return Array.from({ length: bytes.length / size }, (_, at) => view.readUIntLE(at * size, size) % 2 ** bitsStored);
}

describe.skipIf(requirePeer('opj_decompress', installed('opj_decompress')))("OpenJPEG's own opj_decompress", () => {
  /** Raw, little endian, plane by plane; signed samples below eight bits without their upper bits. */
  const decode = async (layout: FrameLayout) =>
    samplesOf(await decoded('opj_decompress', 'j2k', layout, ['f.j2k', 'f.rawl']), layout);

  it.each([1, 2, 5, 8])('gives signed samples of %i bits back', async (bitsStored) => {
    const layout = { ...grey, bitsStored };
    expect(await decode(layout)).toEqual(samplesOf(imagePixels(layout), layout));
  });

  it.each(colours)('gives colour of %s back', async (_name, layout) => {
    const expected = samplesOf(imagePixels(layout), layout);
    const planes = [0, 1, 2].flatMap((plane) => expected.filter((_sample, at) => at % 3 === plane));
    expect(await decode(layout)).toEqual(planes);
  });
});

describe.skipIf(requirePeer('ojph_expand', installed('ojph_expand')))("OpenJPH's own ojph_expand", () => {
  it.each(colours)('gives colour of %s back', async (_name, layout) => {
    const image = await decoded('ojph_expand', 'htj2k', layout, ['f.j2c', 'f.ppm']);
    const original = Buffer.from(imagePixels(layout));
    // Netpbm has the most significant byte first
    const expected = layout.bitsAllocated === 16 ? original.swap16() : original;
    expect(image.subarray(-expected.length).equals(expected)).toBe(true);
  });
});
