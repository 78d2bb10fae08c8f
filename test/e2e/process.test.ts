/**
 * `storestow process` over public files, judged by readers that share no code with it: pydicom compares the files before and
 * after element by element, and GDCM decodes what was encoded.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tagOf } from '../../core/dicom/dictionary.ts';
import type { FilePreview } from '../../functions/process/preview-file.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const CORPUS = fileURLToPath(new URL('../../../shared/corpus', import.meta.url));
const COMPARE = fileURLToPath(new URL('../support/compare-files.py', import.meta.url));
const COMPARE_VALUES = fileURLToPath(new URL('../support/compare-values.py', import.meta.url));
/** Debian's, of its package python3-pydicom. */
const PYTHON = '/usr/bin/python3';

const hasPydicom = await run(PYTHON, ['-c', 'import pydicom']).then(
  () => true,
  () => false,
);
const noCorpus = requirePeer('the public DICOM files (../shared/corpus)', existsSync(CORPUS));
const noPydicom = requirePeer('pydicom', hasPydicom);
const noGdcm = requirePeer("GDCM's tools", existsSync('/usr/bin/gdcmconv') && existsSync('/usr/bin/gdcmraw'));

interface Line {
  readonly input: string;
  readonly output?: string;
  readonly outcome: string;
  readonly code?: string;
  readonly changes: readonly string[];
  readonly encoded: boolean;
  readonly reason?: string;
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
}

type Written = Line & { readonly output: string };

/** What pydicom says of a file before and after. */
interface Comparison {
  readonly before: string;
  readonly unreadable?: string;
  readonly changed: readonly string[];
  readonly meta: readonly string[];
  readonly preamble: boolean;
  /** The data set has another encoding: its bytes differ everywhere. */
  readonly recoded: boolean;
  readonly native: {
    readonly md5: string;
    readonly length: number;
    readonly samples: number;
    readonly planar: number;
    readonly frames: number;
  } | null;
}

