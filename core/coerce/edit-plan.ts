/**
 * What the rules make of one file, before it becomes changes: one edit an attribute. Rules apply in order and each sees what
 * those before it did; the last word on an attribute counts, and what gives the bytes that are there already is no edit.
 */
import type { ItemPath } from '../dicom/change.ts';
import type { DataSet, Element, Tag } from '../dicom/data-set.ts';
import { valueBytes } from '../dicom/element-value.ts';
import { StorestowError } from '../errors.ts';
import { hasThisValue, hasValue } from './present-value.ts';
import { blocksOf, creatorTag, freeBlock, tagInBlock } from './private-block.ts';
import type { ResolvedRule } from './rules.ts';
import { nameOf, type AttributeRef, type Target } from './target.ts';
import type { RuleValues, SettableVR } from './value-form.ts';

/** A data set of the file: the top level, or an item. */
export interface Holder {
  readonly path: ItemPath;
  readonly dataSet: DataSet;
  /** For people: `RequestAttributesSequence[0].`; empty at the top level. */
  readonly name: string;
}

/** `value` in little endian, without padding. */
export type NewValue =
  { readonly kind: 'set'; readonly vr: SettableVR; readonly value: Uint8Array } | { readonly kind: 'remove' };

export interface Edit {
  readonly holder: Holder;
  readonly tag: Tag;
  /** `StudyID`, `RequestAttributesSequence[0].ScheduledProcedureStepID`, `(0009,1110)`. */
  readonly attribute: string;
  /** Index of the rule that had the last word; `reserve` for a private block that a rule needed. */
  readonly origin: number | 'worklist' | 'institution' | 'reserve';
  readonly to: NewValue;
  /** What the file has, the first where it has several. */
  readonly original: Element | undefined;
}

/** The rule's value in the character set of the holder; little endian, without padding. */
export type Encode = (values: RuleValues, holder: Holder, attribute: string) => Uint8Array;

export class EditPlan {
  readonly #edits = new Map<string, Edit>();
  readonly #root: Holder;

  constructor(root: DataSet) {
    this.#root = { path: [], dataSet: root, name: '' };
  }

  /** Throws what `encode` throws, and `CHANGE_NOT_APPLICABLE`. */
  apply(rule: ResolvedRule, origin: number | 'worklist' | 'institution', encode: Encode): void {
    for (const holder of this.#holders(rule.target)) {
      for (const tag of this.#tags(holder, rule.target.attribute, rule.action !== 'remove')) {
        const attribute = holder.name + nameOf(tag);
        if (rule.action === 'setIfEmpty' && !this.#isEmpty(holder, tag)) continue;
        const to: NewValue =
          rule.action === 'remove'
            ? { kind: 'remove' }
            : { kind: 'set', vr: rule.values.vr, value: encode(rule.values, holder, attribute) };
        this.#put({ holder, tag, attribute, origin, to, original: holder.dataSet.get(tag) });
      }
    }
  }

  /** What the rules made of an attribute of the top level; `undefined` where it stays as it is. */
  editOf(tag: Tag): Edit | undefined {
    const edit = this.#edits.get(keyOf([], tag));
    return edit !== undefined && changes(edit) ? edit : undefined;
  }

  /** In the order in which the rules first named them. */
  edits(): Edit[] {
    const effective = [...this.#edits.values()].filter((edit) => changes(edit) && !this.#isGone(edit.holder.path));
    return effective.filter((edit) => edit.origin !== 'reserve' || effective.some((other) => isSetInBlock(other, edit)));
  }

  #put(edit: Edit): void {
    this.#edits.set(keyOf(edit.holder.path, edit.tag), edit);
  }

  #holders(target: Target): Holder[] {
    return target.steps.reduce<Holder[]>(
      (holders, { sequence, item }) =>
        holders.flatMap((holder) => this.#tags(holder, sequence, false).flatMap((tag) => this.#items(holder, tag, item))),
      [this.#root],
    );
  }

  #items(holder: Holder, tag: Tag, wanted: number | '*'): Holder[] {
    if (this.#edits.get(keyOf(holder.path, tag))?.to.kind === 'remove') return [];
    checkItems(holder, tag);
    const items = holder.dataSet.get(tag)?.items ?? [];
    return items.flatMap(({ dataSet }, item) =>
      wanted === '*' || wanted === item
        ? [{ path: [...holder.path, { tag, item }], dataSet, name: `${holder.name}${nameOf(tag)}[${item}].` }]
        : [],
    );
  }

  #tags(holder: Holder, attribute: AttributeRef, reserve: boolean): Tag[] {
    if (attribute.kind === 'tag') return [attribute.tag];
    const { group, element, creator } = attribute;
    const reserved = this.#reservations(holder, group).filter(({ value }) => value.equals(Buffer.from(creator, 'latin1')));
    const blocks = [...blocksOf(holder.dataSet, group, creator), ...reserved.map(({ block }) => block)];
    if (blocks.length === 0 && reserve) blocks.push(this.#reserve(holder, group, creator));
    return blocks.map((block) => tagInBlock(group, block, element));
  }

  #reservations(holder: Holder, group: number): { block: number; value: Buffer }[] {
    return [...this.#edits.values()].flatMap(({ origin, tag, to, holder: { path } }) =>
      origin === 'reserve' && to.kind === 'set' && tag >>> 16 === group && keyOf(path, 0) === keyOf(holder.path, 0)
        ? [{ block: tag & 0xff, value: Buffer.from(to.value) }]
        : [],
    );
  }

  #reserve(holder: Holder, group: number, creator: string): number {
    const taken = this.#reservations(holder, group).map(({ block }) => block);
    const block = freeBlock(holder.dataSet, group, taken);
    if (block === undefined) {
      throw new StorestowError(
        'CHANGE_NOT_APPLICABLE',
        `group ${group.toString(16)} has no free block for ${creator}; take the rule out`,
      );
    }
    const tag = creatorTag(group, block);
    const to = { kind: 'set', vr: 'LO', value: Buffer.from(creator, 'latin1') } as const;
    this.#put({ holder, tag, attribute: holder.name + nameOf(tag), origin: 'reserve', to, original: undefined });
    return block;
  }

