/** Rules and the institution mapping → the changes to one instance. Pure: the same input gives the same changes. */
import { characterSetOf, encodeText } from '../dicom/character-set.ts';
import type { Change } from '../dicom/change.ts';
import type { DataSet, Part10 } from '../dicom/data-set.ts';
import { TAG } from '../dicom/tags.ts';
import { textValues } from '../dicom/text-values.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import { EditPlan, type Edit } from './edit-plan.ts';
import { institutionOf } from './institution-mapping.ts';
import { numberBytes } from './number-bytes.ts';
import { recordOriginals } from './original-attributes.ts';
import type { RuleSet } from './rule-set.ts';
import { nameOfRule } from './rule-name.ts';
import { resolveRule, type ResolvedRule, type Rule, type SetRule } from './rules.ts';

/** Who sent the instance, and when it came: from the object's metadata. */
export interface Source {
  readonly callingAET: string;
  readonly callingIP: string;
  readonly receivedAt: Date;
}

export interface AppliedRule {
  /** Index in `RuleSet.rules`; `reserve` is the private block that a rule needed. */
  readonly rule: number | 'worklist' | 'institution' | 'reserve';
  readonly action: 'set' | 'remove';
  /** `StudyID`, `RequestAttributesSequence[0].ScheduledProcedureStepID`, `(0009,1110)`. */
  readonly attribute: string;
}

export interface Coercion {
  readonly changes: readonly Change[];
  /** One for each attribute that changes. */
  readonly applied: readonly AppliedRule[];
  /** InstitutionName as it will be sent; absent where it has no value. */
  readonly institution?: string;
}

/**
 * `taken`: what of a worklist item is set (`rulesOfItem`), after the rules.
 *
 * Throws `UNKNOWN_SOURCE`; `VALUE_NOT_ENCODABLE` and `UNKNOWN_CHARACTER_SET` where a rule's value cannot be written;
 * `CHANGE_NOT_APPLICABLE` where previous values cannot be recorded.
 */
export function coerce(part10: Part10, ruleSet: RuleSet, source: Source, taken: readonly SetRule[] = []): Coercion {
  const { dataSet } = part10;
  const mapped = mappedInstitution(ruleSet, source);
  const rules = ruleSet.rules.map(resolveRule);
  const plan = new EditPlan(dataSet);
  rules.forEach((rule, index) => applyRule(plan, rule, index, ruleSet.rules));
  const ofWorklist = taken.map(resolveRule);
  for (const rule of ofWorklist) applyRule(plan, rule, 'worklist', ruleSet.rules);
  if (mapped !== undefined) {
    applyRule(plan, resolveRule({ action: 'set', target: 'InstitutionName', value: mapped }), 'institution', ruleSet.rules);
  }
  const edits = plan.edits();
  const record = ruleSet.originalAttributes ? recordOriginals(dataSet, edits, source) : undefined;
  const institution = mapped ?? institutionAfter(dataSet, plan.editOf(TAG.InstitutionName), rules, ofWorklist);
  return {
    changes: [...edits.map((edit) => changeOf(edit, ruleSet.rules)), ...(record === undefined ? [] : [record])],
    applied: edits.map(({ origin, to, attribute }) => ({ rule: origin, action: to.kind, attribute })),
    ...(institution === '' ? {} : { institution }),
  };
}

/**
 * | mapping    | source  | unknownSource | InstitutionName       |
 * |------------|---------|---------------|-----------------------|
 * | absent     |         |               | stays (`undefined`)   |
 * | configured | known   |               | the mapping's         |
 * | configured | unknown | pass          | stays (`undefined`)   |
 * | configured | unknown | quarantine    | throws UNKNOWN_SOURCE |
 */
function mappedInstitution({ institutions, unknownSource }: RuleSet, source: Source): string | undefined {
  if (institutions === undefined) return undefined;
  const institution = institutionOf(institutions, source);
  if (institution !== undefined || unknownSource === 'pass') return institution;
  const [title, address] = [source.callingAET, source.callingIP].map((text) => JSON.stringify(text.slice(0, 64)));
  throw new StorestowError(
    'UNKNOWN_SOURCE',
    `the institution mapping has neither the calling AE title ${title} nor the IP ${address}; add one of them to it, then redrive`,
  );
}

function applyRule(
  plan: EditPlan,
  rule: ResolvedRule,
  origin: number | 'worklist' | 'institution',
  rules: readonly Rule[],
): void {
  plan.apply(rule, origin, (values, { dataSet }, attribute) => {
    if (values.kind === 'number') return numberBytes(values.vr, values.numbers);
    try {
      return encodeText(values.texts, values.vr, characterSetOf(dataSet));
    } catch (thrown) {
      const { code, message } = asStorestowError(thrown);
      throw new StorestowError(code, `cannot set ${attribute} (${nameOfOrigin(origin, rules)}): ${message}`, { cause: thrown });
    }
  });
}

/** Where the mapping does not say: what the worklist or a rule made of it, else what was received. */
function institutionAfter(
  dataSet: DataSet,
  edit: Edit | undefined,
  rules: readonly ResolvedRule[],
  ofWorklist: readonly ResolvedRule[],
): string {
  if (edit === undefined) return receivedInstitution(dataSet);
  const rule = typeof edit.origin === 'number' ? rules[edit.origin] : ofWorklist.find(setsInstitution);
  return rule === undefined || rule.action === 'remove' || rule.values.kind === 'number' ? '' : rule.values.texts.join('\\');
}

function setsInstitution({ target: { steps, attribute } }: ResolvedRule): boolean {
  return steps.length === 0 && attribute.kind === 'tag' && attribute.tag === TAG.InstitutionName;
}

function receivedInstitution(dataSet: DataSet): string {
  const element = dataSet.get(TAG.InstitutionName);
  if (element === undefined) return '';
  try {
    return textValues(dataSet, element).join('\\').trim();
  } catch (thrown) {
    // The name is for the audit only: one that cannot be read is no reason to keep the instance from the archive.
    if (asStorestowError(thrown).code === 'UNKNOWN_CHARACTER_SET') return '';
    throw thrown;
  }
}

function nameOfOrigin(origin: Edit['origin'], rules: readonly Rule[]): string {
  if (typeof origin === 'number') return nameOfRule(rules, origin);
  if (origin === 'worklist') return 'worklist item';
  return origin === 'institution' ? 'institution mapping' : 'private block reserved for a rule (PS3.5 7.8.1)';
}

function changeOf({ holder, tag, to, origin }: Edit, rules: readonly Rule[]): Change {
  const reason = nameOfOrigin(origin, rules);
  return to.kind === 'remove'
    ? { kind: 'remove', path: holder.path, tag, reason }
    : { kind: 'set', path: holder.path, element: { tag, vr: to.vr, value: to.value }, reason };
}