describe.skipIf(noCorpus)('storestow process over a folder of public files', () => {
  let folder: TemporaryFolder;
  let out: string;
  let finished: Finished;
  let inputs: readonly string[];
  let lines: readonly Line[];
  let written: readonly Written[];

  beforeAll(async () => {
    folder = await temporaryFolder('process');
    out = join(folder.path, 'out');
    const report = join(folder.path, 'report.ndjson');
    finished = await runStorestow(['process', CORPUS, '--out', out, '--report', report]);
    inputs = await filesBelow(CORPUS);
    lines = (await readFile(report, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
    written = lines.filter((line): line is Written => line.outcome === 'written' && line.output !== undefined);
  });

  afterAll(() => folder?.remove());

  it('reports one line for each input, in their order', () => {
    expect(lines.map(({ input }) => input)).toEqual(inputs.toSorted());
    for (const line of lines) {
      expect(line, line.input).toMatchObject({ changes: expect.any(Array) as unknown, encoded: expect.any(Boolean) as unknown });
    }
  });

  it('writes each file or refuses it with a code, and writes nothing else', async () => {
    for (const { input, output, outcome, code, changes, encoded, reason } of lines) {
      if (outcome === 'written') {
        expect(output, input).toBe(join(out, relative(CORPUS, input)));
        expect(changes, input).toContain('set StudyID');
        // What is not encoded says why.
        expect(reason === undefined, input).toBe(encoded);
      } else {
        expect(outcome, input).toBe('refused');
        expect(code, input).toMatch(/^[A-Z][A-Z0-9_]+$/);
        expect(output, input).toBeUndefined();
      }
    }
    expect((await filesBelow(out)).toSorted()).toEqual(written.map(({ output }) => output).toSorted());
  });

  it('ends with 1 where files were refused, and names each of them', () => {
    const refused = lines.filter(({ outcome }) => outcome === 'refused');
    expect(refused).not.toEqual([]);
    expect(written.length).toBeGreaterThan(refused.length);
    expect(finished.code).toBe(1);
    for (const { input, code } of refused) expect(finished.stderr).toContain(`refused ${input}: ${code ?? ''}`);
    const encoded = written.filter((line) => line.encoded).length;
    expect(finished.stdout).toBe(`${written.length} written (${encoded} encoded), ${refused.length} refused\n`);
  });

  it('ends with 0 where all were written', async () => {
    const [first] = written;
    const again = await runStorestow(['process', first?.input ?? '', '--out', join(folder.path, 'one')]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 written/) as unknown });
  });

  describe('with --dry-run', () => {
    let previews: readonly FilePreview[];

    beforeAll(async () => {
      const { stdout, code } = await runStorestow(['process', CORPUS, '--dry-run', '--json']);
      expect(code).toBe(1);
      previews = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as FilePreview);
    });

    it('finds in the bytes no difference that it cannot explain', () => {
      const changed = previews.filter((preview) => preview.outcome !== 'refused');
      expect(changed.length).toBe(written.length);
      for (const { input, unexplained, differences } of changed) {
        expect(unexplained, input).toBe(0);
        expect(differences.length, input).toBeGreaterThan(0);
      }
    });

    it('tells of each file what the report tells of it', () => {
      expect(previews.map(({ input }) => input)).toEqual(lines.map(({ input }) => input));
      for (const [index, preview] of previews.entries()) {
        const line = lines[index];
        if (preview.outcome === 'refused') {
          expect(line, preview.input).toMatchObject({ outcome: 'refused', code: preview.code });
          continue;
        }
        expect(line, preview.input).toMatchObject({ outcome: 'written', encoded: preview.encoded });
        const byRule = preview.differences.filter(({ reason = '' }) => /^(default|site) rule/.test(reason));
        const told = byRule.map(({ kind, attribute }) => `${kind === 'removed' ? 'remove' : 'set'} ${attribute}`);
        expect(told.toSorted(), preview.input).toEqual(line?.changes.toSorted());
      }
    });
  });

  describe.skipIf(noPydicom)('as pydicom reads it', () => {
    let comparisons: readonly Comparison[];

    beforeAll(async () => {
      comparisons = await compare(written, folder.path);
    });

    it('reads each file, before and after', () => {
      expect(comparisons).toHaveLength(written.length);
      expect(comparisons.filter(({ unreadable }) => unreadable !== undefined)).toEqual([]);
    });

    it('finds no change in an element that neither the report nor the encoding names', () => {
      for (const [index, line] of written.entries()) {
        const { changed, meta, preamble, recoded } = comparisons[index] as Comparison;
        expect(preamble, line.input).toBe(true);
        expect(meta, line.input).toEqual(line.encoded ? ['0002,0000', '0002,0010'] : []);
        if (recoded) continue;
        const named = namedChanges(line);
        expect(
          changed.filter((path) => !named.has(path) && !isGroupLengthOf(path, changed)),
          line.input,
        ).toEqual([]);
        expect(
          changed.filter((path) => line.changes.some((change) => path === pathOf(change))).toSorted(),
          `${line.input}: all that the report names changed`,
        ).toEqual(line.changes.map(pathOf).toSorted());
        expect(changed.includes('7fe0,0010'), line.input).toBe(line.encoded);
      }
    });

    it('finds no other value in what was in Implicit VR or big endian', async () => {
      const recoded = written.filter((_, index) => comparisons[index]?.recoded === true);
      expect(recoded).not.toEqual([]);
      for (const [index, { input, different }] of (await compareValues(recoded, folder.path)).entries()) {
        const line = recoded[index] as Written;
        const named = namedChanges(line);
        expect(line.encoded, input).toBe(true);
        expect(
          different.filter((path) => !named.has(path.slice(0, 9))),
          input,
        ).toEqual([]);
        const topLevel = different.filter((path) => path.length === 9);
        expect(topLevel, `${input}: all that the report names changed`).toEqual(expect.arrayContaining(line.changes.map(pathOf)));
      }
    });

    it('agrees about length and MD5 of native pixel data', () => {
      let native = 0;
      for (const [index, { input, pixelLength, pixelMd5 }] of written.entries()) {
        const found = (comparisons[index] as Comparison).native;
        if (found === null) continue;
        native += 1;
        expect({ pixelLength, pixelMd5 }, input).toEqual({ pixelLength: found.length, pixelMd5: found.md5 });
      }
      expect(native).toBeGreaterThan(10);
    });

    it.skipIf(noGdcm)('is decoded by GDCM to the original pixels', async () => {
      for (const [index, { input, output, encoded, pixelLength = 0 }] of written.entries()) {
        if (!encoded) continue;
        const { samples, planar, frames } = (comparisons[index] as Comparison).native ?? { samples: 1, planar: 0, frames: 1 };
        const original = await gdcmPixels(input, folder.path);
        const decoded = await gdcmPixels(output, folder.path);
        const expected = byPixel(original.subarray(0, pixelLength), { samples, planar, frames });
        expect(md5(decoded.subarray(0, pixelLength)), input).toBe(md5(expected));
      }
    });
  });
});

