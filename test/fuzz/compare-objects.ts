/** Whether two files have the same bytes in every element that no change names. Pure. */
import type { Change } from '../../core/dicom/change.ts';
import { formatTag } from '../../core/dicom/tag-text.ts';

/** As both readers give it. */
export interface ComparedElement {
  readonly tag: number;
  readonly offset: number;
  readonly valueOffset: number;
  readonly length: number;
  readonly end: number;
  readonly vr?: string | undefined;
  readonly items?: readonly ComparedItem[];
  readonly fragments?: readonly { readonly start: number; readonly end: number }[];
}

export interface ComparedItem {
  readonly offset: number;
  readonly end: number;
  readonly elements: readonly ComparedElement[];
}

export interface ComparedDataSet {
  readonly body: Uint8Array;
  readonly elements: readonly ComparedElement[];
}

interface Named {
  /** Tags that are set or removed here. */
  readonly elements: ReadonlySet<number>;
  /** Sequences that an item is added to. */
  readonly appended: ReadonlySet<number>;
  /** Sequence → item → what is named in it. */
  readonly within: ReadonlyMap<number, ReadonlyMap<number, readonly Change[]>>;
}

/** An element, and the bytes that it lies in. */
export type Held = readonly [dataSet: Pick<ComparedDataSet, 'body'>, element: ComparedElement];

/** What an element, or an item, that no change names must have kept. */
export interface Sameness {
  element(before: Held, after: Held): boolean;
  /** Absent: all its bytes. Of the item alone; its elements are looked at one by one. */
  item?(before: ComparedItem, after: ComparedItem): boolean;
}

const SAME_BYTES: Sameness = {
  element: ([before, old], [after, now]) => sameBytes(before.body, old, after.body, now),
};

/** The first difference that no change explains, in words; undefined where there is none. */
export function unnamedDifference(
  before: ComparedDataSet,
  after: ComparedDataSet,
  changes: readonly Change[],
  same: Sameness = SAME_BYTES,
): string | undefined {
  return differenceIn(before, after, changes, same, 0, '');
}

function differenceIn(
  before: ComparedDataSet,
  after: ComparedDataSet,
  changes: readonly Change[],
  same: Sameness,
  depth: number,
  path: string,
): string | undefined {
  const named = namedBy(changes, depth);
  const kept = (elements: readonly ComparedElement[]): ComparedElement[] =>
    elements.filter(({ tag }) => !named.elements.has(tag) && !isNew(tag, named, before));
  const [old, now] = [kept(before.elements), kept(after.elements)];
  if (old.length !== now.length) return `${path || 'the data set'} has ${now.length} unnamed elements instead of ${old.length}`;
  const seen = new Set<number>();
  for (const [index, element] of old.entries()) {
    const other = now[index] as ComparedElement;
    const here = `${path}${formatTag(element.tag)}`;
    if (other.tag !== element.tag) return `${formatTag(other.tag)} stands where ${here} was`;
    const first = !seen.has(element.tag);
    seen.add(element.tag);
    const within = first ? named.within.get(element.tag) : undefined;
    const isOpened = within !== undefined || (first && named.appended.has(element.tag));
    const difference =
      isOpened || (same.item !== undefined && other.vr === 'SQ')
        ? differenceOfItems([before, element], [after, other], isOpened ? named : NOTHING, same, depth, here)
        : isChangedGroupLength(element, named) || same.element([before, element], [after, other])
          ? undefined
          : `${here} is another`;
    if (difference !== undefined) return difference;
  }
  return undefined;
}

const NOTHING: Named = { elements: new Set(), appended: new Set(), within: new Map() };

function namedBy(changes: readonly Change[], depth: number): Named {
  const elements = new Set<number>();
  const appended = new Set<number>();
  const within = new Map<number, Map<number, Change[]>>();
  for (const change of changes) {
    const step = change.path[depth];
    if (step !== undefined) {
      const items = within.get(step.tag) ?? new Map<number, Change[]>();
      items.set(step.item, [...(items.get(step.item) ?? []), change]);
      within.set(step.tag, items);
    } else if (change.kind === 'append') appended.add(change.tag);
    else elements.add(change.kind === 'set' ? change.element.tag : change.tag);
  }
  return { elements, appended, within };
}

function isNew(tag: number, { appended }: Named, { elements }: ComparedDataSet): boolean {
  return appended.has(tag) && !elements.some((element) => element.tag === tag);
}

/** PS3.5 7.2 */
function isChangedGroupLength({ tag, length }: ComparedElement, { elements, appended, within }: Named): boolean {
  if ((tag & 0xffff) !== 0 || length !== 4) return false;
  return [...elements, ...appended, ...within.keys()].some((other) => other >>> 16 === tag >>> 16);
}

function differenceOfItems(
  [before, sequence]: Held,
  [after, other]: Held,
  { within, appended }: Named,
  same: Sameness,
  depth: number,
  path: string,
): string | undefined {
  // PS3.5 6.2.2: what is within UN is written as it was, in whatever syntax it stands.
  const inner = other.vr === 'UN' ? SAME_BYTES : same;
  const [items, others] = [sequence.items, other.items];
  if (items === undefined || others === undefined) return `${path} has no items to compare`;
  if (others.length < items.length || (!appended.has(sequence.tag) && others.length !== items.length))
    return `${path} has ${others.length} items`;
  for (const [index, item] of items.entries()) {
    const fresh = others[index] as ComparedItem;
    const changes = within.get(sequence.tag)?.get(index);
    const here = `${path}[${index}]`;
    if (changes === undefined && inner.item === undefined) {
      if (!sameBytes(before.body, item, after.body, fresh)) return `${here} has other bytes`;
      continue;
    }
    if (inner.item?.(item, fresh) === false) return `${here} is another`;
    const [old, now] = [
      { ...before, elements: item.elements },
      { ...after, elements: fresh.elements },
    ];
    const difference = differenceIn(old, now, changes ?? [], inner, depth + 1, `${here}.`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

type Range = Pick<ComparedElement, 'offset' | 'end'>;

function sameBytes(before: Uint8Array, old: Range, after: Uint8Array, now: Range): boolean {
  return Buffer.compare(before.subarray(old.offset, old.end), after.subarray(now.offset, now.end)) === 0;
}
