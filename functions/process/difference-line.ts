/** A difference in words: what is printed, and what `--json` has. Values are shown here; they belong in no log. */
import { creatorTagOf } from '../../core/coerce/private-block.ts';
import { nameOf } from '../../core/coerce/target.ts';
import type { ItemPath } from '../../core/dicom/change.ts';
import type { DataSet, Element, Part10 } from '../../core/dicom/data-set.ts';
import type { Difference, ElementDifference, Subject } from '../../core/dicom/difference.ts';
import type { ExplainedDifference } from '../../core/dicom/explain-differences.ts';
import { asciiText } from '../../core/dicom/element-value.ts';
import { formatTag } from '../../core/dicom/tag-text.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { transferSyntaxName } from '../../core/dicom/transfer-syntax-name.ts';
import { valueText, type ValueText } from '../../core/dicom/value-text.ts';
import { pixelText } from './pixel-text.ts';

export interface DifferenceLine {
  readonly kind: Difference['kind'];
  /** `RequestAttributesSequence[1].ScheduledProcedureStepID`, items from 0; `preamble` and `trailing bytes` are no attributes. */
  readonly attribute: string;
  /** `(0040,0009)` */
  readonly tag?: string;
  /** As it is after, or as it was where nothing is left. */
  readonly vr?: string;
  /** Where it is another. */
  readonly vrBefore?: string;
  /** Who reserved the block of a private element. */
  readonly creator?: string;
  readonly before?: ValueText;
  readonly after?: ValueText;
  /** What an item or a sequence holds that was added or removed. */
  readonly content?: readonly ContentLine[];
  /** What the values do not tell. */
  readonly note?: string;
  /** Absent: UNEXPLAINED. */
  readonly reason?: string;
}

export interface ContentLine {
  /** Within what was added or removed. */
  readonly attribute: string;
  readonly tag: string;
  readonly vr: string;
  readonly value: ValueText;
}

export interface LineContext {
  readonly before: Part10;
  readonly after: Part10;
  /** Whether each frame was decoded and compared. */
  readonly proved: boolean;
}

export function differenceLine({ difference, reason }: ExplainedDifference, context: LineContext): DifferenceLine {
  const why = reason === undefined ? {} : { reason };
  if (difference.kind !== 'bytes') return { ...elementLine(difference, context), ...why };
  const [before, after] = [difference.before, difference.after].map(({ length }): ValueText => ({
    form: 'note',
    text: `<${length} bytes>`,
  }));
  return {
    kind: difference.kind,
    attribute: difference.part === 'preamble' ? 'preamble' : 'trailing bytes',
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...why,
  };
}

function elementLine(difference: ElementDifference, context: LineContext): DifferenceLine {
  const { kind, path, tag, item, before, after } = difference;
  const was = before && shownValue(before, difference, context.before, false);
  const is = after && shownValue(after, difference, context.after, context.proved);
  const creator = creatorOf(after ?? before);
  const content = kind === 'added' ? contentOf(after) : kind === 'removed' ? contentOf(before) : [];
  const [vrBefore, vr] = [before?.element.vr, after?.element.vr];
  const note = noteOf(difference, was, is);
  return {
    kind,
    attribute: attributeName(path, nameOf(tag) + (item === undefined ? '' : `[${item}]`)),
    tag: formatTag(tag),
    ...(vr === undefined && vrBefore === undefined ? {} : { vr: vr ?? vrBefore ?? '' }),
    ...(vr === undefined || vrBefore === undefined || vr === vrBefore ? {} : { vrBefore }),
    ...(creator === undefined ? {} : { creator }),
    ...(was === undefined ? {} : { before: was }),
    ...(is === undefined ? {} : { after: is }),
    ...(content.length === 0 ? {} : { content }),
    ...(note === undefined ? {} : { note }),
  };
}

function shownValue(subject: Subject, { path, tag, part }: ElementDifference, file: Part10, proved: boolean): ValueText {
  const { dataSet, element, item } = subject;
  if (item !== undefined) return { form: 'note', text: `<item of ${counted(item.dataSet.elements.length, 'element')}>` };
  if (part === 'dataSet' && path.length === 0 && tag === TAG.PixelData) {
    return { form: 'note', text: `${pixelText(file) ?? ''}${proved ? ', proved' : ''}` };
  }
  const value = valueText(dataSet, element);
  const name = tag === TAG.TransferSyntaxUID ? transferSyntaxName(value.text) : undefined;
  return name === undefined ? value : { form: 'note', text: `${value.text} (${name})` };
}

/** Where a person would see the same value twice. */
function noteOf(difference: ElementDifference, was: ValueText | undefined, is: ValueText | undefined): string | undefined {
  const { kind, before, after, occurrence } = difference;
  if (kind === 'moved') return 'the same, at another place among the elements';
  if (occurrence > 0) return `number ${occurrence + 1} of this tag`;
  if (kind !== 'changed' || before === undefined || after === undefined) return undefined;
  if (before.element.vr !== after.element.vr || was?.text !== is?.text || was?.form !== is?.form) return undefined;
  return `reads the same, in other bytes (${before.element.length} -> ${after.element.length})`;
}

function creatorOf(subject: Subject | undefined): string | undefined {
  const creator = subject && creatorTagOf(subject.element.tag);
  return subject === undefined || creator === undefined ? undefined : asciiText(subject.dataSet, creator);
}

function contentOf(subject: Subject | undefined): ContentLine[] {
  if (subject === undefined) return [];
  const { item, element } = subject;
  if (item !== undefined) return linesOf(item.dataSet, []);
  return (element.items ?? []).flatMap(({ dataSet }, index) => linesOf(dataSet, [], `[${index}].`));
}

/** What holds a value; sequences only where they are empty. */
function linesOf(dataSet: DataSet, path: ItemPath, prefix = ''): ContentLine[] {
  return dataSet.elements.flatMap((element) => {
    const { tag, items } = element;
    if (items === undefined || items.length === 0) return [contentLine(dataSet, element, path, prefix)];
    return items.flatMap((inner, item) => linesOf(inner.dataSet, [...path, { tag, item }], prefix));
  });
}

function contentLine(dataSet: DataSet, element: Element, path: ItemPath, prefix: string): ContentLine {
  const { tag, vr } = element;
  return { attribute: prefix + attributeName(path, nameOf(tag)), tag: formatTag(tag), vr, value: valueText(dataSet, element) };
}

function attributeName(path: ItemPath, name: string): string {
  return [...path.map(({ tag, item }) => `${nameOf(tag)}[${item}]`), name].join('.');
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
