/** Random files for properties, and a model of what changes do to them: on the builder's elements, not on bytes. */
import fc from 'fast-check';

import type { Change, ItemPath, NewElement } from '../../../core/dicom/change.ts';
import type { VR } from '../../../core/dicom/data-set.ts';
import { DEFLATED_LE, elementBytes, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE } from '../../support/build-dicom.ts';
import type { BuiltElement, BuiltFile, BuiltItem } from '../../support/build-dicom.ts';

/** Tags whose VR in Implicit VR is this one. */
const TEXT = { 0x00080060: 'CS', 0x00080080: 'LO', 0x00090010: 'LO', 0x00100010: 'PN', 0x0020000d: 'UI', 0x0040a160: 'UT' };
const SHORTS = { 0x00280010: 'US', 0x00281201: 'OW', 0x00280106: 'US' };
/** Selector … Value: a tag for each VR. */
const NUMBERS = {
  0x00720060: 'AT', 0x00720065: 'OB', 0x00720067: 'OF', 0x00720073: 'OD', 0x00720074: 'FD', 0x00720075: 'OL', 0x00720076: 'FL',
  0x0072007c: 'SL', 0x0072007e: 'SS', 0x00720081: 'OV', 0x00720082: 'SV', 0x00720083: 'UV',
}; // prettier-ignore
const LONGS = { 0x00081161: 'UL', 0x00189219: 'SS', 0x00209158: 'LT' };
const SEQUENCES = [0x00081115, 0x00081140, 0x00400275, 0x0040a730, 0x00880200, 0x04000561];
const UNKNOWN_SEQUENCE = 0x00091002;

function pick(table: Readonly<Record<number, string>>): fc.Arbitrary<{ tag: number; vr: string }> {
  return fc.constantFrom(...Object.entries(table).map(([tag, vr]) => ({ tag: Number(tag), vr })));
}

const asciiText = fc.string({ unit: fc.constantFrom('a', 'Z', '0', '.', '^', ' ', '\\'), maxLength: 12 });

const leaf: fc.Arbitrary<BuiltElement> = fc.oneof(
  fc.record({ head: pick(TEXT), value: asciiText }).map(({ head, value }) => ({ ...head, value })),
  fc
    .record({ head: pick(SHORTS), value: fc.array(fc.nat(0xffff), { maxLength: 4 }) })
    .map(({ head, value }) => ({ ...head, value })),
  fc
    .record({ head: pick(NUMBERS), value: fc.array(fc.nat(0x7fff), { maxLength: 3 }) })
    .map(({ head, value }) => ({ ...head, value })),
  fc
    .record({ head: pick(LONGS), value: fc.array(fc.nat(0x7fff), { maxLength: 3 }) })
    .map(({ head, value }) => ({ ...head, value: head.vr === 'LT' ? String(value) : value })),
  fc
    .array(fc.nat(0xff), { maxLength: 6 })
    .map((bytes) => ({ tag: 0x00091001, vr: 'UN', value: Uint8Array.from([...bytes, ...bytes]) })),
);

/** As a data set must be: each tag once, in order. */
function ordered(elements: readonly BuiltElement[]): BuiltElement[] {
  return [...new Map(elements.map((element) => [element.tag, element])).values()].sort((a, b) => a.tag - b.tag);
}

function dataSet(depth: number): fc.Arbitrary<BuiltItem> {
  const element = depth === 0 ? leaf : fc.oneof({ arbitrary: leaf, weight: 3 }, { arbitrary: sequence(depth), weight: 2 });
  return fc.array(element, { maxLength: 6 }).map(ordered);
}

function sequence(depth: number): fc.Arbitrary<BuiltElement> {
  const value = fc.array(dataSet(depth - 1), { maxLength: 3 });
  return fc.oneof(
    fc.record({
      tag: fc.constantFrom(...SEQUENCES),
      vr: fc.constant('SQ'),
      value,
      undefinedLength: fc.boolean(),
      undefinedItemLength: fc.boolean(),
    }),
    // Without a sequence within: in Explicit VR it is the items' length alone that says what is inside
    value.map((items) => ({ tag: UNKNOWN_SEQUENCE, vr: 'UN', value: items, undefinedLength: true })),
  );
}

