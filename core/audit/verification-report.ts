/** Verified instances for people and programs: plain objects for JSON, lines of CSV. No value of an attribute, only names. */
import { csvCell, CSV_START, digestsOf, LINE_END, originOf, type ReportEntry } from './report.ts';
import type { Verdict, VerifiedInstance } from './verification.ts';

/** Flat, of JSON values; the names are the CSV's columns. Absent values are left out. */
export interface VerificationEntry extends Pick<
  ReportEntry,
  | 'institution'
  | 'site'
  | 'callingAET'
  | 'callingIP'
  | 'studyInstanceUID'
  | 'seriesInstanceUID'
  | 'sopInstanceUID'
  | 'pixelLength'
  | 'pixelMd5'
  | 'sentMd5'
  | 'key'
> {
  readonly verdict: Verdict;
  /** Of `equal`: how it was seen. */
  readonly by?: 'digest' | 'retrieved';
  /** Of `different`: what differs, attributes by name. */
  readonly differences?: readonly string[];
  /** Attributes to which the archive gave a value of its own, and recorded what was sent. */
  readonly coercedByArchive?: readonly string[];
  /** Of `missing`: whether the archive lists what it cannot give back; absent where it could not list the study. */
  readonly listed?: boolean;
  /** Of `unverifiable`. */
  readonly code?: string;
  readonly why?: string;
}

const COLUMNS = [
  'verdict', 'by', 'differences', 'coercedByArchive', 'listed', 'code', 'why', 'institution', 'site', 'callingAET', 'callingIP',
  'studyInstanceUID', 'seriesInstanceUID', 'sopInstanceUID', 'pixelLength', 'pixelMd5', 'sentMd5', 'key',
] as const satisfies readonly (keyof VerificationEntry)[]; // prettier-ignore

export function verificationEntry({ row, verification }: VerifiedInstance): VerificationEntry {
  const { record } = row;
  return {
    verdict: verification.verdict,
    ...detailOf(verification),
    ...(record?.institution === undefined ? {} : { institution: record.institution }),
    ...originOf(row),
    ...digestsOf(row),
    key: row.key,
  };
}

function detailOf(verification: VerifiedInstance['verification']): Partial<VerificationEntry> {
  switch (verification.verdict) {
    case 'equal': {
      const coerced = verification.by === 'retrieved' ? verification.coercedByArchive : [];
      return { by: verification.by, ...(coerced.length === 0 ? {} : { coercedByArchive: coerced }) };
    }
    case 'different':
      return { differences: verification.differences };
    case 'missing':
      return verification.listed === undefined ? {} : { listed: verification.listed };
    case 'unverifiable':
      return { code: verification.code, why: verification.why };
  }
}

/** What a person is told of it in one line. */
export function verificationText({ verification }: VerifiedInstance): string {
  switch (verification.verdict) {
    case 'equal':
      return verification.by === 'digest' ? 'by digest' : ['retrieved', ...coercedText(verification.coercedByArchive)].join('; ');
    case 'different':
      return verification.differences.join(', ');
    case 'missing':
      return missingText(verification.listed);
    case 'unverifiable':
      return `${verification.code}: ${verification.why}`;
  }
}

function missingText(listed: boolean | undefined): string {
  if (listed === undefined) return 'the archive cannot give it back, nor list its study';
  return listed ? 'listed, but the archive cannot give it back' : 'the archive does not list it under its study';
}

function coercedText(attributes: readonly string[]): string[] {
  return attributes.length === 0 ? [] : [`the archive set ${attributes.join(', ')} and recorded what was sent`];
}

/** As `csvReport` writes: chunks of whole lines, the header first. Lists are separated by `; `. */
export async function* csvVerification(verified: AsyncIterable<VerifiedInstance>): AsyncGenerator<string> {
  yield CSV_START + COLUMNS.join(',') + LINE_END;
  for await (const instance of verified) {
    const entry = verificationEntry(instance);
    yield COLUMNS.map((column) => csvCell(cellOf(entry[column]))).join(',') + LINE_END;
  }
}

function cellOf(value: VerificationEntry[keyof VerificationEntry]): string | number | undefined {
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? value.join('; ') : value;
}
