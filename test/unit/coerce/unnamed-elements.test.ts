/** Nothing changes that no rule names: over built data sets, and over the corpus with a second reader. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import { coerce } from '../../../core/coerce/coerce.ts';
import type { Change } from '../../../core/dicom/change.ts';
import type { Part10, Tag } from '../../../core/dicom/data-set.ts';
import { isGroupLength } from '../../../core/dicom/tag-text.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { isErrorCode, StorestowError } from '../../../core/errors.ts';
import {
  buildDicom,
  DEFLATED_LE,
  elementBytes,
  EXPLICIT_BE,
  EXPLICIT_LE,
  IMPLICIT_LE,
  type BuiltElement,
} from '../../support/build-dicom.ts';
import { RULES, SOURCE } from '../../support/rules-of-each-kind.ts';

const ORIGINAL = 0x04000561;

function coerced(part10: Part10): { changes: readonly Change[]; after: Uint8Array } {
  const { changes } = coerce(part10, RULES, SOURCE);
  const { segments, length } = splice(part10, changes);
  return { changes, after: new Uint8Array(Buffer.concat(inMemory(segments), length)) };
}

/** Tags of the top level that the changes name. */
function namedTags(changes: readonly Change[]): Set<Tag> {
  return new Set(changes.map((change) => change.path[0]?.tag ?? (change.kind === 'set' ? change.element.tag : change.tag)));
}

const bytes = fc.uint8Array({ minLength: 0, maxLength: 24 }).map((value) => (value.length % 2 === 0 ? value : value.subarray(1)));
const latin = fc.string({ unit: fc.constantFrom('a', 'Z', '^', '\\', ' ', '\u00e9', '7'), maxLength: 20 });
const leaf = (tag: fc.Arbitrary<number>): fc.Arbitrary<BuiltElement> =>
  fc.oneof(
    fc.record({ tag, vr: fc.constantFrom('LO', 'PN', 'SH', 'UT', 'DS'), value: latin }),
    fc.record({ tag, vr: fc.constantFrom('OB', 'UN'), value: bytes }),
    fc.record({ tag, vr: fc.constantFrom('US', 'UL', 'FD', 'OW'), value: fc.array(fc.nat(65535), { maxLength: 4 }) }),
  );
/** Neither one that a rule names nor one whose VR the dictionary would not leave as it is built in Implicit VR. */
const anyTag = fc
  .tuple(fc.constantFrom(0x0009, 0x0011, 0x0029, 0x0043, 0x0101), fc.integer({ min: 0x2000, max: 0xffff }))
  .map(([group, element]) => ((group << 16) | element) >>> 0);
const inItem = fc
  .uniqueArray(leaf(anyTag), { selector: ({ tag }) => tag, maxLength: 3 })
  .map((item) => item.sort((a, b) => a.tag - b.tag));
const sequence = fc.record({
  tag: fc.constantFrom(0x00081111, 0x00081140, 0x00400260, 0x00400555),
  vr: fc.constant('SQ'),
  value: fc.array(inItem, { minLength: 1, maxLength: 3 }),
  undefinedLength: fc.boolean(),
});
const named: fc.Arbitrary<BuiltElement> = fc.oneof(
  fc.record({ tag: fc.constantFrom(0x00200010, 0x00080080, 0x00081010), vr: fc.constant('SH'), value: latin }),
  fc.record({ tag: fc.constantFrom(0x00080090, 0x00081060), vr: fc.constant('PN'), value: latin }),
  fc.constant({ tag: 0x00090011, vr: 'LO', value: 'GEIIS' }),
  fc.record({ tag: fc.constant(0x00091110), vr: fc.constant('LO'), value: latin }),
  fc.record({
    tag: fc.constantFrom(0x00400275, 0x00321034),
    vr: fc.constant('SQ'),
    value: fc.array(inItem, { minLength: 1, maxLength: 2 }),
    undefinedLength: fc.boolean(),
  }),
  fc.record({ tag: fc.constant(ORIGINAL), vr: fc.constant('SQ'), value: fc.array(inItem, { minLength: 1, maxLength: 2 }) }),
);
const elements = fc
  .uniqueArray(fc.oneof(leaf(anyTag), sequence, named), { selector: ({ tag }) => tag, maxLength: 20 })
  .map((list) => list.sort((a, b) => a.tag - b.tag));