const ENCODING = ['PixelData', 'PhotometricInterpretation', 'PlanarConfiguration'];

function namedChanges({ changes, encoded }: Line): ReadonlySet<string> {
  return new Set([...changes.map(pathOf), '0400,0561', ...(encoded ? ENCODING.map(tagText) : [])]);
}

/** `set StudyID` → `0020,0010` */
function pathOf(change: string): string {
  return tagText(change.split(' ')[1] ?? '');
}

function tagText(keyword: string): string {
  const tag = tagOf(keyword) ?? expect.fail(`no attribute is called ${keyword}`);
  const digits = tag.toString(16).padStart(8, '0');
  return `${digits.slice(0, 4)},${digits.slice(4)}`;
}

/** PS3.5 7.2: the length of a group in which something changed. */
function isGroupLengthOf(path: string, changed: readonly string[]): boolean {
  return path.endsWith(',0000') && changed.some((other) => other !== path && other.startsWith(path.slice(0, 5)));
}

async function compare(written: readonly Written[], folder: string): Promise<readonly Comparison[]> {
  return (await runComparison(COMPARE, written, folder)) as readonly Comparison[];
}

/** What pydicom decodes otherwise: paths as in `Comparison.changed`. */
interface ValueComparison {
  readonly input: string;
  readonly different: readonly string[];
}

async function compareValues(written: readonly Written[], folder: string): Promise<readonly ValueComparison[]> {
  const found = (await runComparison(COMPARE_VALUES, written, folder)) as readonly { before: string; different?: string[] }[];
  return found.map(({ before, different }) => ({
    input: before,
    different: different ?? expect.fail(`${before} is unreadable`),
  }));
}

async function runComparison(program: string, written: readonly Written[], folder: string): Promise<readonly unknown[]> {
  const pairs = join(folder, 'pairs.json');
  await writeFile(pairs, JSON.stringify(written.map(({ input, output }) => [input, output])));
  const { stdout } = await run(PYTHON, [program, pairs], { maxBuffer: 1 << 26 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

/** The value of native Pixel Data as GDCM writes it. */
async function gdcmPixels(file: string, folder: string): Promise<Uint8Array> {
  const native = join(folder, 'native.dcm');
  const pixels = join(folder, 'pixels.raw');
  await run('gdcmconv', ['--raw', file, native]);
  await run('gdcmraw', ['-i', native, '-o', pixels]);
  return readFile(pixels);
}

/** RRR…GGG…BBB… of each frame → RGBRGB…; samples of 8 bits. */
function byPixel(
  pixels: Uint8Array,
  { samples, planar, frames }: { readonly samples: number; readonly planar: number; readonly frames: number },
): Uint8Array {
  if (planar === 0) return pixels;
  const frame = pixels.length / frames;
  const plane = frame / samples;
  return pixels.map((_, at) => {
    const within = at % frame;
    return pixels[at - within + (within % samples) * plane + Math.floor(within / samples)] ?? 0;
  });
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}
