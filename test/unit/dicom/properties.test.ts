import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';

import { littleEndianValue } from '../../../core/dicom/byte-order.ts';
import type { Change } from '../../../core/dicom/change.ts';
import type { DataSet } from '../../../core/dicom/data-set.ts';
import { describePixels } from '../../../core/dicom/describe-pixels.ts';
import { identify } from '../../../core/dicom/identify.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { rewriteObstacle } from '../../../core/dicom/rewrite-obstacle.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { formatTag, isGroupLength } from '../../../core/dicom/tag-text.ts';
import { textValues } from '../../../core/dicom/text-values.ts';
import { StorestowError } from '../../../core/errors.ts';
import { buildDicom, DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE } from '../../support/build-dicom.ts';
import { applyIntents, arbitraryFile, arbitraryIntents } from './arbitrary-file.ts';
import { flatElements, joined, thrownBy } from './flat-elements.ts';

const RUNS = { numRuns: 400 };
const mutation = fc.record({ at: fc.nat(), byte: fc.constantFrom(0, 1, 0x20, 0x41, 0x51, 0x53, 0x7f, 0xe0, 0xfe, 0xff) });

describe('any file', () => {
  it('comes back as it was where nothing changes', () => {
    fc.assert(
      fc.property(arbitraryFile, (built) => {
        const file = buildDicom(built);
        expect(splice(readPart10(file), []).segments).toEqual([file]);
      }),
      RUNS,
    );
  });

  it('has exactly the changes after a splice, and otherwise the same bytes', () => {
    fc.assert(
      fc.property(arbitraryFile, arbitraryIntents, (built, intents) => {
        const { changes, after } = applyIntents(built.elements, intents);
        const { segments, length } = splice(readPart10(buildDicom(built)), changes);
        const actual = joined(segments);
        const expected = buildDicom({ ...built, elements: after });
        expect(actual).toHaveLength(length);
        expect(flatElements(readPart10(actual).dataSet)).toEqual(flatElements(readPart10(expected).dataSet));
        // The builder gives all items of a sequence one form, appended ones too; and deflates as it likes
        const isComparable = built.transferSyntaxUID !== DEFLATED_LE && changes.every(({ kind }) => kind !== 'append');
        if (isComparable) expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
      }),
      RUNS,
    );
  });
});

describe('any file in Implicit VR or big endian', () => {
  const source = fc.record({ built: arbitraryFile, from: fc.constantFrom(IMPLICIT_LE, EXPLICIT_BE) });

  it('is, rewritten, the same file built in Explicit VR Little Endian', () => {
    fc.assert(
      fc.property(source, ({ built, from }) => {
        const part10 = readPart10(buildDicom({ ...built, transferSyntaxUID: from }));
        const actual = joined(splice(part10, [], { transferSyntaxUID: EXPLICIT_LE }).segments);
        const expected = buildDicom({ ...built, transferSyntaxUID: EXPLICIT_LE });
        expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
        expect(rewriteObstacle(part10)).toBeUndefined();
      }),
      RUNS,
    );
  });

  it('has exactly the changes after it was rewritten with them', () => {
    fc.assert(
      fc.property(source, arbitraryIntents, ({ built, from }, intents) => {
        const { changes, after } = applyIntents(built.elements, intents);
        const part10 = readPart10(buildDicom({ ...built, transferSyntaxUID: from }));
        const { segments, length } = splice(part10, changes, { transferSyntaxUID: EXPLICIT_LE });
        const actual = joined(segments);
        const expected = buildDicom({ ...built, transferSyntaxUID: EXPLICIT_LE, elements: after });
        expect(actual).toHaveLength(length);
        expect(flatElements(readPart10(actual).dataSet)).toEqual(flatElements(readPart10(expected).dataSet));
        // The builder gives all items of a sequence one form, appended ones too
        if (changes.some(({ kind }) => kind === 'append')) return;
        expect(Buffer.from(actual).toString('hex')).toBe(Buffer.from(expected).toString('hex'));
      }),
      RUNS,
    );
  });

  it('with bytes changed is refused, or has the same values rewritten', () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(source, fc.array(mutation, { minLength: 1, maxLength: 4 }), ({ built, from }, mutations) => {
        const file = buildDicom({ ...built, transferSyntaxUID: from });
        const body = readPart10(file).metaEnd;
        for (const { at, byte } of mutations) if (file.length > body) file[body + (at % (file.length - body))] = byte;
        outcomes.add(rewriteMutated(file));
      }),
      { numRuns: 1000 },
    );
    expect([...outcomes].sort()).toEqual(['obstacle', 'refused', 'rewritten']);
  });
});

function rewriteMutated(file: Uint8Array): 'obstacle' | 'refused' | 'rewritten' {
  const part10 = attempt(() => readPart10(file));
  if (part10 === undefined) return 'refused';
  const spliced = attempt(() => splice(part10, [], { transferSyntaxUID: EXPLICIT_LE }));
  const obstacle = rewriteObstacle(part10);
  if (spliced === undefined) {
    expect(obstacle).toBeTypeOf('string');
    return 'obstacle';
  }
  expect(obstacle).toBeUndefined();
  const after = readPart10(joined(spliced.segments));
  expect(littleEndianValues(after.dataSet)).toEqual(littleEndianValues(part10.dataSet));
  return 'rewritten';
}

