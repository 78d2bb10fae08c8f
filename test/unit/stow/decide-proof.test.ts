import { describe, expect, it } from 'vitest';
import type { ProofLevel } from '../../../core/config/schema.ts';
import {
  decideAbsent,
  decideProof,
  decideRetrieved,
  needsDigest,
  type AbsentStep,
  type DigestVerdict,
  type ProofStep,
  type RetrievalStep,
  type RetrievalVerdict,
  type Whereabouts,
} from '../../../core/stow/decide-proof.ts';

const LEVELS: readonly ProofLevel[] = ['listed', 'digest', 'retrieved'];
const VERDICTS: readonly DigestVerdict[] = ['equal', 'differs', 'unpredictable', 'untold'];

describe('decideProof', () => {
  it.each<[ProofLevel, DigestVerdict, ProofStep]>([
    ['listed', 'equal', 'accept'],
    ['listed', 'differs', 'accept'],
    ['listed', 'unpredictable', 'accept'],
    ['listed', 'untold', 'accept'],
    ['digest', 'equal', 'proved'],
    ['digest', 'differs', 'retrieve'],
    ['digest', 'unpredictable', 'retrieve'],
    ['digest', 'untold', 'accept'],
    ['retrieved', 'equal', 'proved'],
    ['retrieved', 'differs', 'retrieve'],
    ['retrieved', 'unpredictable', 'retrieve'],
    ['retrieved', 'untold', 'retrieve'],
  ])('archive.proof %s, sent now, digest %s: %s', (level, digest, step) => {
    expect(decideProof(level, false, digest)).toBe(step);
  });

  it.each(LEVELS)('archive.proof %s: what was there before is never taken for ours by the list alone', (level) => {
    expect(VERDICTS.map((digest) => decideProof(level, true, digest))).toEqual(['proved', 'retrieve', 'retrieve', 'retrieve']);
  });

  it('needs no digest only where the list is enough', () => {
    expect(LEVELS.map((level) => [needsDigest(level, false), needsDigest(level, true)])).toEqual([
      [false, true],
      [true, true],
      [true, true],
    ]);
  });
});

describe('decideRetrieved', () => {
  const step = (retrieved: RetrievalVerdict, level: ProofLevel, alreadyThere: boolean, digest: DigestVerdict): RetrievalStep =>
    decideRetrieved(retrieved, { level, alreadyThere, digest });
  const all = LEVELS.flatMap((level) =>
    VERDICTS.flatMap((digest) => [true, false].map((there) => [level, there, digest] as const)),
  );

  it('the same content is a proof, another one a conflict, whatever else', () => {
    expect(new Set(all.map((args) => step('same', ...args)))).toEqual(new Set(['proved']));
    expect(new Set(all.map((args) => step('differs', ...args)))).toEqual(new Set(['conflict']));
  });

  it.each<[RetrievalVerdict, ProofLevel, DigestVerdict, RetrievalStep, RetrievalStep]>([
    ['incomparable', 'digest', 'untold', 'accept', 'conflict'],
    ['incomparable', 'digest', 'differs', 'accept', 'conflict'],
    ['incomparable', 'retrieved', 'untold', 'accept', 'conflict'],
    ['unreadable', 'digest', 'unpredictable', 'later', 'later'],
    ['unreadable', 'retrieved', 'untold', 'later', 'later'],
    ['unretrieved', 'digest', 'unpredictable', 'accept', 'later'],
    ['unretrieved', 'digest', 'differs', 'later', 'later'],
    ['unretrieved', 'retrieved', 'untold', 'later', 'later'],
    ['unretrieved', 'retrieved', 'unpredictable', 'later', 'later'],
    ['unretrieved', 'listed', 'untold', 'later', 'later'],
  ])('%s, archive.proof %s, digest %s: sent now %s, there before %s', (retrieved, level, digest, now, before) => {
    expect([step(retrieved, level, false, digest), step(retrieved, level, true, digest)]).toEqual([now, before]);
  });
});

describe('decideAbsent', () => {
  it.each<[Whereabouts, AbsentStep]>([
    [{ kind: 'this-study' }, 'found'],
    [{ kind: 'other-study', studyInstanceUID: '1.2' }, 'lost'],
    [{ kind: 'nowhere' }, 'later'],
    [{ kind: 'unknown' }, 'as-decided'],
  ])('%j: %s', (whereabouts, step) => {
    expect(decideAbsent(whereabouts)).toBe(step);
  });
});
