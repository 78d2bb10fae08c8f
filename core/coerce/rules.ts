/** A coercion rule: as data, as a site or the default table states it, and resolved, as `coerce` applies it. */
import type { Tag, VR } from '../dicom/data-set.ts';
import { vrOf } from '../dicom/dictionary.ts';
import { isGroupLength, isPrivateCreator } from '../dicom/tag-text.ts';
import { TAG } from '../dicom/tags.ts';
import { StorestowError } from '../errors.ts';
import { formatAttribute, nameOf, parseTarget, type AttributeRef, type Target } from './target.ts';
import { isSettableVR, parseValues, type RuleValues, type SettableVR } from './value-form.ts';

/** Several values as an array or separated by backslashes; `''` empties the attribute. */
export type RuleValue = string | number | readonly (string | number)[];

export interface SetRule {
  /** `setIfEmpty`: only where the attribute is absent or has no value. */
  readonly action: 'set' | 'setIfEmpty';
  /** See target.ts. Items are never made: a rule on what a data set does not have does nothing. */
  readonly target: string;
  readonly value: RuleValue;
  /** For private attributes, and others that the dictionary does not have. */
  readonly vr?: VR;
}

export interface RemoveRule {
  readonly action: 'remove';
  readonly target: string;
}

export type Rule = SetRule | RemoveRule;

export interface ResolvedSetRule {
  readonly action: 'set' | 'setIfEmpty';
  readonly target: Target;
  readonly values: RuleValues;
}

export type ResolvedRule = ResolvedSetRule | { readonly action: 'remove'; readonly target: Target };

/** A rule is resolved once, not for each instance. */
const resolved = new WeakMap<Rule, ResolvedRule>();

/** Throws `RULES_INVALID`, saying what is wrong with the rule. */
export function resolveRule(rule: Rule): ResolvedRule {
  const known = resolved.get(rule) ?? resolveAnew(rule);
  resolved.set(rule, known);
  return known;
}

function resolveAnew(rule: Rule): ResolvedRule {
  const target = parseTarget(rule.target);
  for (const attribute of [...target.steps.map((step) => step.sequence), target.attribute]) checkTarget(attribute);
  for (const { sequence } of target.steps) checkSequence(sequence);
  if (rule.action === 'remove') return { action: rule.action, target };
  const vr = vrOfRule(rule, target.attribute);
  const values = parseValues(vr, rule.value);
  if (typeof values === 'string') throw invalid(`the value of ${rule.target} is not valid: ${values}`);
  if (rule.action === 'setIfEmpty' && (values.kind === 'text' ? values.texts : values.numbers).length === 0) {
    throw invalid(`${rule.target} would be set to an empty value if it is empty; give a value, or take the rule out`);
  }
  return { action: rule.action, target, values };
}

function checkSequence(sequence: AttributeRef): void {
  if (sequence.kind !== 'tag') return;
  const vr = vrOf(sequence.tag);
  if (vr !== undefined && vr !== 'SQ') throw invalid(`${nameOf(sequence.tag)} is not a sequence and has no items`);
}

function vrOfRule(rule: SetRule, attribute: AttributeRef): SettableVR {
  const known = attribute.kind === 'tag' ? vrOf(attribute.tag) : undefined;
  const vr = rule.vr ?? known;
  if (vr === undefined) {
    throw invalid(`the dictionary does not have ${rule.target}; state its value representation, such as "vr": "LO"`);
  }
  // The dictionary leaves some attributes open as US or SS (PS3.6 6), and gives US for these.
  if (known !== undefined && vr !== known && !(known === 'US' && vr === 'SS')) {
    throw invalid(`${rule.target} has the value representation ${known}, not ${vr}; take "vr" out`);
  }
  if (vr === 'SQ')
    throw invalid(`${rule.target} is a sequence; a rule can remove it, or set attributes of its items, not set it`);
  if (!isSettableVR(vr)) throw invalid(`${rule.target} holds bytes (${vr}), which a rule can remove, but not set`);
  return vr;
}

/** What other parts rely on, and why a rule may not act on it. */
const PROTECTED: ReadonlyMap<Tag, string> = new Map([
  ...[TAG.SOPClassUID, TAG.SOPInstanceUID, TAG.StudyInstanceUID, TAG.SeriesInstanceUID].map(
    (tag): [Tag, string] => [tag, 'identifies the instance'],
  ),
  [TAG.SpecificCharacterSet, 'says how every other text is to be read'],
  [TAG.OriginalAttributesSequence, 'keeps what earlier systems changed (PS3.3 C.12.1.1.9)'],
  ...[
    TAG.SamplesPerPixel, TAG.PhotometricInterpretation, TAG.PlanarConfiguration, TAG.NumberOfFrames, TAG.Rows, TAG.Columns,
    TAG.BitsAllocated, TAG.BitsStored, TAG.HighBit, TAG.PixelRepresentation,
  ].map((tag): [Tag, string] => [tag, 'says how the pixel data is to be read']),
]); // prettier-ignore

function checkTarget(attribute: AttributeRef): void {
  if (attribute.kind === 'private') return;
  const reason = protection(attribute.tag);
  if (reason !== undefined) throw invalid(`${formatAttribute(attribute)} ${reason}; no rule may change it`);
}

function protection(tag: Tag): string | undefined {
  const group = tag >>> 16;
  if (group === 0x0002) return 'belongs to the file meta information';
  if (group === 0x7fe0) return 'belongs to the pixel data';
  if (group === 0xfffe || group === 0x0000) return 'is no attribute of a data set';
  if (isGroupLength(tag)) return 'is a group length';
  if (isPrivateCreator(tag)) return 'says whose the private attributes of its block are (PS3.5 7.8.1)';
  return PROTECTED.get(tag);
}

function invalid(what: string): StorestowError {
  return new StorestowError('RULES_INVALID', what);
}
