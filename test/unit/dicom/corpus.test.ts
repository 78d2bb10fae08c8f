/** Public files, where they lie beside the repository or come with Debian's python3-pydicom; and pydicom as a second reader. */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { DataSet } from '../../../core/dicom/data-set.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { formatTag } from '../../../core/dicom/tag-text.ts';
import { StorestowError } from '../../../core/errors.ts';
import { joined } from './flat-elements.ts';
import { nameOf, publicFiles, pydicom, refusalOf } from './public-files.ts';

describe.skipIf(publicFiles.length === 0)('public files (skipped without corpus and python3-pydicom)', () => {
  it.each(publicFiles.map((file) => [nameOf(file), file]))('%s', (_, file) => {
    const bytes = readFileSync(file);
    let code: string | undefined;
    try {
      const segments = splice(readPart10(bytes), []).segments;
      expect(Buffer.compare(joined(segments), bytes)).toBe(0);
    } catch (error) {
      if (!(error instanceof StorestowError)) throw error;
      code = error.code;
    }
    expect(code).toBe(refusalOf(file));
  });
});

/** Prints, for each file, [path, MD5 of the value, or the number of items]; null for what pydicom has decoded itself. */
const LIST_ELEMENTS = `
import hashlib, json, sys, warnings
warnings.simplefilter('ignore')
import pydicom
from pydicom.dataelem import RawDataElement
def walk(ds, prefix, out):
    for tag in sorted(ds._dict):
        raw = ds._dict[tag]
        path = prefix + '(%04X,%04X)' % (tag.group, tag.elem)
        isRaw = isinstance(raw, RawDataElement)
        value = (raw.value or b'') if isRaw else None
        element = ds[tag]
        if element.VR == 'SQ':
            out.append([path, '%d items' % len(element.value)])
            for i, item in enumerate(element.value):
                walk(item, '%s[%d].' % (path, i), out)
        else:
            out.append([path, hashlib.md5(value).hexdigest() if isRaw else None])
for line in sys.stdin:
    ds = pydicom.dcmread(line.strip(), force=True)
    out = []
    walk(ds, '', out)
    print(json.dumps(out))
`;

function listElements(dataSet: DataSet, prefix = ''): [string, string][] {
  return [...dataSet.elements]
    .sort((a, b) => a.tag - b.tag)
    .flatMap((element): [string, string][] => {
      const path = `${prefix}${formatTag(element.tag)}`;
      if (element.items !== undefined) {
        const nested = element.items.flatMap((item, index) => listElements(item.dataSet, `${path}[${index}].`));
        return [[path, `${element.items.length} items`], ...nested];
      }
      return [[path, hash('md5', dataSet.bytes.subarray(element.valueOffset, element.valueOffset + element.length))]];
    });
}

describe.skipIf(pydicom === undefined)('pydicom reads the same elements (skipped without pydicom)', () => {
  const files = publicFiles.filter((file) => refusalOf(file) === undefined);
  const listed = (): (readonly [string, string | null][])[] =>
    execFileSync(pydicom?.python ?? '', ['-c', LIST_ELEMENTS], { input: files.join('\n'), encoding: 'utf8', maxBuffer: 1 << 28 })
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string | null][]);

  it('in every public file', () => {
    const theirs = listed();
    expect(theirs).toHaveLength(files.length);
    files.forEach((file, index) => {
      const { dataSet } = readPart10(readFileSync(file));
      const known = new Map(theirs[index]);
      const ours = listElements(dataSet).map(([path, value]) => [path, known.get(path) === null ? null : value]);
      expect(ours, nameOf(file)).toEqual(theirs[index]);
    });
  });
});
