import { describe, expect, it } from 'vitest';
import type { AuditRow } from '../../../core/audit/query.ts';
import { conclude, VerificationTally, type Verification } from '../../../core/audit/verification.ts';
import {
  csvVerification,
  verificationEntry,
  verificationText,
  type VerificationEntry,
} from '../../../core/audit/verification-report.ts';

const BY_DIGEST: Verification = { verdict: 'equal', by: 'digest' };
const RETRIEVED: Verification = { verdict: 'equal', by: 'retrieved', coercedByArchive: [] };
const COERCED: Verification = { verdict: 'equal', by: 'retrieved', coercedByArchive: ['InstitutionName'] };
const DIFFERENT: Verification = { verdict: 'different', differences: ['pixel MD5', 'StudyID'] };
const MISSING: Verification = { verdict: 'missing', listed: false };
const LOST: Verification = { verdict: 'missing', listed: true };
const DOWN: Verification = { verdict: 'unverifiable', code: 'ARCHIVE_UNAVAILABLE', temporary: true, why: 'no answer, "yet"' };
const UNKNOWN: Verification = { verdict: 'unverifiable', code: 'INCOMPARABLE', temporary: false, why: 'recompressed' };

function row(kind: 'stowed' | 'quarantined' | 'failed' | 'pending'): AuditRow {
  const parts = { site: 'north', callingAET: 'CT1', callingIP: '10.0.0.5', studyInstanceUID: '1.2', seriesInstanceUID: '1.2.3' };
  const record =
    kind === 'pending'
      ? undefined
      : { status: kind === 'stowed' ? { kind } : { kind, reason: 'CONFLICT' }, institution: 'Clinic', pixelLength: 8 };
  return {
    ...parts,
    sopInstanceUID: '1.2.3.4',
    digest: '0123456789ab',
    key: 'incoming/…',
    size: 10,
    received: new Date(0),
    ...(record === undefined ? {} : { record }),
  };
}

describe('what is concluded', () => {
  it.each([
    [[], 'proved'],
    [[BY_DIGEST, RETRIEVED, COERCED], 'proved'],
    [[BY_DIGEST, DIFFERENT], 'failed'],
    [[BY_DIGEST, MISSING], 'failed'],
    [[LOST, DOWN], 'failed'],
    [[BY_DIGEST, DOWN, UNKNOWN], 'temporary'],
    [[BY_DIGEST, UNKNOWN], 'failed'],
  ] as const)('of %j: %s', (verifications, conclusion) => {
    const tally = new VerificationTally();
    for (const verification of verifications) tally.verified(verification);
    expect(conclude(tally.counts())).toBe(conclusion);
  });

  it('counts each, and what is not stowed without verifying it', () => {
    const tally = new VerificationTally();
    const rows = (['stowed', 'pending', 'quarantined', 'quarantined', 'failed'] as const).map(row);
    expect(rows.map((one) => tally.admits(one))).toEqual([true, false, false, false, false]);
    for (const verification of [BY_DIGEST, RETRIEVED, DIFFERENT, MISSING, DOWN, UNKNOWN]) tally.verified(verification);
    expect(tally.counts()).toEqual({
      verdicts: { equal: 2, different: 1, missing: 1, unverifiable: 2 },
      byDigest: 1,
      temporary: 1,
      unstowed: { pending: 1, quarantined: 2, failed: 1 },
    });
  });
});

describe('a verified instance', () => {
  const common = {
    institution: 'Clinic',
    site: 'north',
    callingAET: 'CT1',
    callingIP: '10.0.0.5',
    studyInstanceUID: '1.2',
    seriesInstanceUID: '1.2.3',
    sopInstanceUID: '1.2.3.4',
    pixelLength: 8,
    key: 'incoming/…',
  };
  const table: readonly (readonly [Verification, Partial<VerificationEntry>, string])[] = [
    [BY_DIGEST, { verdict: 'equal', by: 'digest' }, 'by digest'],
    [RETRIEVED, { verdict: 'equal', by: 'retrieved' }, 'retrieved'],
    [
      COERCED,
      { verdict: 'equal', by: 'retrieved', coercedByArchive: ['InstitutionName'] },
      'retrieved; the archive set InstitutionName and recorded what was sent',
    ],
    [DIFFERENT, { verdict: 'different', differences: ['pixel MD5', 'StudyID'] }, 'pixel MD5, StudyID'],
    [MISSING, { verdict: 'missing', listed: false }, 'the archive does not list it under its study'],
    [LOST, { verdict: 'missing', listed: true }, 'listed, but the archive cannot give it back'],
    [{ verdict: 'missing' }, { verdict: 'missing' }, 'the archive cannot give it back, nor list its study'],
    [UNKNOWN, { verdict: 'unverifiable', code: 'INCOMPARABLE', why: 'recompressed' }, 'INCOMPARABLE: recompressed'],
  ];

  it.each(table)('%j as JSON and in words', (verification, detail, text) => {
    const instance = { row: row('stowed'), verification };
    expect(verificationEntry(instance)).toEqual({ ...detail, ...common });
    expect(verificationText(instance)).toBe(text);
  });

  it('as CSV, a line each', async () => {
    async function* verified() {
      for (const verification of [DIFFERENT, LOST, DOWN]) yield { row: row('stowed'), verification };
    }
    const chunks: string[] = [];
    for await (const chunk of csvVerification(verified())) chunks.push(chunk);
    const [header, ...lines] = chunks.join('').split('\r\n');
    expect(header).toMatch(/^\uFEFFverdict,by,differences,coercedByArchive,listed,code,why,institution,site,/);
    const rest = 'Clinic,north,CT1,10.0.0.5,1.2,1.2.3,1.2.3.4,8,,,incoming/…';
    expect(lines).toEqual([
      `different,,pixel MD5; StudyID,,,,,${rest}`,
      `missing,,,,true,,,${rest}`,
      `unverifiable,,,,,ARCHIVE_UNAVAILABLE,"no answer, ""yet""",${rest}`,
      '',
    ]);
  });
});
