/**
 * Changes → what each data set of the file becomes, as a tree beside the elements that were read.
 *
 * Changes apply in their order and each sees what those before it made: a later change to a tag wins, a path may lead into
 * an item that an earlier change appended, and numbers of items count the appended ones.
 *
 * | change | element absent       | element present, even several times        |
 * |--------|----------------------|--------------------------------------------|
 * | set    | inserted, tag order  | the first is replaced, the others go        |
 * | remove | nothing              | all of them go                             |
 * | append | a sequence is made   | behind the last item; refused if no sequence |
 */
import { StorestowError } from '../errors.ts';
import type { Change, ItemPath, NewElement } from './change.ts';
import type { DataSet, Element, Item, Part10, Tag } from './data-set.ts';
import { formatTag, groupOf } from './tag-text.ts';

type NewSequence = Extract<NewElement, { readonly vr: 'SQ' }>;
export type NewLeaf = Exclude<NewElement, NewSequence>;

/** Tags that are not here keep their bytes. */
export interface DataSetEdit {
  /** Absent in an item that a change made. */
  readonly source?: DataSet;
  readonly elements: Map<Tag, ElementEdit>;
}

export type ElementEdit = { readonly kind: 'removed' } | { readonly kind: 'written'; readonly element: NewLeaf } | SequenceEdit;

export interface SequenceEdit {
  readonly kind: 'sequence';
  /** Absent in a sequence that a change made. */
  readonly source?: Element;
  readonly items: ItemEdit[];
}

export interface ItemEdit {
  /** Absent in an item that a change made. */
  readonly source?: Item;
  /** Absent while the item keeps its bytes. */
  content?: DataSetEdit;
}

export interface FileEdit {
  readonly meta: DataSetEdit;
  readonly dataSet: DataSetEdit;
}

/** Throws `CHANGE_NOT_APPLICABLE`. */
export function planEdits(part10: Part10, changes: readonly Change[]): FileEdit {
  const meta: DataSetEdit = { source: part10.meta, elements: new Map() };
  const dataSet: DataSetEdit = { source: part10.dataSet, elements: new Map() };
  for (const change of changes) {
    const tag = change.kind === 'set' ? change.element.tag : change.tag;
    if (groupOf(tag) === 0xfffe) throw notApplicable(change, `${formatTag(tag)} is not an element of a data set`);
    const root = change.path.length === 0 && groupOf(tag) === 0x0002 ? meta : dataSet;
    const edited = editAt(root, change.path);
    if (edited !== undefined) apply(edited, change);
    else if (change.kind !== 'remove') throw notApplicable(change, `the file has no ${formatPath(change.path)}`);
  }
  return { meta, dataSet };
}

function apply(edited: DataSetEdit, change: Change): void {
  const { elements, source } = edited;
  switch (change.kind) {
    case 'set':
      elements.set(change.element.tag, newElementEdit(change.element));
      return;
    case 'remove':
      if (source?.get(change.tag) === undefined) elements.delete(change.tag);
      else elements.set(change.tag, { kind: 'removed' });
      return;
    case 'append': {
      const sequence = sequenceAt(edited, change.tag) ?? newSequence(edited, change);
      sequence.items.push({ content: newDataSetEdit(change.item) });
      return;
    }
  }
}

/** The edit of the data set that the path leads to; undefined where the path leads nowhere. */
function editAt(root: DataSetEdit, path: ItemPath): DataSetEdit | undefined {
  let edit = root;
  for (const { tag, item: index } of path) {
    const item = sequenceAt(edit, tag)?.items[index];
    if (item === undefined) return undefined;
    item.content ??= { ...(item.source === undefined ? {} : { source: item.source.dataSet }), elements: new Map() };
    edit = item.content;
  }
  return edit;
}

/** The sequence as the changes before left it; undefined where there is none, or the element has no items to speak of. */
function sequenceAt({ source, elements }: DataSetEdit, tag: Tag): SequenceEdit | undefined {
  const edit = elements.get(tag);
  if (edit !== undefined) return edit.kind === 'sequence' ? edit : undefined;
  const element = source?.get(tag);
  if (element?.items === undefined) return undefined;
  const sequence: SequenceEdit = { kind: 'sequence', source: element, items: element.items.map((item) => ({ source: item })) };
  elements.set(tag, sequence);
  return sequence;
}

function newSequence({ source, elements }: DataSetEdit, change: Extract<Change, { readonly kind: 'append' }>): SequenceEdit {
  const edit = elements.get(change.tag);
  const absent = edit === undefined ? source?.get(change.tag) === undefined : edit.kind === 'removed';
  if (!absent) throw notApplicable(change, `${formatTag(change.tag)} is not a sequence whose items can be told apart`);
  const sequence: SequenceEdit = { kind: 'sequence', items: [] };
  elements.set(change.tag, sequence);
  return sequence;
}

function newElementEdit(element: NewElement): ElementEdit {
  if (!('items' in element)) return { kind: 'written', element };
  return { kind: 'sequence', items: element.items.map((item) => ({ content: newDataSetEdit(item) })) };
}

function newDataSetEdit(elements: readonly NewElement[]): DataSetEdit {
  return { elements: new Map(elements.map((element) => [element.tag, newElementEdit(element)])) };
}

/** Whether the edit gives other bytes than the source has: a path may have been walked without a change at its end. */
export function isEdited({ source, elements }: DataSetEdit): boolean {
  if (source === undefined) return true;
  for (const edit of elements.values()) if (isElementEdited(edit)) return true;
  return false;
}

export function isElementEdited(edit: ElementEdit): boolean {
  if (edit.kind !== 'sequence' || edit.source === undefined) return true;
  return edit.items.some(isItemEdited);
}

export function isItemEdited({ source, content }: ItemEdit): boolean {
  return source === undefined || (content !== undefined && isEdited(content));
}

/** An element of the source that keeps its value, or what a change makes of its tag. */
export type Writing =
  | { readonly tag: Tag; readonly kept: Element; readonly change?: never }
  | { readonly tag: Tag; readonly kept?: never; readonly change: ElementEdit };

/** A data set as it is written: the elements of the source in their order, and among them, by tag, those that changes bring. */
export function writingOrder({ source, elements }: DataSetEdit): readonly Writing[] {
  const inserted = [...elements].filter(([tag]) => source?.get(tag) === undefined).sort(([a], [b]) => a - b);
  const order: Writing[] = [];
  let next = 0;
  function insertBelow(limit: number): void {
    for (let entry = inserted[next]; entry !== undefined && entry[0] < limit; entry = inserted[++next]) {
      order.push({ tag: entry[0], change: entry[1] });
    }
  }
  const written = new Set<Tag>();
  for (const element of source?.elements ?? []) {
    const { tag } = element;
    insertBelow(tag);
    const change = elements.get(tag);
    if (change === undefined || keeps(change, element)) {
      order.push({ tag, kept: element });
    } else if (!written.has(tag)) {
      written.add(tag);
      order.push({ tag, change });
    }
  }
  insertBelow(Infinity);
  return order;
}

/** A sequence that was only walked through, or the second of two with one tag, of which the first is edited. */
function keeps(change: ElementEdit, element: Element): boolean {
  if (change.kind !== 'sequence' || change.source === undefined) return false;
  return change.source !== element || !isElementEdited(change);
}

function formatPath(path: ItemPath): string {
  return path.map(({ tag, item }) => `${formatTag(tag)}[${item}]`).join('.');
}

function notApplicable(change: Change, what: string): StorestowError {
  return new StorestowError('CHANGE_NOT_APPLICABLE', `${change.kind} (${change.reason}): ${what}; correct the rule`);
}