/** Undefined where it refuses with an error of the family. */
function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof StorestowError) return undefined;
    throw error;
  }
}

/** Group lengths aside, which must differ; items within UN as bytes. */
function littleEndianValues(dataSet: DataSet, prefix = ''): string[] {
  return dataSet.elements.flatMap((element) => {
    const path = `${prefix}${formatTag(element.tag)}`;
    if (isGroupLength(element.tag) && element.length === 4) return [];
    if (element.items === undefined || element.vr === 'UN') {
      return [`${path} ${Buffer.from(littleEndianValue(dataSet, element)).toString('hex')}`];
    }
    const items = element.items.flatMap((item, index) => littleEndianValues(item.dataSet, `${path}[${index}].`));
    return [`${path} ${element.items.length} items`, ...items];
  });
}

const PROBES: readonly Change[] = [
  { kind: 'set', path: [], element: { tag: 0x00080080, vr: 'LO', value: Buffer.from('Hospital') }, reason: 'probe' },
  { kind: 'set', path: [], element: { tag: 0x00280010, vr: 'US', value: Uint8Array.of(1, 2) }, reason: 'probe' },
  { kind: 'remove', path: [{ tag: 0x0040a730, item: 0 }], tag: 0x00100010, reason: 'probe' },
  { kind: 'append', path: [], tag: 0x04000561, item: [], reason: 'probe' },
];

/** Everything that is done with a file; anything but an error of the family is a failure. */
function useAll(file: Uint8Array): 'read' | 'refused' {
  const refusals = [
    () => splice(readPart10(file, { maxInflatedLength: 1 << 20 }), PROBES),
    () => identify(readPart10(file, { maxInflatedLength: 1 << 20 })),
  ];
  for (const run of refusals) {
    try {
      run();
    } catch (error) {
      if (!(error instanceof StorestowError)) throw error;
    }
  }
  try {
    const part10 = readPart10(file, { maxInflatedLength: 1 << 20 });
    describePixels(part10);
    expect(joined(splice(part10, []).segments)).toEqual(file);
    for (const element of part10.dataSet.elements) textValues(part10.dataSet, element);
    return 'read';
  } catch (error) {
    if (!(error instanceof StorestowError)) throw error;
    expect(error.code).toMatch(/^(NOT_PART10|MALFORMED|TRUNCATED|UNSUPPORTED_TRANSFER_SYNTAX|UNKNOWN_CHARACTER_SET)$/);
    return 'refused';
  }
}

describe('whatever the bytes', () => {
  it('a file with bytes changed is read or refused', () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(arbitraryFile, fc.array(mutation, { minLength: 1, maxLength: 8 }), (built, mutations) => {
        const file = buildDicom(built);
        for (const { at, byte } of mutations) file[at % file.length] = byte;
        outcomes.add(useAll(file));
      }),
      { numRuns: 1000 },
    );
    expect([...outcomes].sort()).toEqual(['read', 'refused']);
  });

  it('a file that is cut is refused, or was cut between two elements', () => {
    fc.assert(
      fc.property(arbitraryFile, fc.nat(), (built, at) => {
        const file = buildDicom(built);
        useAll(file.subarray(0, at % file.length));
      }),
      RUNS,
    );
  });

  it('random bytes behind a file meta information are read or refused', () => {
    fc.assert(
      fc.property(arbitraryFile, fc.uint8Array({ maxLength: 200 }), (built, bytes) => {
        useAll(joined([buildDicom({ ...built, elements: [], trailing: new Uint8Array(0) }), bytes]));
      }),
      RUNS,
    );
  });
});

describe('time', () => {
  it('zeros that could be padding are looked through once', () => {
    const file = joined([
      buildDicom({ transferSyntaxUID: IMPLICIT_LE, elements: [] }),
      new Uint8Array(1_600_000),
      Uint8Array.of(1),
    ]);
    // An element each eight bytes: looked through from each of them, this does not end
    expect(thrownBy(() => readPart10(file))).toMatchObject({ code: 'TRUNCATED', offset: file.length - 1 });
  });

  it('a file of many nested and many flat elements is walked once', () => {
    // Counts reads of the bytes, as a clock would judge the machine
    const item = { tag: 0x00080104, vr: 'LO', value: 'x' };
    const build = (count: number): Uint8Array =>
      buildDicom({
        elements: [{ tag: 0x0040a730, vr: 'SQ', value: Array.from({ length: count }, () => [item]), undefinedLength: true }],
      });
    const reads = (count: number): number => {
      const file = build(count);
      const spy = vi.spyOn(DataView.prototype, 'getUint16');
      try {
        readPart10(file);
        return spy.mock.calls.length;
      } finally {
        spy.mockRestore();
      }
    };
    expect(reads(2000) / reads(1000)).toBeLessThan(2.1);
  });
});