describe('coercion of built data sets', () => {
  it.each([EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE])(
    'leaves unnamed elements their bytes and their order, in %s',
    (syntax) => {
      const layout = { explicit: syntax !== IMPLICIT_LE, little: syntax !== EXPLICIT_BE };
      fc.assert(
        fc.property(elements, (built) => {
          const file = buildDicom({ transferSyntaxUID: syntax, elements: built });
          const { changes, after } = coerced(readPart10(file));
          const names = namedTags(changes);
          const { dataSet } = readPart10(after);
          const kept = dataSet.elements.filter(({ tag }) => !names.has(tag));
          expect(kept.map(({ offset, end }) => Buffer.from(dataSet.bytes.subarray(offset, end)).toString('hex'))).toEqual(
            built
              .filter(({ tag }) => !names.has(tag))
              .map((element) => Buffer.from(elementBytes(element, layout)).toString('hex')),
          );
          expect([...names].every((tag) => NAMED.has(tag))).toBe(true);
          expect(coerced(readPart10(file)).after).toEqual(after);
        }),
        { numRuns: 150 },
      );
    },
  );
});

/** Besides the private block that the rule for SITE finds free, one of (0029,0010) and (0029,00bb). */
const NAMED: ReadonlySet<Tag> = new Set([
  0x00080080, 0x00080090, 0x00081010, 0x00081060, 0x00091110, 0x00200010, 0x00321034, 0x00400275, ORIGINAL,
  ...Array.from({ length: 0xf0 }, (_, index) => [0x00290010 + index, 0x00291001 + (index << 8)]).flat(),
]); // prettier-ignore

const CORPUS = join(import.meta.dirname, '../../../../shared/corpus');
const corpus = existsSync(CORPUS) ? readdirSync(CORPUS).filter((name) => name.endsWith('.dcm')) : [];
const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import pydicom']).status === 0);
const scratch = mkdtempSync(join(tmpdir(), 'coerce-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** Names of the tags that differ, as eight hexadecimal digits; private values compare as bytes. */
const COMPARE = `
import json, sys, warnings
warnings.simplefilter("ignore")
from pydicom import dcmread
from pydicom.dataelem import RawDataElement

def value(ds, tag):
    if tag not in ds:
        return None
    item = ds.get_item(tag)
    if isinstance(item, RawDataElement):
        return (str(item.VR), bytes(item.value or b""))
    return item

def differences(before, after):
    return ["%08x" % tag for tag in sorted(set(before.keys()) | set(after.keys())) if value(before, tag) != value(after, tag)]

result = {}
for pair in json.load(sys.stdin):
    before, after = (dcmread(pair[side], force=True) for side in ("before", "after"))
    result[pair["name"]] = {
        "dataSet": differences(before, after),
        "meta": differences(before.file_meta, after.file_meta),
        "items": [str(i.ReasonForTheAttributeModification) for i in after.get("OriginalAttributesSequence", [])][-1:],
    }
print(json.dumps(result))
`;

describe.skipIf(corpus.length === 0)('coercion of the corpus', () => {
  /** File → tags that were named; what the reader or the rules refuse is absent. */
  const written = new Map<string, Set<Tag>>();

  it.each(corpus)('%s: unnamed elements keep their bytes, or it is refused with a code', (name) => {
    const file = new Uint8Array(readFileSync(join(CORPUS, name)));
    let part10: Part10;
    let result: ReturnType<typeof coerced>;
    try {
      part10 = readPart10(file);
      result = coerced(part10);
    } catch (error) {
      if (!(error instanceof StorestowError)) throw error;
      expect(isErrorCode(error.code) && error.code !== 'INTERNAL').toBe(true);
      return;
    }
    const names = namedTags(result.changes);
    const { dataSet } = readPart10(result.after);
    const unnamed = ({ dataSet: { elements: all, bytes: within } }: Pick<Part10, 'dataSet'>): string[] =>
      all
        .filter(({ tag }) => !names.has(tag) && !isGroupLength(tag))
        .map(({ offset, end }) => Buffer.from(within.subarray(offset, end)).toString('base64'));
    expect(unnamed({ dataSet })).toEqual(unnamed(part10));
    expect(names.size).toBeGreaterThan(0);
    writeFileSync(join(scratch, name), result.after);
    written.set(name, names);
  });

  it.skipIf(python === undefined)('pydicom agrees that nothing else changed', () => {
    const pairs = [...written.keys()].map((name) => ({ name, before: join(CORPUS, name), after: join(scratch, name) }));
    expect(pairs.length).toBeGreaterThan(30);
    const output = execFileSync(python ?? '', ['-c', COMPARE], {
      input: JSON.stringify(pairs),
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    const result = JSON.parse(output) as Record<string, { dataSet: string[]; meta: string[]; items: string[] }>;
    for (const [name, { dataSet, meta, items }] of Object.entries(result)) {
      const names = [...(written.get(name) ?? [])].map((tag) => tag.toString(16).padStart(8, '0'));
      expect(
        dataSet.filter((tag) => !tag.endsWith('0000')),
        name,
      ).toEqual(names.sort());
      expect(meta, name).toEqual([]);
      expect(items, name).toEqual(written.get(name)?.has(ORIGINAL) === true ? ['COERCE'] : []);
    }
  });
});
