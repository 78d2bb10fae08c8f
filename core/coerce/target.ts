/**
 * What a rule acts on, as text:
 *
 *     StudyID                                                        by keyword
 *     (0020,0010), 0020,0010 or 00200010                             by tag
 *     RequestAttributesSequence[0].ScheduledProcedureStepID          in one item (from 0) of a sequence
 *     RequestAttributesSequence[*].ScheduledProcedureStepID          in every item
 *     (0009,xx10)[GEIIS]                                             private, in the block that GEIIS reserved (PS3.5 7.8.1)
 *     (0009,1110)                                                    private, that very tag, whoever reserved the block
 */
import type { Tag } from '../dicom/data-set.ts';
import { keywordOf, tagOf } from '../dicom/dictionary.ts';
import { formatTag, isPrivate, parseTag } from '../dicom/tag-text.ts';
import { StorestowError } from '../errors.ts';

export type AttributeRef =
  | { readonly kind: 'tag'; readonly tag: Tag }
  /** `element`: the two lower digits, 0x00 to 0xFF; the two upper ones are the block, which each data set has its own. */
  | { readonly kind: 'private'; readonly group: number; readonly element: number; readonly creator: string };

export interface TargetStep {
  readonly sequence: AttributeRef;
  /** From 0, or every item. */
  readonly item: number | '*';
}

export interface Target {
  /** From the top level down; empty for an attribute of the top level. */
  readonly steps: readonly TargetStep[];
  readonly attribute: AttributeRef;
}

const KEYWORD = /^[A-Za-z][A-Za-z0-9]*/;
const TAG = /^(?:\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)|([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})(?![0-9A-Za-z]))/;
const PRIVATE = /^(?:\(([0-9A-Fa-f]{4}),[xX]{2}([0-9A-Fa-f]{2})\)|([0-9A-Fa-f]{4}),?[xX]{2}([0-9A-Fa-f]{2}))\[([ -[^-~]{1,64})\]/;
const ITEM = /^\[(\d{1,5}|\*)\]\./;

/** Throws `RULES_INVALID`, saying what of the text is wrong. */
export function parseTarget(text: string): Target {
  const steps: TargetStep[] = [];
  let rest = text.trim();
  for (;;) {
    const { attribute, length } = parseAttribute(rest, text);
    rest = rest.slice(length);
    if (rest === '') return { steps, attribute };
    const [whole = '', item = ''] = ITEM.exec(rest) ?? [];
    if (whole === '') {
      throw invalid(text, `"${rest}" should be [NUMBER]. or [*]. and an attribute of that item`);
    }
    steps.push({ sequence: attribute, item: item === '*' ? '*' : Number(item) });
    rest = rest.slice(whole.length);
  }
}

function parseAttribute(rest: string, text: string): { attribute: AttributeRef; length: number } {
  const ofBlock = PRIVATE.exec(rest);
  if (ofBlock !== null) {
    const [whole, group = ofBlock[3] ?? '', element = ofBlock[4] ?? '', , , creator = ''] = ofBlock;
    const number = Number.parseInt(group, 16);
    if (number % 2 === 0) throw invalid(text, `group ${group} is even; only odd groups are private`);
    return {
      attribute: { kind: 'private', group: number, element: Number.parseInt(element, 16), creator: creator.trim() },
      length: whole.length,
    };
  }
  const byTag = TAG.exec(rest)?.[0];
  const tag = byTag === undefined ? undefined : parseTag(byTag);
  if (byTag !== undefined && tag !== undefined) return { attribute: { kind: 'tag', tag }, length: byTag.length };
  const keyword = KEYWORD.exec(rest)?.[0];
  const named = keyword === undefined ? undefined : tagOf(keyword);
  if (keyword !== undefined && named !== undefined) return { attribute: { kind: 'tag', tag: named }, length: keyword.length };
  if (/^\(?[0-9A-Fa-f]{4},?[xX]{2}/.test(rest)) throw invalid(text, 'a private attribute is written (0009,xx10)[CREATOR]');
  throw invalid(
    text,
    keyword === undefined
      ? `"${rest}" is neither a keyword nor a tag`
      : `${keyword} is no keyword of the dictionary; correct it, or write the tag as (GGGG,EEEE)`,
  );
}

function invalid(text: string, what: string): StorestowError {
  return new StorestowError('RULES_INVALID', `the target "${text}" is not valid: ${what}`);
}

/** `StudyID`, `(0009,1110)` or `(0009,xx10)[GEIIS]`. */
export function formatAttribute(attribute: AttributeRef): string {
  if (attribute.kind === 'tag') return nameOf(attribute.tag);
  const [group, element] = [attribute.group, attribute.element].map((part) => part.toString(16).toUpperCase());
  return `(${(group ?? '').padStart(4, '0')},xx${(element ?? '').padStart(2, '0')})[${attribute.creator}]`;
}

/** The keyword, or the tag where there is none. */
export function nameOf(tag: Tag): string {
  return (isPrivate(tag) ? undefined : keywordOf(tag)) ?? formatTag(tag);
}