  #isEmpty(holder: Holder, tag: Tag): boolean {
    const edit = this.#edits.get(keyOf(holder.path, tag));
    if (edit !== undefined) return edit.to.kind === 'remove' || edit.to.value.length === 0;
    return !presentIn(holder, tag).some((element) => hasValue(holder.dataSet, element));
  }

  /** Whether a sequence that the path leads through was removed. */
  #isGone(path: ItemPath): boolean {
    return path.some(({ tag }, depth) => this.#edits.get(keyOf(path.slice(0, depth), tag))?.to.kind === 'remove');
  }
}

function keyOf(path: ItemPath, tag: Tag): string {
  return path.reduce((key, step) => `${key}${step.tag}:${step.item}/`, '') + tag;
}

function changes({ holder, original, to }: Edit): boolean {
  if (to.kind === 'remove') return original !== undefined;
  return (
    original === undefined ||
    presentIn(holder, original.tag).some((element) => !hasThisValue(holder.dataSet, element, to.vr, to.value))
  );
}

/** One, unless the data set has it several times, which it may not: archives go by the first, or by the last. */
function presentIn({ dataSet }: Holder, tag: Tag): readonly Element[] {
  return dataSet.elements.filter((element) => element.tag === tag);
}

/** An item that a rule names and does not find would go as it came. Throws `CHANGE_NOT_APPLICABLE`. */
function checkItems(holder: Holder, tag: Tag): void {
  const [first, ...others] = presentIn(holder, tag);
  if (first === undefined) return;
  const hides = (element: Element): boolean => element.items === undefined && beginsWithItem(holder.dataSet, element);
  const problem = hides(first)
    ? 'holds items that cannot be told apart, as its value representation is not known'
    : others.some((element) => hides(element) || (element.items ?? []).length > 0)
      ? 'is there several times with items'
      : undefined;
  if (problem === undefined) return;
  throw new StorestowError(
    'CHANGE_NOT_APPLICABLE',
    `a rule names items of ${holder.name}${nameOf(tag)}, which ${problem}; remove it whole by a rule, or have the sender correct it`,
  );
}

/** UN has its items in little endian whatever the file's byte order (PS3.5 6.2.2). */
const ITEM = Buffer.of(0xfe, 0xff, 0x00, 0xe0);

function beginsWithItem(dataSet: DataSet, element: Element): boolean {
  return element.vr === 'UN' && ITEM.equals(valueBytes(dataSet, element).subarray(0, ITEM.length));
}

function isSetInBlock({ holder, tag, to }: Edit, reservation: Edit): boolean {
  const inBlock = tag >>> 16 === reservation.tag >>> 16 && ((tag >>> 8) & 0xff) === (reservation.tag & 0xff);
  return to.kind === 'set' && inBlock && keyOf(holder.path, 0) === keyOf(reservation.holder.path, 0);
}
