/** Public files rewritten in Explicit VR Little Endian have the values that they had: pydicom reads both, DCMTK makes more of them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { unsignedNumber } from '../../../core/dicom/element-value.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { rewriteObstacle } from '../../../core/dicom/rewrite-obstacle.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE } from '../../support/build-dicom.ts';
import { joined, thrownBy } from './flat-elements.ts';
import { nameOf, publicFiles, pydicom, refusalOf } from './public-files.ts';

const COMPARE = join(import.meta.dirname, '../../support/compare-values.py');
const SECONDS = 1000;
const folder = mkdtempSync(join(tmpdir(), 'storestow-rewrite-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const readable = publicFiles
  .filter((file) => refusalOf(file) === undefined)
  .map((file) => ({ file, syntax: readPart10(readFileSync(file)).transferSyntax }));
const native = readable.filter(({ syntax }) => !syntax.encapsulated);
const sources = native.filter(({ syntax }) => [IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE].includes(syntax.uid));

/** Pixel Data of 32 bits in big endian is refused, for nobody can tell how it was swapped. */
function isWide(file: string): boolean {
  const { dataSet } = readPart10(readFileSync(file));
  return (
    dataSet.encoding.bigEndian && dataSet.get(TAG.PixelData)?.vr === 'OW' && unsignedNumber(dataSet, TAG.BitsAllocated) === 32
  );
}

interface Comparison {
  readonly before: string;
  readonly elements: number;
  readonly vrs: Readonly<Record<string, number>>;
  readonly different: readonly string[];
}

let written = 0;

function allRewritten(files: readonly string[]): [string, string][] {
  for (const file of files.filter(isWide)) {
    const run = (): unknown => splice(readPart10(readFileSync(file)), [], { transferSyntaxUID: EXPLICIT_LE });
    expect(thrownBy(run), nameOf(file)).toMatchObject({ code: 'CHANGE_NOT_APPLICABLE' });
  }
  return files.filter((file) => !isWide(file)).map(rewritten);
}

/** Beside each file the one that it was rewritten to. */
function rewritten(file: string): [string, string] {
  const part10 = readPart10(readFileSync(file));
  expect(rewriteObstacle(part10), nameOf(file)).toBeUndefined();
  const path = join(folder, `rewritten-${written++}.dcm`);
  writeFileSync(path, joined(splice(part10, [], { transferSyntaxUID: EXPLICIT_LE }).segments));
  return [file, path];
}

function compared(pairs: readonly (readonly [string, string])[]): Comparison[] {
  const list = join(folder, 'pairs.json');
  writeFileSync(list, JSON.stringify(pairs));
  const output = execFileSync(pydicom?.python ?? '', [COMPARE, list], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const lines = output.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Comparison);
}

/** Where its dictionary and the pixel description leave a choice, pydicom may choose the other one. */
const OTHER_CHOICE = ['OB → OW'];

function expectSameValues(pairs: readonly (readonly [string, string])[]): void {
  const comparisons = compared(pairs);
  expect(comparisons).toHaveLength(pairs.length);
  for (const { before, elements, vrs, different } of comparisons) {
    expect({ before, different }).toEqual({ before, different: [] });
    expect(elements, before).toBeGreaterThan(0);
    expect(OTHER_CHOICE, before).toEqual(expect.arrayContaining(Object.keys(vrs)));
  }
}

describe.skipIf(pydicom === undefined || sources.length === 0)(
  `${sources.length} public files in these syntaxes (skipped without pydicom)`,
  () => {
    it('have the same values and VRs', () => {
      expectSameValues(allRewritten(sources.map(({ file }) => file)));
    });

    it('are of each syntax', () => {
      expect(new Set(sources.map(({ syntax }) => syntax.uid))).toEqual(new Set([IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE]));
    });

    it('a value that differs is noticed', () => {
      const [source] = sources.filter(({ syntax }) => syntax.uid === IMPLICIT_LE);
      const [before, after] = rewritten(source?.file ?? '');
      const bytes = readFileSync(after);
      const element = readPart10(bytes).dataSet.get(0x00100020);
      bytes.fill('~', element?.valueOffset, element?.end);
      writeFileSync(after, bytes);
      expect(compared([[before, after]])[0]?.different).toEqual(['0010,0020']);
    });
  },
);

function hasDcmconv(): boolean {
  try {
    execFileSync('dcmconv', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(pydicom === undefined || native.length === 0 || !hasDcmconv())(
  `${native.length} native public files (skipped without pydicom and DCMTK's dcmconv)`,
  () => {
    it.each([
      ['Implicit VR Little Endian', '+ti', IMPLICIT_LE],
      ['Explicit VR Big Endian', '+tb', EXPLICIT_BE],
    ])(
      'that DCMTK has written in %s have the same values and VRs',
      (_, option, uid) => {
        const converted = native.map(({ file }, index) => {
          const path = join(folder, `${option}-${index}.dcm`);
          execFileSync('dcmconv', [option, file, path], { stdio: 'ignore' });
          expect(readPart10(readFileSync(path)).transferSyntax.uid).toBe(uid);
          return path;
        });
        expectSameValues(allRewritten(converted));
      },
      60 * SECONDS,
    );
  },
);
