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

/** The first difference that no change explains, in words; undefined where there is none. */
export function unnamedDifference(
  before: ComparedDataSet,
  after: ComparedDataSet,
  changes: readonly Change[],
): string | undefined {
  return differenceIn(before, after, changes, 0, '');
}

function differenceIn(
  before: ComparedDataSet,
  after: ComparedDataSet,
  changes: readonly Change[],
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
    const difference =
      within !== undefined || (first && named.appended.has(element.tag))
        ? differenceOfItems([before, element], [after, other], named, depth, here)
        : isChangedGroupLength(element, named) || sameBytes(before.body, element, after.body, other)
          ? undefined
          : `${here} has other bytes`;
    if (difference !== undefined) return difference;
  }
  return undefined;
}

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

type Held = readonly [dataSet: ComparedDataSet, element: ComparedElement];

function differenceOfItems(
  [before, sequence]: Held,
  [after, other]: Held,
  { within, appended }: Named,
  depth: number,
  path: string,
): string | undefined {
  const [old, now] = [sequence.items, other.items];
  if (old === undefined || now === undefined) return `${path} has no items to compare`;
  if (now.length < old.length || (!appended.has(sequence.tag) && now.length !== old.length))
    return `${path} has ${now.length} items`;
  for (const [index, item] of old.entries()) {
    const fresh = now[index] as ComparedItem;
    const changes = within.get(sequence.tag)?.get(index);
    const here = `${path}[${index}]`;
    const difference =
      changes !== undefined
        ? differenceIn(
            { ...before, elements: item.elements },
            { ...after, elements: fresh.elements },
            changes,
            depth + 1,
            `${here}.`,
          )
        : sameBytes(before.body, item, after.body, fresh)
          ? undefined
          : `${here} has other bytes`;
    if (difference !== undefined) return difference;
  }
  return undefined;
}

type Range = Pick<ComparedElement, 'offset' | 'end'>;

function sameBytes(before: Uint8Array, old: Range, after: Uint8Array, now: Range): boolean {
  return Buffer.compare(before.subarray(old.offset, old.end), after.subarray(now.offset, now.end)) === 0;
}
