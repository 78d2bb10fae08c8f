/** One instance as the archive gives it back, held against its tags and against the rules that were in force. */
import type { AuditRow } from '../../core/audit/query.ts';
import { asTagged } from '../../core/audit/tag-value.ts';
import type { Verification } from '../../core/audit/verification.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { identify } from '../../core/dicom/identify.ts';
import { transferSyntaxOf } from '../../core/dicom/transfer-syntax.ts';
import { comparePixels, type IncomparableReason, type PixelComparison } from '../../core/encode/compare-pixels.ts';
import type { DecodingPool } from '../../core/encode/frame-pool.ts';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import { checkCoercedValues, type CoercedValues } from './coerced-values.ts';

/**
 * | identity, pixel data, coerced values      | pixel data              | verification               |
 * |-------------------------------------------|-------------------------|----------------------------|
 * | something differs                         | any                     | different: what            |
 * | nothing differs                           | equal                   | equal, retrieved           |
 * | nothing differs                           | cannot be compared      | unverifiable: INCOMPARABLE |
 *
 * Throws what keeps it from being compared: a `StorestowError` of the rules, or of the codec.
 */
export async function compareInstance(
  part10: Part10,
  row: AuditRow,
  ruleSet: RuleSet,
  pool: Pick<DecodingPool, 'decodeFrame'>,
): Promise<Verification> {
  const pixels = await pixelsOf(part10, row, pool);
  const { deviating, coercedByArchive } = valuesOf(part10, row, ruleSet);
  const differences = [...identityDifferences(part10, row), ...pixelDifferences(pixels), ...deviating];
  if (differences.length > 0) return { verdict: 'different', differences };
  if (pixels.kind === 'unknown') {
    return { verdict: 'unverifiable', code: 'INCOMPARABLE', temporary: false, why: INCOMPARABLE[pixels.reason] };
  }
  return { verdict: 'equal', by: 'retrieved', coercedByArchive };
}

type Comparison = PixelComparison | { readonly kind: 'unknown'; readonly reason: 'UNTOLD' };

const INCOMPARABLE: Readonly<Record<IncomparableReason | 'UNTOLD', string>> = {
  NO_DECODER: 'the archive recompressed the pixel data in a way that is not decoded here; see its rules for compression',
  DECOMPRESSED: 'the archive gives decompressed what came compressed; there is no digest to compare it with',
  BYTE_ORDER: 'the archive gives the pixel data in another byte order than it came in',
  FRAMES_NOT_TOLD: 'the archive gives fragments without telling to which frame they belong',
  NOT_OUR_ENCODING: 'the archive encoded the frames anew, in a way that is not decoded here',
  UNTOLD: 'the tags do not tell the transfer syntax in which it came',
};

async function pixelsOf(part10: Part10, { record }: AuditRow, pool: Pick<DecodingPool, 'decodeFrame'>): Promise<Comparison> {
  const { pixelLength, pixelMd5, detail } = record ?? {};
  const received = transferSyntaxOf(detail?.syntaxReceived ?? '');
  if (received === undefined) return { kind: 'unknown', reason: 'UNTOLD' };
  const digest = pixelLength === undefined || pixelMd5 === undefined ? undefined : { pixelLength, pixelMd5 };
  return comparePixels(part10, { digest, received, sent: detail?.syntaxSent ?? '' }, pool);
}

function pixelDifferences(comparison: Comparison): string[] {
  switch (comparison.kind) {
    case 'equal':
    case 'unknown':
      return [];
    case 'damaged':
      return ['pixel data (can no longer be decoded)'];
    case 'different':
      switch (comparison.what) {
        case 'gone':
          return ['pixel data (gone)'];
        case 'added':
          return ['pixel data (added)'];
        case 'length':
          return ['pixel length'];
        case 'MD5':
          return ['pixel MD5'];
      }
  }
}

/** By the object's key, which has the UIDs as they were received. */
function identityDifferences(part10: Part10, row: AuditRow): string[] {
  let identity: Partial<ReturnType<typeof identify>>;
  try {
    identity = identify(part10);
  } catch (thrown) {
    if (!['MISSING_UID', 'INVALID_UID'].includes(asStorestowError(thrown).code)) throw thrown;
    identity = {};
  }
  return [
    ...(identity.studyInstanceUID === row.studyInstanceUID ? [] : ['StudyInstanceUID']),
    ...(identity.seriesInstanceUID === row.seriesInstanceUID ? [] : ['SeriesInstanceUID']),
    ...(identity.sopInstanceUID === row.sopInstanceUID ? [] : ['SOPInstanceUID']),
  ];
}

function valuesOf(part10: Part10, row: AuditRow, ruleSet: RuleSet): CoercedValues {
  try {
    return checkCoercedValues(part10, ruleSet, row, (name) => isInstitution(name, row.record?.institution));
  } catch (thrown) {
    const { code } = asStorestowError(thrown);
    if (code === 'INTERNAL') throw thrown;
    throw new StorestowError(code, 'the values that the rules set cannot be compared with those that the archive gives', {
      object: row.key,
      cause: thrown,
      retryable: false,
    });
  }
}

/** A name that is long was cut in the tag; without a tag there was none, and the archive may have filled it in. */
function isInstitution(name: string, tag: string | undefined): boolean {
  return tag === undefined || asTagged(name) === tag.trim();
}