export const arbitraryFile: fc.Arbitrary<BuiltFile> = fc.record({
  transferSyntaxUID: fc.constantFrom(EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE),
  elements: dataSet(3),
  preamble: fc.boolean(),
  groupLength: fc.boolean(),
  trailing: fc.constantFrom(new Uint8Array(0), new Uint8Array(2), new Uint8Array(9)),
});

/** A change whose place is chosen among those that the file has at that moment. */
export interface Intent {
  readonly kind: 'set' | 'remove' | 'append';
  readonly place: number;
  readonly element: BuiltElement;
  readonly item: BuiltItem;
}

function definedLengths(element: BuiltElement): BuiltElement {
  if (element.vr !== 'SQ') return element;
  const items = (element.value as readonly BuiltItem[]).map((item) => item.map(definedLengths));
  return { tag: element.tag, vr: 'SQ', value: items };
}

/** What the steps write: sequences, never UN of undefined length. */
function written(elements: readonly BuiltElement[]): BuiltElement[] {
  return elements.filter(({ tag }) => tag !== UNKNOWN_SEQUENCE).map((element) => writtenElement(element));
}
function writtenElement(element: BuiltElement): BuiltElement {
  if (element.vr !== 'SQ') return element;
  return definedLengths({ ...element, value: (element.value as readonly BuiltItem[]).map(written) });
}

export const arbitraryIntents: fc.Arbitrary<readonly Intent[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('set' as const, 'remove' as const, 'append' as const),
    place: fc.nat(),
    element: fc
      .oneof(leaf, sequence(1))
      .map((element) => (element.tag === UNKNOWN_SEQUENCE ? { tag: 0x00080080, vr: 'LO', value: 'x' } : writtenElement(element))),
    item: dataSet(1).map(written),
  }),
  { minLength: 1, maxLength: 4 },
);

function newElement(element: BuiltElement): NewElement {
  if (element.vr === 'SQ') {
    const items = (element.value as readonly BuiltItem[]).map((item) => item.map(newElement));
    return { tag: element.tag, vr: 'SQ', items };
  }
  const value = elementBytes(element, { explicit: false, little: true }).subarray(8);
  return { tag: element.tag, vr: element.vr as Exclude<VR, 'SQ'>, value };
}

function isSequence({ vr, tag }: BuiltElement): boolean {
  return vr === 'SQ' || tag === UNKNOWN_SEQUENCE;
}

function places(elements: BuiltItem, path: ItemPath = []): ItemPath[] {
  const nested = elements
    .filter(isSequence)
    .flatMap(({ tag, value }) =>
      (value as readonly BuiltItem[]).flatMap((item, index) => places(item, [...path, { tag, item: index }])),
    );
  return [path, ...nested];
}

function changedAt(elements: BuiltItem, path: ItemPath, change: (elements: BuiltItem) => BuiltItem): BuiltItem {
  const [step, ...rest] = path;
  if (step === undefined) return change(elements);
  return elements.map((element) => {
    if (element.tag !== step.tag) return element;
    const items = (element.value as readonly BuiltItem[]).map((item, index) =>
      index === step.item ? changedAt(item, rest, change) : item,
    );
    return { ...element, value: items };
  });
}

/** The changes for the splicer, and the elements that the file must have after them. */
export function applyIntents(elements: BuiltItem, intents: readonly Intent[]): { changes: Change[]; after: BuiltItem } {
  const changes: Change[] = [];
  let after = elements;
  for (const { kind, place, element, item } of intents) {
    const possible = places(after);
    const path = possible[place % possible.length] ?? [];
    const tag = kind === 'append' ? (SEQUENCES[place % SEQUENCES.length] ?? 0) : element.tag;
    const without = (data: BuiltItem): BuiltItem => data.filter((other) => other.tag !== tag);
    switch (kind) {
      case 'set':
        changes.push({ kind, path, element: newElement(element), reason: 'property' });
        after = changedAt(after, path, (data) => ordered([...without(data), element]));
        break;
      case 'remove':
        changes.push({ kind, path, tag, reason: 'property' });
        after = changedAt(after, path, without);
        break;
      case 'append':
        changes.push({ kind, path, tag, item: item.map(newElement), reason: 'property' });
        after = changedAt(after, path, (data) => {
          const before = data.find((other) => other.tag === tag) ?? { tag, vr: 'SQ', value: [] };
          const value = [...(before.value as readonly BuiltItem[]), item];
          return ordered([...without(data), { ...before, value }]);
        });
        break;
    }
  }
  return { changes, after };
}
