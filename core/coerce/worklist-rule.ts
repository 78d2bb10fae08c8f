/** That a worklist is asked for each study, by what, and what is taken of the item: a part of the rule set. */
import type { DataSet, Tag } from '../dicom/data-set.ts';
import { tagOf, vrOf } from '../dicom/dictionary.ts';
import { TAG } from '../dicom/tags.ts';
import { textValues } from '../dicom/text-values.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import { resolveRule } from './rules.ts';
import { isSettableVR } from './value-form.ts';

export interface WorklistRule {
  /** `accession`: by Accession Number; `patientAndDate`: by Patient ID and the Study Date, on which a step is scheduled to start. */
  readonly match: 'accession' | 'patientAndDate';
  /** Keywords of attributes that are taken where the item has a value for them. */
  readonly attributes: readonly string[];
  readonly onNoMatch: 'quarantine' | 'pass';
  readonly onSeveral: 'quarantine' | 'pass';
}

/** What an item must have to match. */
export type WorklistQuery =
  | { readonly match: 'accession'; readonly accessionNumber: string }
  | { readonly match: 'patientAndDate'; readonly patientID: string; readonly date: string };

/** Throws `RULES_INVALID`, naming the attribute that cannot be taken. */
export function checkWorklistRule({ attributes }: WorklistRule): void {
  for (const keyword of attributes) {
    const tag = tagOf(keyword);
    if (tag === undefined) throw invalid(`${JSON.stringify(keyword)} is no keyword of the dictionary`);
    const vr = vrOf(tag);
    if (vr === undefined || !isSettableVR(vr)) throw invalid(`${keyword} is a sequence, or bytes`);
    try {
      resolveRule({ action: 'remove', target: keyword });
    } catch (thrown) {
      const { code, message } = asStorestowError(thrown);
      if (code !== 'RULES_INVALID') throw thrown;
      throw invalid(message);
    }
  }
}

function invalid(what: string): StorestowError {
  return new StorestowError('RULES_INVALID', `coerce.worklist.attributes: ${what}; take it out`);
}

/**
 * What of the instance the worklist is asked for; undefined where there is nothing to ask by: no value, several, or one that a query
 * would understand as a pattern (PS3.4 C.2.2.2.4).
 */
export function worklistQuery(dataSet: DataSet, { match }: Pick<WorklistRule, 'match'>): WorklistQuery | undefined {
  if (match === 'accession') {
    const accessionNumber = singleValue(dataSet, TAG.AccessionNumber);
    return accessionNumber === undefined ? undefined : { match, accessionNumber };
  }
  const patientID = singleValue(dataSet, TAG.PatientID);
  const date = singleValue(dataSet, TAG.StudyDate);
  return patientID === undefined || date === undefined || !/^\d{8}$/.test(date) ? undefined : { match, patientID, date };
}

/** Longer than any value of these may be (PS3.5 6.2). */
const MAX_KEY_LENGTH = 64;

function singleValue(dataSet: DataSet, tag: Tag): string | undefined {
  const element = dataSet.get(tag);
  if (element === undefined) return undefined;
  const [value, ...more] = readable(() => textValues(dataSet, element)).map((text) => text.trim());
  if (value === undefined || value === '' || more.length > 0) return undefined;
  return value.length > MAX_KEY_LENGTH || /[*?\p{Cc}\ufffd]/u.test(value) ? undefined : value;
}

function readable(read: () => string[]): string[] {
  try {
    return read();
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'UNKNOWN_CHARACTER_SET') return [];
    throw thrown;
  }
}
